//! Another mailbox, opened with the permission that an inbox has already: shared mailboxes need no sign-in of their own.
//!
//! Nothing is believed of it: the mail server says whether whoever signed in may open it, and whether they may send as it.

use super::connect::MAX_OPEN_CONNECTIONS;
use super::{attempt, refresh, settle, steps};
use crate::accounts::Member;
use crate::{App, Hint};
use domain::channel::ConnectionStatus;
use domain::{ConnectionId, EmailAddress, Failure, InboxId};
use store::{ConnectionChange, ConnectionIdentity, ConnectionPurpose, NewConnection, StoreError, TokenHash};

#[derive(Debug, thiserror::Error)]
pub enum SharedMailboxError {
    #[error("only administrators connect mailboxes")]
    Forbidden,
    #[error("no such inbox")]
    InboxNotFound,
    #[error("the mailbox is not an e-mail address")]
    MailboxInvalid,
    #[error("an inbox of this account has that mailbox already")]
    AlreadyConnected,
    /// Whoever connected the inbox must sign in first.
    #[error("{0}")]
    NeedsSignIn(Failure),
    #[error("too many sign-ins of this account are open")]
    TooManyOpen,
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for SharedMailboxError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LimitReached(_) => Self::TooManyOpen,
            error => Self::Store(error),
        }
    }
}

/// Follow the attempt: an inbox comes of it when the mailbox opens.
pub async fn connect(
    app: &App,
    member: &Member,
    inbox: InboxId,
    mailbox: &str,
) -> Result<ConnectionId, SharedMailboxError> {
    if !member.may_manage_inboxes() {
        return Err(SharedMailboxError::Forbidden);
    }
    let channel = member.scope.inbox(inbox).await?.ok_or(SharedMailboxError::InboxNotFound)?.channel;
    let mailbox = EmailAddress::parse(mailbox).ok_or(SharedMailboxError::MailboxInvalid)?;
    if member.scope.channel_of_mailbox(&mailbox.key()).await?.is_some() {
        return Err(SharedMailboxError::AlreadyConnected);
    }
    if let Some(failure) = refresh::needs_sign_in(&member.scope, channel.grant_id).await? {
        return Err(SharedMailboxError::NeedsSignIn(failure));
    }
    let grant = match channel.grant_id {
        Some(grant) => member.scope.grant(grant).await?,
        None => None,
    };
    let grant = grant.ok_or(StoreError::NotFound("grant"))?;
    // Nobody is sent anywhere: its link and state are never handed out.
    let (link_token, handshake) = attempt::fresh(app);
    let new = NewConnection {
        purpose: ConnectionPurpose::Connect,
        provider: channel.provider,
        oauth_app_id: grant.oauth_app_id,
        inbox_id: None,
        created_by: member.agent.user.id,
        email: Some(channel.principal.clone()),
        mailbox: Some(mailbox.as_str().to_owned()),
        connect_link: None,
        send_transport: None,
        handshake,
        link_hash: TokenHash::of(&link_token),
        browser: None,
        agreed: false,
        consent_state: attempt::consent_state(app),
        expires_at: app.now().plus(app.settings().connection_lifetime),
    };
    let identity = ConnectionIdentity {
        tid: grant.tid,
        oid: grant.oid,
        sub: grant.sub,
        principal: Some(channel.principal.clone()),
        mailbox: None,
        claimed_email: None,
        name: None,
        typed: false,
        is_guest: false,
    };
    let mut tx = member.scope.begin().await?;
    let made = tx.create_connection(&new, MAX_OPEN_CONNECTIONS).await?;
    let change = ConnectionChange {
        status: Some(ConnectionStatus::Proving),
        identity: Some(identity),
        grant_id: Some(grant.id),
        ..ConnectionChange::default()
    };
    let proving = steps::step(&mut tx, &made, &change).await?;
    settle::owe_proof(app, &mut tx, &proving).await?;
    tx.commit().await?;
    steps::seen(app, &proving);
    app.wake(Hint::Owed);
    Ok(made.id)
}
