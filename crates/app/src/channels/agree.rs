//! What a person without an account here does with a connect link: they look at its page, which names who asks, and say yes.
//!
//! Looking binds nothing and uses nothing up, so that a program that shows previews does no harm. Saying yes begins an attempt that belongs to
//! this browser, or takes one up again that waited for an administrator's approval. Whoever agreed here is not asked a second time.

use super::attempt::{self, Browser, BrowserCookie, CookieLookup};
use super::connect::MAX_OPEN_CONNECTIONS;
use super::{app_choice, links, steps};
use crate::{App, Hint};
use domain::account::AccountStatus;
use domain::channel::{ConnectionStatus, Provider};
use domain::{EmailAddress, Failure, FailureClass, InboxId};
use oauth::random_token;
use store::{
    ConnectLink, ConnectLinkProof, Connection, ConnectionChange, ConnectionIdentity, ConnectionPurpose, NewConnection,
    ResumedConnection, StoreError, TokenHash, Tx,
};

/// Attempts of one link that may be at Microsoft at the same time, where the oldest makes room for another, and that may wait for the same yes.
const MOST_AT_MICROSOFT: usize = 5;

/// What the link's page says. All texts are for the API to escape.
#[derive(Clone, Debug)]
pub struct LinkPage {
    pub account_name: String,
    pub expected_email: Option<String>,
    pub mailbox: Option<String>,
    /// The name of the inbox that signs in again.
    pub inbox_name: Option<String>,
    /// Why the last try led nowhere.
    pub failure: Option<Failure>,
    /// Somebody said that an administrator of their organisation must approve first: agreeing goes on with that attempt.
    pub awaits_approval: bool,
    /// This browser is on the way already: its page, for [`super::callback::follow`].
    pub follow: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum LinkPageError {
    /// To be shown as a page.
    #[error("{0}")]
    Refused(Failure),
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for LinkPageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LimitReached(_) => {
                Self::Refused(Failure::new(FailureClass::SignInUnavailable).detail("too many sign-ins are open"))
            }
            error => Self::Store(error),
        }
    }
}

impl From<FailureClass> for LinkPageError {
    fn from(class: FailureClass) -> Self {
        Self::Refused(class.into())
    }
}

/// The page. Call it for GET only.
pub async fn look(app: &App, link_token: &str, cookies: CookieLookup<'_>) -> Result<LinkPage, LinkPageError> {
    let ConnectLinkProof { scope, link, account } = usable(app, link_token).await?;
    if link.opened_at.is_none() {
        let mut tx = scope.begin().await?;
        if let Some(opened) = tx.open_connect_link(link.id, app.now()).await? {
            steps::link_told(&mut tx, &opened);
        }
        tx.commit().await?;
        app.wake(Hint::Account(account.id));
    }
    let inbox_name = match link.inbox_id {
        Some(inbox) => scope.inbox(inbox).await?.map(|inbox| inbox.name),
        None => None,
    };
    let awaits_approval = link.status == domain::channel::ConnectLinkStatus::AwaitingAdminConsent;
    Ok(LinkPage {
        account_name: account.name,
        expected_email: link.expected_email,
        mailbox: link.mailbox,
        inbox_name,
        failure: link.failure.filter(|_| !awaits_approval),
        awaits_approval,
        follow: own_attempt(app, link_token, cookies).await?,
    })
}

/// Where the browser goes on to, and what it keeps.
#[derive(Clone)]
pub struct Agreed {
    /// A path of ours, which leads on to Microsoft.
    pub go: String,
    pub cookies: [BrowserCookie; 2],
}

/// The path opens the attempt for whoever has the cookie.
impl std::fmt::Debug for Agreed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Agreed(…)")
    }
}

/// The page's button.
pub async fn agree(app: &App, link_token: &str) -> Result<Agreed, LinkPageError> {
    let ConnectLinkProof { scope, link, .. } = usable(app, link_token).await?;
    let inbox = match link.inbox_id {
        Some(inbox) => scope.inbox(inbox).await?,
        None => None,
    };
    let oauth_app_id = app_choice::choose(app, &scope, link.oauth_app_id, inbox.as_ref()).await?;
    app.microsoft_of(&scope, oauth_app_id).await?.map_err(LinkPageError::Refused)?;
    let (token, handshake) = attempt::fresh(app);
    let value = random_token(app.entropy(), 32);
    let browser = TokenHash::of(&value);
    let state = handshake.state.expose().to_owned();
    let mut tx = scope.begin().await?;
    let waiting = tx.waiting_attempts_of_link(link.id).await?;
    let approved = waiting.iter().find(|attempt| attempt.status == ConnectionStatus::AwaitingAdminConsent);
    let expires_at = app.now().plus(app.settings().connection_lifetime);
    let resumed = match approved {
        Some(attempt) => {
            let fresh = ResumedConnection {
                handshake: handshake.clone(),
                link_hash: TokenHash::of(&token),
                browser: Some(browser),
                agreed: true,
                expires_at,
            };
            tx.resume_connection(attempt.id, &fresh).await?
        }
        None => None,
    };
    let was = resumed.as_ref().map(|_| ConnectionStatus::AwaitingAdminConsent);
    let begun = match resumed {
        Some(resumed) => resumed,
        None => {
            make_room(&mut tx, &waiting).await?;
            let new = NewConnection {
                purpose: match link.inbox_id {
                    Some(_) => ConnectionPurpose::Reauthorise,
                    None => ConnectionPurpose::Connect,
                },
                provider: Provider::Microsoft,
                oauth_app_id,
                inbox_id: link.inbox_id,
                created_by: link.created_by,
                email: hint(&scope, &link).await?,
                mailbox: link.mailbox.clone(),
                connect_link: Some(link.id),
                send_transport: link.send_transport,
                handshake,
                link_hash: TokenHash::of(&token),
                browser: Some(browser),
                agreed: true,
                consent_state: attempt::consent_state(app),
                expires_at,
            };
            tx.create_connection(&new, MAX_OPEN_CONNECTIONS).await?
        }
    };
    steps::told(&mut tx, was, &begun).await?;
    tx.commit().await?;
    steps::seen(app, &begun);
    Ok(Agreed { go: links::path_to_microsoft(&token), cookies: links::cookies_of(app, link_token, &state, value) })
}

/// A link that somebody presses again and again leaves no more than a few attempts behind. Nobody's sign-in that an administrator of the account
/// is to say yes to makes room for another's.
async fn make_room(tx: &mut Tx, waiting: &[Connection]) -> Result<(), LinkPageError> {
    let of = |status| waiting.iter().filter(move |attempt| attempt.status == status);
    for (asked, class) in [
        (ConnectionStatus::AwaitingHandover, FailureClass::OtherPrincipal),
        (ConnectionStatus::AwaitingAcceptance, FailureClass::AddressUnvouched),
    ] {
        if of(asked).count() >= MOST_AT_MICROSOFT {
            let detail = "as many sign-ins with this link wait for an administrator as may";
            return Err(LinkPageError::Refused(Failure::new(class).detail(detail)));
        }
    }
    for oldest in of(ConnectionStatus::Pending).skip(MOST_AT_MICROSOFT - 1) {
        let change = ConnectionChange { status: Some(ConnectionStatus::Expired), ..ConnectionChange::default() };
        let ended = tx.update_connection(oldest.id, &change).await?;
        steps::attempt_told(tx, oldest.status, &ended);
    }
    Ok(())
}

/// What Microsoft's page proposes, and what is taken where the sign-in names no address.
async fn hint(scope: &store::AccountScope, link: &ConnectLink) -> Result<Option<String>, StoreError> {
    let known = async |inbox: InboxId| Ok::<_, StoreError>(scope.inbox(inbox).await?.map(|i| i.channel.principal));
    match (&link.expected_email, link.inbox_id) {
        (Some(email), _) => Ok(Some(email.clone())),
        (None, Some(inbox)) => known(inbox).await,
        (None, None) => Ok(None),
    }
}

/// The link, if it can be used at this moment.
async fn usable(app: &App, link_token: &str) -> Result<ConnectLinkProof, LinkPageError> {
    if link_token.is_empty() || link_token.len() > 128 {
        return Err(FailureClass::StateUnknown.into());
    }
    let found = app.store().connections().connect_link(&TokenHash::of(link_token)).await?;
    let proof = found.ok_or(FailureClass::StateUnknown)?;
    if proof.account.status == AccountStatus::Suspended {
        return Err(FailureClass::AccountSuspended.into());
    }
    let waits = proof.link.status == domain::channel::ConnectLinkStatus::AwaitingAdminConsent;
    if !proof.link.may_begin(app.now()) && !waits {
        let detail = proof.link.status_at(app.now()).as_str();
        return Err(LinkPageError::Refused(Failure::new(FailureClass::ConnectLinkOver).detail(detail)));
    }
    // The account's name is shown with the rights of whoever made the link; if those are gone, so is the link.
    let maker = app.store().sign_in().member(proof.link.account_id, proof.link.created_by).await?;
    if !maker.is_some_and(|member| member.agent.role.may_manage_inboxes()) {
        return Err(LinkPageError::Refused(Failure::new(FailureClass::ConnectLinkOver).detail("revoked")));
    }
    Ok(proof)
}

/// The state of the attempt that this browser began with this link, while it is under way.
async fn own_attempt(app: &App, link_token: &str, cookies: CookieLookup<'_>) -> Result<Option<String>, StoreError> {
    let Some(state) = attempt::state_of_link_cookie(app, link_token, cookies) else { return Ok(None) };
    let Some(browser) = Browser::of(app, &state, cookies) else { return Ok(None) };
    let connections = app.store().connections();
    let Some(id) = connections.id_of_state(&TokenHash::of(&state)).await? else { return Ok(None) };
    let seen = connections.seen_by_browser(id, &browser.hash()).await?;
    let under_way = seen.is_some_and(|seen| match seen.connection.status {
        ConnectionStatus::Pending => app.now() < seen.connection.expires_at,
        ConnectionStatus::AwaitingConfirmation
        | ConnectionStatus::AwaitingAddress
        | ConnectionStatus::AwaitingAdminConsent
        | ConnectionStatus::AwaitingHandover
        | ConnectionStatus::AwaitingAcceptance
        | ConnectionStatus::Proving => true,
        ConnectionStatus::Connected | ConnectionStatus::Failed | ConnectionStatus::Expired => false,
    });
    Ok(Some(state).filter(|_| under_way))
}

/// How far a sign-in is theirs whom the link was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expectation {
    /// Under the name that signs in, or the address that the tenant is known to own.
    Met,
    /// They say so, and nobody vouches for it: a person who knows them decides.
    Claimed,
    Missed,
}

impl Expectation {
    pub(super) fn of(link: Option<&ConnectLink>, who: &ConnectionIdentity) -> Self {
        if is_expected(link, &[who.principal.as_deref(), who.mailbox.as_deref()]) {
            Self::Met
        } else if who.principal.is_some() && is_expected(link, &[who.claimed_email.as_deref()]) {
            Self::Claimed
        } else {
            Self::Missed
        }
    }
}

/// Whether one of these names is what the link was made for.
pub(super) fn is_expected(link: Option<&ConnectLink>, names: &[Option<&str>]) -> bool {
    let Some(expected) = link.and_then(|link| link.expected_email.as_deref()) else { return true };
    let Some(expected) = EmailAddress::parse(expected) else { return false };
    names.iter().flatten().any(|name| expected.is_written(name))
}
