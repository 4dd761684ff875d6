//! The jobs: one file each, each calling one use case. The name is the owed kind's code; the payload stands in the row.
//!
//! A payload that cannot be read is a permanent failure, and so is work that breaks down [`MOST_BREAKDOWNS`] times in a row without saying
//! why: a bug of ours, or something that kills the process. Both are given up ([`give_up`]), visibly: the message, mailbox or mail it was
//! about says so, and the row stays as failed with its payload and the reason. Work that says why it failed and when it should be tried
//! again is not given up here; its use case knows how long people can wait.

pub mod deliver_message;
pub mod deliver_webhook;
pub mod erase_contact;
pub mod file_sent_copy;
mod give_up;
pub mod import_window;
pub mod ingest_raw_email;
pub mod prove_connection;
pub mod reconcile_delivery;
pub mod send_system_mail;

pub use give_up::give_up;

use serde::Deserialize;
use std::convert::Infallible;
use std::time::Duration;
use store::{ClaimedWork, OwedKind};

/// How long a claim holds. Whoever claimed keeps it up ([`keeping`]), however long the work takes; when that worker dies, others wait no
/// longer than this.
pub const LEASE: Duration = Duration::from_secs(45);
/// How often a claim is kept up: two may be missed.
pub const KEEP_EVERY: Duration = Duration::from_secs(15);

/// Breakdowns in a row before work is given up. With the waits between them, some minutes.
pub const MOST_BREAKDOWNS: u32 = 5;
/// After a breakdown the work rests, ever longer: whatever broke it may be a moment's.
pub const FIRST_REST: Duration = Duration::from_secs(5);
pub const LONGEST_REST: Duration = Duration::from_secs(120);

/// How soon work asks again for a connection to a mail server at which all were taken (`net::Slot`). That is no failure of the mailbox, and no
/// try of the work.
pub const UNTIL_SLOT: Duration = Duration::from_secs(5);

/// What most rows hold beside their subject: nothing. What a newer version adds is ignored.
#[derive(Debug, Deserialize)]
struct Nothing {}

/// Whether the work's payload is one of its kind.
pub fn read_payload(work: &ClaimedWork) -> Result<(), serde_json::Error> {
    match work.kind {
        OwedKind::ProveConnection => prove_connection::Payload::of(work).map(drop),
        OwedKind::FileSentCopy => file_sent_copy::Payload::of(work).map(drop),
        OwedKind::DeliverMessage
        | OwedKind::IngestRawEmail
        | OwedKind::ImportWindow
        | OwedKind::ReconcileDelivery
        | OwedKind::DeliverWebhook
        | OwedKind::SendSystemMail
        | OwedKind::EraseContact => serde_json::from_str(&work.payload).map(|Nothing {}| ()),
    }
}

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
