//! An inbox goes from the person who connected it to another, because an administrator of the account says so.
//!
//! Whoever signs in cannot bring it about alone: their sign-in waits, and nothing of the inbox changes. The same mailbox must open for the
//! new person before the inbox moves, which it does in one transaction; the permission of the one before is forgotten where nothing uses it.

use super::settle;
use crate::App;
use crate::accounts::Member;
use domain::channel::EmailChannel;
use domain::{ConnectionId, EmailAddress, UserId};
use std::time::Duration;
use store::{AccountScope, Connection, ConnectionIdentity, StoreError, Tx};

/// How long an administrator of the account may take to say yes.
pub const WAITS_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    #[error("only administrators hand inboxes over")]
    Forbidden,
    #[error("no such connection")]
    NotFound,
    /// It is not a sign-in of somebody else to an inbox that exists, or it has been decided, or its time has run out.
    #[error("the connection does not wait for a handover")]
    NotWaiting,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The mailbox is proved with the new person's permission now; follow the attempt to see whether the inbox has moved.
pub async fn confirm(app: &App, member: &Member, id: ConnectionId) -> Result<Connection, HandoverError> {
    if !member.may_manage_inboxes() {
        return Err(HandoverError::Forbidden);
    }
    let connection = member.scope.connection(id).await?.ok_or(HandoverError::NotFound)?;
    let mut tx = member.scope.begin().await?;
    let Some(confirmed) = tx.hand_over(id, member.agent.user.id).await? else {
        tx.rollback().await?;
        return Err(HandoverError::NotWaiting);
    };
    settle::confirmed(app, tx, connection.status, &confirmed).await?;
    Ok(confirmed)
}

/// The inbox has moved, in this transaction. `tx`: where an administrative act is written down.
pub(super) async fn moved(
    tx: &mut Tx,
    connection: &Connection,
    channel: &EmailChannel,
    by: UserId,
) -> Result<(), StoreError> {
    if let Some(grant) = channel.grant_id.filter(|before| connection.grant_id != Some(*before)) {
        tx.forget_unused_grant(grant).await?;
    }
    tracing::info!(
        account.id = %connection.account_id, connection.id = %connection.id, inbox.id = %channel.inbox_id, user.id = %by,
        "handed an inbox over to another Microsoft account"
    );
    Ok(())
}

/// An inbox that signs in again must be signed in by the same person. Addresses are no help here: they move between people.
async fn is_other(scope: &AccountScope, channel: &EmailChannel, who: &ConnectionIdentity) -> Result<bool, StoreError> {
    let grant = match channel.grant_id {
        Some(grant) => scope.grant(grant).await?,
        None => None,
    };
    let principal = who.principal.as_deref().and_then(EmailAddress::parse);
    Ok(match grant {
        Some(grant) => (&grant.tid, &grant.oid) != (&who.tid, &who.oid),
        // Nobody's permission is left: whoever signs in to their own mailbox of that address is the one who may.
        None => principal.is_none_or(|principal| !principal.same_as(&channel.mailbox_address)),
    })
}

/// Whether this person's permission is the one that the inbox has.
pub(super) async fn is_own(
    scope: &AccountScope,
    connection: &Connection,
    who: &ConnectionIdentity,
) -> Result<bool, StoreError> {
    let inbox = match connection.inbox_id {
        Some(inbox) => scope.inbox(inbox).await?,
        None => None,
    };
    let grant = match inbox.and_then(|inbox| inbox.channel.grant_id) {
        Some(grant) => scope.grant(grant).await?,
        None => None,
    };
    Ok(grant.is_some_and(|grant| (&grant.tid, &grant.oid) == (&who.tid, &who.oid)))
}

/// Whether an administrator must hand the inbox over before this person's sign-in changes it, and none has. An inbox that has gone needs
/// nobody's yes; the proof of its mailbox says so.
pub(super) async fn is_needed(
    scope: &AccountScope,
    connection: &Connection,
    who: &ConnectionIdentity,
) -> Result<bool, StoreError> {
    let (Some(inbox), None) = (connection.inbox_id, connection.handover_by) else {
        return Ok(false);
    };
    match scope.inbox(inbox).await? {
        Some(inbox) => is_other(scope, &inbox.channel, who).await,
        None => Ok(false),
    }
}
