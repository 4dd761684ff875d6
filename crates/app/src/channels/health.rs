//! What works and what does not, apart for fetching and sending, and one event per change.
//!
//! The transitions are [`domain::channel::Health`]'s; here they are remembered, told, and asked for again by a person.

use super::access::Mailbox;
use super::sending::{Sender, probe};
use super::{refresh, sender, snapshot};
use crate::accounts::Member;
use crate::{App, Hint};
use domain::channel::{EmailChannel, Health, HealthState, ImportProgress, ImportState};
use domain::event::EventKind;
use domain::inbox::Inbox;
use domain::{ChannelId, Failure, InboxId, Timestamp};
use std::time::Duration;
use store::{AccountScope, GrantStatus, OwedKind, OwedPriority, StoreError, Tx};

/// Which half of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Fetch,
    Send,
}

impl Part {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Send => "send",
        }
    }

    fn of(self, channel: &EmailChannel) -> &Health {
        match self {
            Self::Fetch => &channel.fetch_health,
            Self::Send => &channel.send_health,
        }
    }
}

/// Success is written at most this often while nothing changes.
const REMEMBER_SUCCESS_EVERY: Duration = Duration::from_secs(10);

/// The mailbox was read, or could not be. `next_try_at`: when the caller tries again by itself.
pub async fn record_fetch(
    app: &App,
    scope: &AccountScope,
    channel: ChannelId,
    outcome: Result<(), &Failure>,
    next_try_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    record(app, scope, channel, Part::Fetch, outcome, next_try_at).await
}

/// A mail left through the mailbox, or the mailbox would not send. One message's own trouble is not recorded here.
pub async fn record_send(
    app: &App,
    scope: &AccountScope,
    channel: ChannelId,
    outcome: Result<(), &Failure>,
    next_try_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    record(app, scope, channel, Part::Send, outcome, next_try_at).await
}

/// It works, and that was written a moment ago.
pub(crate) fn worked_lately(app: &App, health: &Health) -> bool {
    let recent = health.last_ok_at.is_some_and(|at| app.now().since(at) < REMEMBER_SUCCESS_EVERY);
    health.state == HealthState::Connected && recent
}

async fn record(
    app: &App,
    scope: &AccountScope,
    channel: ChannelId,
    part: Part,
    outcome: Result<(), &Failure>,
    next_try_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    // A channel that was removed meanwhile has no health to remember.
    let Some(channel) = scope.channel(channel).await? else { return Ok(()) };
    let before = part.of(&channel);
    let now = app.now();
    let after = match outcome {
        Ok(()) => {
            if worked_lately(app, before) {
                return Ok(());
            }
            before.worked(now)
        }
        Err(failure) => {
            let failed = before.failed(failure.clone(), now, next_try_at);
            let mailbox = Mailbox::of(&channel);
            // What follows is judged by what the server said; the words are for those who can mend it.
            let told = |failure| match part {
                Part::Fetch => mailbox.unread(failure),
                Part::Send => mailbox.unsent(failure),
            };
            Health { failure: failed.failure.map(told), ..failed }
        }
    };
    remember(app, scope, &channel, part, &after).await
}

/// Writes the health, and where state or cause are others the change, and the event if the state is another one, in one transaction. That a permission has ended is not written of one
/// that stands: somebody has signed in again since, and their sign-in has said, or will say, how the mailbox is.
pub(super) async fn remember(
    app: &App,
    scope: &AccountScope,
    channel: &EmailChannel,
    part: Part,
    after: &Health,
) -> Result<(), StoreError> {
    let before = part.of(channel);
    let ended = after.failure.as_ref().is_some_and(refresh::ends_the_grant);
    let cause = |health: &Health| health.failure.as_ref().map(|failure| failure.class);
    if before.state == after.state && cause(before) == cause(after) && !ended {
        return match part {
            Part::Fetch => scope.update_fetch_health(channel.id, after).await,
            Part::Send => scope.update_send_health(channel.id, after).await,
        };
    }
    let mut tx = scope.begin().await?;
    // The row first: a sign-in that ends meanwhile waits for it, and writes after us.
    write(&mut tx, channel, part, after).await?;
    if let (true, Some(grant)) = (ended, channel.grant_id)
        && tx.grant(grant).await?.is_some_and(|grant| grant.status == GrantStatus::Active)
    {
        tracing::info!(channel.id = %channel.id, part = part.as_str(), "a refusal came after a new sign-in");
        return tx.rollback().await;
    }
    tx.commit().await?;
    tell(app, channel, part, after);
    Ok(())
}

pub(super) async fn write(tx: &mut Tx, channel: &EmailChannel, part: Part, after: &Health) -> Result<(), StoreError> {
    match part {
        Part::Fetch => tx.update_fetch_health(channel.id, after).await?,
        Part::Send => tx.update_send_health(channel.id, after).await?,
    }
    let before = part.of(channel);
    if before.state != after.state {
        let payload = snapshot::health_changed(channel.inbox_id, channel.id, part, before, after);
        tx.append_event(EventKind::InboxHealthChanged, Some(channel.inbox_id), None, payload);
    }
    Ok(())
}

/// What was committed is logged, and passed on at once.
fn tell(app: &App, channel: &EmailChannel, part: Part, after: &Health) {
    let before = part.of(channel);
    if before.state == after.state {
        return;
    }
    tracing::info!(
        account.id = %channel.account_id, channel.id = %channel.id, part = part.as_str(),
        was = before.state.as_str(), state = after.state.as_str(),
        failure = after.failure.as_ref().map(|f| f.class.code()), "health changed"
    );
    app.wake(Hint::Account(channel.account_id));
}

/// An import that was given up is owed anew: a person who asks to try again, or signs in again, says that what broke it may be mended.
/// The channel's row must have been written in this transaction before, so that of two who ask at once one finds it owed.
pub(super) async fn import_again(tx: &mut Tx, inbox: InboxId) -> Result<(), StoreError> {
    let Some(channel) = tx.inbox(inbox).await?.map(|inbox| inbox.channel) else { return Ok(()) };
    if channel.import.state == ImportState::Failed {
        let waiting = ImportProgress { state: ImportState::Waiting, ..channel.import };
        tx.update_import(channel.id, &waiting).await?;
        tx.owe(OwedKind::ImportWindow, channel.id.0, serde_json::json!({}), OwedPriority::Bulk, None).await?;
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
pub enum TryAgainError {
    #[error("only administrators manage inboxes")]
    Forbidden,
    #[error("no such inbox")]
    NotFound,
    /// Trying cannot help: somebody must sign in first.
    #[error("{0}")]
    NeedsSignIn(Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The button. Fetching goes back to the mailbox's actor, and an import that was given up is taken up again; sending is probed here and
/// now, because nobody else would before the next reply. Answers with the inbox as it is then.
pub async fn try_again(app: &App, member: &Member, inbox: InboxId, part: Part) -> Result<Inbox, TryAgainError> {
    if !member.may_manage_inboxes() {
        return Err(TryAgainError::Forbidden);
    }
    try_again_in(app, &member.scope, inbox, part).await
}

/// For whoever has proved that they may ask for it.
pub(super) async fn try_again_in(
    app: &App,
    scope: &AccountScope,
    inbox: InboxId,
    part: Part,
) -> Result<Inbox, TryAgainError> {
    let found = scope.inbox(inbox).await?.ok_or(TryAgainError::NotFound)?;
    let channel = found.channel;
    if let Some(failure) = refresh::needs_sign_in(scope, channel.grant_id).await? {
        return Err(TryAgainError::NeedsSignIn(failure));
    }
    let asked = part.of(&channel).asked_again(app.now());
    let others = match part {
        Part::Fetch => Vec::new(),
        Part::Send => sender::others(scope, &channel).await?,
    };
    let mut tx = scope.begin().await?;
    if part == Part::Send {
        // What the person met with one of their mailboxes, they all wait for; their rows are locked before any is written.
        tx.resume_sending_of(&sender::tried_with(app.now(), &channel, &others)).await?;
    }
    write(&mut tx, &channel, part, &asked).await?;
    if part == Part::Fetch {
        import_again(&mut tx, inbox).await?;
    }
    tx.commit().await?;
    tell(app, &channel, part, &asked);
    match part {
        Part::Fetch => {
            app.wake(Hint::Channel(channel.id));
            app.wake(Hint::Owed);
        }
        Part::Send => {
            let outcome = match Sender::of(&channel) {
                Ok(sender) => Box::pin(probe(app, scope, &sender, channel.send_transport)).await,
                Err(failure) => Err(failure),
            };
            if matches!(&outcome, Err(failure) if failure.class == domain::FailureClass::HostBusy) {
                // There was no connection to be had: nothing was asked, and what was known before is what is known.
                let known = part.of(&channel);
                let mut tx = scope.begin().await?;
                write(&mut tx, &channel, part, known).await?;
                tx.commit().await?;
                tell(app, &channel, part, known);
            } else {
                record_send(app, scope, channel.id, outcome.as_ref().copied(), None).await?;
            }
            if outcome.is_ok() {
                scope.call_next_delivery(channel.id).await?;
            }
            app.wake(Hint::Owed);
        }
    }
    scope.inbox(inbox).await?.ok_or(TryAgainError::NotFound)
}
