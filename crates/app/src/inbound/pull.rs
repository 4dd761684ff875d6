//! Announced UIDs become stored raw mail, and the cursor moves, in one transaction; then the mail is ingested at once.
//!
//! The cursor never runs ahead of what is stored or noted as pending, so a connection that dies anywhere loses nothing. A mail that
//! kills the connection whenever it is fetched is soon fetched alone and ever more rarely: it holds up nobody.

use super::fetching::{Fetched, NotFetched, Whose, fetch, not_in, still_there, unplanned};
use super::ingest::{Arrived, ingest_arrived};
use super::reading::Arrival;
use super::{MailboxError, OpenMailbox, PullError};
use crate::App;
use domain::Timestamp;
use domain::failure::backoff;
use mail::imap::{Batch, FetchedEmail, UidWalk};
use mail::parse::{Defect, parse};
use std::time::Duration;
use store::{ChannelLease, Fence, KillPoint, MissingUid, NewRawEmail, PendingUid, RawBatch, RawEmailSource};
use tracing::{debug, warn};

pub use super::mailbox::open;

/// New UIDs whose sizes are asked for at once, and at most the mails of one transaction.
const BATCH_MAILS: usize = 100;
/// Pending UIDs looked at in one pull.
const PENDING_UIDS: u32 = 200;
/// From this attempt on a pending mail is fetched alone, after everything else.
const ALONE_FROM: u32 = 2;
/// From this attempt on it is taken however long it is, whatever the server announces. A mail that was found to be longer begins here.
pub(super) const AT_ANY_LENGTH_FROM: u32 = 3;
/// After so many new mails, or pending ones, a look ends, so that a mailbox with a hundred thousand of them says how it is doing, hears a stop,
/// and asks for what is pending meanwhile.
const MAILS_OF_ONE_LOOK: usize = 500;

/// After so many attempts Exchange's note that it cannot convert a mail is taken for the mail: better that than nothing.
const PLACEHOLDER_TAKEN_AT: u32 = 6;

const PLACEHOLDER_SENDER: &[u8] = b"microsoft@unknown";
/// Such a note is short; only the beginning of a mail is looked at.
const PLACEHOLDER_BYTES: usize = 8 * 1024;

/// What one pull did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Mails that were stored.
    pub stored: u32,
    /// Mails that became messages at once.
    pub ingested: u32,
    /// UIDs that were announced and not delivered; they are asked for again.
    pub pending: u32,
    /// There is more to be fetched: look again at once.
    pub more: bool,
}

/// Fetches what is after the cursor and every pending UID that is due, stores it, and ingests it. Of very much it leaves some for the next look
/// ([`Pulled::more`]).
pub async fn pull(app: &App, lease: &ChannelLease, mailbox: &mut OpenMailbox) -> Result<Pulled, PullError> {
    let mut pulled = Pulled::default();
    let mut suspects: Vec<PendingUid> = Vec::new();
    let mut asked_again = 0;
    loop {
        let due = lease.scope.due_pending_uids(mailbox.folder.id, mailbox.uidvalidity, PENDING_UIDS).await?;
        let full = due.len() == PENDING_UIDS as usize;
        let (alone, pending): (Vec<PendingUid>, Vec<PendingUid>) =
            due.into_iter().partition(|p| p.attempts >= ALONE_FROM);
        suspects.extend(
            alone.into_iter().filter(|new| !suspects.iter().any(|known| known.uid == new.uid)).collect::<Vec<_>>(),
        );
        // Older mail first: an answer then finds what it answers.
        if !pending.is_empty() {
            pull_pending(app, lease, mailbox, &pending, &mut pulled).await?;
        }
        asked_again += pending.len();
        if full && asked_again >= MAILS_OF_ONE_LOOK {
            pulled.more = true;
            return Ok(pulled);
        }
        // After a new UIDVALIDITY there are thousands; none waits for the next news of the mailbox.
        if !full || pending.is_empty() {
            break;
        }
    }
    let begin = mailbox.folder.last_uid;
    let mut walk = UidWalk::after(begin);
    let mut seen = 0;
    while let Some(new) = mailbox.session.walk(&mut walk).await? {
        for uids in new.chunks(BATCH_MAILS) {
            let batches = mailbox.session.plan(uids).await?;
            // It is noted before the cursor passes it.
            let unplanned = still_there(&mut mailbox.session, unplanned(uids, &batches)).await?;
            if !unplanned.is_empty() {
                pulled.pending += count(unplanned.len());
                let missing = missing_of_batch(&Batch::default(), unplanned, mailbox.last_read);
                note_missing(lease, mailbox, missing, None).await?;
            }
            for batch in batches {
                pull_new(app, lease, mailbox, &batch, &mut pulled).await?;
            }
            seen += uids.len();
            // Only where the cursor has moved does the next look begin further on.
            if seen >= MAILS_OF_ONE_LOOK && mailbox.folder.last_uid > begin {
                pulled.more = true;
                return Ok(pulled);
            }
        }
    }
    for suspect in suspects {
        pull_pending(app, lease, mailbox, &[suspect], &mut pulled).await?;
    }
    Ok(pulled)
}

async fn pull_new(
    app: &App,
    lease: &ChannelLease,
    mailbox: &mut OpenMailbox,
    batch: &Batch,
    pulled: &mut Pulled,
) -> Result<(), PullError> {
    let up_to = batch.uids.iter().copied().max();
    let Fetched { emails, mut missing, room: _room } = match fetch(app, whose(lease), &mut mailbox.session, batch).await
    {
        Ok(fetched) => fetched,
        Err(NotFetched::Under(failure)) => {
            // They become pending, so that the next session is not stuck before them.
            warn!(channel.id = %lease.channel_id, mails = batch.uids.len(), %failure, "a fetch failed; its mails are pending");
            let missing = missing_of_batch(batch, batch.uids.clone(), mailbox.last_read);
            let missing = asked_for_alone(missing, mailbox.session.overran());
            note_missing(lease, mailbox, missing, up_to).await?;
            if mailbox.session.overran() && mailbox.session.is_usable() {
                pulled.more = true;
                return Ok(());
            }
            return Err(failure.into());
        }
        Err(error) => return Err(error.into()),
    };
    let (fetched, placeholders) = without_placeholders(emails, |_| true);
    missing.extend(placeholders);
    let missing = missing_of_batch(batch, missing, mailbox.last_read);
    Ok(store_and_ingest(app, lease, mailbox, RawEmailSource::Live, fetched, missing, up_to, pulled).await?)
}

fn whose(lease: &ChannelLease) -> Whose {
    Whose { account: lease.scope.account_id(), channel: lease.channel_id, is_import: false }
}

/// What to remember of mails that were announced and not delivered. `not_before`: they arrived after that, where the server told no date.
pub(super) fn missing_of_batch(batch: &Batch, uids: Vec<u32>, not_before: Timestamp) -> Vec<MissingUid> {
    let arrived_at = |uid| batch.arrived_at.get(&uid).copied().unwrap_or(not_before);
    uids.into_iter().map(|uid| MissingUid { uid, arrived_at: arrived_at(uid), attempts: 0 }).collect()
}

/// Of these mails one was longer than the server had announced, so that there was no room for it: next time each has all the room there is.
pub(super) fn asked_for_alone(mut missing: Vec<MissingUid>, overran: bool) -> Vec<MissingUid> {
    if overran {
        missing.iter_mut().for_each(|mail| mail.attempts = AT_ANY_LENGTH_FROM);
    }
    missing
}

async fn pull_pending(
    app: &App,
    lease: &ChannelLease,
    mailbox: &mut OpenMailbox,
    pending: &[PendingUid],
    pulled: &mut Pulled,
) -> Result<(), PullError> {
    let mut uids: Vec<u32> = pending.iter().map(|p| p.uid).collect();
    uids.sort_unstable();
    let wait = backoff(
        pending.iter().map(|p| p.attempts).max().unwrap_or(0) + 1,
        Duration::from_secs(30),
        Duration::from_secs(6 * 3600),
        app.jitter(),
    );
    let fence = Fence::Lease(lease);
    // Those without a size are asked for all the same; the answer tells whether they are still there.
    let mut batches = mailbox.session.plan(&uids).await?;
    let unplanned = unplanned(&uids, &batches);
    if !unplanned.is_empty() {
        batches.push(Batch::untold(unplanned));
    }
    let at_any_length = matches!(pending, [alone] if alone.attempts >= AT_ANY_LENGTH_FROM);
    for mut batch in batches {
        batch.at_any_length = at_any_length;
        let Fetched { emails, mut missing, room: _room } =
            match fetch(app, whose(lease), &mut mailbox.session, &batch).await {
                Ok(fetched) => fetched,
                Err(NotFetched::Under(failure)) => {
                    // The first time round at once, alone: then it is known which one it was.
                    let wait = if batch.uids.len() > 1 { Duration::ZERO } else { wait };
                    let (folder, validity) = (mailbox.folder.id, mailbox.uidvalidity);
                    lease.scope.defer_pending_uids(fence, folder, validity, &batch.uids, wait).await?;
                    return Err(failure.into());
                }
                Err(error) => return Err(error.into()),
            };
        let may_wait = |uid| pending.iter().any(|p| p.uid == uid && p.attempts < PLACEHOLDER_TAKEN_AT);
        let (fetched, placeholders) = without_placeholders(emails, may_wait);
        missing.extend(placeholders);
        let (folder, validity) = (mailbox.folder.id, mailbox.uidvalidity);
        let vanished: Vec<u32> =
            not_in(&batch.uids, fetched.iter().map(|mail| mail.uid).chain(missing.iter().copied()));
        if !vanished.is_empty() {
            debug!(channel.id = %lease.channel_id, mails = vanished.len(), "pending mails are gone from the mailbox");
            lease.scope.drop_pending_uids(fence, folder, validity, &vanished).await?;
        }
        if !missing.is_empty() {
            lease.scope.defer_pending_uids(fence, folder, validity, &missing, wait).await?;
        }
        let mut by_source: Vec<(RawEmailSource, Vec<FetchedEmail>)> = Vec::new();
        for mail in fetched {
            let known = pending.iter().find(|p| p.uid == mail.uid);
            let source = known.map_or(RawEmailSource::Live, |known| known.source);
            match by_source.iter_mut().find(|(of, _)| *of == source) {
                Some((_, mails)) => mails.push(mail),
                None => by_source.push((source, vec![mail])),
            }
        }
        for (source, mails) in by_source {
            store_and_ingest(app, lease, mailbox, source, mails, Vec::new(), None, pulled).await?;
        }
    }
    Ok(())
}

/// Sets Exchange's notes that a mail could not be retrieved apart (docs/COMPATIBILITY.md): the mail itself may come later.
fn without_placeholders(fetched: Vec<FetchedEmail>, may_wait: impl Fn(u32) -> bool) -> (Vec<FetchedEmail>, Vec<u32>) {
    let (set_apart, mails): (Vec<_>, Vec<_>) =
        fetched.into_iter().partition(|mail| is_placeholder(&mail.bytes) && may_wait(mail.uid));
    (mails, set_apart.into_iter().map(|mail| mail.uid).collect())
}

fn is_placeholder(mail: &[u8]) -> bool {
    // Looked for before the mail is parsed, because nearly none is one.
    let begin = &mail[..mail.len().min(PLACEHOLDER_BYTES)];
    let user = PLACEHOLDER_SENDER.iter().take_while(|byte| **byte != b'@').count();
    let sender_around = |at: usize| begin.get(at.checked_sub(user)?..at - user + PLACEHOLDER_SENDER.len());
    memchr::memchr_iter(b'@', begin)
        .filter_map(sender_around)
        .any(|sender| sender.eq_ignore_ascii_case(PLACEHOLDER_SENDER))
        // Whatever breaks the reader is no such note, and must not end the mailbox's session: it is looked into later, alone.
        && std::panic::catch_unwind(|| parse(begin, PLACEHOLDER_BYTES).defects.contains(&Defect::Placeholder))
            .unwrap_or(false)
}

async fn note_missing(
    lease: &ChannelLease,
    mailbox: &mut OpenMailbox,
    missing: Vec<MissingUid>,
    last_uid: Option<u32>,
) -> Result<(), MailboxError> {
    let batch = RawBatch {
        uidvalidity: mailbox.uidvalidity,
        source: RawEmailSource::Live,
        emails: Vec::new(),
        missing,
        last_uid,
        import_reached_uid: None,
    };
    lease.scope.store_raw_emails(Fence::Lease(lease), mailbox.folder.id, batch).await?;
    mailbox.folder.last_uid = last_uid.unwrap_or(0).max(mailbox.folder.last_uid);
    Ok(())
}

async fn store_and_ingest(
    app: &App,
    lease: &ChannelLease,
    mailbox: &mut OpenMailbox,
    source: RawEmailSource,
    fetched: Vec<FetchedEmail>,
    missing: Vec<MissingUid>,
    last_uid: Option<u32>,
    pulled: &mut Pulled,
) -> Result<(), MailboxError> {
    pulled.pending += count(missing.len());
    app.passes(KillPoint::Fetched);
    let batch = raw_batch(mailbox.uidvalidity, source, &fetched, missing, last_uid);
    let stored = lease.scope.store_raw_emails(Fence::Lease(lease), mailbox.folder.id, batch).await?;
    mailbox.folder.last_uid = last_uid.unwrap_or(0).max(mailbox.folder.last_uid);
    pulled.stored += count(stored.len());
    app.passes(KillPoint::RawStored);
    let arrived = pair(&stored, fetched, app.now());
    match ingest_arrived(app, &lease.scope, arrived).await {
        Ok(ingested) => pulled.ingested += ingested.messages,
        // Stored is stored: the queue ingests what could not be ingested here.
        Err(error) => warn!(channel.id = %lease.channel_id, %error, "stored mail is left to the queue"),
    }
    Ok(())
}

pub(super) fn raw_batch(
    uidvalidity: u32,
    source: RawEmailSource,
    fetched: &[FetchedEmail],
    missing: Vec<MissingUid>,
    last_uid: Option<u32>,
) -> RawBatch {
    let emails = fetched
        .iter()
        .map(|mail| NewRawEmail {
            uid: mail.uid,
            internal_date: mail.internal_date,
            message_id: None,
            bytes: mail.bytes.clone(),
            truncated: mail.truncated,
        })
        .collect();
    RawBatch { uidvalidity, source, emails, missing, last_uid, import_reached_uid: None }
}

/// The bytes of what was stored just now, so that they need not be read again.
pub(super) fn pair(stored: &[store::StoredRawEmail], fetched: Vec<FetchedEmail>, now: Timestamp) -> Vec<Arrived> {
    fetched
        .into_iter()
        .filter_map(|mail| {
            let id = stored.iter().find(|row| row.uid == mail.uid)?.id;
            let arrival = Arrival::new(mail.internal_date, now, now);
            Some(Arrived { id, arrival, bytes: mail.bytes, truncated: mail.truncated })
        })
        .collect()
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
