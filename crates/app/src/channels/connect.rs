//! An administrator asks for a connection and gets a link; the first browser that goes on from the link is sent to Microsoft.
//!
//! Nothing is proved here. The link says who asked and what for; it expires, and it binds the browser that goes on from it first, so that a
//! link sent to somebody else can never end with *their* mailbox in *our* hands without them pressing a button that names us. Looking at it
//! binds nothing: programs look at links before people do.

use super::app_choice::{self, Unusable};
use super::attempt::{self, Browser, BrowserCookie, CookieLookup};
use super::links::path_to_microsoft;
use crate::App;
use crate::accounts::Member;
use domain::account::AccountStatus;
use domain::channel::{EmailChannel, Provider, SendTransport};
use domain::{ClaimsChallenge, ConnectionId, EmailAddress, Failure, FailureClass, InboxId, OauthAppId};
use oauth::{AuthorizeRequest, PkceVerifier, Prompt, Resource, random_token};
use store::{AccountScope, Connection, ConnectionPurpose, NewConnection, StateRefusal, StoreError, TokenHash};
use url::Url;

#[derive(Clone, Debug, Default)]
pub struct Begin {
    /// The mailbox that is expected; Microsoft is told as a hint.
    pub email: Option<String>,
    /// The inbox that signs in again.
    pub inbox_id: Option<InboxId>,
    /// Through which app they sign in. `None`: that of the inbox that signs in again, or the account's default, or the installation's.
    /// `Some(None)`: the installation's.
    pub oauth_app_id: Option<Option<OauthAppId>>,
    /// The mailbox to open, where it is not the one of whoever signs in: a shared one.
    pub mailbox: Option<String>,
    /// Through what the mailbox is to send; `None`: as the inbox does, a new one by SMTP.
    pub send_transport: Option<SendTransport>,
}

#[derive(Clone)]
pub struct Begun {
    pub url: String,
    pub connection_id: ConnectionId,
}

/// Whoever knows the link may open it.
impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Begun").field("connection_id", &self.connection_id).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error("only administrators connect mailboxes")]
    Forbidden,
    #[error("no such inbox")]
    InboxNotFound,
    #[error("no such OAuth app")]
    OauthAppNotFound,
    /// It has no credential, or none that can be used.
    #[error("{0}")]
    OauthAppUnusable(Failure),
    #[error("the e-mail is not an e-mail address")]
    EmailInvalid,
    #[error("the mailbox is not an e-mail address, or not the one of the inbox")]
    MailboxInvalid,
    /// AZURE_APP_ID and AZURE_APP_SECRET are missing.
    #[error("signing in with Microsoft is not configured on this installation")]
    NotConfigured,
    #[error("too many sign-ins of this account are open")]
    TooManyOpen,
    #[error(transparent)]
    Store(StoreError),
}

impl From<Unusable> for BeginError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::NotConfigured => Self::NotConfigured,
            Unusable::NotFound => Self::OauthAppNotFound,
            Unusable::Failure(failure) => Self::OauthAppUnusable(failure),
        }
    }
}

impl From<StoreError> for BeginError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LimitReached(_) => Self::TooManyOpen,
            error => Self::Store(error),
        }
    }
}

/// Attempts of one account that are under way at the same time. Each is over within a quarter of an hour.
pub const MAX_OPEN_CONNECTIONS: u32 = 100;

pub async fn begin(app: &App, member: &Member, ask: Begin) -> Result<Begun, BeginError> {
    if !member.may_manage_inboxes() {
        return Err(BeginError::Forbidden);
    }
    let mut email = address(ask.email.as_deref()).map_err(|()| BeginError::EmailInvalid)?;
    let mailbox = address(ask.mailbox.as_deref()).map_err(|()| BeginError::MailboxInvalid)?;
    let mut again = None;
    if let Some(inbox) = ask.inbox_id {
        let inbox = member.scope.inbox(inbox).await?.ok_or(BeginError::InboxNotFound)?;
        if !is_mailbox_of(mailbox.as_deref(), &inbox.channel) {
            return Err(BeginError::MailboxInvalid);
        }
        email = email.or_else(|| Some(inbox.channel.principal.clone()));
        again = Some(inbox);
    }
    let oauth_app_id = app_choice::chosen(app, &member.scope, ask.oauth_app_id, again.as_ref()).await??;
    let (link_token, handshake) = attempt::fresh(app);
    let connection = member
        .scope
        .create_connection(
            &NewConnection {
                purpose: match ask.inbox_id {
                    Some(_) => ConnectionPurpose::Reauthorise,
                    None => ConnectionPurpose::Connect,
                },
                provider: Provider::Microsoft,
                oauth_app_id,
                inbox_id: ask.inbox_id,
                created_by: member.agent.user.id,
                email,
                mailbox,
                connect_link: None,
                send_transport: ask.send_transport,
                handshake,
                link_hash: TokenHash::of(&link_token),
                browser: None,
                agreed: false,
                consent_state: attempt::consent_state(app),
                expires_at: app.now().plus(app.settings().connection_lifetime),
            },
            MAX_OPEN_CONNECTIONS,
        )
        .await?;
    Ok(Begun { url: app.settings().link(&path_to_microsoft(&link_token)), connection_id: connection.id })
}

/// An address that was typed, if one was.
pub(super) fn address(text: Option<&str>) -> Result<Option<String>, ()> {
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => Ok(Some(EmailAddress::parse(text).ok_or(())?.as_str().to_owned())),
        None => Ok(None),
    }
}

/// An inbox that signs in again opens its own mailbox and no other.
pub(super) fn is_mailbox_of(mailbox: Option<&str>, channel: &EmailChannel) -> bool {
    mailbox.and_then(EmailAddress::parse).is_none_or(|mailbox| mailbox.same_as(&channel.mailbox_address))
}

/// Where the browser goes, and what it keeps.
#[derive(Clone)]
pub struct OpenedLink {
    pub redirect: Url,
    pub cookie: BrowserCookie,
}

/// The redirect carries state and nonce.
impl std::fmt::Debug for OpenedLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenedLink").field("cookie", &self.cookie).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OpenLinkError {
    /// To be shown as a page.
    #[error("{0}")]
    Refused(Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether the link can be opened, for a browser that is not known to be a person's.
pub async fn see_link(app: &App, link_token: &str) -> Result<(), OpenLinkError> {
    let token = of_length(link_token)?;
    let seen = app.store().connections().see_link(&TokenHash::of(token), app.now()).await?;
    seen.map_err(|refusal| OpenLinkError::Refused(refusal_failure(&refusal)))
}

/// Whether this browser has opened the link before.
pub fn has_opened(app: &App, link_token: &str, cookies: CookieLookup<'_>) -> bool {
    Browser::of(app, &attempt::state_of(link_token), cookies).is_some()
}

fn of_length(link_token: &str) -> Result<&str, OpenLinkError> {
    match link_token.len() {
        1..=128 => Ok(link_token),
        _ => Err(OpenLinkError::Refused(FailureClass::StateUnknown.into())),
    }
}

/// Call it for a person's browser only: what a program opens is bound to a program that never signs in.
pub async fn open_link(app: &App, link_token: &str, cookies: CookieLookup<'_>) -> Result<OpenedLink, OpenLinkError> {
    of_length(link_token)?;
    let state = attempt::state_of(link_token);
    let (browser, value) = match Browser::of(app, &state, cookies) {
        Some(browser) => (browser.hash(), browser.into_value()),
        None => {
            let value = random_token(app.entropy(), 32);
            (TokenHash::of(&value), value)
        }
    };
    let opened = app.store().connections().open_link(&TokenHash::of(link_token), &browser, app.now()).await?;
    let proof = opened.map_err(|refusal| OpenLinkError::Refused(refusal_failure(&refusal)))?;
    if proof.scope.account().await?.status == AccountStatus::Suspended {
        return Err(OpenLinkError::Refused(FailureClass::AccountSuspended.into()));
    }
    let registered = app.microsoft_of(&proof.scope, proof.connection.oauth_app_id).await?;
    let microsoft = registered.map_err(OpenLinkError::Refused)?.microsoft;
    let pkce_verifier = PkceVerifier::restore(proof.handshake.pkce_verifier.clone())
        .ok_or_else(|| StoreError::Corrupt("a stored PKCE verifier".to_owned()))?;
    let redirect = microsoft.authorize_url(&AuthorizeRequest {
        state: proof.handshake.state.expose().to_owned(),
        nonce: proof.handshake.nonce.expose().to_owned(),
        pkce_verifier,
        login_hint: proof.connection.email.clone(),
        prompt: Prompt::SelectAccount,
        also: beside_the_mailbox(&proof.scope, &proof.connection).await?,
        claims: wanted_claims(&proof.scope, &proof.connection).await?,
    });
    Ok(OpenedLink { redirect, cookie: attempt::cookie(app, &state, value) })
}

/// What Microsoft wanted when it refused the inbox's permission last, until somebody has signed in: it stands with the permission that waits for its
/// owner, or, where the permission itself still stands, with what reading or sending met.
async fn wanted_claims(scope: &AccountScope, connection: &Connection) -> Result<Option<ClaimsChallenge>, StoreError> {
    let Some(inbox) = connection.inbox_id else { return Ok(None) };
    let Some(channel) = scope.inbox(inbox).await?.map(|inbox| inbox.channel) else { return Ok(None) };
    let refused = match channel.grant_id {
        Some(grant) => scope.grant(grant).await?.and_then(|grant| grant.failure),
        None => None,
    };
    let known = [refused, channel.fetch_health.failure, channel.send_health.failure];
    Ok(known.into_iter().flatten().find_map(|failure| failure.claims))
}

/// What is consented to along with the mailbox: sending through Graph, where that is asked for, or is how the inbox sends, or another mailbox
/// that goes by the same permission. Who will sign in to an inbox that exists is not known, so it may be another's mailbox to them.
pub(super) async fn beside_the_mailbox(
    scope: &AccountScope,
    connection: &Connection,
) -> Result<Option<Resource>, StoreError> {
    let channel = match connection.inbox_id {
        Some(inbox) => scope.inbox(inbox).await?.map(|inbox| inbox.channel),
        None => None,
    };
    let beside = match channel.as_ref().and_then(|channel| channel.grant_id) {
        Some(grant) => scope.channels_of_grant(grant).await?,
        None => Vec::new(),
    };
    let now = channel.map(|channel| channel.send_transport);
    let by_graph = connection.send_transport.or(now) == Some(SendTransport::Graph)
        || beside
            .iter()
            .any(|other| other.send_transport == SendTransport::Graph && Some(other.inbox_id) != connection.inbox_id);
    let anothers = connection.mailbox.is_some() || connection.inbox_id.is_some();
    Ok(match (by_graph, anothers) {
        (false, _) => None,
        (true, true) => Some(Resource::GraphShared),
        (true, false) => Some(Resource::Graph),
    })
}

/// A refusal as a person is told it.
pub(super) fn refusal_failure(refusal: &StateRefusal) -> Failure {
    match refusal {
        StateRefusal::Unknown => FailureClass::StateUnknown.into(),
        StateRefusal::Expired => FailureClass::StateExpired.into(),
        StateRefusal::OtherBrowser => FailureClass::OtherBrowser.into(),
        StateRefusal::AlreadyUsed(connection) => connection
            .failure
            .clone()
            .unwrap_or_else(|| Failure::new(FailureClass::StateUnknown).detail("the link was used before")),
    }
}
