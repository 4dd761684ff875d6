//! The one process of a SQLite file begins: whoever held a lease before it is dead, and nobody waits for those leases to end.
//!
//! On PostgreSQL several processes serve, and a lease ends only by itself or by its holder: nothing is done there. What a lease protects
//! (attempts, states, cursors) is never touched here.

use super::sql::system;
use crate::{Result, ServingLock, Store};

/// Every lease there is, ended. The token of a claim stays: it tells the next claim that the one before broke down ([`super::claims`]). A row that was handed over or claimed is due again when it was before; one that waits for its next try
/// goes on waiting.
const ENDED: &[&str] = &[
    "UPDATE email_channels SET worker_session_id = NULL, send_lease_token = NULL, send_lease_worker = NULL, send_lease_until = 0, \
     send_kept_worker = NULL, send_kept_until = 0 WHERE worker_session_id IS NOT NULL OR send_lease_until > 0 OR send_kept_until > 0",
    "DELETE FROM worker_sessions",
    "UPDATE grants SET lease_token = NULL, lease_until = 0 WHERE lease_until > 0",
    "UPDATE owed_work SET lease_until = 0, handed_until = 0, ready_at = due_at WHERE state = 'waiting'",
    "UPDATE raw_emails SET ready_at = {now} WHERE state = 'waiting' AND (attempts = 0 OR lease_until > 0)",
    "UPDATE raw_emails SET lease_until = 0 WHERE lease_until > 0",
];

impl Store {
    /// Ends what the process before this one held. Call it once, between taking the lock and starting to work.
    pub async fn succeed(&self, lock: &ServingLock) -> Result<()> {
        if !lock.is_alone() {
            return Ok(());
        }
        let tx = self.inner.begin().await?;
        for statement in ENDED {
            system(*statement).run(&tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
