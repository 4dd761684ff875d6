//! Which mailboxes a process looks after: its session and heartbeat, the leases, and what it says of a mailbox while it reads it.
//!
//! The leases are the store's; this is the door through which the worker, which knows no database, reaches them. It decides nothing about
//! when to try again: it is told, and remembers.

use crate::channels::{health, notices, overdue, refresh};
use crate::{App, Hint};
use domain::channel::{Health, HealthState};
use domain::{Failure, GrantId, Timestamp, WorkerSessionId};
use std::time::Duration;
pub use store::{ChannelLease, HeldChannel};
use store::{ReadBefore, StoreError};

/// A refresh token dies after 90 days without use ("Refresh tokens in the Microsoft identity platform"); one of a mailbox that is not read
/// for a while is used long before.
const IDLE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
const GRANTS_AT_ONCE: u32 = 100;
/// One that is refused stays idle, and must not take the place of those that have not been tried.
const IDLE_TRIED_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// A worker's life in the database begins. It is thought dead when its heart has not beaten for half a minute.
pub async fn begin_session(app: &App, name: &str) -> Result<WorkerSessionId, StoreError> {
    app.store().sync().start_session(name).await
}

/// `false`: the session is gone, and its mailboxes with it.
pub async fn heartbeat(app: &App, session: WorkerSessionId) -> Result<bool, StoreError> {
    app.store().sync().heartbeat(session).await
}

/// Gives all mailboxes of the session back at once.
pub async fn end_session(app: &App, session: WorkerSessionId) -> Result<(), StoreError> {
    app.store().sync().end_session(session).await
}

/// How long mail servers have to answer a goodbye.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

/// Ends the sessions that were kept for another message, and gives back the right to send of every mailbox through which this process was sending
/// when it was stopped.
pub async fn end_sending(app: &App, worker: &str) -> Result<(), StoreError> {
    let goodbye = tokio::time::timeout(GOODBYE_WITHIN, app.kept_sessions().close());
    // Together: who stops has little time, and a server that does not answer takes none of it from the database.
    let sync = app.store().sync();
    let (said, given_back) = tokio::join!(goodbye, sync.end_sending(worker));
    if said.is_err() {
        tracing::info!("a mail server does not answer the goodbye");
    }
    given_back
}

/// Up to `most` mailboxes that nobody alive looks after and that can be read without a person's help.
pub async fn lease_mailboxes(app: &App, session: WorkerSessionId, most: u32) -> Result<Vec<ChannelLease>, StoreError> {
    app.store().sync().lease_channels(session, most).await
}

pub async fn release(app: &App, lease: &ChannelLease) -> Result<(), StoreError> {
    app.store().sync().release(lease).await
}

/// Every mailbox that the session holds and may read, as the database says.
pub async fn held_mailboxes(app: &App, session: WorkerSessionId) -> Result<Vec<HeldChannel>, StoreError> {
    app.store().sync().held(session).await
}

/// How a mailbox stands that is left alone for a while after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Somebody else's now, or nobody's.
    NotOurs,
    /// As it was: it does not work, and nobody has asked for anything.
    Failing,
    /// By its row it works: its trouble was never written down, or somebody signed in again.
    Connected,
    /// A person asked to try again.
    AskedAgain,
}

pub async fn standing(app: &App, lease: &ChannelLease) -> Result<Standing, StoreError> {
    if !holds(app, lease).await? {
        return Ok(Standing::NotOurs);
    }
    let Some(channel) = lease.scope.channel(lease.channel_id).await? else { return Ok(Standing::NotOurs) };
    Ok(match channel.fetch_health.state {
        HealthState::Unknown => Standing::AskedAgain,
        HealthState::Connected => Standing::Connected,
        HealthState::Failing => Standing::Failing,
        // It waits for a person, so nobody holds it.
        HealthState::NeedsReauth | HealthState::Blocked => Standing::NotOurs,
    })
}

/// What is left of the time for which the mail server asked that this mailbox be left alone. Whoever reads it next obeys, also another
/// process than the one that was told.
pub async fn stated_wait(app: &App, lease: &ChannelLease) -> Result<Option<Duration>, StoreError> {
    let channel = lease.scope.channel(lease.channel_id).await?;
    Ok(channel.and_then(|channel| wait_stated_in(&channel.fetch_health, app.now())))
}

/// What is left of the time for which a mail server asked to be left alone, by what is known of the mailbox.
pub(crate) fn wait_stated_in(health: &Health, now: Timestamp) -> Option<Duration> {
    let stated = health.failure.as_ref().and_then(Failure::retry_after).is_some();
    let until = health.next_try_at.filter(|_| health.state == HealthState::Failing && stated);
    until.map(|until| until.since(now)).filter(|left| !left.is_zero())
}

/// Whose turns the mailbox takes part in, where the same person has as many older mailboxes as are kept open. `None`: it is kept open.
pub async fn takes_turns(lease: &ChannelLease) -> Result<Option<GrantId>, StoreError> {
    let Some(ReadBefore { grant, provider, earlier }) = lease.scope.read_before(lease.channel_id).await? else {
        return Ok(None);
    };
    Ok((earlier >= u64::from(provider.capabilities().imap_sessions_held)).then_some(grant))
}

/// The mailbox is still ours, and may still be read.
pub async fn holds(app: &App, lease: &ChannelLease) -> Result<bool, StoreError> {
    app.store().sync().holds(lease).await
}

/// The mailbox was read. As [`holds`].
pub async fn fetching_works(app: &App, lease: &ChannelLease) -> Result<bool, StoreError> {
    health::record_fetch(app, &lease.scope, lease.channel_id, Ok(()), None).await?;
    holds(app, lease).await
}

/// The mailbox could not be read and is tried again after `wait`. `false`: it is not to be tried, because a person must act first, or it is
/// no longer ours.
pub async fn fetching_failed(
    app: &App,
    lease: &ChannelLease,
    failure: &Failure,
    wait: Duration,
) -> Result<bool, StoreError> {
    // Of a mailbox that was taken over, only its new keeper says how it is doing.
    if !holds(app, lease).await? {
        return Ok(false);
    }
    let next_try_at = app.now().plus(wait);
    health::record_fetch(app, &lease.scope, lease.channel_id, Err(failure), Some(next_try_at)).await?;
    holds(app, lease).await
}

/// Bytes that nothing refers to are kept so long at least: whoever stored them refers to them within minutes.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);
/// What failed work was about says so itself; its row is kept this long for whoever looks why.
const FAILED_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// What a webhook was told stands in its log for so long.
const TELLINGS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// What ended is shown, or asked for, a while longer.
const ENDED_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const AUDIT_KEPT: Duration = Duration::from_secs(domain::audit::KEPT_DAYS * 24 * 60 * 60);
const SWEEP_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Chatwoot's.
const NOTIFICATIONS_KEPT: Duration = Duration::from_secs(31 * 24 * 60 * 60);
const NOTIFICATIONS_OF_A_PERSON: u32 = 300;
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);
const TELL_EVERY: Duration = Duration::from_secs(60);
/// How a mailbox has been doing is shown for so long, in so far as it has not changed too often meanwhile.
const HEALTH_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// In whichever process asks first: once a day stored bytes that nothing refers to any more go, and rows of work that failed long ago, and what
/// is left of deleted contacts is owed again where it was given up;
/// once an hour events and notifications that are older than they are kept.
pub async fn sweep(app: &App) -> Result<(), StoreError> {
    let purge = app.store().purge();
    if purge.begin_chore("sweep_blobs", SWEEP_EVERY).await? {
        let swept = purge.sweep_blobs(GRACE).await?;
        tracing::info!(blobs = swept.blobs, files = swept.files, "swept what nothing refers to");
    }
    if purge.begin_chore("sweep_failed_work", SWEEP_EVERY).await? {
        let count = purge.sweep_failed_work(FAILED_KEPT).await?;
        tracing::info!(count, "forgot work that failed long ago");
    }
    if purge.begin_chore("owe_erasures", SWEEP_EVERY).await? {
        let count = purge.owe_erasures(SWEEP_EVERY).await?;
        if count > 0 {
            tracing::warn!(count, "contacts that were deleted are not erased yet; it is tried again");
            app.wake(Hint::Owed);
        }
    }
    if purge.begin_chore("sweep_notifications", PRUNE_EVERY).await? {
        let count = purge.sweep_notifications(NOTIFICATIONS_KEPT, NOTIFICATIONS_OF_A_PERSON).await?;
        tracing::info!(count, "forgot old notifications");
    }
    if purge.begin_chore("sweep_events", PRUNE_EVERY).await? {
        let count = purge.sweep_events(app.settings().events_kept).await?;
        tracing::info!(count, "pruned events that nobody can ask for any more");
    }
    if purge.begin_chore("sweep_webhook_deliveries", SWEEP_EVERY).await? {
        let count = purge.sweep_webhook_deliveries(TELLINGS_KEPT).await?;
        tracing::info!(count, "forgot what webhooks were told long ago");
    }
    if purge.begin_chore("sweep_audit_events", SWEEP_EVERY).await? {
        let count = purge.sweep_audit_events(AUDIT_KEPT).await?;
        tracing::info!(count, "forgot what administrators did long ago");
    }
    if purge.begin_chore("sweep_health", SWEEP_EVERY).await? {
        let count = purge.sweep_health(HEALTH_KEPT).await?;
        tracing::info!(count, "forgot how mailboxes were doing long ago");
    }
    if purge.begin_chore("sweep_ended", SWEEP_EVERY).await? {
        let count = purge.sweep_ended(ENDED_KEPT).await?;
        tracing::info!(count, "forgot tokens, links and sign-ins that ended long ago");
    }
    Ok(())
}

/// Asked every few seconds, and done once a minute in whichever process asks first: whoever must act for a mailbox, or need not any more, is
/// told.
pub async fn tell_of_health(app: &App) -> Result<(), StoreError> {
    if app.store().purge().begin_chore("tell_of_health", TELL_EVERY).await? {
        notices::look(app).await?;
    }
    Ok(())
}

/// Every hour: sendings that count for no limit any more are forgotten.
pub async fn forget_old_submissions(app: &App) -> Result<(), StoreError> {
    app.store().purge().sweep_submissions().await.map(drop)
}

/// Several times a minute: attempts to connect that nobody finished, and links whose time has run out, are ended and told. How many.
pub async fn end_overdue_attempts(app: &App) -> Result<u32, StoreError> {
    overdue::end(app).await
}

/// Attempts that nobody finished expire, and grants that nobody uses are forgotten; then refreshes grants that nothing used for two weeks, so that they do not die of it. How many were; a refused one is recorded with its
/// mailbox like any other refusal.
pub async fn keep_grants_alive(app: &App) -> Result<u32, StoreError> {
    end_overdue_attempts(app).await?;
    let connections = app.store().connections();
    let forgotten = connections.forget_unused_grants().await?;
    if forgotten > 0 {
        tracing::info!(forgotten, "forgot grants that no inbox uses");
    }
    let mut kept = 0;
    for (scope, grant) in app.store().sync().idle_grants(IDLE, IDLE_TRIED_EVERY, GRANTS_AT_ONCE).await? {
        // Before it is tried: one whose try ends this process does not end the next process as well.
        scope.keeping_alive(grant).await?;
        match refresh::keep_alive(app, &scope, grant).await {
            Ok(()) => kept += 1,
            Err(failure) => tracing::info!(grant.id = %grant, %failure, "an idle grant could not be kept alive"),
        }
    }
    Ok(kept)
}
