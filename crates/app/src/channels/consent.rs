//! Waiting for an administrator of the Microsoft tenant to approve the application, and going on when they have.
//!
//! Microsoft's "Need admin approval" page leads nowhere, so nobody hears of it: the person says it by a button, or it shows. The attempt then
//! waits for days. The approval page's own way back proves nothing: it only finds the attempt. Going on is a fresh sign-in of the same attempt,
//! and that sign-in is what shows whether the approval stands.

use super::attempt::{self, Browser, BrowserCookie, CookieLookup};
use super::callback::{self, CallbackPage};
use super::connect::{self, Begun};
use super::{links, steps};
use crate::App;
use crate::accounts::Member;
use domain::account::AccountStatus;
use domain::channel::ConnectionStatus;
use domain::{ConnectionId, Failure, FailureClass};
use oauth::random_token;
use std::time::Duration;
use store::{AccountScope, Connection, ResumedConnection, SeenConnection, StoreError, TokenHash};
use url::Url;

/// How long an approval is waited for.
pub const WAITS_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// Who is longer at Microsoft than this may have met the page that leads nowhere.
const LONG_AT_MICROSOFT: Duration = Duration::from_secs(60);

/// Where an administrator of the Microsoft tenant approves, where that may be what is missing.
pub(super) async fn url(app: &App, scope: &AccountScope, connection: &Connection) -> Result<Option<Url>, StoreError> {
    let now = app.now();
    let at_microsoft = connection.status == ConnectionStatus::Pending
        && connection.consumed_at.is_none()
        && connection.opened_at.is_some_and(|opened| now.since(opened) >= LONG_AT_MICROSOFT);
    let waits = connection.status_at(now) == ConnectionStatus::AwaitingAdminConsent;
    let may_help = connection.failure.as_ref().is_some_and(may_help);
    if !(at_microsoft || waits || may_help) {
        return Ok(None);
    }
    let Ok(registered) = app.microsoft_of(scope, connection.oauth_app_id).await? else { return Ok(None) };
    let also = connect::beside_the_mailbox(scope, connection).await?;
    let state = connection.consent_state.as_deref().unwrap_or(attempt::CONSENT_STATE);
    Ok(Some(registered.microsoft.admin_consent_url(state, also)))
}

/// Whether an approval may be what was missing. Microsoft's own "Need admin approval" page does not redirect: from there, people come back
/// with a cancel.
pub(super) fn may_help(failure: &Failure) -> bool {
    matches!(
        failure.class,
        FailureClass::AdminConsentRequired | FailureClass::ConsentRequired | FailureClass::SignInCancelled
    )
}

/// Somebody came back from the approval page. Which organisation, and whether it was approved, stands in the URL, where anybody can write it.
pub(super) async fn returned(app: &App, state: &str, declined: bool) -> Result<CallbackPage, StoreError> {
    let found = match state.len() {
        0..=128 => app.store().connections().of_consent(state).await?,
        _ => None,
    };
    if let Some((scope, connection)) = found.filter(|_| !declined) {
        let mut tx = scope.begin().await?;
        let waits = match connection.status {
            // Nobody said that it is waited for, and somebody was sent there.
            ConnectionStatus::Failed if connection.failure.as_ref().is_some_and(may_help) => {
                let until = app.now().plus(WAITS_FOR);
                let awaited =
                    tx.await_consent(connection.id, &FailureClass::AdminConsentRequired.into(), until).await?;
                if let Some(awaited) = &awaited {
                    steps::told(&mut tx, connection.status, awaited).await?;
                }
                awaited.is_some()
            }
            status => status == ConnectionStatus::AwaitingAdminConsent,
        };
        if waits && let Some(seen) = tx.see_consent(connection.id, app.now()).await? {
            // Its status is the same; that somebody came back is news all the same.
            steps::consent_seen(&mut tx, &seen);
        }
        tx.commit().await?;
        steps::seen(app, &connection);
    }
    Ok(CallbackPage::ConsentReturned { declined })
}

/// The person's button: their organisation wants an administrator's approval. In the browser that began the attempt.
pub async fn wanted(app: &App, token: &str, cookies: CookieLookup<'_>) -> Result<CallbackPage, StoreError> {
    let state = attempt::state_of_confirmation(token).unwrap_or_default();
    let (seen, scope) = match own(app, token, cookies).await? {
        Ok(own) => own,
        Err(refused) => return Ok(CallbackPage::refused(refused)),
    };
    let connection = seen.connection;
    let may_wait = match connection.status {
        ConnectionStatus::Pending => true,
        ConnectionStatus::Failed => connection.failure.as_ref().is_some_and(may_help),
        ConnectionStatus::AwaitingConfirmation
        | ConnectionStatus::AwaitingAddress
        | ConnectionStatus::AwaitingAdminConsent
        | ConnectionStatus::AwaitingHandover
        | ConnectionStatus::AwaitingAcceptance
        | ConnectionStatus::Proving
        | ConnectionStatus::Connected
        | ConnectionStatus::Expired => false,
    };
    if may_wait && seen.account.status == AccountStatus::Active {
        let mut tx = scope.begin().await?;
        let until = app.now().plus(WAITS_FOR);
        let awaited = tx.await_consent(connection.id, &FailureClass::AdminConsentRequired.into(), until).await?;
        if let Some(awaited) = &awaited {
            steps::told(&mut tx, connection.status, awaited).await?;
        }
        tx.commit().await?;
        steps::seen(app, &connection);
    }
    callback::follow(app, state, cookies).await
}

/// Where the browser goes on to, and what it keeps.
#[derive(Clone)]
pub struct Resumed {
    /// A path of ours, which leads on to Microsoft.
    pub go: String,
    pub cookie: BrowserCookie,
}

impl std::fmt::Debug for Resumed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resumed(…)")
    }
}

/// The person's button: it was approved, as far as they know. What they agreed to before still holds in this browser.
pub async fn go_on(
    app: &App,
    token: &str,
    cookies: CookieLookup<'_>,
) -> Result<Result<Resumed, CallbackPage>, StoreError> {
    let state = attempt::state_of_confirmation(token).unwrap_or_default();
    let (seen, scope) = match own(app, token, cookies).await? {
        Ok(own) => own,
        Err(refused) => return Ok(Err(CallbackPage::refused(refused))),
    };
    if seen.account.status == AccountStatus::Suspended {
        return Ok(Err(CallbackPage::refused(FailureClass::AccountSuspended)));
    }
    let value = random_token(app.entropy(), 32);
    let agreed = seen.connection.agreed;
    match resume_in(app, &scope, &seen.connection, Some(TokenHash::of(&value)), agreed).await? {
        Some((link_token, state)) => {
            let go = links::path_to_microsoft(&link_token);
            Ok(Ok(Resumed { go, cookie: attempt::cookie(app, &state, value) }))
        }
        None => Ok(Err(callback::follow(app, state, cookies).await?)),
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    #[error("only administrators connect mailboxes")]
    Forbidden,
    #[error("no such connection")]
    NotFound,
    /// It does not wait for an approval, or not any more.
    #[error("the connection does not wait for an approval")]
    NotWaiting,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An administrator's way to go on: a new link, for the first browser that goes on from it, which has agreed to nothing yet.
pub async fn resume(app: &App, member: &Member, id: ConnectionId) -> Result<Begun, ResumeError> {
    if !member.may_manage_inboxes() {
        return Err(ResumeError::Forbidden);
    }
    let connection = member.scope.connection(id).await?.ok_or(ResumeError::NotFound)?;
    let resumed = resume_in(app, &member.scope, &connection, None, false).await?;
    let (link_token, _) = resumed.ok_or(ResumeError::NotWaiting)?;
    Ok(Begun { url: app.settings().link(&links::path_to_microsoft(&link_token)), connection_id: id })
}

/// The new link's token, and the new state.
async fn resume_in(
    app: &App,
    scope: &AccountScope,
    connection: &Connection,
    browser: Option<TokenHash>,
    agreed: bool,
) -> Result<Option<(String, String)>, StoreError> {
    let (link_token, handshake) = attempt::fresh(app);
    let state = handshake.state.expose().to_owned();
    let fresh = ResumedConnection {
        handshake,
        link_hash: TokenHash::of(&link_token),
        browser,
        agreed,
        expires_at: app.now().plus(app.settings().connection_lifetime),
    };
    let mut tx = scope.begin().await?;
    let Some(resumed) = tx.resume_connection(connection.id, &fresh).await? else {
        tx.rollback().await?;
        return Ok(None);
    };
    steps::told(&mut tx, connection.status, &resumed).await?;
    tx.commit().await?;
    steps::seen(app, &resumed);
    Ok(Some((link_token, state)))
}

/// The attempt of a page's hidden token, for the browser that made it.
async fn own(
    app: &App,
    token: &str,
    cookies: CookieLookup<'_>,
) -> Result<Result<(SeenConnection, AccountScope), FailureClass>, StoreError> {
    let state = attempt::state_of_confirmation(token).unwrap_or_default();
    let (seen, browser) = match callback::seen(app, state, cookies).await? {
        Ok(seen) => seen,
        Err(refused) => return Ok(Err(refused)),
    };
    if !is_same(browser.confirmation(state).expose(), token) {
        return Ok(Err(FailureClass::StateUnknown));
    }
    let proved = app.store().connections().of_browser(seen.connection.id, &browser.hash()).await?;
    Ok(proved.map(|scope| (seen, scope)).ok_or(FailureClass::OtherBrowser))
}

/// Compared by hashes, so that how long it takes says nothing.
fn is_same(a: &str, b: &str) -> bool {
    TokenHash::of(a) == TokenHash::of(b)
}

/// What the page that waits shows, and what the browser keeps for as long.
pub(super) fn page(
    app: &App,
    admin_consent_url: Option<Url>,
    seen: &SeenConnection,
    state: &str,
    browser: &Browser,
) -> Option<CallbackPage> {
    let connection = &seen.connection;
    let until = connection.consent_until.filter(|until| app.now() < *until)?;
    Some(CallbackPage::AwaitingApproval {
        connection_id: connection.id,
        account_name: seen.account.name.clone(),
        admin_consent_url,
        came_back: connection.consent_seen_at.is_some(),
        until,
        follow: state.to_owned(),
        token: browser.confirmation(state),
        cookie: attempt::kept_cookie(app, state, browser),
    })
}
