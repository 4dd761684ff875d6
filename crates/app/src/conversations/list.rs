//! The list of conversations with its four counts, and one conversation.

use super::ReadError;
use crate::App;
use crate::accounts::Member;
use domain::{ContactId, ConversationId, DisplayId, InboxId};
use store::{ConversationCounts, ConversationFilter, ConversationPage, ConversationView, Viewer};

pub async fn list(_app: &App, member: &Member, filter: &ConversationFilter) -> Result<ConversationPage, ReadError> {
    Ok(member.scope.conversations(&viewer(member), filter).await?)
}

/// The four counts alone.
pub async fn meta(_app: &App, member: &Member, filter: &ConversationFilter) -> Result<ConversationCounts, ReadError> {
    Ok(member.scope.conversation_counts(&viewer(member), filter).await?)
}

pub async fn show(_app: &App, member: &Member, conversation: DisplayId) -> Result<ConversationView, ReadError> {
    let view = member.scope.conversation(conversation).await?.ok_or(ReadError::NotFound)?;
    if member.visibility.sees(view.conversation.inbox_id) { Ok(view) } else { Err(ReadError::NotFound) }
}

/// A conversation that the member sees, and no more of it than who it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub id: ConversationId,
    pub inbox_id: InboxId,
    pub contact_id: ContactId,
}

pub(crate) async fn seen(member: &Member, conversation: DisplayId) -> Result<Seen, ReadError> {
    let found = member.scope.conversation_and_contact(conversation).await?;
    let (conversation, contact) = found.ok_or(ReadError::NotFound)?;
    if !member.visibility.sees(conversation.inbox_id) {
        return Err(ReadError::NotFound);
    }
    Ok(Seen { id: conversation.id, inbox_id: conversation.inbox_id, contact_id: contact.id })
}

/// What they may see comes from the proof that they are a member, never from what they ask for.
pub(super) fn viewer(member: &Member) -> Viewer {
    Viewer { visibility: member.visibility.clone(), user_id: member.agent.user.id }
}
