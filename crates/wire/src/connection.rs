//! An attempt to connect a mailbox, from "the administrator asked" to "the inbox exists". An addition to Chatwoot.

use crate::failure::Failure;
use crate::words::ConnectionStatus;
use poem_openapi::Object;

#[derive(Clone, Debug, Object)]
pub struct Connection {
    pub id: i64,
    pub status: ConnectionStatus,
    /// What went wrong, or what is being waited for.
    #[oai(nullable)]
    pub failure: Option<Failure>,
    /// The inbox that signs in again, or that came of it.
    #[oai(nullable)]
    pub inbox_id: Option<i64>,
    /// The mailbox that signed in.
    #[oai(nullable)]
    pub email: Option<String>,
    /// The address that whoever signed in claims to have, and for which nobody vouches.
    #[oai(nullable)]
    pub claimed_email: Option<String>,
    /// Send this to an administrator of the Microsoft tenant when one must approve.
    #[oai(nullable)]
    pub admin_consent_url: Option<String>,
    /// Somebody came back from that page. Whether they approved shows when somebody signs in: `POST …/resume`.
    pub admin_consent_returned: bool,
    /// The shared mailbox that is to be opened, where it is not the one of whoever signs in.
    #[oai(nullable)]
    pub mailbox: Option<String>,
    /// The connect link that it was begun with.
    #[oai(nullable)]
    pub connect_link_id: Option<i64>,
    pub created_at: i64,
    pub expires_at: i64,
}

#[derive(Clone, Debug, Object)]
pub struct ConnectionMeta {
    /// How many there are with that status, on all pages.
    pub count: i64,
    pub current_page: i64,
}

/// Newest first.
#[derive(Clone, Debug, Object)]
pub struct ConnectionList {
    pub meta: ConnectionMeta,
    pub payload: Vec<Connection>,
}
