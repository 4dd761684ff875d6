//! The jobs: one file each, each calling one use case. The name is the owed kind's code; the payload stands in the row.

pub mod deliver_message;
pub mod import_window;
pub mod ingest_raw_email;
pub mod prove_connection;
pub mod reconcile_delivery;

use std::convert::Infallible;
use std::time::Duration;

/// How long a claim holds. Whoever claimed keeps it up ([`keeping`]), however long the work takes; when that worker dies, others wait no
/// longer than this.
pub const LEASE: Duration = Duration::from_secs(45);
/// How often a claim is kept up: two may be missed.
pub const KEEP_EVERY: Duration = Duration::from_secs(15);

/// Does something, and beside it `keep`, which never ends by itself.
///
/// The two take turns at being polled, also while `keep` waits: what is being done may hold the one connection that writes to SQLite, which
/// `keep` then waits for.
pub async fn keeping<T>(doing: impl Future<Output = T>, keep: impl Future<Output = Infallible>) -> T {
    tokio::select! {
        biased;
        done = doing => done,
        never = keep => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::{Mutex, Semaphore};

    #[tokio::test]
    async fn a_claim_is_kept_up_while_work_is_done_even_when_keeping_it_must_wait_for_the_work() {
        let (kept, writer) = (Semaphore::new(0), Mutex::new(()));
        let doing = async {
            kept.acquire_many(2).await.expect("open").forget();
            let held = writer.lock().await;
            // Until `keep` waits for the writer, and then on: it must not be waited for.
            for _ in 0..50 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            drop(held);
            "done"
        };
        let keep = async {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let _writer = writer.lock().await;
                kept.add_permits(1);
            }
        };
        let work = keeping(doing, keep);
        assert_eq!(tokio::time::timeout(Duration::from_secs(30), work).await, Ok("done"));
    }
}
