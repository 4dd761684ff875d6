//! What a store asks of its database, in builds for development: tests hold the number of statements down, and look at how they are run.
//! Never in a release build, and never the values that are bound.

use crate::Backend;
use sea_orm::DatabaseConnection;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Default)]
pub struct Statements {
    count: AtomicU64,
    texts: Mutex<BTreeSet<String>>,
}

impl Statements {
    /// Both handles tell what they run.
    pub(crate) fn of(
        backend: Backend,
        mut write: DatabaseConnection,
        mut read: DatabaseConnection,
    ) -> (Arc<Self>, DatabaseConnection, DatabaseConnection) {
        let statements = Arc::<Self>::default();
        let listen = || {
            let statements = Arc::clone(&statements);
            move |info: &sea_orm::metric::Info<'_>| statements.heard(&info.statement.sql)
        };
        write.set_metric_callback(listen());
        read = match backend {
            // One pool.
            Backend::Postgres => write.clone(),
            Backend::Sqlite => {
                read.set_metric_callback(listen());
                read
            }
        };
        (statements, write, read)
    }

    fn heard(&self, text: &str) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if !texts.contains(text) {
            texts.insert(text.to_owned());
        }
    }

    /// How many were run.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Each text that was run, once.
    pub fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
