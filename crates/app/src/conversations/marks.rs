//! What agents mark a conversation with: a priority, labels, attributes of their own; and muting it.

use super::activity::By;
use super::change::{self, set_status};
use super::{ReadError, list, snapshot};
use crate::accounts::Member;
use crate::{App, Hint};
use domain::DisplayId;
use domain::conversation::{ConversationStatus, Priority};
use domain::event::EventKind;
use domain::organising::{MAX_LABELS_OF_ONE, label_title};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use store::{ConversationView, StoreError};

/// The longest custom attributes of one conversation, as JSON.
pub const MAX_ATTRIBUTES_BYTES: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    #[error("the conversation could not be found")]
    NotFound,
    #[error("a label cannot be called this")]
    LabelInvalid,
    #[error("a conversation has at most {MAX_LABELS_OF_ONE} labels")]
    TooManyLabels,
    #[error("the attributes are too long")]
    AttributesTooLong,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for MarkError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::NotFound,
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

pub async fn set_priority(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    priority: Option<Priority>,
) -> Result<ConversationView, ReadError> {
    change::change(app, member, conversation, |view| view.conversation.priority = priority).await
}

/// By title.
pub async fn labels(_app: &App, member: &Member, conversation: DisplayId) -> Result<Vec<String>, ReadError> {
    let id = list::seen(member, conversation).await?.id;
    Ok(member.scope.conversation_labels(id).await?)
}

/// Exactly these.
pub async fn set_labels(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    titles: &[String],
) -> Result<Vec<String>, MarkError> {
    list::seen(member, conversation).await?;
    let titles = label_titles(titles)?;
    let view = change::change(app, member, conversation, |view| view.labels = titles).await?;
    Ok(view.labels)
}

/// As they are kept: each once, in order.
pub(super) fn label_titles(titles: &[String]) -> Result<Vec<String>, MarkError> {
    let kept = titles.iter().map(|title| label_title(title).ok_or(MarkError::LabelInvalid));
    let kept: BTreeSet<String> = kept.collect::<Result<_, _>>()?;
    if kept.len() > MAX_LABELS_OF_ONE { Err(MarkError::TooManyLabels) } else { Ok(kept.into_iter().collect()) }
}

/// What becomes of a conversation's custom attributes.
#[derive(Clone, Debug)]
pub enum Attributes {
    /// Exactly these.
    Replace(Map<String, Value>),
    /// These as well.
    Merge(Map<String, Value>),
    /// These not.
    Remove(Vec<String>),
}

/// As they are then.
pub async fn set_custom_attributes(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    change: Attributes,
) -> Result<Value, MarkError> {
    let mut fits = true;
    let view = change::change(app, member, conversation, |view| {
        let kept = &mut view.conversation.custom_attributes;
        let before = kept.as_object().cloned().unwrap_or_default();
        let after = Value::Object(match change {
            Attributes::Replace(new) => new,
            Attributes::Merge(new) => before.into_iter().chain(new).collect(),
            Attributes::Remove(keys) => before.into_iter().filter(|(key, _)| !keys.contains(key)).collect(),
        });
        fits = after.to_string().len() <= MAX_ATTRIBUTES_BYTES;
        if fits {
            *kept = after;
        }
    })
    .await?;
    if fits { Ok(view.conversation.custom_attributes) } else { Err(MarkError::AttributesTooLong) }
}

/// Chatwoot's meaning: whoever writes is blocked, so that their mail stays quiet everywhere, and what is open of it is done.
pub async fn mute(app: &App, member: &Member, conversation: DisplayId) -> Result<(), ReadError> {
    set_muted(app, member, conversation, true).await
}

pub async fn unmute(app: &App, member: &Member, conversation: DisplayId) -> Result<(), ReadError> {
    set_muted(app, member, conversation, false).await
}

async fn set_muted(app: &App, member: &Member, conversation: DisplayId, muted: bool) -> Result<(), ReadError> {
    loop {
        let seen = list::seen(member, conversation).await?;
        let mut tx = member.scope.begin().await?;
        // The contact before the conversation, as everybody locks them.
        let contact = tx.lock_contacts_by_id(&[seen.contact_id]).await?.pop();
        let before = change::lock(&mut tx, seen.id).await?;
        if before.conversation.contact_id != seen.contact_id {
            // It became another contact's meanwhile.
            tx.rollback().await?;
            continue;
        }
        // Whoever is being erased takes the conversation along.
        let contact = contact.ok_or(ReadError::NotFound)?;
        if contact.blocked != muted {
            tx.block_contact(contact.id, muted).await?;
        }
        let mut after = before.clone();
        after.contact.blocked = muted;
        if muted && after.conversation.status != ConversationStatus::Resolved {
            set_status(&mut after.conversation, ConversationStatus::Resolved, None);
        }
        let by = By::User(&member.agent.user);
        if change::write(app, &mut tx, &before, &after, by).await?.is_none() {
            tx.rollback().await?;
            return Ok(());
        }
        if before.contact.blocked != muted {
            tx.append_event(EventKind::ContactUpdated, None, None, snapshot::contact_event(&after.contact));
        }
        tx.commit().await?;
        app.wake(Hint::Account(after.conversation.account_id));
        return Ok(());
    }
}
