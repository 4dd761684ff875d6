//! What stands beside one contact: notes, labels, inboxes, conversations and files.

use super::{ContactError, change, show};
use crate::accounts::Member;
use crate::conversations::snapshot;
use crate::{App, Hint};
use domain::ContactId;
use domain::event::EventKind;
use domain::inbox::Inbox;
use domain::message::Attachment;
use std::collections::BTreeSet;
use store::{ContactInbox, ContactNote, ConversationFilter, ConversationView, MOST_CONTACT_LABELS, StoreError, Viewer};

const MAX_LABEL_CHARS: usize = 255;
const MAX_NOTE_CHARS: usize = 50_000;

/// In which inboxes they are known, of those that the member sees; with all inboxes that the member sees.
pub async fn inboxes(
    _app: &App,
    member: &Member,
    contacts: &[ContactId],
) -> Result<(Vec<ContactInbox>, Vec<Inbox>), StoreError> {
    let mut known = member.scope.contact_inboxes(contacts).await?;
    known.retain(|known| member.visibility.sees(known.inbox_id));
    Ok((known, member.scope.inboxes(&member.visibility).await?))
}

/// The inboxes from which one may write to the contact, and under what they are known there.
pub async fn contactable(app: &App, member: &Member, id: ContactId) -> Result<Vec<(String, Inbox)>, ContactError> {
    let contact = show(app, member, id).await?;
    let Some(email) = contact.email else { return Ok(Vec::new()) };
    let (known, inboxes) = self::inboxes(app, member, &[id]).await?;
    let source = |inbox: &Inbox| {
        let known = known.iter().find(|known| known.inbox_id == inbox.id && !known.source_id.is_empty());
        known.map_or_else(|| email.clone(), |known| known.source_id.clone())
    };
    Ok(inboxes.into_iter().map(|inbox| (source(&inbox), inbox)).collect())
}

pub async fn labels(app: &App, member: &Member, id: ContactId) -> Result<Vec<String>, ContactError> {
    show(app, member, id).await?;
    Ok(member.scope.contact_labels(id).await?)
}

/// Exactly these, in lower case.
pub async fn set_labels(
    app: &App,
    member: &Member,
    id: ContactId,
    labels: &[String],
) -> Result<Vec<String>, ContactError> {
    let titles: BTreeSet<String> =
        labels.iter().map(|label| label.trim().to_lowercase()).filter(|label| !label.is_empty()).collect();
    if titles.len() > MOST_CONTACT_LABELS || titles.iter().any(|title| title.chars().count() > MAX_LABEL_CHARS) {
        return Err(ContactError::invalid("labels", "Labels are too many or too long"));
    }
    let titles: Vec<String> = titles.into_iter().collect();
    let mut tx = member.scope.begin().await?;
    let contact = change::locked(&mut tx, id).await?;
    tx.set_contact_labels(id, &titles).await?;
    tx.append_event(EventKind::ContactUpdated, None, None, snapshot::contact_event(&contact));
    tx.commit().await?;
    app.wake(Hint::Account(contact.account_id));
    Ok(titles)
}

/// The latest ones that the member sees, of every status.
pub async fn conversations(app: &App, member: &Member, id: ContactId) -> Result<Vec<ConversationView>, ContactError> {
    show(app, member, id).await?;
    let viewer = Viewer { visibility: member.visibility.clone(), user_id: member.agent.user.id };
    let filter = ConversationFilter { status: None, contact_id: Some(id), ..ConversationFilter::default() };
    Ok(member.scope.conversations_of_contact(&viewer, &filter).await?)
}

/// Of the conversations that the member sees.
pub async fn attachments(
    app: &App,
    member: &Member,
    id: ContactId,
    page: u32,
) -> Result<(Vec<Attachment>, u64), ContactError> {
    show(app, member, id).await?;
    Ok(member.scope.attachments_of_contact(&member.visibility, id, page).await?)
}

pub async fn notes(app: &App, member: &Member, id: ContactId) -> Result<Vec<ContactNote>, ContactError> {
    show(app, member, id).await?;
    Ok(member.scope.contact_notes(id, None).await?)
}

pub async fn note(app: &App, member: &Member, id: ContactId, note: i64) -> Result<ContactNote, ContactError> {
    show(app, member, id).await?;
    member.scope.contact_notes(id, Some(note)).await?.pop().ok_or(ContactError::NotFound)
}

pub async fn add_note(app: &App, member: &Member, id: ContactId, content: &str) -> Result<ContactNote, ContactError> {
    let content = words_of(content)?;
    let mut tx = member.scope.begin().await?;
    change::locked(&mut tx, id).await?;
    let added = tx.add_contact_note(id, member.agent.user.id, content).await.map_err(|error| match error {
        StoreError::LimitReached(_) => ContactError::Full,
        error => error.into(),
    })?;
    tx.commit().await?;
    note(app, member, id, added).await
}

pub async fn change_note(
    app: &App,
    member: &Member,
    id: ContactId,
    note: i64,
    content: &str,
) -> Result<ContactNote, ContactError> {
    let content = words_of(content)?;
    show(app, member, id).await?;
    if !member.scope.change_contact_note(id, note, content).await? {
        return Err(ContactError::NotFound);
    }
    self::note(app, member, id, note).await
}

pub async fn delete_note(app: &App, member: &Member, id: ContactId, note: i64) -> Result<(), ContactError> {
    show(app, member, id).await?;
    let deleted = member.scope.delete_contact_note(id, note).await?;
    deleted.then_some(()).ok_or(ContactError::NotFound)
}

fn words_of(content: &str) -> Result<&str, ContactError> {
    if content.trim().is_empty() {
        return Err(ContactError::invalid("content", "Content can't be blank"));
    }
    if content.chars().count() > MAX_NOTE_CHARS {
        return Err(ContactError::invalid("content", "Content is too long (maximum is 50000 characters)"));
    }
    Ok(content)
}
