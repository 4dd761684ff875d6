//! Connection attempts: from "the administrator asked" to "the inbox exists".

use super::codes;
use crate::{AccountScope, TokenHash};
use domain::account::Account;
use domain::channel::{ConnectionStatus, Provider, SendTransport};
use domain::inbox::Inbox;
use domain::{AccountId, ConnectionId, Failure, GrantId, InboxId, Secret, Timestamp, UserId};
use serde::{Deserialize, Serialize};

codes! {
    /// What the attempt is for.
    ConnectionPurpose {
        /// A new inbox.
        Connect = "connect",
        /// An inbox that exists signs in again.
        Reauthorise = "reauthorise",
    }
}

/// The texts that go to the provider and must come back, or prove that we asked. Sealed at rest.
#[derive(Clone, Debug)]
pub struct Handshake {
    pub state: Secret,
    pub nonce: Secret,
    pub pkce_verifier: Secret,
}

#[derive(Clone, Debug)]
pub struct NewConnection {
    pub purpose: ConnectionPurpose,
    pub provider: Provider,
    /// The inbox that signs in again.
    pub inbox_id: Option<InboxId>,
    pub created_by: UserId,
    /// The address the administrator expects; goes out as `login_hint`.
    pub email: Option<String>,
    /// Through what the mailbox is to send; `None`: as the inbox has it.
    pub send_transport: Option<SendTransport>,
    pub handshake: Handshake,
    /// SHA-256 of the token in the link.
    pub link_hash: TokenHash,
    pub expires_at: Timestamp,
}

/// Who came back from the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionIdentity {
    pub tid: String,
    pub oid: String,
    pub sub: String,
    /// The XOAUTH2 user. `None`: no name in the token is an address, and nobody has said yet which mailbox it is.
    pub principal: Option<String>,
    /// What From should say, as proposed by the sign-in.
    pub mailbox: Option<String>,
    pub name: Option<String>,
    /// A person typed the address, because the token names none: when it is a wrong one, they are asked again.
    #[serde(default)]
    pub typed: bool,
    /// A guest of this tenant: their mailbox is in another one.
    #[serde(default)]
    pub is_guest: bool,
}

#[derive(Clone, Debug)]
pub struct Connection {
    pub id: ConnectionId,
    pub account_id: AccountId,
    pub purpose: ConnectionPurpose,
    pub provider: Provider,
    pub inbox_id: Option<InboxId>,
    pub created_by: UserId,
    pub email: Option<String>,
    pub send_transport: Option<SendTransport>,
    pub status: ConnectionStatus,
    pub identity: Option<ConnectionIdentity>,
    pub grant_id: Option<GrantId>,
    /// The inbox that came of it.
    pub result_inbox_id: Option<InboxId>,
    pub failure: Option<Failure>,
    pub expires_at: Timestamp,
    pub consumed_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What happened to an attempt; `None` leaves it. A failure is cleared by `Some(None)`.
#[derive(Clone, Debug, Default)]
pub struct ConnectionChange {
    pub status: Option<ConnectionStatus>,
    pub identity: Option<ConnectionIdentity>,
    pub grant_id: Option<GrantId>,
    pub result_inbox_id: Option<InboxId>,
    pub failure: Option<Option<Failure>>,
    /// SHA-256 of the hidden token of the page that asks a person.
    pub confirm_hash: Option<TokenHash>,
    /// A person is asked, perhaps once more, and may answer until then.
    pub asked_until: Option<Timestamp>,
}

/// What the browser that made an attempt is shown of it.
#[derive(Clone, Debug)]
pub struct SeenConnection {
    pub connection: Connection,
    pub account: Account,
    /// What came of it.
    pub inbox: Option<Inbox>,
}

/// A state or confirmation that was consumed here and now, by nobody else and never again.
#[derive(Clone, Debug)]
pub struct StateProof {
    pub scope: AccountScope,
    pub connection: Connection,
    pub handshake: Handshake,
}

/// A link that was opened by its first browser.
#[derive(Clone, Debug)]
pub struct LinkProof {
    pub scope: AccountScope,
    pub connection: Connection,
    pub handshake: Handshake,
}

/// The browser that connected this inbox, not long ago.
#[derive(Clone, Debug)]
pub struct ConnectedProof {
    pub scope: AccountScope,
    pub inbox_id: InboxId,
}

/// Why a state, link or confirmation opens nothing.
#[derive(Clone, Debug)]
pub enum StateRefusal {
    Unknown,
    Expired,
    /// The cookie is not the first opener's.
    OtherBrowser,
    /// By this same browser, before; here is what came of it.
    AlreadyUsed(Box<Connection>),
}
