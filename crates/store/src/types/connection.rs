//! Connection attempts: from "the administrator asked" to "the inbox exists".

use super::{ConnectLink, codes};
use crate::{AccountScope, TokenHash};
use domain::account::Account;
use domain::channel::{ConnectionStatus, Provider, SendTransport};
use domain::inbox::Inbox;
use domain::{
    AccountId, ConnectLinkId, ConnectionId, Failure, GrantId, InboxId, OauthAppId, Secret, Timestamp, UserId,
};
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
    /// Through which app they sign in; `None`: the installation's.
    pub oauth_app_id: Option<OauthAppId>,
    /// The inbox that signs in again.
    pub inbox_id: Option<InboxId>,
    pub created_by: UserId,
    /// The address the administrator expects; goes out as `login_hint`.
    pub email: Option<String>,
    /// The mailbox to open, where it is not the one of whoever signs in.
    pub mailbox: Option<String>,
    /// The link that it was begun with.
    pub connect_link: Option<ConnectLinkId>,
    /// Through what the mailbox is to send; `None`: as the inbox has it.
    pub send_transport: Option<SendTransport>,
    pub handshake: Handshake,
    /// SHA-256 of the token in the link.
    pub link_hash: TokenHash,
    /// The browser that it belongs to from the start; `None`: to the first that goes on from the link.
    pub browser: Option<TokenHash>,
    /// The person in that browser was shown the account's name, and said yes.
    pub agreed: bool,
    /// What comes back from the page where an administrator approves. It finds the attempt and opens nothing, so it is kept as it is.
    pub consent_state: String,
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
    /// The `email` claim where nobody vouches for it: anybody can write anything there in a tenant of their own. It proves nothing.
    #[serde(default)]
    pub claimed_email: Option<String>,
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
    pub oauth_app_id: Option<OauthAppId>,
    pub inbox_id: Option<InboxId>,
    pub created_by: UserId,
    pub email: Option<String>,
    pub mailbox: Option<String>,
    pub connect_link_id: Option<ConnectLinkId>,
    /// The person in the browser that it belongs to was shown the account's name, and said yes.
    pub agreed: bool,
    /// When a browser opened it.
    pub opened_at: Option<Timestamp>,
    pub consent_state: Option<String>,
    /// Until then it goes back to waiting for an administrator's approval when a try leads nowhere.
    pub consent_until: Option<Timestamp>,
    /// Somebody came back from the page where an administrator approves. It proves nothing.
    pub consent_seen_at: Option<Timestamp>,
    /// The administrator of the account who handed the inbox over.
    pub handover_by: Option<UserId>,
    /// The administrator of the account who accepted whoever signed in.
    pub accepted_by: Option<UserId>,
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

impl Connection {
    /// As it is now, whether or not anybody wrote that down: who is waited for in vain has let its time run out, and what was begun anew while
    /// an approval was waited for, and led nowhere, waits for it still.
    pub fn status_at(&self, now: Timestamp) -> ConnectionStatus {
        let waits = match self.status {
            ConnectionStatus::Pending
            | ConnectionStatus::AwaitingConfirmation
            | ConnectionStatus::AwaitingAddress
            | ConnectionStatus::AwaitingHandover
            | ConnectionStatus::AwaitingAcceptance
            | ConnectionStatus::AwaitingAdminConsent => true,
            ConnectionStatus::Proving
            | ConnectionStatus::Connected
            | ConnectionStatus::Failed
            | ConnectionStatus::Expired => false,
        };
        match waits && now >= self.expires_at {
            true if self.consent_until.is_some_and(|until| now < until) => ConnectionStatus::AwaitingAdminConsent,
            true => ConnectionStatus::Expired,
            false => self.status,
        }
    }

    /// The administrator of the account who looked at who signed in, and said yes to them.
    pub fn confirmed_by(&self) -> Option<UserId> {
        self.handover_by.or(self.accepted_by)
    }
}

/// What a sign-in brought, until the person has said that it is what they want. No mailbox is opened with it, and no grant knows of it.
#[derive(Clone, Debug)]
pub struct HeldTokens {
    pub refresh_token: Secret,
    pub access_token: Secret,
    pub expires_at: Timestamp,
    pub scopes: Vec<String>,
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
    /// An administrator's approval is waited for until then; a time that was set before stays.
    pub consent_until: Option<Timestamp>,
}

/// A fresh start of an attempt that waited for an administrator's approval.
#[derive(Clone, Debug)]
pub struct ResumedConnection {
    pub handshake: Handshake,
    pub link_hash: TokenHash,
    pub browser: Option<TokenHash>,
    pub agreed: bool,
    pub expires_at: Timestamp,
}

/// What the browser that made an attempt is shown of it.
#[derive(Clone, Debug)]
pub struct SeenConnection {
    pub connection: Connection,
    pub account: Account,
    /// What came of it.
    pub inbox: Option<Inbox>,
    /// For looking up what the attempt names; nothing else of the account is shown to the browser.
    pub scope: AccountScope,
    /// The link that it was begun with.
    pub connect_link: Option<ConnectLink>,
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
    /// The cookie is not that of the browser that first went on.
    OtherBrowser,
    /// By this same browser, before; here is what came of it.
    AlreadyUsed(Box<Connection>),
}
