//! Opens a mailbox for reading: a token, an IMAP session, the folder and its cursor.
//!
//! New mail begins at the folder's UIDNEXT when it is opened for the first time; the past is [`super::import`]'s. When the server has
//! given the folder a new UIDVALIDITY, or has put it back from a backup, every UID we know is void: the mails that arrived since the folder was last read, or since the
//! oldest one that was announced and never delivered, become pending, and [`super::ingest`] finds out which of them are messages already.

use super::MailboxError;
use crate::{App, channels};
use domain::channel::EmailChannel;
use domain::{Failure, FailureClass, Retry, Timestamp};
use mail::imap::{FolderStatus, IdleEnd, ImapLogin, Limits, Session};
pub use net::Slot;
use oauth::Resource;
use std::time::Duration;
use store::{
    AccountScope, ChannelLease, Fence, Folder, FolderImport, FolderRole, KillPoint, MissingUid, RawBatch,
    RawEmailSource,
};
use tracing::info;

/// Every server calls it so (RFC 9051 §5.1).
pub const INBOX: &str = "INBOX";
/// What arrived this long before the last good fetch is looked at again after a new UIDVALIDITY: servers compare days without a zone.
const RESYNC_MARGIN: Duration = Duration::from_secs(2 * 24 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// So many mails with the highest UIDs are looked at when a search found none: mail that is moved keeps its date, so the last is not always
/// the newest.
const NEWEST: usize = 50;

/// A session with one mailbox's INBOX, opened read-only.
#[derive(Debug)]
pub struct OpenMailbox {
    pub(super) session: Session,
    pub(super) folder: Folder,
    pub(super) uidvalidity: u32,
    /// When the mailbox was last read well before this session: what is new in it arrived after that, wherever the server does not say.
    pub(super) last_read: Timestamp,
}

/// The right to one connection to the mailboxes' host, when there is one.
pub async fn slot(app: &App) -> Slot {
    app.connector().slot(&app.settings().imap).await
}

/// Signs in and opens INBOX. A refused sign-in is tried once more with a fresh token. Health is the caller's to record: only the caller
/// knows when it will try again.
pub async fn open(app: &App, lease: &ChannelLease) -> Result<OpenMailbox, MailboxError> {
    open_in(&slot(app).await, app, lease).await
}

/// The same in a slot that was waited for before.
pub async fn open_in(slot: &Slot, app: &App, lease: &ChannelLease) -> Result<OpenMailbox, MailboxError> {
    let channel = lease.scope.channel(lease.channel_id).await?.ok_or(FailureClass::ChannelRemoved)?;
    let (mut session, status) = sign_in_at(app, &lease.scope, &channel, INBOX, slot).await?;
    let folder = lease.scope.open_folder(lease.channel_id, FolderRole::Inbox, INBOX).await?;
    let folder = match folder.uidvalidity {
        None => begin(app, lease, folder, &status, &mut session).await?,
        Some(_) => match numbering(&folder, &status, &mut session).await? {
            Numbering::Known => folder,
            new => resync(app, lease, &channel, folder, new, &status, &mut session).await?,
        },
    };
    Ok(OpenMailbox { session, folder, uidvalidity: status.uidvalidity, last_read: last_read(&channel) })
}

/// Somebody says that something is different: looks whether the folder was numbered anew, of which an open session need not be told.
pub async fn look_again(app: &App, lease: &ChannelLease, open: &mut OpenMailbox) -> Result<(), MailboxError> {
    let status = open.session.examine(INBOX).await?;
    let numbering = numbering(&open.folder, &status, &mut open.session).await?;
    if numbering != Numbering::Known {
        let channel = lease.scope.channel(lease.channel_id).await?.ok_or(FailureClass::ChannelRemoved)?;
        open.folder = resync(app, lease, &channel, open.folder.clone(), numbering, &status, &mut open.session).await?;
        open.uidvalidity = status.uidvalidity;
    }
    Ok(())
}

/// What the UIDs that we know are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbering {
    Known,
    /// Another UIDVALIDITY.
    New,
    /// The folder is an older state of itself, and gives UIDs that it gave before.
    PutBack,
}

/// UIDs only grow under one UIDVALIDITY, so a UIDNEXT that we have passed is of a folder that was put back from a backup. A server that only
/// states it wrongly has mail from there on.
async fn numbering(folder: &Folder, status: &FolderStatus, session: &mut Session) -> Result<Numbering, MailboxError> {
    if folder.uidvalidity != Some(status.uidvalidity) {
        return Ok(Numbering::New);
    }
    match status.uidnext {
        Some(next) if next <= folder.last_uid && session.uids_after(next.saturating_sub(1)).await?.is_empty() => {
            Ok(Numbering::PutBack)
        }
        _ => Ok(Numbering::Known),
    }
}

/// When everything in the folder was last known to be stored or pending.
fn last_read(channel: &EmailChannel) -> Timestamp {
    channel.fetch_health.last_ok_at.unwrap_or(channel.created_at)
}

/// Nothing that is older than this was ever to become a message: the first day of the import, and one more, since servers count days.
pub(super) fn begin_of_past(app: &App, channel: &EmailChannel) -> Timestamp {
    channel.created_at.minus(DAY * (app.settings().import_days + 1))
}

/// A session with the folder opened, for a job: one that finds no slot at the host comes again.
pub(crate) async fn sign_in(
    app: &App,
    scope: &AccountScope,
    channel: &EmailChannel,
    folder: &str,
) -> Result<(Session, FolderStatus), MailboxError> {
    let slot = app.connector().slot_in_time(&app.settings().imap).await.map_err(Failure::from)?;
    sign_in_at(app, scope, channel, folder, &slot).await
}

/// A session with the folder opened; a refused sign-in is tried once more with a fresh token.
async fn sign_in_at(
    app: &App,
    scope: &AccountScope,
    channel: &EmailChannel,
    folder: &str,
    slot: &Slot,
) -> Result<(Session, FolderStatus), MailboxError> {
    let grant = channel.grant_id.ok_or(FailureClass::ChannelRemoved)?;
    let token = channels::refresh::access_token(app, scope, grant, Resource::Outlook).await?;
    let refused = match sign_in_with(app, channel, folder, slot, token.clone()).await {
        Err(failure) if failure.class.retry() == Retry::FreshToken => failure,
        ended => return Ok(ended?),
    };
    let mailbox = &channel.mailbox_address;
    let judged = channels::crowded::judged(app, scope, grant, mailbox, &token, Some(slot), refused);
    let refused = Box::pin(judged).await;
    if refused.class.retry() != Retry::FreshToken {
        return Err(refused.into());
    }
    info!(channel.id = %channel.id, failure = %refused, "the sign-in was refused; trying once with a fresh token");
    let token = channels::refresh::fresh_access_token(app, scope, grant, Resource::Outlook).await?;
    Ok(sign_in_with(app, channel, folder, slot, token).await?)
}

async fn sign_in_with(
    app: &App,
    channel: &EmailChannel,
    folder: &str,
    slot: &Slot,
    token: domain::Secret,
) -> Result<(Session, FolderStatus), Failure> {
    let login =
        ImapLogin { endpoint: app.settings().imap.clone(), user: channel.mailbox_address.as_str().to_owned(), token };
    let usual = Limits::default();
    let longest = app.settings().fetch_limit_bytes;
    let memory = app.mail_memory();
    // An import has the same bounds as new mail.
    let line = memory.line(channel.id, false);
    let limits = Limits {
        command_bytes: channel.provider.capabilities().imap_command_bytes,
        max_mail_bytes: longest,
        whole_below_bytes: memory.long_above_bytes(line).min(longest as u64),
        batch_bytes: memory.batch_bytes(line),
        ..usual
    };
    let mut session = Session::open_in(slot.clone(), app.connector(), &login, limits).await?;
    let status = session.examine(folder).await?;
    Ok((session, status))
}

/// The first opening: new mail is what comes from here on.
async fn begin(
    app: &App,
    lease: &ChannelLease,
    folder: Folder,
    status: &FolderStatus,
    session: &mut Session,
) -> Result<Folder, MailboxError> {
    let next = next_uid(status, session).await?;
    set_cursor(app, lease, folder, status.uidvalidity, next, Vec::new()).await
}

/// The first UID that no mail has yet. Servers may leave UIDNEXT out of their answer.
async fn next_uid(status: &FolderStatus, session: &mut Session) -> Result<u32, MailboxError> {
    match status.uidnext {
        Some(next) => Ok(next.max(1)),
        None => match session.highest_uid().await? {
            Some(last) => Ok(last.saturating_add(1)),
            // Taken for an empty folder, the whole past would be new mail.
            None if status.exists > 0 => Err(lie()),
            None => Ok(1),
        },
    }
}

/// New UIDs for everything. What arrived since the folder was last read well becomes pending, and so does what arrived since the oldest
/// mail that was announced and never delivered: fetched again, and a message only if it is not one already.
async fn resync(
    app: &App,
    lease: &ChannelLease,
    channel: &EmailChannel,
    folder: Folder,
    numbering: Numbering,
    status: &FolderStatus,
    session: &mut Session,
) -> Result<Folder, MailboxError> {
    info!(
        folder.id = %folder.id, known = folder.uidvalidity, new = status.uidvalidity, last_uid = folder.last_uid,
        uidnext = status.uidnext, "the server gave the folder new UIDs"
    );
    let is_put_back = numbering == Numbering::PutBack;
    let next = next_uid(status, session).await?;
    let oldest = lease.scope.oldest_pending(folder.id, if is_put_back { 0 } else { status.uidvalidity }).await?;
    let unread = oldest.map_or_else(|| last_read(channel), |oldest| oldest.min(last_read(channel)));
    let since = unread.max(begin_of_past(app, channel)).minus(RESYNC_MARGIN);
    let found = session.uids_since(since).await?;
    if found.is_empty() && status.exists > 0 {
        let newest = newest_arrival(session).await?;
        // Servers compare days without a zone.
        if newest.is_some_and(|newest| newest > since.plus(DAY)) {
            return Err(lie());
        }
    }
    let pending: Vec<MissingUid> = found
        .into_iter()
        .filter(|uid| *uid < next)
        .map(|uid| MissingUid { uid, arrived_at: since, attempts: 0 })
        .collect();
    if is_put_back {
        let (last_uid, import) = (next.saturating_sub(1), import_below(status.uidvalidity, next));
        return Ok(lease.scope.replace_folder(Fence::Lease(lease), &folder, last_uid, import, &pending).await?);
    }
    set_cursor(app, lease, folder, status.uidvalidity, next, pending).await
}

/// When the newest mails of a folder that is not empty arrived.
async fn newest_arrival(session: &mut Session) -> Result<Option<Timestamp>, MailboxError> {
    let uids = session.uids_after(0).await?;
    if uids.is_empty() {
        return Err(lie());
    }
    let batches = session.plan(&uids[uids.len().saturating_sub(NEWEST)..]).await?;
    Ok(batches.iter().flat_map(|batch| batch.arrived_at.values().copied()).max())
}

/// What was not found would be lost: better to begin again later.
fn lie() -> MailboxError {
    Failure::new(FailureClass::ProtocolError).detail("a search found nothing although there is mail").into()
}

/// Sets the cursor below `next`, after `pending` was noted under the new UIDVALIDITY: a crash in between does it all again.
async fn set_cursor(
    app: &App,
    lease: &ChannelLease,
    folder: Folder,
    uidvalidity: u32,
    next: u32,
    pending: Vec<MissingUid>,
) -> Result<Folder, MailboxError> {
    let fence = Fence::Lease(lease);
    if !pending.is_empty() {
        let batch = RawBatch {
            uidvalidity,
            source: RawEmailSource::Resync,
            emails: Vec::new(),
            missing: pending,
            last_uid: None,
            import_reached_uid: None,
        };
        lease.scope.store_raw_emails(fence, folder.id, batch).await?;
        app.passes(KillPoint::UidsNoted);
    }
    let import = import_below(uidvalidity, next);
    let last_uid = next.saturating_sub(1);
    lease.scope.set_cursor(fence, folder.id, uidvalidity, last_uid, import).await?;
    Ok(Folder { uidvalidity: Some(uidvalidity), last_uid, import, ..folder })
}

/// The past ends where new mail begins.
fn import_below(uidvalidity: u32, next: u32) -> FolderImport {
    FolderImport { uidvalidity: Some(uidvalidity), before_uid: Some(next), reached_uid: None }
}

impl OpenMailbox {
    /// New mail is read up to this UID.
    pub fn last_uid(&self) -> u32 {
        self.folder.last_uid
    }

    /// The server offers IDLE.
    pub fn can_idle(&self) -> bool {
        self.session.can_idle()
    }

    /// Waits until the folder changes, `max` has passed or `stop` is ready.
    pub async fn idle(
        &mut self,
        max: Duration,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<IdleEnd, MailboxError> {
        Ok(self.session.idle(max, stop).await?)
    }

    /// Asks whether the folder changed since the last command.
    pub async fn noop(&mut self) -> Result<bool, MailboxError> {
        Ok(self.session.noop().await?)
    }

    pub async fn close(self) {
        self.session.logout().await;
    }
}
