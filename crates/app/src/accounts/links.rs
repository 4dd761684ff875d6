//! Links with which people set a password: asked for by whoever forgot theirs, and used once.
//!
//! Whoever asks learns nothing: an address that is somebody's and one that is nobody's cost the same and are answered the same. A link is 32
//! random bytes, stored as SHA-256, and ends with its first use, a new password, or a new address.

use super::sign_in::{begin_session, shortened};
use super::{SessionKind, SignInError, SignedIn, password, throttle_key};
use crate::calls::Address;
use crate::{App, Hint};
use domain::{EmailAddress, Secret};
use std::time::Duration;
use store::{Device, LinkPurpose, StoreError, TokenHash};

/// As devise has it.
pub const RESET_LASTS: Duration = Duration::from_secs(6 * 3600);
pub const INVITATION_LASTS: Duration = Duration::from_secs(7 * 24 * 3600);
/// Where the page takes a link up.
pub(super) const LINK_PATH: &str = "/app/auth/password/edit?reset_password_token=";

/// Mails to one address, and asks from one place.
const ASKS_FOR_ADDRESS: (u32, Duration) = (5, Duration::from_secs(3600));
const ASKS_FROM_PLACE: (u32, Duration) = (20, Duration::from_secs(1800));
/// Tries of a link from one place. Nobody guesses one, but hashing passwords costs.
const USES_FROM_PLACE: (u32, Duration) = (20, Duration::from_secs(300));
const MAX_TOKEN_BYTES: usize = 256;

pub(super) fn lasts(purpose: LinkPurpose) -> Duration {
    match purpose {
        LinkPurpose::Invitation => INVITATION_LASTS,
        LinkPurpose::PasswordReset => RESET_LASTS,
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// Said to everybody alike.
    #[error("this installation sends no mail")]
    NoMailer,
    #[error("too many attempts; try again in {} seconds", .retry_after.as_secs())]
    TooMany { retry_after: Duration },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whoever has this address is sent a link. Nothing says whether somebody has it.
pub async fn ask_for_reset(app: &App, email: &str, from: Address) -> Result<(), ResetError> {
    if app.settings().mailer.is_none() {
        return Err(ResetError::NoMailer);
    }
    // What is no address is nobody's.
    let key = EmailAddress::parse(email).map_or_else(|| email.trim().to_lowercase(), |address| address.key());
    let place = throttle_key("password reset", &from.to_string());
    let address = throttle_key("password reset of", &key);
    for (key, (most, window)) in [(place, ASKS_FROM_PLACE), (address, ASKS_FOR_ADDRESS)] {
        let counted = app.login_throttle().attempt_within(&key, app.now(), most, window).await;
        counted.map_err(|retry_after| ResetError::TooMany { retry_after })?;
    }
    app.store().sign_in().ask_for_reset(&key).await?;
    app.wake(Hint::Owed);
    Ok(())
}

/// What somebody sends who has a link.
#[derive(Clone, Debug)]
pub struct NewPassword {
    pub token: Secret,
    pub password: Secret,
    /// Must be the same, where it is given.
    pub confirmation: Option<Secret>,
    pub from: Address,
    pub user_agent: Option<String>,
    pub kind: SessionKind,
}

#[derive(Debug, thiserror::Error)]
pub enum SetPasswordError {
    /// Used, expired, or none of ours: the three look the same.
    #[error("the link is not valid any more")]
    TokenInvalid,
    #[error("the password needs at least 8 characters")]
    PasswordTooShort,
    #[error("the two passwords differ")]
    PasswordsDiffer,
    #[error("too many attempts; try again in {} seconds", .retry_after.as_secs())]
    TooMany { retry_after: Duration },
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for SetPasswordError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Sets the password, ends every session of the person, and begins one.
pub async fn set_password(app: &App, new: NewPassword) -> Result<SignedIn, SetPasswordError> {
    if new.confirmation.as_ref().is_some_and(|again| *again != new.password) {
        return Err(SetPasswordError::PasswordsDiffer);
    }
    if !password::is_acceptable(&new.password) {
        return Err(SetPasswordError::PasswordTooShort);
    }
    let key = throttle_key("password link", &new.from.to_string());
    let (most, window) = USES_FROM_PLACE;
    let counted = app.login_throttle().attempt_within(&key, app.now(), most, window).await;
    counted.map_err(|retry_after| SetPasswordError::TooMany { retry_after })?;
    let token = new.token.expose();
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
        return Err(SetPasswordError::TokenInvalid);
    }
    let hash = TokenHash::of(token);
    let sign_in = app.store().sign_in();
    if !sign_in.password_link_is_good(&hash, app.now()).await? {
        return Err(SetPasswordError::TokenInvalid);
    }
    let hashed = password::hash(app.entropy(), new.password).await;
    let user = sign_in.use_password_link(&hash, &hashed, app.now()).await?.ok_or(SetPasswordError::TokenInvalid)?;
    tracing::info!(user.id = %user.id, "a password was set with a link");
    let device = Device { user_agent: new.user_agent.map(|text| shortened(&text)), address: new.from.shown() };
    match begin_session(app, user, new.kind, device).await {
        Ok(signed_in) => Ok(signed_in),
        Err(SignInError::Store(error)) => Err(error.into()),
        // A session that is begun asks for no password.
        Err(SignInError::Refused | SignInError::TooMany { .. }) => Err(SetPasswordError::TokenInvalid),
    }
}
