//! Attempts and connect links whose time has run out: each is ended, and told, in a transaction of its own.

use super::steps;
use crate::App;
use domain::channel::ConnectLinkStatus;
use store::StoreError;

/// How many are ended at one look.
const AT_ONCE: u32 = 200;

/// How many were ended. Two processes that look at the same time end each once.
pub async fn end(app: &App) -> Result<u32, StoreError> {
    let (now, mut ended) = (app.now(), 0);
    let connections = app.store().connections();
    for (scope, id) in connections.overdue(now, AT_ONCE).await? {
        let Some(before) = scope.connection(id).await? else { continue };
        let mut tx = scope.begin().await?;
        if let Some(expired) = tx.expire_connection(id, now).await? {
            steps::told(&mut tx, before.status, &expired).await?;
            if let Some(grant) = expired.grant_id {
                tx.forget_unused_grant(grant).await?;
            }
            ended += 1;
        }
        tx.commit().await?;
        steps::seen(app, &before);
    }
    for (scope, id) in connections.overdue_connect_links(now, AT_ONCE).await? {
        let mut tx = scope.begin().await?;
        if let Some(link) = tx.end_connect_link(id, ConnectLinkStatus::Expired, now).await? {
            steps::link_told(&mut tx, &link);
            ended += 1;
        }
        tx.commit().await?;
        app.wake(crate::Hint::Account(scope.account_id()));
    }
    Ok(ended)
}
