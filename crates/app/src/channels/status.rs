//! What has become of a connection, for the administrator who asked for it and polls.

use super::consent;
use crate::App;
use crate::accounts::Member;
use domain::ConnectionId;
use domain::channel::ConnectionStatus;
use store::{Connection, StoreError};
use url::Url;

/// Attempts of one page of the list.
pub const PAGE: u32 = 25;

#[derive(Clone, Debug)]
pub struct ConnectionView {
    pub connection: Connection,
    /// As it is now: a link that nobody opened in time has expired, whether or not anybody wrote that down.
    pub status: ConnectionStatus,
    pub admin_consent_url: Option<Url>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectionStatusError {
    #[error("only administrators connect mailboxes")]
    Forbidden,
    #[error("no such connection")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub async fn connection_status(
    app: &App,
    member: &Member,
    id: ConnectionId,
) -> Result<ConnectionView, ConnectionStatusError> {
    if !member.may_manage_inboxes() {
        return Err(ConnectionStatusError::Forbidden);
    }
    let connection = member.scope.connection(id).await?.ok_or(ConnectionStatusError::NotFound)?;
    view(app, member, connection).await
}

/// Newest first, and how many there are. `status`: those that have it now. Pages count from 1.
pub async fn connections(
    app: &App,
    member: &Member,
    status: Option<ConnectionStatus>,
    page: u32,
) -> Result<(Vec<ConnectionView>, u64), ConnectionStatusError> {
    if !member.may_manage_inboxes() {
        return Err(ConnectionStatusError::Forbidden);
    }
    let skip = page.saturating_sub(1).saturating_mul(PAGE);
    let (found, count) = member.scope.connections(status, app.now(), skip, PAGE).await?;
    let mut views = Vec::with_capacity(found.len());
    for connection in found {
        views.push(view(app, member, connection).await?);
    }
    Ok((views, count))
}

async fn view(app: &App, member: &Member, connection: Connection) -> Result<ConnectionView, ConnectionStatusError> {
    let status = connection.status_at(app.now());
    let admin_consent_url = consent::url(app, &member.scope, &connection).await?;
    Ok(ConnectionView { connection, status, admin_consent_url })
}
