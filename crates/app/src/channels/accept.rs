//! An administrator accepts somebody who signed in with a link, where nobody vouches for the address that the link was made for.
//!
//! In a tenant of their own anybody can write any address into the `email` claim, so it lets nobody in by itself; and the right person's
//! sign-in name may be another than their address. The mailbox is proved after the yes, and the inbox comes of it as it would have.

use super::settle;
use crate::App;
use crate::accounts::Member;
use domain::ConnectionId;
use store::{Connection, StoreError};

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
    settle::confirmed(app, tx, connection.status, &accepted).await?;
    tracing::info!(
        account.id = %accepted.account_id, connection.id = %accepted.id, user.id = %member.agent.user.id,
        "accepted somebody whose address nobody vouches for"
    );
    Ok(accepted)
}
