//! Links with which somebody without an account here connects a mailbox. An addition to Chatwoot.

use crate::failure::Failure;
use crate::moment::seconds;
use crate::words::{ConnectLinkStatus, SendTransport};
use domain::Timestamp;
use poem_openapi::Object;
use poem_openapi::types::MaybeUndefined;

#[derive(Clone, Debug, Default, Object)]
pub struct ConnectLinkRequest {
    /// Who must sign in; nobody else can, but for whoever claims this address and is accepted by an administrator. Absent: whoever opens the link.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 320))]
    pub expected_email: Option<String>,
    /// A shared mailbox to open, where it is not the one of whoever signs in.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 320))]
    pub mailbox: Option<String>,
    /// The inbox to sign in again; absent for a new one.
    pub inbox_id: Option<i64>,
    /// Through which of the account's OAuth apps they sign in; null: the installation's. Absent: through the one that the inbox was signed in
    /// through, or whichever is the account's default when the link is used, or the installation's.
    pub oauth_app_id: MaybeUndefined<i64>,
    /// `graph`: the mailbox is to send through Microsoft Graph, and the person is asked to consent to that as well. Absent: as the inbox sends,
    /// a new one by SMTP.
    pub send_transport: Option<SendTransport>,
    /// Where the person goes on at the end. It must lie below one of the addresses in `CONNECT_RETURN_URLS`; `status` (`connected` or `failed`)
    /// and `connect_link_id` are added to its query.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 2048))]
    pub return_url: Option<String>,
    /// 1 to 336; 72 where it is absent.
    #[oai(validator(minimum(value = "1"), maximum(value = "336")))]
    pub expires_in_hours: Option<i64>,
}

#[derive(Clone, Debug, Object)]
pub struct ConnectLink {
    pub id: i64,
    pub status: ConnectLinkStatus,
    /// Where the person goes: shown when the link was made just now, and never again.
    #[oai(skip_serializing_if_is_none)]
    pub url: Option<String>,
    #[oai(nullable)]
    pub expected_email: Option<String>,
    #[oai(nullable)]
    pub mailbox: Option<String>,
    /// The inbox that signs in again, or that came of it.
    #[oai(nullable)]
    pub inbox_id: Option<i64>,
    /// The app of the account that was named; null: the installation's, or none was named.
    #[oai(nullable)]
    pub oauth_app_id: Option<i64>,
    /// Null: nothing was said.
    #[oai(nullable)]
    pub send_transport: Option<SendTransport>,
    /// The last attempt that was begun with it.
    #[oai(nullable)]
    pub connection_id: Option<i64>,
    /// Why that attempt led nowhere, or what it waits for.
    #[oai(nullable)]
    pub failure: Option<Failure>,
    #[oai(nullable)]
    pub return_url: Option<String>,
    /// When its page was first opened, perhaps by a program that shows previews. Epoch seconds.
    #[oai(nullable)]
    pub opened_at: Option<i64>,
    pub expires_at: i64,
    pub created_at: i64,
}

/// What a link is shown from.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    pub id: i64,
    pub status: domain::channel::ConnectLinkStatus,
    pub url: Option<&'a str>,
    pub expected_email: Option<&'a str>,
    pub mailbox: Option<&'a str>,
    pub inbox_id: Option<i64>,
    pub oauth_app_id: Option<i64>,
    pub send_transport: Option<domain::channel::SendTransport>,
    pub connection_id: Option<i64>,
    pub failure: Option<&'a domain::Failure>,
    pub return_url: Option<&'a str>,
    pub opened_at: Option<Timestamp>,
    pub expires_at: Timestamp,
    pub created_at: Timestamp,
}

impl From<Shown<'_>> for ConnectLink {
    fn from(link: Shown<'_>) -> Self {
        Self {
            id: link.id,
            status: link.status.into(),
            url: link.url.map(str::to_owned),
            expected_email: link.expected_email.map(str::to_owned),
            mailbox: link.mailbox.map(str::to_owned),
            inbox_id: link.inbox_id,
            oauth_app_id: link.oauth_app_id,
            send_transport: link.send_transport.map(Into::into),
            connection_id: link.connection_id,
            failure: link.failure.map(Failure::from),
            return_url: link.return_url.map(str::to_owned),
            opened_at: seconds(link.opened_at),
            expires_at: link.expires_at.seconds(),
            created_at: link.created_at.seconds(),
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct ConnectLinkMeta {
    pub count: i64,
    pub current_page: i64,
}

/// Newest first.
#[derive(Clone, Debug, Object)]
pub struct ConnectLinkList {
    pub meta: ConnectLinkMeta,
    pub payload: Vec<ConnectLink>,
}
