//! Links with which somebody without an account here connects a mailbox. An addition to Chatwoot.

use crate::failure::Failure;
use crate::moment::seconds;
use crate::words::ConnectLinkStatus;
use domain::Timestamp;
use poem_openapi::Object;

#[derive(Clone, Debug, Default, Object)]
pub struct ConnectLinkRequest {
    /// Who must sign in; nobody else can. Absent: whoever opens the link.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 320))]
    pub expected_email: Option<String>,
    /// A shared mailbox to open, where it is not the one of whoever signs in.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 320))]
    pub mailbox: Option<String>,
    /// The inbox to sign in again; absent for a new one.
    pub inbox_id: Option<i64>,
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
