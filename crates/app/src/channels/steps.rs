//! Steps of an attempt to connect, written and told in one transaction, so that nobody who follows it has to ask.
//!
//! What is told names no address, no link and no server's words: everybody in the account hears it.

use super::snapshot;
use crate::{App, Hint};
use domain::channel::{ConnectLinkStatus, ConnectionStatus};
use domain::event::EventKind;
use store::{ConnectLink, Connection, ConnectionChange, StoreError, Tx};

pub(super) async fn step(
    tx: &mut Tx,
    before: &Connection,
    change: &ConnectionChange,
) -> Result<Connection, StoreError> {
    let after = tx.update_connection(before.id, change).await?;
    told(tx, before.status, &after).await?;
    Ok(after)
}

/// For a step that is written already (`was`: `None` where there was nothing before it): it is told, and the link that the attempt was begun with follows it.
pub(super) async fn told(
    tx: &mut Tx,
    was: impl Into<Option<ConnectionStatus>>,
    after: &Connection,
) -> Result<(), StoreError> {
    attempt_told(tx, was, after);
    // A link is used up by whoever makes the inbox, who must know whether it still could be.
    if let Some(link) = after.connect_link_id.filter(|_| after.status != ConnectionStatus::Connected) {
        let status = ConnectLinkStatus::of_attempt(after.status);
        if let Some(link) = tx.follow_connect_link(link, status, after.id, after.failure.as_ref()).await? {
            link_told(tx, &link);
        }
    }
    Ok(())
}

pub(super) fn attempt_told(tx: &mut Tx, was: impl Into<Option<ConnectionStatus>>, after: &Connection) {
    let was = was.into();
    if was != Some(after.status) {
        let inbox = after.result_inbox_id.or(after.inbox_id);
        tx.append_event(EventKind::ConnectionUpdated, inbox, None, snapshot::connection(was, after));
    }
}

/// Somebody came back from the page where an administrator approves. The status is what it was.
pub(super) fn consent_seen(tx: &mut Tx, after: &Connection) {
    let inbox = after.result_inbox_id.or(after.inbox_id);
    tx.append_event(EventKind::ConnectionUpdated, inbox, None, snapshot::connection(Some(after.status), after));
}

pub(super) fn link_told(tx: &mut Tx, link: &ConnectLink) {
    let inbox = link.result_inbox_id.or(link.inbox_id);
    tx.append_event(EventKind::ConnectLinkUpdated, inbox, None, snapshot::connect_link(link));
}

/// After the commit: those who wait here or follow the account look.
pub(super) fn seen(app: &App, connection: &Connection) {
    app.changed();
    app.wake(Hint::Account(connection.account_id));
}
