//! Who signs in: users, their places in accounts, and their tokens. Passwords and tokens are only ever hashes here.

use super::codes;
use crate::{AccountScope, TokenHash};
use domain::account::{Account, Availability, Role};
use domain::user::{Agent, User};
use domain::{AccountId, EmailAddress, InboxId, Timestamp, TokenId, UserId};

/// What argon2 made of a password. Its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

codes! {
    /// What a token is for.
    TokenKind {
        /// A long-lived API token (`api_access_token`, Bearer).
        Api = "api",
        /// The session cookie of a browser.
        Session = "session",
        /// `access-token` / `client` / `uid` headers, as mobile apps send them.
        Client = "client",
    }
}

#[derive(Clone, Debug)]
pub struct NewToken {
    pub user_id: UserId,
    pub kind: TokenKind,
    pub hash: TokenHash,
    /// The one account it opens; `None`: every account of the user.
    pub account_id: Option<AccountId>,
    /// The `client` header that must come with it.
    pub client_id: Option<String>,
    pub name: Option<String>,
    pub expires_at: Option<Timestamp>,
    /// Where a session was begun.
    pub device: Device,
}

/// What is known of where somebody signed in, so that they know their sessions apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// As the program names itself.
    pub user_agent: Option<String>,
    /// The address, or its network.
    pub address: Option<String>,
}

/// A token as it is listed: never its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    pub id: TokenId,
    pub user_id: UserId,
    pub kind: TokenKind,
    pub account_id: Option<AccountId>,
    pub client_id: Option<String>,
    pub name: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// To within minutes.
    pub last_used_at: Option<Timestamp>,
    pub device: Device,
}

/// A token that was valid at the moment asked about, and whose it is.
#[derive(Clone, Debug)]
pub struct Authenticated {
    pub user: User,
    pub token_id: TokenId,
    pub kind: TokenKind,
    /// The one account it opens; `None`: every account of the user.
    pub account_id: Option<AccountId>,
    pub client_id: Option<String>,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct NewUser {
    pub email: EmailAddress,
    pub name: String,
    pub password: Option<PasswordHash>,
}

/// What a user may change about themselves; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    pub name: Option<String>,
    pub email: Option<EmailAddress>,
    pub display_name: Option<Option<String>>,
    pub message_signature: Option<Option<String>>,
    pub password: Option<PasswordHash>,
    /// JSON text of an object: what their page remembers for them.
    pub ui_settings: Option<String>,
    /// Every session of theirs but this one ends. API tokens are no sessions, and stay.
    pub ends_sessions_but: Option<TokenId>,
}

/// What may change on a user's place in an account; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct AgentChange {
    pub role: Option<Role>,
    pub availability: Option<Availability>,
    pub auto_offline: Option<bool>,
    pub active_at: Option<Timestamp>,
}

/// An account with what only its own page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountDetails {
    pub account: Account,
    pub domain: Option<String>,
    pub support_email: Option<String>,
}

/// `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    pub name: Option<String>,
    pub locale: Option<String>,
    pub domain: Option<Option<String>>,
    pub support_email: Option<Option<String>>,
}

#[derive(Clone, Debug)]
pub struct NewAccount {
    pub name: String,
    pub locale: String,
    /// Made (or found by e-mail; an existing user keeps their password) and made administrator.
    pub admin: Option<NewUser>,
}

#[derive(Clone, Debug)]
pub struct CreatedAccount {
    pub account: Account,
    pub admin: Option<User>,
    pub scope: AccountScope,
}

/// Proof that a user belongs to an account.
#[derive(Clone, Debug)]
pub struct Member {
    pub scope: AccountScope,
    pub account: Account,
    pub agent: Agent,
    pub visibility: Visibility,
}

/// Whose conversations a member sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visibility {
    All,
    Inboxes(Vec<InboxId>),
}

impl Visibility {
    pub fn sees(&self, inbox: InboxId) -> bool {
        match self {
            Self::All => true,
            Self::Inboxes(inboxes) => inboxes.contains(&inbox),
        }
    }
}
