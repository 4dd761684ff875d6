//! Stored raw mail becomes contact, conversation and message, in one transaction with its events.
//!
//! A mail that cannot be ingested stops nothing: it is left to the queue, and after [`MAX_ATTEMPTS`] stands in the quarantine with the
//! reason. Every mail that is not made a message has a row that says why. HTML is not sanitised here, and nothing is answered.

use super::filing::{Filed, Filing};
use super::reading::{self, Arrival, Reading};
use super::reasons::{NotReady, Reason};
use crate::{App, Hint};
use bytes::Bytes;
use domain::failure::backoff;
use domain::inbox::Inbox;
use domain::{RawEmailId, Secret, Timestamp};
use std::time::Duration;
use store::{AccountScope, ClaimedWork, KillPoint, NewAttachment, RawEmail, RawOutcome, StoreError, Tx};
use tracing::{error, info, warn};

/// Attempts before a mail goes to the quarantine. With the waits between them, a little over a day.
pub const MAX_ATTEMPTS: u32 = 10;
const FIRST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);
/// Two batches that were in each other's way are filed again up to so far apart.
const MOST_APART: Duration = Duration::from_millis(200);
/// Mails longer than this are read on a thread of their own.
const LONG_MAIL_BYTES: usize = 64 * 1024;

/// How many of a batch became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    pub messages: u32,
    /// The same mail was a message already, or it was left out for a reason that its row tells.
    pub left_out: u32,
    /// Left to the queue, or quarantined after too many attempts.
    pub failed: u32,
}

impl Ingested {
    fn beside(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            left_out: self.left_out + other.left_out,
            failed: self.failed + other.failed,
        }
    }
}

/// A stored mail whose bytes are at hand.
#[derive(Debug)]
pub struct Arrived {
    pub id: RawEmailId,
    pub arrival: Arrival,
    pub bytes: Bytes,
    /// Longer than what is fetched: these bytes are its beginning.
    pub truncated: bool,
}

/// A mail that was read, with its files stored.
#[derive(Debug)]
pub(super) struct Prepared {
    pub id: RawEmailId,
    pub arrived_at: Timestamp,
    pub reading: Reading,
    pub files: Vec<NewAttachment>,
}

/// Ingests stored mails in order, by their ids.
pub async fn ingest_batch(app: &App, scope: &AccountScope, emails: &[RawEmailId]) -> Result<Ingested, StoreError> {
    let mut arrived = Vec::new();
    for id in emails {
        let Some(raw) = scope.raw_email(*id).await? else { continue };
        match load(app, scope, raw).await {
            Ok(mail) => arrived.push(mail),
            Err(NotReady::Store(error) | NotReady::BytesLost(error)) if error.is_transient() => return Err(error),
            // Left to the queue, which counts its attempts.
            Err(error) => warn!(raw_email.id = %id, %error, "a mail could not be loaded"),
        }
    }
    ingest_arrived(app, scope, arrived).await
}

/// Ingests mails that were stored a moment ago, in order: all at once, and one by one when that fails.
pub async fn ingest_arrived(app: &App, scope: &AccountScope, arrived: Vec<Arrived>) -> Result<Ingested, StoreError> {
    let mut read = Vec::with_capacity(arrived.len());
    let mut ingested = Ingested::default();
    for mail in arrived {
        let id = mail.id;
        match read_mail(app, mail).await {
            Ok(mail) => read.push(mail),
            // Left to the queue, which counts its attempts; the others go on.
            Err(error) => {
                warn!(raw_email.id = %id, %error, "a mail could not be read");
                ingested.failed += 1;
            }
        }
    }
    let prepared = keep_files(scope, read).await?;
    let Some(first) = prepared.first() else { return Ok(ingested) };
    // Gone with its inbox.
    let Some(raw) = scope.raw_email(first.id).await? else { return Ok(ingested) };
    let Some(inbox) = scope.inbox(raw.inbox_id).await? else { return Ok(ingested) };
    let keys = scope.message_id_keys().await?;
    let filed = match file(app, scope, &inbox, &keys, &prepared).await {
        // Whoever was in the way is done in a moment; the queue would let the mail lie for a minute.
        Err(StoreError::TakenBack(why)) => {
            info!(inbox.id = %inbox.id, mails = prepared.len(), %why, "mails are filed once more");
            tokio::time::sleep(MOST_APART.mul_f64(app.jitter())).await;
            file(app, scope, &inbox, &keys, &prepared).await
        }
        ended => ended,
    };
    let ingested = filed?.beside(ingested);
    app.wake(Hint::Account(scope.account_id()));
    if ingested.messages > 0 {
        info!(inbox.id = %inbox.id, messages = ingested.messages, left_out = ingested.left_out, "ingested mail");
    }
    Ok(ingested)
}

async fn file(
    app: &App,
    scope: &AccountScope,
    inbox: &Inbox,
    keys: &[(i64, Secret)],
    mails: &[Prepared],
) -> Result<Ingested, StoreError> {
    // Nearly always all of them can be filed: the savepoints are only made when one could not.
    let (tx, ingested) = match file_together(app, scope, inbox, keys, mails).await {
        Err(error) if !error.is_transient() => {
            warn!(mails = mails.len(), %error, "mails could not be ingested together; trying each by itself");
            file_each(app, scope, inbox, keys, mails).await?
        }
        ended => ended?,
    };
    app.passes(KillPoint::Ingesting);
    tx.commit().await?;
    Ok(ingested)
}

async fn file_together(
    app: &App,
    scope: &AccountScope,
    inbox: &Inbox,
    keys: &[(i64, Secret)],
    mails: &[Prepared],
) -> Result<(Tx, Ingested), StoreError> {
    let mut ingested = Ingested::default();
    let mut filing = Filing::new(app, inbox, keys);
    let mut tx = scope.begin().await?;
    // Rows are locked in one order whatever the mails' order is, so that two batches never wait for each other.
    filing.lock_all(&mut tx, mails).await?;
    filing.file(&mut tx, mails).await?.into_iter().for_each(|filed| count(&mut ingested, filed));
    Ok((tx, ingested))
}

/// A savepoint each, so that a mail that cannot be filed is put off and blocks no other.
async fn file_each(
    app: &App,
    scope: &AccountScope,
    inbox: &Inbox,
    keys: &[(i64, Secret)],
    mails: &[Prepared],
) -> Result<(Tx, Ingested), StoreError> {
    let mut ingested = Ingested::default();
    let mut filing = Filing::new(app, inbox, keys);
    let mut tx = scope.begin().await?;
    filing.lock_all(&mut tx, mails).await?;
    for mail in mails {
        tx.savepoint().await?;
        match filing.file(&mut tx, std::slice::from_ref(mail)).await {
            Ok(filed) => {
                tx.release_savepoint().await?;
                filed.into_iter().for_each(|filed| count(&mut ingested, filed));
            }
            // The database is away: nothing of this batch will be committed, and nothing is the mail's fault.
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                tx.rollback_to().await?;
                warn!(raw_email.id = %mail.id, %error, "a mail could not be ingested");
                put_off(app, &mut tx, mail, Reason::from(&error)).await?;
                ingested.failed += 1;
            }
        }
    }
    Ok((tx, ingested))
}

/// The queue's way: one mail that was left over.
pub async fn ingest_raw_email(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    let id = RawEmailId(work.subject_id);
    let relay = app.store().relay();
    let tried = async {
        let Some(raw) = work.scope.raw_email(id).await? else { return Ok(false) };
        let _room = app.mail_memory().room_for_one(work.scope.account_id(), raw.size_bytes).await;
        let mail = load(app, &work.scope, raw).await?;
        let mail = read_mail(app, mail).await?;
        for mail in keep_files(&work.scope, vec![mail]).await? {
            ingest_alone(app, work, &mail).await?;
        }
        Ok::<bool, NotReady>(true)
    };
    match tried.await {
        Ok(false) => {
            relay.finish(work).await?;
            Ok(())
        }
        Ok(true) => {
            app.wake(Hint::Account(work.scope.account_id()));
            Ok(())
        }
        Err(error) if error.is_transient() => {
            warn!(raw_email.id = %id, %error, "a mail waits for the database");
            work.scope.defer_claimed_raw_email(work, &error.reason().to_string(), FIRST_WAIT).await?;
            Ok(())
        }
        Err(error) if work.attempts < MAX_ATTEMPTS => {
            warn!(raw_email.id = %id, attempts = work.attempts, %error, "a mail could not be ingested");
            let wait = backoff(work.attempts, FIRST_WAIT, LONGEST_WAIT, app.jitter());
            work.scope.defer_claimed_raw_email(work, &error.reason().to_string(), wait).await?;
            Ok(())
        }
        Err(error) => {
            error!(raw_email.id = %id, attempts = work.attempts, %error, "a mail goes to the quarantine");
            let mut tx = work.scope.begin().await?;
            if tx.lock_raw_email(id).await?.is_some() {
                tx.mark_raw_email(id, &RawOutcome::Quarantined { reason: error.reason().to_string() }, None).await?;
            }
            tx.commit().await?;
            Ok(())
        }
    }
}

async fn ingest_alone(app: &App, work: &ClaimedWork, mail: &Prepared) -> Result<(), StoreError> {
    let scope = &work.scope;
    let Some(raw) = scope.raw_email(mail.id).await? else { return Ok(()) };
    let inbox = scope.inbox(raw.inbox_id).await?.ok_or(StoreError::NotFound("inbox"))?;
    let keys = scope.message_id_keys().await?;
    let mut filing = Filing::new(app, &inbox, &keys);
    let mut tx = scope.begin().await?;
    filing.lock_all(&mut tx, std::slice::from_ref(mail)).await?;
    filing.file(&mut tx, std::slice::from_ref(mail)).await?;
    tx.commit().await?;
    Ok(())
}

fn count(ingested: &mut Ingested, filed: Filed) {
    match filed {
        Filed::Message => ingested.messages += 1,
        Filed::LeftOut => ingested.left_out += 1,
        Filed::NotWaiting => {}
    }
}

async fn put_off(app: &App, tx: &mut Tx, mail: &Prepared, reason: Reason) -> Result<(), StoreError> {
    match tx.lock_raw_email(mail.id).await? {
        Some(raw) if raw.attempts + 1 >= MAX_ATTEMPTS => {
            tx.mark_raw_email(mail.id, &RawOutcome::Quarantined { reason: reason.to_string() }, None).await
        }
        Some(raw) => {
            let wait = backoff(raw.attempts + 1, FIRST_WAIT, LONGEST_WAIT, app.jitter());
            tx.defer_raw_email(mail.id, &reason.to_string(), wait).await
        }
        None => Ok(()),
    }
}

async fn load(app: &App, scope: &AccountScope, raw: RawEmail) -> Result<Arrived, NotReady> {
    let bytes = match scope.read_blob(raw.blob_id).await {
        Ok(Some(bytes)) => bytes.into(),
        Ok(None) => return Err(NotReady::BytesLost(StoreError::NotFound("blob"))),
        Err(error) => return Err(NotReady::BytesLost(error)),
    };
    let arrival = Arrival::new(raw.internal_date, raw.received_at, app.now());
    Ok(Arrived { id: raw.id, arrival, bytes, truncated: raw.truncated })
}

/// A mail that was read; its files are in the reading.
struct Read {
    id: RawEmailId,
    arrived_at: Timestamp,
    reading: Reading,
}

async fn read_mail(app: &App, mail: Arrived) -> Result<Read, NotReady> {
    let Arrived { id, arrival, bytes, truncated } = mail;
    let limit = app.settings().full_parse_limit_bytes;
    let reading = if bytes.len() < LONG_MAIL_BYTES {
        std::panic::catch_unwind(|| reading::read(&bytes, arrival, limit, truncated))
            .map_err(|_panic| NotReady::Unreadable)?
    } else {
        tokio::task::spawn_blocking(move || reading::read(&bytes, arrival, limit, truncated))
            .await
            .map_err(|_panic| NotReady::Unreadable)?
    };
    Ok(Read { id, arrived_at: arrival.at, reading })
}

/// Stores the files of all the mails at once, before the transaction that files them: a blob is durable before a row refers to it.
async fn keep_files(scope: &AccountScope, mut read: Vec<Read>) -> Result<Vec<Prepared>, StoreError> {
    let files = read.iter_mut().flat_map(|mail| &mut mail.reading.attachments);
    let all: Vec<Bytes> = files.map(|file| std::mem::take(&mut file.bytes).into()).collect();
    let sizes: Vec<u64> = all.iter().map(|bytes| bytes.len() as u64).collect();
    let mut stored = scope.put_all(all).await?.into_iter().zip(sizes);
    let prepared = read.into_iter().map(|Read { id, arrived_at, mut reading }| {
        let attachments = std::mem::take(&mut reading.attachments);
        let files = attachments.into_iter().zip(&mut stored).map(|(file, (blob_id, size_bytes))| NewAttachment {
            blob_id,
            size_bytes,
            file_name: file.file_name,
            content_type: file.content_type,
            content_id: file.content_id,
            inline: file.inline,
        });
        Prepared { id, arrived_at, files: files.collect(), reading }
    });
    Ok(prepared.collect())
}
