//! An administrator accepts somebody who signed in with a link, where nobody vouches for the address that the link was made for.
//!
//! In a tenant of their own anybody can write any address into the `email` claim, so it lets nobody in by itself; and the right person's
//! sign-in name may be another than their address. The mailbox is proved after the yes, and the inbox comes of it as it would have.

use super::{settle, steps};
use crate::accounts::Member;
use crate::{App, Hint};
use domain::ConnectionId;
use std::time::Duration;
use store::{Connection, StoreError};

/// How long an administrator may take.
pub const WAITS_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("only administrators connect mailboxes")]
    Forbidden,
    #[error("no such connection")]
    NotFound,
    /// Nobody needs to be accepted, or it has been decided, or its time has run out.
    #[error("the connection does not wait to be accepted")]
    NotWaiting,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The mailbox is proved now; follow the attempt.
pub async fn accept(app: &App, member: &Member, id: ConnectionId) -> Result<Connection, AcceptError> {
    if !member.may_manage_inboxes() {
        return Err(AcceptError::Forbidden);
    }
    let connection = member.scope.connection(id).await?.ok_or(AcceptError::NotFound)?;
    let mut tx = member.scope.begin().await?;
    let Some(accepted) = tx.accept_connection(id, member.agent.user.id).await? else {
        tx.rollback().await?;
        return Err(AcceptError::NotWaiting);
    };
    steps::told(&mut tx, connection.status, &accepted).await?;
    settle::owe_proof(app, &mut tx, &accepted).await?;
    tx.commit().await?;
    steps::seen(app, &accepted);
    app.wake(Hint::Owed);
    tracing::info!(
        account.id = %accepted.account_id, connection.id = %accepted.id, user.id = %member.agent.user.id,
        "accepted somebody whose address nobody vouches for"
    );
    Ok(accepted)
}
