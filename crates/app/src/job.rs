//! What travels through the queue, and what running it means.
//!
//! An envelope is a name and two numbers: everything else stands in the row of owed work, which also holds the attempts, the backoff and
//! the only lease. So an envelope may be lost, doubled or late without harm, and running one twice is safe: the second run finds
//! nothing to claim. Old envelopes still decode; one that cannot be decoded is a permanent failure whose text is kept.

use crate::kill_point::KillPoint;
use crate::{App, jobs};
use domain::{AccountId, OwedId};
use serde::{Deserialize, Serialize};
use store::{OwedKind, StoreError};

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

/// How a run ended, for the queue and the log. Nothing here asks the queue to do anything: what must be tried again is owed already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// It ran; its row says what came of it.
    Ran,
    /// It is done, another worker has it, or it is not due: nothing was to be done.
    NothingToDo,
    /// This version knows no such job. The row stays for one that does.
    UnknownName,
    /// The database failed under it; the row comes again when its lease ends.
    StoreFailed(String),
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

/// Claims the work and does it. `worker` names this process in the row, for diagnosis.
pub async fn run(app: &App, envelope: &JobEnvelope, worker: &str) -> JobEnd {
    let Some(kind) = envelope.kind() else { return JobEnd::UnknownName };
    let relay = app.store().relay();
    app.passes(KillPoint::HandedOver).await;
    let work = match relay.claim(envelope.account_id, kind, envelope.owed_id, worker, jobs::LEASE).await {
        Ok(Some(work)) => work,
        Ok(None) => return JobEnd::NothingToDo,
        Err(error) => return JobEnd::StoreFailed(error.to_string()),
    };
    app.passes(KillPoint::Claimed).await;
    let doing = Box::pin(async {
        match kind {
            OwedKind::DeliverMessage => jobs::deliver_message::run(app, &work, worker).await,
            OwedKind::IngestRawEmail => jobs::ingest_raw_email::run(app, &work).await,
            OwedKind::ProveConnection => jobs::prove_connection::run(app, &work).await,
            OwedKind::ImportWindow => jobs::import_window::run(app, &work).await,
            OwedKind::ReconcileDelivery => jobs::reconcile_delivery::run(app, &work).await,
        }
    });
    let keep = async {
        loop {
            tokio::time::sleep(jobs::KEEP_EVERY).await;
            // What is written under a claim that is lost is refused then; and a database that is away now may be back before it ends.
            if !matches!(relay.extend(&work, jobs::LEASE).await, Ok(true)) {
                tracing::warn!(owed.id = %envelope.owed_id, job = envelope.name, "the claim on a running job could not be kept");
            }
        }
    };
    let ended = jobs::keeping(doing, keep).await;
    match ended {
        Ok(()) => JobEnd::Ran,
        // Somebody else has the row now, because we were too slow: theirs counts.
        Err(StoreError::LeaseLost) => JobEnd::NothingToDo,
        Err(error) => JobEnd::StoreFailed(error.to_string()),
    }
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
