//! Connecting a mailbox through "Sign in with Microsoft".

use crate::words::SendTransport;
use poem_openapi::Object;

#[derive(Clone, Debug, Default, Object)]
pub struct MicrosoftAuthorization {
    /// The mailbox's address, when it is known: Microsoft's page proposes it.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 320))]
    pub email: Option<String>,
    /// The inbox to sign in again; absent for a new one.
    pub inbox_id: Option<i64>,
    /// `graph`: the mailbox is to send through Microsoft Graph, and the person is asked to consent to that as well. Absent: as the inbox sends,
    /// a new one by SMTP.
    pub send_transport: Option<SendTransport>,
}

#[derive(Clone, Debug, Object)]
pub struct MicrosoftAuthorizationStarted {
    pub success: bool,
    /// Where the person's browser goes.
    pub url: String,
    /// What `GET …/connections/{id}` follows.
    pub connection_id: i64,
}
