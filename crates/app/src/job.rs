//! What travels through the queue, and what running it means.
//!
//! An envelope is a name and two numbers: everything else stands in the row of owed work, which also holds the attempts, the backoff and
//! the only lease. So an envelope may be lost, doubled or late without harm, and running one twice is safe: the second run finds
//! nothing to claim. Old envelopes still decode; one that cannot be decoded is kept in the database ([`keep_unreadable`]), where whoever
//! runs the installation finds it. It stands for no row that we know of, so nothing else can be done for it.

use crate::{App, jobs};
use domain::failure::{MAX_SERVER_TEXT_BYTES, backoff};
use domain::{AccountId, Failure, FailureClass, OwedId};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use store::{ClaimedWork, KillPoint, OwedKind, StoreError};
use tokio_util::sync::CancellationToken;

/// A job as it stands in the queue. Unknown fields are ignored, so that a newer version may add some.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobEnvelope {
    pub name: String,
    pub account_id: AccountId,
    pub owed_id: OwedId,
}

/// Bytes from the queue that are no job of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a job: {reason}")]
pub struct Undecodable {
    /// What stood there, cut to [`MAX_KEPT_BYTES`].
    pub text: String,
    pub reason: String,
}

pub const MAX_KEPT_BYTES: usize = 4096;

/// How long a job may go on after a stop was asked for. Most end by themselves, and a message whose end was not said is taken back; one that waits
/// for a mail server's answer may not.
pub const ENDS_WITHIN: Duration = Duration::from_secs(12);
/// A database that hangs does not hold up a stop.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(3);

/// How a run ended, for the queue and the log. Nothing here asks the queue to do anything: what must be tried again is owed already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// It ran; its row says what came of it.
    Ran,
    /// It is done, another worker has it, or it is not due: nothing was to be done.
    NothingToDo,
    /// This version knows no such job. The row stays for one that does.
    UnknownName,
    /// The database failed under it; the row comes again.
    StoreFailed(String),
    /// It panicked, or met a bug of ours; the row comes again, until that has happened too often.
    BrokeDown(String),
    /// It will not be tried again: its row says why.
    GivenUp(String),
    /// It did not end in time after a stop was asked for: what it was at is dropped, and its row is free for whoever takes it next.
    PutBack,
}

impl JobEnvelope {
    pub fn new(kind: OwedKind, account_id: AccountId, owed_id: OwedId) -> Self {
        Self { name: kind.as_str().to_owned(), account_id, owed_id }
    }

    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a name and two numbers are JSON")
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        serde_json::from_slice(bytes).map_err(|error| Undecodable {
            text: String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_KEPT_BYTES)]).into_owned(),
            reason: error.to_string(),
        })
    }

    pub fn kind(&self) -> Option<OwedKind> {
        OwedKind::parse(&self.name)
    }
}

/// Claims the work and does it. `worker` names this process in the row, for diagnosis. After `stop` it has [`ENDS_WITHIN`] to end by itself.
pub async fn run(app: &App, envelope: &JobEnvelope, worker: &str, stop: &CancellationToken) -> JobEnd {
    let Some(kind) = envelope.kind() else { return JobEnd::UnknownName };
    let relay = app.store().relay();
    app.passes(KillPoint::HandedOver);
    let work = match relay.claim(envelope.account_id, kind, envelope.owed_id, worker, jobs::LEASE).await {
        Ok(Some(work)) => work,
        Ok(None) => return JobEnd::NothingToDo,
        Err(error) => return JobEnd::StoreFailed(error.to_string()),
    };
    app.passes(KillPoint::Claimed);
    if let Err(error) = jobs::read_payload(&work) {
        return given_up(app, &work, format!("the payload cannot be read ({error}): {}", shortened(&work.payload)))
            .await;
    }
    if work.breakdowns >= jobs::MOST_BREAKDOWNS {
        return given_up(app, &work, format!("it broke down {} times in a row", work.breakdowns)).await;
    }
    let ended = tokio::select! {
        biased;
        ended = AssertUnwindSafe(kept_up(app, &work, worker, stop)).catch_unwind() => ended,
        () = stopped_for(stop, ENDS_WITHIN) => return put_back(app, &work).await,
    };
    match ended {
        Ok(Ok(())) => JobEnd::Ran,
        // Somebody else has the row now, because we were too slow: theirs counts.
        Ok(Err(StoreError::LeaseLost)) => JobEnd::NothingToDo,
        Ok(Err(error)) if error.is_transient() => {
            let failure = Failure::new(FailureClass::Internal).detail("the database failed under it");
            let wait = backoff(work.attempts, jobs::FIRST_REST, jobs::LONGEST_REST, 0.5);
            // If that fails too, the row comes again when its claim ends.
            let _ = relay.retry(&work, wait, &failure).await;
            JobEnd::StoreFailed(error.to_string())
        }
        Ok(Err(error)) => broke_down(app, &work, error.to_string(), "it met a bug of ours").await,
        // The panic itself has been logged where it happened; its words may hold anything.
        Err(_panic) => broke_down(app, &work, "it panicked".to_owned(), "it panicked").await,
    }
}

/// Waits until the stop is so long ago.
async fn stopped_for(stop: &CancellationToken, long: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(long).await;
}

/// As if the process had died, but that nobody waits for its claim to end. A message that was being handed to a server stands as `sending`
/// and is looked for first.
async fn put_back(app: &App, work: &ClaimedWork) -> JobEnd {
    let given_back = tokio::time::timeout(GIVEN_BACK_WITHIN, app.store().relay().release(work, Duration::ZERO)).await;
    match given_back {
        Ok(Ok(_)) => JobEnd::PutBack,
        Ok(Err(error)) => JobEnd::StoreFailed(error.to_string()),
        Err(_) => JobEnd::StoreFailed("no answer in time".to_owned()),
    }
}

/// Does the work, and keeps the claim on it up meanwhile.
async fn kept_up(app: &App, work: &ClaimedWork, worker: &str, stop: &CancellationToken) -> Result<(), StoreError> {
    let doing = Box::pin(async {
        match work.kind {
            OwedKind::DeliverMessage => jobs::deliver_message::run(app, work, worker, stop).await,
            OwedKind::IngestRawEmail => jobs::ingest_raw_email::run(app, work).await,
            OwedKind::ProveConnection => jobs::prove_connection::run(app, work).await,
            OwedKind::ImportWindow => jobs::import_window::run(app, work).await,
            OwedKind::ReconcileDelivery => jobs::reconcile_delivery::run(app, work).await,
            OwedKind::DeliverWebhook => jobs::deliver_webhook::run(app, work).await,
            OwedKind::SendSystemMail => jobs::send_system_mail::run(app, work).await,
            OwedKind::EraseContact => jobs::erase_contact::run(app, work).await,
            OwedKind::FileSentCopy => jobs::file_sent_copy::run(app, work).await,
        }
    });
    let keep = async {
        loop {
            tokio::time::sleep(jobs::KEEP_EVERY).await;
            // What is written under a claim that is lost is refused then; and a database that is away now may be back before it ends.
            if !matches!(app.store().relay().extend(work, jobs::LEASE).await, Ok(true)) {
                tracing::warn!(owed.id = %work.owed_id, job = work.kind.as_str(), "the claim on a running job could not be kept");
            }
        }
    };
    jobs::keeping(doing, keep).await
}

async fn broke_down(app: &App, work: &ClaimedWork, said: String, detail: &str) -> JobEnd {
    let rest = backoff(work.breakdowns + 1, jobs::FIRST_REST, jobs::LONGEST_REST, 0.5);
    let failure = Failure::new(FailureClass::Internal).detail(detail);
    // If that fails too, the row comes again when its claim ends, and the breakdown is counted all the same.
    let _ = app.store().relay().broke_off(work, rest, &failure).await;
    JobEnd::BrokeDown(said)
}

async fn given_up(app: &App, work: &ClaimedWork, why: String) -> JobEnd {
    let failure = Failure::new(FailureClass::GivenUp).detail(why.clone());
    let told = AssertUnwindSafe(Box::pin(jobs::give_up(app, work, &failure))).catch_unwind().await;
    match told {
        Ok(Ok(())) => {}
        Ok(Err(StoreError::LeaseLost)) => return JobEnd::NothingToDo,
        Ok(Err(error)) if error.is_transient() => return JobEnd::StoreFailed(error.to_string()),
        // Even this breaks: then at least the row ends.
        Ok(Err(_)) | Err(_) => {
            if let Err(error) = app.store().relay().fail(work, &failure).await {
                return JobEnd::StoreFailed(error.to_string());
            }
        }
    }
    JobEnd::GivenUp(why)
}

/// The queue held something that is no job. It is kept where the operator sees it.
pub async fn keep_unreadable(app: &App, refused: &Undecodable, worker: &str) -> Result<(), StoreError> {
    app.store().relay().keep_unreadable(&refused.text, &refused.reason, worker).await
}

/// The beginning of a text, as much as is kept of anybody's words.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_SERVER_TEXT_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_of_every_version_decode() {
        for (text, kind) in [
            (r#"{"name":"deliver_message","account_id":1,"owed_id":7}"#, OwedKind::DeliverMessage),
            (r#"{"name":"ingest_raw_email","account_id":2,"owed_id":9}"#, OwedKind::IngestRawEmail),
            (r#"{"name":"prove_connection","account_id":3,"owed_id":11}"#, OwedKind::ProveConnection),
            (r#"{"name":"import_window","account_id":4,"owed_id":13}"#, OwedKind::ImportWindow),
            (r#"{"name":"reconcile_delivery","account_id":5,"owed_id":15}"#, OwedKind::ReconcileDelivery),
            (r#"{"name":"deliver_webhook","account_id":6,"owed_id":17}"#, OwedKind::DeliverWebhook),
            (r#"{"name":"send_system_mail","account_id":7,"owed_id":19}"#, OwedKind::SendSystemMail),
            (r#"{"name":"erase_contact","account_id":8,"owed_id":21}"#, OwedKind::EraseContact),
            (r#"{"name":"file_sent_copy","account_id":9,"owed_id":23}"#, OwedKind::FileSentCopy),
        ] {
            let envelope = JobEnvelope::decode(text.as_bytes()).expect("decodes");
            assert_eq!((envelope.kind(), envelope.encode().as_str()), (Some(kind), text));
        }
        let newer = br#"{"name":"deliver_message","account_id":1,"owed_id":7,"trace":"x"}"#;
        assert!(JobEnvelope::decode(newer).is_ok());
    }

    #[test]
    fn what_is_no_job_keeps_its_text() {
        let refused =
            JobEnvelope::decode(br#"{"name":"deliver_message","account_id":"one"}"#).expect_err("a wrong type");
        assert!(refused.text.contains("deliver_message") && !refused.reason.is_empty());
        assert!(JobEnvelope::decode(&[0xff, 0xfe]).is_err());
        assert!(JobEnvelope::decode(&vec![b'['; 1 << 20]).expect_err("no job").text.len() <= MAX_KEPT_BYTES);
    }
}
