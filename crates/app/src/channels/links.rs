//! Connect links as administrators make, follow and withdraw them. What a person does with one is in [`super::agree`].
//!
//! A link works until an inbox came of it. Its token is in the answer that made it and nowhere else; what is kept is its hash.

use super::app_choice::{self, Unusable};
use super::attempt;
use super::connect::{address, is_mailbox_of};
use super::steps;
use crate::accounts::Member;
use crate::{App, Hint};
use domain::channel::{ConnectLinkStatus, ConnectionStatus, SendTransport};
use domain::{ConnectLinkId, Failure, FailureClass, GrantId, InboxId, OauthAppId};
use std::time::Duration;
// What a link is, for whoever shows it.
pub use store::ConnectLink as Link;
use store::{ConnectLink, ConnectionChange, NewConnectLink, StoreError, TokenHash, Tx};

/// What a link is for. Empty texts are no texts.
#[derive(Clone, Debug, Default)]
pub struct NewLink {
    /// Who must sign in; nobody else can, but for whoever claims this address and is accepted by an administrator.
    pub expected_email: Option<String>,
    /// A shared mailbox to open.
    pub mailbox: Option<String>,
    /// The inbox that signs in again.
    pub inbox_id: Option<InboxId>,
    /// Through which app they sign in. `None`: that of the inbox that signs in again, or whichever is the account's default when the link is
    /// used, or the installation's. `Some(None)`: the installation's.
    pub oauth_app_id: Option<Option<OauthAppId>>,
    /// Through what the mailbox is to send; `None`: as the inbox does, a new one by SMTP.
    pub send_transport: Option<SendTransport>,
    /// Where the person goes at the end.
    pub return_url: Option<String>,
    /// `None`: [`DEFAULT_HOURS`].
    pub expires_in_hours: Option<u32>,
}

pub const DEFAULT_HOURS: u32 = 72;
pub const MOST_HOURS: u32 = 336;
/// Links of one account that can be used at the same time.
pub const MAX_OPEN_LINKS: u32 = 500;
/// Links of one page of the list.
pub const PAGE: u32 = 25;

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("only administrators connect mailboxes")]
    Forbidden,
    #[error("no such connect link")]
    NotFound,
    #[error("no such inbox")]
    InboxNotFound,
    #[error("no such OAuth app")]
    OauthAppNotFound,
    /// It has no credential, or none that can be used.
    #[error("{0}")]
    OauthAppUnusable(Failure),
    #[error("the expected e-mail is not an e-mail address")]
    EmailInvalid,
    #[error("the mailbox is not an e-mail address, or not the one of the inbox")]
    MailboxInvalid,
    #[error("the return address is not one that the operator permits")]
    ReturnUrlForbidden,
    #[error("the time is not between an hour and two weeks")]
    HoursInvalid,
    /// AZURE_APP_ID and AZURE_APP_SECRET are missing.
    #[error("signing in with Microsoft is not configured on this installation")]
    NotConfigured,
    #[error("too many connect links of this account are open")]
    TooManyOpen,
    /// It has connected a mailbox, or it has expired.
    #[error("the link has ended already")]
    Ended,
    #[error(transparent)]
    Store(StoreError),
}

impl From<Unusable> for LinkError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::NotConfigured => Self::NotConfigured,
            Unusable::NotFound => Self::OauthAppNotFound,
            Unusable::Failure(failure) => Self::OauthAppUnusable(failure),
        }
    }
}

impl From<StoreError> for LinkError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LimitReached(_) => Self::TooManyOpen,
            error => Self::Store(error),
        }
    }
}

/// A link and its address, which is shown here and never again.
#[derive(Clone)]
pub struct MadeLink {
    pub link: ConnectLink,
    pub url: String,
}

/// Whoever knows the address may use it.
impl std::fmt::Debug for MadeLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeLink").field("link", &self.link.id).finish_non_exhaustive()
    }
}

fn administrator(member: &Member) -> Result<(), LinkError> {
    if member.may_manage_inboxes() { Ok(()) } else { Err(LinkError::Forbidden) }
}

pub async fn create(app: &App, member: &Member, new: NewLink) -> Result<MadeLink, LinkError> {
    administrator(member)?;
    let expected_email = address(new.expected_email.as_deref()).map_err(|()| LinkError::EmailInvalid)?;
    let mailbox = address(new.mailbox.as_deref()).map_err(|()| LinkError::MailboxInvalid)?;
    let hours = new.expires_in_hours.unwrap_or(DEFAULT_HOURS);
    if !(1..=MOST_HOURS).contains(&hours) {
        return Err(LinkError::HoursInvalid);
    }
    let return_url = match new.return_url.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => {
            let permitted = app.settings().return_urls.permitted(text);
            Some(permitted.ok_or(LinkError::ReturnUrlForbidden)?.to_string())
        }
        None => None,
    };
    let mut again = None;
    if let Some(inbox) = new.inbox_id {
        let inbox = member.scope.inbox(inbox).await?.ok_or(LinkError::InboxNotFound)?;
        if !is_mailbox_of(mailbox.as_deref(), &inbox.channel) {
            return Err(LinkError::MailboxInvalid);
        }
        again = Some(inbox);
    }
    // Which app it will be may show only when somebody uses the link; that there is one that works is said now.
    app_choice::chosen(app, &member.scope, new.oauth_app_id, again.as_ref()).await??;
    let token = oauth::random_token(app.entropy(), 32);
    let row = NewConnectLink {
        token_hash: TokenHash::of(&token),
        created_by: member.agent.user.id,
        expected_email,
        mailbox,
        inbox_id: new.inbox_id,
        oauth_app_id: new.oauth_app_id,
        send_transport: new.send_transport,
        return_url,
        expires_at: app.now().plus(Duration::from_secs(u64::from(hours) * 3600)),
    };
    let mut tx = member.scope.begin().await?;
    let link = tx.create_connect_link(&row, MAX_OPEN_LINKS).await?;
    steps::link_told(&mut tx, &link);
    tx.commit().await?;
    app.wake(Hint::Account(link.account_id));
    Ok(MadeLink { link, url: app.settings().link(&format!("/connect/{token}")) })
}

/// Newest first, and how many there are. Pages count from 1.
pub async fn list(_app: &App, member: &Member, page: u32) -> Result<(Vec<ConnectLink>, u64), LinkError> {
    administrator(member)?;
    let skip = page.saturating_sub(1).saturating_mul(PAGE);
    Ok(member.scope.connect_links(skip, PAGE).await?)
}

pub async fn show(_app: &App, member: &Member, id: ConnectLinkId) -> Result<ConnectLink, LinkError> {
    administrator(member)?;
    member.scope.connect_link(id).await?.ok_or(LinkError::NotFound)
}

/// It cannot be used from now on, not by who is on the way with it either. One that was withdrawn before stays so.
pub async fn revoke(app: &App, member: &Member, id: ConnectLinkId) -> Result<ConnectLink, LinkError> {
    let link = show(app, member, id).await?;
    if link.status_at(app.now()) == ConnectLinkStatus::Revoked {
        return Ok(link);
    }
    let mut tx = member.scope.begin().await?;
    // Attempts first and their link after them, as everywhere.
    let unwanted = end_attempts(&mut tx, id).await?;
    let revoked = tx.end_connect_link(id, ConnectLinkStatus::Revoked, app.now()).await?.ok_or(LinkError::Ended)?;
    for grant in unwanted {
        tx.forget_unused_grant(grant).await?;
    }
    steps::link_told(&mut tx, &revoked);
    tx.commit().await?;
    app.changed();
    app.wake(Hint::Account(revoked.account_id));
    Ok(revoked)
}

/// The link cannot be used any more, in this transaction: nobody waits for anything of whoever is on the way with it. Their permissions, which
/// are to be forgotten once the link is written.
pub(super) async fn end_attempts(tx: &mut Tx, link: ConnectLinkId) -> Result<Vec<GrantId>, StoreError> {
    let mut unwanted = Vec::new();
    for attempt in tx.waiting_attempts_of_link(link).await? {
        let change = ConnectionChange {
            status: Some(ConnectionStatus::Failed),
            failure: Some(Some(FailureClass::ConnectLinkOver.into())),
            ..ConnectionChange::default()
        };
        let ended = tx.update_connection(attempt.id, &change).await?;
        steps::attempt_told(tx, attempt.status, &ended);
        unwanted.extend(ended.grant_id);
    }
    Ok(unwanted)
}

/// The path at which an attempt of ours goes on to Microsoft.
pub(super) fn path_to_microsoft(link_token: &str) -> String {
    format!("/microsoft/connect/{link_token}")
}

/// Where the browser that agreed goes on, and what it keeps.
pub(super) fn cookies_of(app: &App, link_token: &str, state: &str, value: String) -> [attempt::BrowserCookie; 2] {
    [attempt::cookie(app, state, value), attempt::link_cookie(app, link_token, state)]
}
