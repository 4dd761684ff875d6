//! A conversation is opened, resolved, snoozed or set pending by an agent; and what was snoozed comes back.

use super::activity::By;
use super::change::{self, set_status};
use super::{ReadError, list};
use crate::accounts::Member;
use crate::{App, Hint};
use domain::conversation::ConversationStatus;
use domain::{ConversationId, DisplayId, Timestamp};
use store::{ConversationView, DueSnooze, StoreError};
use tracing::{info, warn};

#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    #[error("the conversation could not be found")]
    NotFound,
    /// `snoozed_until` is over already.
    #[error("snoozed_until must be in the future")]
    SnoozeOver,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for StatusError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::NotFound,
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

/// Sets the status, or toggles it when none is given: open becomes resolved, everything else open.
pub async fn toggle_status(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    status: Option<ConversationStatus>,
    snoozed_until: Option<Timestamp>,
) -> Result<ConversationView, StatusError> {
    list::seen(member, conversation).await?;
    not_over(app.now(), status, snoozed_until)?;
    let changed = change::change(app, member, conversation, |view| {
        let status = status.unwrap_or_else(|| view.conversation.status.toggled());
        set_status(&mut view.conversation, status, snoozed_until);
    });
    Ok(changed.await?)
}

/// A snooze that is over when it begins is a mistake.
pub(super) fn not_over(
    now: Timestamp,
    status: Option<ConversationStatus>,
    snoozed_until: Option<Timestamp>,
) -> Result<(), StatusError> {
    let over = status == Some(ConversationStatus::Snoozed) && snoozed_until.is_some_and(|until| until <= now);
    if over { Err(StatusError::SnoozeOver) } else { Ok(()) }
}

const AT_ONCE: u32 = 100;

/// Opens what was to be back by now. Any number of processes may ask at once: each conversation is opened by one. How many were.
pub async fn wake_snoozed(app: &App) -> Result<u32, StoreError> {
    let (mut woken, mut after) = (0, None);
    loop {
        let due = app.store().relay().due_snoozes(app.now(), after, AT_ONCE).await?;
        let Some(last) = due.last() else { break };
        after = Some((last.snoozed_until, last.conversation_id));
        for snooze in due {
            match wake(app, &snooze).await {
                Ok(opened) => woken += u32::from(opened),
                Err(StatusError::Store(error)) if error.is_transient() => return Err(error),
                // It keeps none of the others asleep.
                Err(error) => {
                    warn!(conversation.id = %snooze.conversation_id, %error, "a snoozed conversation could not be opened");
                }
            }
        }
    }
    if woken > 0 {
        info!(woken, "opened conversations whose snooze is over");
    }
    Ok(woken)
}

async fn wake(app: &App, snooze: &DueSnooze) -> Result<bool, StatusError> {
    let now = app.now();
    let mut tx = snooze.scope.begin().await?;
    let id: ConversationId = snooze.conversation_id;
    let before = match change::lock(&mut tx, id).await {
        Ok(view) => view,
        Err(ReadError::NotFound) => return Ok(false),
        Err(ReadError::Store(error)) => return Err(error.into()),
    };
    let conversation = &before.conversation;
    // Somebody was quicker, or gave it another time.
    let is_due = conversation.status == ConversationStatus::Snoozed
        && conversation.snoozed_until.is_some_and(|until| until <= now);
    if !is_due {
        tx.rollback().await?;
        return Ok(false);
    }
    let mut after = before.clone();
    set_status(&mut after.conversation, ConversationStatus::Open, None);
    change::write(app, &mut tx, &before, &after, By::SnoozeEnded).await?;
    tx.commit().await?;
    app.wake(Hint::Account(before.conversation.account_id));
    Ok(true)
}
