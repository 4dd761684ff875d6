//! Imports the past of a mailbox, in a session of its own: new mail waits for nothing but the memory that two imports of all may hold at once.
//!
//! It goes from the oldest mail of the window to where new mail begins, so that answers find what they answer, and remembers nothing but
//! what is stored: a mail whose UID is stored or pending is not fetched again, so it can stop anywhere and go on. One run imports a
//! slice and asks for the next, so that many imports share the workers.

use super::fetching::{Fetched, NotFetched, Whose, fetch, unplanned};
use super::ingest::ingest_arrived;
use super::mailbox::{INBOX, sign_in};
use super::pull::{asked_for_alone, missing_of_batch, pair, raw_batch};
use super::{MailboxError, PullError};
use crate::{App, Hint, jobs, tending};
use domain::account::AccountStatus;
use domain::channel::{EmailChannel, ImportProgress, ImportState};
use domain::failure::backoff;
use domain::{ChannelId, Failure, FailureClass, Retry, Timestamp};
use mail::imap::{Batch, Session, UidWalk};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;
use store::{ClaimedWork, Fence, Folder, FolderRole, KillPoint, MissingUid, RawEmailSource, StoreError};
use tracing::{info, warn};

/// Mails of one run.
const SLICE_MAILS: usize = 500;
/// Mails of one transaction.
const BATCH_MAILS: usize = 50;
/// Attempts that end in the middle of a fetch before its mails are left to the mailbox's actor.
const ATTEMPTS_BEFORE_BLAME: u32 = 3;
/// How soon to look again whether the mailbox's actor has opened it: as long as it has been so already, within these bounds.
const UNTIL_OPENED: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// After the server has once named another UIDVALIDITY than our row, it is not asked again before the row says another one, or this has
/// passed: every look is a sign-in.
const UNTIL_ASKED_AGAIN: Duration = Duration::from_secs(15 * 60);
/// How soon to look again whether somebody has mended the mailbox.
const UNTIL_MENDED: Duration = Duration::from_secs(60);

/// How one slice of an import ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The whole window is stored.
    Done,
    /// There is more.
    More,
    /// The mailbox was not opened by its actor yet, or has new UIDs it does not know of: where new mail begins is not known. Since then.
    NotYet { since: Timestamp },
    /// The mail server asked for so much more time without us, whichever of our sessions it was that it told.
    AskedToWait { left: Duration },
    /// The mailbox is gone.
    Removed,
}

/// The job: a slice, and what follows from it.
pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    let relay = app.store().relay();
    match import_window(app, work).await {
        Ok(Imported::Done | Imported::Removed) => relay.finish(work).await?,
        Ok(Imported::More) => relay.go_on(work).await?,
        Ok(Imported::NotYet { since }) => {
            let (least, most) = UNTIL_OPENED;
            relay.release(work, app.now().since(since).clamp(least, most)).await?
        }
        Ok(Imported::AskedToWait { left }) => relay.release(work, left).await?,
        // Again at once: the slow in a line of their own.
        Err(PullError::TooSlow | PullError::StoodIdle) => relay.go_on(work).await?,
        // No trouble of the mailbox.
        Err(PullError::Mailbox(MailboxError::Failure(busy))) if busy.class == FailureClass::HostBusy => {
            relay.release(work, jobs::UNTIL_SLOT).await?
        }
        Err(PullError::Mailbox(MailboxError::LeaseLost)) => return Err(StoreError::LeaseLost),
        Err(PullError::Mailbox(MailboxError::Store(error))) => return Err(error),
        Err(PullError::Mailbox(MailboxError::Failure(failure))) => {
            let wait = match failure.class.retry() {
                // The actor of the mailbox has the same trouble and says so; when it is mended, we go on.
                Retry::Never => UNTIL_MENDED,
                Retry::Later | Retry::FreshToken | Retry::Done => failure.retry_after().unwrap_or_else(|| {
                    backoff(work.attempts, Duration::from_secs(5), Duration::from_secs(900), app.jitter())
                }),
            };
            warn!(channel.id = work.subject_id, %failure, "the import of a mailbox waits");
            relay.retry(work, wait, &failure).await?
        }
    };
    app.wake(Hint::Owed);
    Ok(())
}

/// Stores and ingests the next slice of the window.
pub async fn import_window(app: &App, work: &ClaimedWork) -> Result<Imported, PullError> {
    let scope = &work.scope;
    let Some(channel) = scope.channel(ChannelId(work.subject_id)).await? else { return Ok(Imported::Removed) };
    if channel.import.state == ImportState::Done {
        return Ok(Imported::Done);
    }
    if scope.account().await?.status == AccountStatus::Suspended {
        return Err(FailureClass::AccountSuspended.into());
    }
    if !channel.fetch_health.state.is_tried() {
        let failure = channel.fetch_health.failure.unwrap_or_else(|| Failure::new(FailureClass::AuthenticationRefused));
        return Err(failure.into());
    }
    if let Some(left) = tending::wait_stated_in(&channel.fetch_health, app.now()) {
        return Ok(Imported::AskedToWait { left });
    }
    let folders = scope.folders(channel.id).await?;
    let inbox = folders.into_iter().find(|folder| folder.role == FolderRole::Inbox);
    let Some((folder, known)) = inbox.and_then(|folder| folder.uidvalidity.map(|known| (folder, known))) else {
        return Ok(Imported::NotYet { since: channel.created_at });
    };
    let outdated = serde_json::from_str::<Outdated>(&work.payload).ok();
    if let Some(outdated) = outdated.filter(|outdated| outdated.uidvalidity == known)
        && app.now().since(outdated.noticed_at) < UNTIL_ASKED_AGAIN
    {
        return Ok(Imported::NotYet { since: outdated.noticed_at });
    }
    let (mut session, status) = sign_in(app, scope, &channel, INBOX).await?;
    if known != status.uidvalidity {
        session.logout().await;
        return Ok(outdated_row(app, work, channel.id, known).await?);
    }
    let ended = slice(app, work, &channel, &folder, &mut session).await;
    session.logout().await;
    ended
}

/// What the job remembers between its runs: a UIDVALIDITY that stands in our row and is the server's no more.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Outdated {
    uidvalidity: u32,
    noticed_at: Timestamp,
}

/// Only the mailbox's actor may say where new mail begins now; it may sit in an old session that is not told.
async fn outdated_row(
    app: &App,
    work: &ClaimedWork,
    channel: ChannelId,
    uidvalidity: u32,
) -> Result<Imported, MailboxError> {
    info!(channel.id = %channel, uidvalidity, "an import waits: the folder has new UIDs that are not known yet");
    let noticed_at = app.now();
    let outdated = json!(Outdated { uidvalidity, noticed_at });
    if !app.store().relay().remember(work, &outdated).await? {
        return Err(MailboxError::LeaseLost);
    }
    app.wake(Hint::Channel(channel));
    Ok(Imported::NotYet { since: noticed_at })
}

async fn slice(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    folder: &Folder,
    session: &mut Session,
) -> Result<Imported, PullError> {
    let scope = &work.scope;
    if app.settings().import_days == 0 {
        // SEARCH SINCE counts whole days: it would bring the mail since midnight.
        let nothing = ImportProgress { state: ImportState::Done, total: Some(0), done: 0 };
        scope.update_import(work, channel.id, &nothing).await?;
        return Ok(Imported::Done);
    }
    let uidvalidity = folder.uidvalidity.unwrap_or_default();
    let days = u64::from(app.settings().import_days);
    let since = channel.created_at.minus(Duration::from_secs(days * 24 * 3600));
    let before = folder.import.before_uid.unwrap_or(u32::MAX);
    // Where an earlier slice came to. At the end everything is looked through once more, because a search may leave out what a later one finds.
    let reached = folder.import.reached_uid.unwrap_or(0);
    let mut import =
        Slice { app, work, channel, folder, session, uidvalidity, since, stored: 0, progress: channel.import.clone() };
    import.progress.state = ImportState::Running;
    if reached == 0 || import.progress.total.is_none() {
        import.progress = ImportProgress { state: ImportState::Running, total: Some(0), done: 0 };
        let mut walk = UidWalk::after(0).since(since).below(before);
        while let Some(uids) = import.session.walk(&mut walk).await? {
            import.progress.total = import.progress.total.map(|total| total.saturating_add(count(uids.len())));
        }
    }
    scope.update_import(work, channel.id, &import.progress).await?;
    for begin in if reached == 0 { vec![0] } else { vec![reached, 0] } {
        let mut walk = UidWalk::after(begin).since(since).below(before);
        while let Some(uids) = import.session.walk(&mut walk).await? {
            if !import.take(&uids, begin == reached).await? {
                return Ok(Imported::More);
            }
        }
    }
    let total = import.progress.total;
    let progress = ImportProgress { state: ImportState::Done, total, done: total.unwrap_or_default() };
    scope.update_import(work, channel.id, &progress).await?;
    info!(channel.id = %channel.id, mails = progress.done, "imported the mailbox's past");
    Ok(Imported::Done)
}

/// One slice, as far as it got.
struct Slice<'a> {
    app: &'a App,
    work: &'a ClaimedWork,
    channel: &'a EmailChannel,
    folder: &'a Folder,
    session: &'a mut Session,
    uidvalidity: u32,
    since: Timestamp,
    stored: usize,
    progress: ImportProgress,
}

impl Slice<'_> {
    /// Stores and ingests those of these mails that are not there yet. `counts`: those that are count as done. `false`: the slice is full.
    async fn take(&mut self, window: &[u32], counts: bool) -> Result<bool, PullError> {
        let scope = &self.work.scope;
        let mut known: HashSet<u32> =
            scope.stored_uids(self.folder.id, self.uidvalidity, window).await?.into_iter().collect();
        // The mailbox's actor asks for these again, one by one if need be: one of them may end every session in which it is fetched.
        known.extend(scope.pending_uids(self.folder.id, self.uidvalidity, window).await?);
        if counts {
            self.count_done(known.len());
        }
        let todo: Vec<u32> = window.iter().copied().filter(|uid| !known.contains(uid)).collect();
        for uids in todo.chunks(BATCH_MAILS) {
            if self.stored >= SLICE_MAILS {
                return Ok(false);
            }
            let batches = self.session.plan(uids).await?;
            // The mailbox's actor asks for it again, and finds out whether it is still there.
            let unplanned = unplanned(uids, &batches);
            if !unplanned.is_empty() {
                self.leave_to_the_actor(missing_of_batch(&Batch::default(), unplanned, self.since)).await?;
            }
            for batch in batches {
                self.batch(&batch).await?;
            }
        }
        Ok(true)
    }

    async fn batch(&mut self, batch: &Batch) -> Result<(), PullError> {
        let (app, work, scope) = (self.app, self.work, &self.work.scope);
        let whose = Whose { account: scope.account_id(), channel: self.channel.id, is_import: true };
        let Fetched { emails, missing, room: _room } = match fetch(app, whose, self.session, batch).await {
            Ok(fetched) => fetched,
            Err(NotFetched::Under(failure)) => {
                // Perhaps one of these mails breaks the session whenever it is fetched: the actor tries them one by one.
                let overran = self.session.overran();
                if overran || work.attempts >= ATTEMPTS_BEFORE_BLAME {
                    let missing = missing_of_batch(batch, batch.uids.clone(), self.since);
                    self.leave_to_the_actor(asked_for_alone(missing, overran)).await?;
                }
                return Err(failure.into());
            }
            Err(error) => return Err(error.into()),
        };
        // What the server announces and does not deliver becomes pending: the mailbox's actor asks for it again.
        let missing = missing_of_batch(batch, missing, self.since);
        app.passes(KillPoint::Fetched);
        let mut raw = raw_batch(self.uidvalidity, RawEmailSource::Import, &emails, missing, None);
        raw.import_reached_uid = batch.uids.iter().copied().max();
        let stored = scope.store_raw_emails(Fence::Work(work), self.folder.id, raw).await?;
        self.stored += stored.len();
        app.passes(KillPoint::RawStored);
        if let Err(error) = ingest_arrived(app, scope, pair(&stored, emails, app.now())).await {
            warn!(channel.id = %self.channel.id, %error, "imported mail is left to the queue");
        }
        self.count_done(batch.uids.len());
        scope.update_import(work, self.channel.id, &self.progress).await?;
        if !app.store().relay().extend(work, jobs::LEASE).await? {
            return Err(MailboxError::LeaseLost.into());
        }
        Ok(())
    }

    async fn leave_to_the_actor(&self, missing: Vec<MissingUid>) -> Result<(), MailboxError> {
        let raw = raw_batch(self.uidvalidity, RawEmailSource::Import, &[], missing, None);
        self.work.scope.store_raw_emails(Fence::Work(self.work), self.folder.id, raw).await?;
        Ok(())
    }

    fn count_done(&mut self, mails: usize) {
        self.progress.done =
            self.progress.done.saturating_add(count(mails)).min(self.progress.total.unwrap_or(u32::MAX));
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
