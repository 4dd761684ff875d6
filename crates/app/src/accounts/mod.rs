//! Who is asking: accounts, people, sign-in, sessions.
//!
//! A credential is turned into a [`Caller`], and a caller who enters an account into a [`Member`]: the proof that every other use case
//! takes. An account one does not belong to is answered like one that does not exist.

mod account;
mod agents;
mod create;
mod health_letters;
mod invitations;
mod letters;
mod links;
pub(crate) mod notices;
mod password;
mod profile;
mod sign_in;
mod throttle;
mod token;
mod uses;

pub use account::{AccountChange, AccountDetails, AccountError, show_account, update_account};
pub use agents::{AgentChange, AgentError, NewAgent, create_agent, list_agents, remove_agent, update_agent};
pub use create::{CreateAccountError, CreatedAccount, NewAccount, create_account, vouch_for};
pub use invitations::{Invitation, MAX_BULK, Refused, invite, invite_again, invite_many};
pub use links::{
    INVITATION_LASTS, NewPassword, RESET_LASTS, ResetError, SetPasswordError, ask_for_reset, set_password,
};
pub use profile::{MAX_UI_SETTINGS_BYTES, PlaceChange, ProfileChange, ProfileError, update_place, update_profile};
use sign_in::throttle_key;
pub use sign_in::{
    Credential, SESSION_LIFETIME, SessionKind, SignIn, SignInError, SignedIn, authenticate, sign_in, sign_out,
};
pub use store::{TokenInfo, TokenKind};
pub use throttle::{ATTEMPTS as LOGIN_ATTEMPTS, LoginThrottle, WINDOW as LOGIN_WINDOW};
pub(crate) use token::base64url;
pub use token::{
    MAX_API_TOKENS, TokenAsked, TokenError, create_api_token, end_session, list_sessions, list_tokens,
    reset_access_token, revoke_token,
};
pub use uses::TokenUses;

use crate::App;
use domain::account::{Account, AccountStatus};
use domain::user::{Agent, Membership, User};
use domain::{AccountId, TokenId};
use store::{AccountScope, Acting, StoreError, Visibility};

/// A person whose credential was believed.
#[derive(Clone, Debug)]
pub struct Caller {
    pub user: User,
    pub token_id: TokenId,
    pub kind: TokenKind,
    /// The one account the token opens; `None`: every account of the user.
    pub account_id: Option<AccountId>,
}

/// A person inside an account: what every use case takes.
#[derive(Clone, Debug)]
pub struct Member {
    pub scope: AccountScope,
    pub account: Account,
    pub agent: Agent,
    pub visibility: Visibility,
    /// The credential they came with: idempotency keys are kept per token.
    pub token_id: TokenId,
}

impl Member {
    pub fn may_manage_inboxes(&self) -> bool {
        self.agent.role.may_manage_inboxes()
    }

    pub fn may_manage_people(&self) -> bool {
        self.agent.role.may_manage_people()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// There is no such account for this caller, whether or not there is one for somebody else.
    #[error("no such account")]
    NotFound,
    #[error("the account is suspended")]
    Suspended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes the caller into an account.
pub async fn enter(app: &App, caller: &Caller, account: AccountId) -> Result<Member, EnterError> {
    if caller.account_id.is_some_and(|only| only != account) {
        return Err(EnterError::NotFound);
    }
    let member = app.store().sign_in().member(account, caller.user.id).await?.ok_or(EnterError::NotFound)?;
    match member.account.status {
        AccountStatus::Suspended => Err(EnterError::Suspended),
        AccountStatus::Active => Ok(Member {
            scope: member.scope.acting(Acting {
                user_id: caller.user.id,
                token_id: Some(caller.token_id),
                remote_address: None,
                request_id: None,
            }),
            account: member.account,
            agent: member.agent,
            visibility: member.visibility,
            token_id: caller.token_id,
        }),
    }
}

/// A person and the accounts they belong to.
#[derive(Clone, Debug)]
pub struct Profile {
    pub user: User,
    pub memberships: Vec<Membership>,
    /// What their page remembers for them: an object.
    pub ui_settings: serde_json::Value,
}

pub async fn profile(app: &App, caller: &Caller) -> Result<Profile, StoreError> {
    let mut memberships = app.store().sign_in().memberships(caller.user.id).await?;
    if let Some(only) = caller.account_id {
        memberships.retain(|m| m.account.id == only);
    }
    let ui_settings = app.store().sign_in().ui_settings(caller.user.id).await?;
    Ok(Profile { user: caller.user.clone(), memberships, ui_settings })
}
