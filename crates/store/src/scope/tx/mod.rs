//! One transaction of one account: begin, savepoints, and a commit that numbers what happened, last.

mod answers;
mod channels;
mod connecting;
mod contact_changes;
mod contact_erasing;
mod contact_merging;
mod contacts;
mod conversations;
mod events;
mod filing;
mod filing_rows;
mod health;
mod mail;
mod notifications;
mod oauth_apps;
mod sending;
mod system_mails;
mod tombstones;
mod webhooks;

use super::account::AccountScope;
use super::sql::{Sql, system};
use crate::Result;
pub use contacts::LockedContact;
use domain::{AccountId, ConversationId, DisplayId};
use events::PendingEvent;
use sea_orm::DatabaseTransaction;
use std::borrow::Cow;
use std::collections::HashMap;
pub use tombstones::Trace;

/// A transaction of one account. Dropped without `commit`, it is rolled back.
///
/// Display ids and event numbers are taken by `commit`, last, so that rows are always locked contact → conversation → counter:
/// until then a new conversation carries a provisional (negative) display id, which `commit` replaces in the row and in the
/// payloads of the events. On SQLite it holds the one writer: anything else that writes waits, so write through it alone.
pub struct Tx {
    scope: AccountScope,
    tx: DatabaseTransaction,
    events: Vec<PendingEvent>,
    /// With their provisional display ids.
    new_conversations: Vec<(ConversationId, i64)>,
    /// How long the two lists were at each open savepoint.
    savepoints: Vec<(usize, usize)>,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tx({})", self.scope.id)
    }
}

/// What `commit` numbered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    pub display_ids: HashMap<ConversationId, DisplayId>,
    /// The last event's number, if there was one.
    pub last_event_seq: Option<i64>,
}

impl Tx {
    pub(crate) fn new(scope: AccountScope, tx: DatabaseTransaction) -> Self {
        Self { scope, tx, events: Vec::new(), new_conversations: Vec::new(), savepoints: Vec::new() }
    }

    pub fn account_id(&self) -> AccountId {
        self.scope.id
    }

    pub(crate) fn sql(&self, text: impl Into<Cow<'static, str>>) -> Sql {
        self.scope.sql(text)
    }

    pub(crate) fn scope(&self) -> &AccountScope {
        &self.scope
    }

    /// Where statements of the aggregates in [`super`] run.
    pub(crate) fn on(&self) -> &DatabaseTransaction {
        &self.tx
    }

    /// As [`AccountScope::make_room`].
    pub(crate) async fn make_room(&mut self, what: &'static str, counted: Sql, most: u32) -> Result<()> {
        self.scope.make_room(&self.tx, what, counted, most).await
    }

    pub async fn commit(mut self) -> Result<Committed> {
        let committed = self.number().await?;
        self.tx.commit().await?;
        Ok(committed)
    }

    pub async fn rollback(self) -> Result<()> {
        Ok(self.tx.rollback().await?)
    }

    pub async fn savepoint(&mut self) -> Result<()> {
        system(format!("SAVEPOINT s{}", self.savepoints.len())).run(&self.tx).await?;
        self.savepoints.push((self.events.len(), self.new_conversations.len()));
        Ok(())
    }

    /// Undoes everything since the last `savepoint`, which is used up.
    pub async fn rollback_to(&mut self) -> Result<()> {
        let (events, conversations) = self.savepoints.pop().expect("a savepoint was made");
        let name = self.savepoints.len();
        system(format!("ROLLBACK TO SAVEPOINT s{name}")).run(&self.tx).await?;
        system(format!("RELEASE SAVEPOINT s{name}")).run(&self.tx).await?;
        self.events.truncate(events);
        self.new_conversations.truncate(conversations);
        Ok(())
    }

    /// Keeps everything since the last `savepoint`, which is used up.
    pub async fn release_savepoint(&mut self) -> Result<()> {
        self.savepoints.pop().expect("a savepoint was made");
        system(format!("RELEASE SAVEPOINT s{}", self.savepoints.len())).run(&self.tx).await?;
        Ok(())
    }
}
