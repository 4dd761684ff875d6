//! A proof that broke down again and again, or that cannot be read: the attempt to connect has failed, and says why.

use super::steps;
use crate::{App, Hint};
use domain::channel::ConnectionStatus;
use domain::{ConnectionId, Failure};
use store::{ClaimedWork, ConnectionChange, StoreError};

pub async fn connection(app: &App, work: &ClaimedWork, failure: &Failure) -> Result<(), StoreError> {
    let id = ConnectionId(work.subject_id);
    let proving = work.scope.connection(id).await?.filter(|c| c.status == ConnectionStatus::Proving);
    let mut tx = work.scope.begin().await?;
    if let Some(connection) = proving {
        let change = ConnectionChange {
            status: Some(ConnectionStatus::Failed),
            failure: Some(Some(failure.clone())),
            ..ConnectionChange::default()
        };
        steps::step(&mut tx, &connection, &change).await?;
        if let Some(grant) = connection.grant_id {
            // What could not be proved is not kept.
            tx.forget_unused_grant(grant).await?;
        }
    }
    tx.fail_work(work, failure).await?;
    tx.commit().await?;
    app.changed();
    app.wake(Hint::Account(work.scope.account_id()));
    Ok(())
}
