//! What Microsoft sends back to `GET /microsoft/callback`, and the page the person gets for it.
//!
//! Errors come first, then the state, which is used once and only by the browser that opened the link. `tenant`, `admin_consent` and
//! `client_info` are written by whoever made the URL and are believed in nothing: an approval shows itself when somebody signs in.

use super::attempt::{self, Browser, BrowserCookie, CONSENT_STATE, CookieLookup, state_of_confirmation};
use super::connect::refusal_failure;
use super::health::{self, Part, TryAgainError};
use super::{consent, return_urls, settle};
use crate::App;
use crate::accounts::{Caller, EnterError, enter};
use domain::account::AccountStatus;
use domain::channel::ConnectionStatus;
use domain::email_address::MAX_ADDRESS_BYTES;
use domain::inbox::Inbox;
use domain::{AccountId, ConnectionId, EmailAddress, Failure, FailureClass, Secret, Timestamp};
use std::time::Duration;
use store::{ConnectLink, Connection, KillPoint, SeenConnection, StateProof, StateRefusal, StoreError, TokenHash};
use url::Url;

/// The query of the callback, as far as anything in it is read.
#[derive(Clone, Default)]
pub struct CallbackQuery {
    pub code: Option<Secret>,
    pub state: Option<String>,
    pub error: Option<String>,
    pub error_subcode: Option<String>,
    pub error_description: Option<String>,
    /// Present when this comes from the admin-consent page; its value is believed in nothing.
    pub admin_consent: Option<String>,
}

/// Neither code nor state belongs into a log.
impl std::fmt::Debug for CallbackQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallbackQuery").field("error", &self.error).finish_non_exhaustive()
    }
}

/// What the person sees. All texts are for the API to escape.
#[derive(Clone, Debug)]
pub enum CallbackPage {
    /// The inbox exists. How it is doing stands in its channel: reading, sending, and the import of the past.
    /// `token` is for [`try_sending_again`].
    /// `back`: where whoever made the link wants them to go on.
    Connected { connection_id: ConnectionId, account_name: String, inbox: Box<Inbox>, token: Secret, back: Option<Url> },
    /// At Microsoft, as far as is known. `follow` goes to [`follow`], `token` to [`super::consent::wanted`].
    AtMicrosoft { connection_id: ConnectionId, follow: String, token: Secret },
    /// An administrator of the Microsoft tenant must approve first. `token` goes to [`super::consent::go_on`], `follow` to [`follow`].
    AwaitingApproval {
        connection_id: ConnectionId,
        account_name: String,
        admin_consent_url: Option<Url>,
        /// Somebody came back from the approval page, which proves nothing.
        came_back: bool,
        until: Timestamp,
        follow: String,
        token: Secret,
        cookie: BrowserCookie,
    },
    /// An administrator of the account must hand the inbox over, or accept who signed in; `failure` says which. `follow` goes to [`follow`].
    AwaitingAdministrator {
        account_id: AccountId,
        connection_id: ConnectionId,
        account_name: String,
        failure: Failure,
        until: Timestamp,
        follow: String,
        cookie: BrowserCookie,
    },
    /// Signed in; the mailbox is being proved. `follow` goes to [`follow`]; `trouble` is what the last try met.
    Proving { account_id: AccountId, connection_id: ConnectionId, follow: String, trouble: Option<Failure> },
    /// This browser is nobody's here: one form, POST, with `token` as its only, hidden field, that names the account.
    Confirm { token: Secret, account_name: String, mailbox: String, connection_id: ConnectionId },
    /// None of the account's names is an address: a form with `token` and the address that the person types. It names the account.
    AskAddress(AskAddress),
    /// `admin_consent_url`: where an administrator of the Microsoft tenant can approve, when that may be what is missing.
    Failed {
        failure: Failure,
        connection_id: Option<ConnectionId>,
        account_id: Option<AccountId>,
        admin_consent_url: Option<Url>,
        /// For [`super::consent::wanted`], where the person may say that they wait for that.
        ask_approval: Option<Secret>,
        /// Where whoever made the link wants them to go on.
        back: Option<Url>,
    },
    /// Somebody came back from the approval page. Whether they approved shows at the next sign-in.
    ConsentReturned { declined: bool },
}

/// What the page that asks for the mailbox's address shows.
#[derive(Clone, Debug)]
pub struct AskAddress {
    pub token: Secret,
    pub account_name: String,
    pub connection_id: ConnectionId,
    /// What stands in the field: what was typed last, or what the sign-in proposes.
    pub proposed: Option<String>,
    /// Why the last one did not do. [`FailureClass::AddressUnknown`]: it was no address.
    pub trouble: Option<Failure>,
}

impl CallbackPage {
    pub(super) fn refused(class: FailureClass) -> Self {
        Self::failed(class.into())
    }

    /// Before anything is known about whose attempt it is.
    fn failed(failure: Failure) -> Self {
        Self::Failed {
            failure,
            connection_id: None,
            account_id: None,
            admin_consent_url: None,
            ask_approval: None,
            back: None,
        }
    }
}

pub async fn handle(
    app: &App,
    query: CallbackQuery,
    cookies: CookieLookup<'_>,
    caller: Option<&Caller>,
) -> Result<CallbackPage, StoreError> {
    let state = query.state.clone().unwrap_or_default();
    let state = state.as_str();
    if query.admin_consent.is_some() || is_of_consent(state) {
        return consent::returned(app, state, query.error.is_some()).await;
    }
    if state.is_empty() || state.len() > 128 {
        return Ok(CallbackPage::refused(FailureClass::StateUnknown));
    }
    let browser = Browser::of(app, state, cookies);
    let browser_hash = browser.as_ref().map(Browser::hash);
    let consumed =
        app.store().connections().consume_state(&TokenHash::of(state), browser_hash.as_ref(), app.now()).await?;
    let (proof, browser) = match (consumed, browser) {
        (Ok(proof), Some(browser)) => (proof, browser),
        // A state is only ever consumed by the browser of its cookie.
        (Ok(_), None) => return Ok(CallbackPage::refused(FailureClass::OtherBrowser)),
        (Err(StateRefusal::AlreadyUsed(connection)), Some(browser)) => {
            return watch(app, connection.id, state, &browser).await;
        }
        (Err(refusal), _) => {
            return Ok(CallbackPage::failed(refusal_failure(&refusal)));
        }
    };
    app.passes(KillPoint::StateConsumed);
    // Whoever agreed on a connect link's page, in this browser, was shown the account's name there.
    let trusted = proof.connection.agreed || manages(app, caller, &proof).await?;
    let confirmation = browser.confirmation(state);
    let id = proof.connection.id;
    // On its own, so that a person who closes the page does not leave a redeemed code behind with nothing stored.
    let task = tokio::spawn({
        let app = app.clone();
        async move { settle::settle(&app, proof, query, trusted, &confirmation).await }
    });
    match task.await {
        Ok(settled) => settled?,
        Err(_) => return Err(StoreError::Unavailable("the sign-in was interrupted".to_owned())),
    };
    watch(app, id, state, &browser).await
}

/// No state of a sign-in has a dot in it.
fn is_of_consent(state: &str) -> bool {
    state == CONSENT_STATE || state.strip_prefix(CONSENT_STATE).is_some_and(|rest| rest.starts_with('.'))
}

/// The confirmation page's POST: the person says that this mailbox is to be connected to the account they were shown.
pub async fn confirm(app: &App, token: &str, cookies: CookieLookup<'_>) -> Result<CallbackPage, StoreError> {
    answered(app, token, cookies, ConnectionStatus::AwaitingConfirmation, None).await
}

/// The POST of the page that asks which mailbox it is, and names the account it is to be connected to.
pub async fn tell_address(
    app: &App,
    token: &str,
    typed: &str,
    cookies: CookieLookup<'_>,
) -> Result<CallbackPage, StoreError> {
    let address = EmailAddress::parse(typed);
    if address.is_none() {
        let state = state_of_confirmation(token).unwrap_or_default();
        return Ok(match follow(app, state, cookies).await? {
            CallbackPage::AskAddress(ask) => CallbackPage::AskAddress(AskAddress {
                proposed: Some(typed.chars().take(MAX_ADDRESS_BYTES).collect()),
                trouble: Some(FailureClass::AddressUnknown.into()),
                ..ask
            }),
            other => other,
        });
    }
    answered(app, token, cookies, ConnectionStatus::AwaitingAddress, address.as_ref()).await
}

/// For so long the page at the end of a sign-in has its button; after that, the inbox's settings have it.
const PAGE_ACTS_FOR: Duration = Duration::from_secs(3600);

/// The button of the page at the end, where sending is refused: for the browser that connected the mailbox.
pub async fn try_sending_again(app: &App, token: &str, cookies: CookieLookup<'_>) -> Result<CallbackPage, StoreError> {
    let state = state_of_confirmation(token).unwrap_or_default();
    let (seen, browser) = match seen(app, state, cookies).await? {
        Ok(seen) => seen,
        Err(refused) => return Ok(CallbackPage::refused(refused)),
    };
    let since = app.now().minus(PAGE_ACTS_FOR);
    let proof = app.store().connections().act_again(&TokenHash::of(token), &browser.hash(), since).await?;
    if let Some(proof) = proof.filter(|_| seen.account.status == AccountStatus::Active) {
        // What came of it stands in the inbox's health, which the page shows.
        match health::try_again_in(app, &proof.scope, proof.inbox_id, Part::Send).await {
            Ok(_) | Err(TryAgainError::Forbidden | TryAgainError::NotFound | TryAgainError::NeedsSignIn(_)) => {}
            Err(TryAgainError::Store(error)) => return Err(error),
        }
    }
    follow(app, state, cookies).await
}

/// A person answered what they were asked, in the browser that was asked, and for an account that is not suspended.
async fn answered(
    app: &App,
    token: &str,
    cookies: CookieLookup<'_>,
    asked: ConnectionStatus,
    address: Option<&EmailAddress>,
) -> Result<CallbackPage, StoreError> {
    let state = state_of_confirmation(token).unwrap_or_default();
    let (seen, browser) = match seen(app, state, cookies).await? {
        Ok(seen) => seen,
        Err(refused) => return Ok(CallbackPage::refused(refused)),
    };
    if seen.connection.status != asked || seen.account.status == AccountStatus::Suspended {
        return watch(app, seen.connection.id, state, &browser).await;
    }
    let connections = app.store().connections();
    match connections.consume_confirmation(&TokenHash::of(token), Some(&browser.hash()), asked, app.now()).await? {
        Ok(proof) => {
            settle::start_proving(app, &proof.scope, &proof.connection, address).await?;
            watch(app, proof.connection.id, state, &browser).await
        }
        Err(StateRefusal::AlreadyUsed(connection)) => watch(app, connection.id, state, &browser).await,
        Err(refusal) => Ok(CallbackPage::failed(refusal_failure(&refusal))),
    }
}

/// The status page: what has become of it by now, for the browser that made it. Does not wait.
pub async fn follow(app: &App, state: &str, cookies: CookieLookup<'_>) -> Result<CallbackPage, StoreError> {
    match seen(app, state, cookies).await? {
        Ok((seen, browser)) => page(app, seen, state, &browser).await,
        Err(refused) => Ok(CallbackPage::refused(refused)),
    }
}

/// The attempt of a state, for the browser that it belongs to.
pub(super) async fn seen(
    app: &App,
    state: &str,
    cookies: CookieLookup<'_>,
) -> Result<Result<(SeenConnection, Browser), FailureClass>, StoreError> {
    let connections = app.store().connections();
    let known = !state.is_empty() && state.len() <= 128;
    let found = if known { connections.id_of_state(&TokenHash::of(state)).await? } else { None };
    let Some(id) = found else { return Ok(Err(FailureClass::StateUnknown)) };
    let Some(browser) = Browser::of(app, state, cookies) else { return Ok(Err(FailureClass::OtherBrowser)) };
    let seen = connections.seen_by_browser(id, &browser.hash()).await?;
    Ok(seen.map(|seen| (seen, browser)).ok_or(FailureClass::OtherBrowser))
}

/// Whether the person in front of this browser is somebody who may connect mailboxes to this account.
async fn manages(app: &App, caller: Option<&Caller>, proof: &StateProof) -> Result<bool, StoreError> {
    let Some(caller) = caller else { return Ok(false) };
    match enter(app, caller, proof.connection.account_id).await {
        Ok(member) => Ok(member.may_manage_inboxes()),
        Err(EnterError::NotFound | EnterError::Suspended) => Ok(false),
        Err(EnterError::Store(error)) => Err(error),
    }
}

/// How often the row is looked at: another process may be the one that changes it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Waits for the end of the proof as long as a person likes to look at an empty page, then shows what there is.
async fn watch(app: &App, id: ConnectionId, state: &str, browser: &Browser) -> Result<CallbackPage, StoreError> {
    let until = tokio::time::Instant::now() + app.settings().callback_wait;
    loop {
        let Some(seen) = app.store().connections().seen_by_browser(id, &browser.hash()).await? else {
            return Ok(CallbackPage::refused(FailureClass::StateUnknown));
        };
        if !is_under_way(&seen) || tokio::time::Instant::now() >= until {
            return page(app, seen, state, browser).await;
        }
        app.until_changed(LOOK_EVERY).await;
    }
}

/// Something here is working on it: it is being proved, or its code is being redeemed at this moment.
fn is_under_way(seen: &SeenConnection) -> bool {
    match seen.connection.status {
        ConnectionStatus::Proving | ConnectionStatus::Pending => seen.account.status == AccountStatus::Active,
        ConnectionStatus::AwaitingConfirmation
        | ConnectionStatus::AwaitingAddress
        | ConnectionStatus::AwaitingAdminConsent
        | ConnectionStatus::AwaitingHandover
        | ConnectionStatus::AwaitingAcceptance
        | ConnectionStatus::Connected
        | ConnectionStatus::Failed
        | ConnectionStatus::Expired => false,
    }
}

async fn page(app: &App, seen: SeenConnection, state: &str, browser: &Browser) -> Result<CallbackPage, StoreError> {
    let approval = consent::url(app, &seen.scope, &seen.connection).await?;
    if seen.connection.status_at(app.now()) == ConnectionStatus::AwaitingAdminConsent
        && seen.account.status == AccountStatus::Active
        && let Some(waits) = consent::page(app, approval.clone(), &seen, state, browser)
    {
        return Ok(waits);
    }
    let back = |is_connected| way_back(app, seen.connect_link.as_ref(), is_connected);
    let (connected_back, failed_back) = (back(true), back(false));
    let SeenConnection { connection, account, inbox, connect_link: _, scope: _ } = seen;
    let failed = |failure: Failure| {
        let may_help = connection.status == ConnectionStatus::Failed && consent::may_help(&failure);
        CallbackPage::Failed {
            admin_consent_url: approval.clone(),
            failure,
            connection_id: Some(connection.id),
            account_id: Some(connection.account_id),
            ask_approval: may_help.then(|| browser.confirmation(state)),
            back: failed_back.clone(),
        }
    };
    match connection.status {
        ConnectionStatus::Pending
        | ConnectionStatus::Proving
        | ConnectionStatus::AwaitingConfirmation
        | ConnectionStatus::AwaitingAddress
        | ConnectionStatus::AwaitingAdminConsent
        | ConnectionStatus::AwaitingHandover
        | ConnectionStatus::AwaitingAcceptance
            if account.status == AccountStatus::Suspended =>
        {
            Ok(failed(FailureClass::AccountSuspended.into()))
        }
        ConnectionStatus::Pending if connection.consumed_at.is_none() && app.now() < connection.expires_at => {
            Ok(CallbackPage::AtMicrosoft {
                connection_id: connection.id,
                follow: state.to_owned(),
                token: browser.confirmation(state),
            })
        }
        ConnectionStatus::Pending | ConnectionStatus::Proving if !is_forgotten(&connection, app.now()) => {
            Ok(CallbackPage::Proving {
                account_id: connection.account_id,
                connection_id: connection.id,
                follow: state.to_owned(),
                trouble: connection.failure,
            })
        }
        ConnectionStatus::Connected => {
            let Some(inbox) = inbox else {
                return Err(StoreError::Corrupt("a connected attempt without its inbox".to_owned()));
            };
            Ok(CallbackPage::Connected {
                connection_id: connection.id,
                account_name: account.name,
                inbox: Box::new(inbox),
                token: browser.confirmation(state),
                back: connected_back,
            })
        }
        ConnectionStatus::AwaitingConfirmation | ConnectionStatus::AwaitingAddress
            if app.now() >= connection.expires_at || !asker_may_connect(app, &connection).await? =>
        {
            Ok(failed(FailureClass::StateExpired.into()))
        }
        ConnectionStatus::AwaitingConfirmation => Ok(CallbackPage::Confirm {
            token: browser.confirmation(state),
            account_name: account.name,
            mailbox: connection
                .mailbox
                .or(connection.identity.and_then(|identity| identity.principal))
                .unwrap_or_default(),
            connection_id: connection.id,
        }),
        ConnectionStatus::AwaitingAddress => {
            let told = connection.identity.and_then(|identity| identity.principal.or(identity.mailbox));
            Ok(CallbackPage::AskAddress(AskAddress {
                token: browser.confirmation(state),
                account_name: account.name,
                connection_id: connection.id,
                proposed: told,
                trouble: connection.failure.filter(|failure| failure.class != FailureClass::AddressUnknown),
            }))
        }
        ConnectionStatus::AwaitingHandover | ConnectionStatus::AwaitingAcceptance
            if app.now() < connection.expires_at =>
        {
            let cookie = attempt::kept_cookie(app, state, browser);
            Ok(CallbackPage::AwaitingAdministrator {
                account_id: connection.account_id,
                connection_id: connection.id,
                account_name: account.name,
                failure: connection.failure.unwrap_or_else(|| FailureClass::OtherPrincipal.into()),
                until: connection.expires_at,
                follow: state.to_owned(),
                cookie,
            })
        }
        ConnectionStatus::Pending
        | ConnectionStatus::Proving
        | ConnectionStatus::AwaitingAdminConsent
        | ConnectionStatus::AwaitingHandover
        | ConnectionStatus::AwaitingAcceptance
        | ConnectionStatus::Failed
        | ConnectionStatus::Expired => {
            let failure = connection.failure.clone().unwrap_or_else(|| FailureClass::StateExpired.into());
            Ok(failed(failure))
        }
    }
}

/// The account's name is shown with the rights of whoever asked for the connection; if those are gone, so is the attempt.
async fn asker_may_connect(app: &App, connection: &Connection) -> Result<bool, StoreError> {
    let asker = app.store().sign_in().member(connection.account_id, connection.created_by).await?;
    Ok(asker.is_some_and(|member| member.agent.role.may_manage_inboxes()))
}

/// A state that was used and led nowhere: the process died between the two. Nothing will change it any more.
fn is_forgotten(connection: &Connection, now: Timestamp) -> bool {
    connection.status == ConnectionStatus::Pending && now >= connection.expires_at
}

/// Where a person goes on at the end: what the operator permits today, whatever was permitted when the link was made.
fn way_back(app: &App, link: Option<&ConnectLink>, is_connected: bool) -> Option<Url> {
    let link = link?;
    let to = app.settings().return_urls.permitted(link.return_url.as_deref()?)?;
    Some(return_urls::back(&to, is_connected, link.id))
}
