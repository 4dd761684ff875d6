//! Connecting a mailbox through "Sign in with Microsoft".

use crate::words::SendTransport;
use poem_openapi::Object;
use poem_openapi::types::MaybeUndefined;

#[derive(Clone, Debug, Default, Object)]
pub struct MicrosoftAuthorization {
    /// The mailbox's address, when it is known: Microsoft's page proposes it.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 320))]
    pub email: Option<String>,
    /// The inbox to sign in again; absent for a new one.
    pub inbox_id: Option<i64>,
    /// Through which of the account's OAuth apps they sign in; null: the installation's. Absent: through the one that the inbox was signed in
    /// through, or the account's default, or the installation's.
    pub oauth_app_id: MaybeUndefined<i64>,
    /// A shared mailbox to open, where it is not the one of whoever signs in. They need Full Access to it, and Send As to answer from it.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 320))]
    pub mailbox: Option<String>,
    /// `graph`: the mailbox is to send through Microsoft Graph, and the person is asked to consent to that as well. Absent: as the inbox sends,
    /// a new one by SMTP.
    pub send_transport: Option<SendTransport>,
}

/// Another mailbox that is opened with the permission that an inbox has.
#[derive(Clone, Debug, Default, Object)]
pub struct SharedMailbox {
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 320))]
    pub mailbox: Option<String>,
}

#[derive(Clone, Debug, Object)]
pub struct MicrosoftAuthorizationStarted {
    pub success: bool,
    /// Where the person's browser goes.
    pub url: String,
    /// What `GET …/connections/{id}` follows.
    pub connection_id: i64,
}
