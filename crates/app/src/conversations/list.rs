//! The list of conversations with its four counts, and one conversation.

use super::ReadError;
use crate::App;
use crate::accounts::Member;
use domain::DisplayId;
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

/// What they may see comes from the proof that they are a member, never from what they ask for.
fn viewer(member: &Member) -> Viewer {
    Viewer { visibility: member.visibility.clone(), user_id: member.agent.user.id }
}
