//! The list of conversations with its four counts, and one conversation.

use super::ReadError;
use crate::App;
use crate::accounts::Member;
use domain::conversation::ConversationStatus;
use domain::{ContactId, DisplayId, InboxId};
use std::time::Duration;
use store::{
    AssigneeFilter, ConversationCounts, ConversationFilter, ConversationPage, ConversationSort, ConversationView,
};

/// What a member asks for; what they may see is added here, never by the caller.
#[derive(Clone, Debug)]
pub struct ConversationQuery {
    /// `None`: every status.
    pub status: Option<ConversationStatus>,
    pub assignee: AssigneeFilter,
    pub inbox_id: Option<InboxId>,
    pub contact_id: Option<ContactId>,
    /// Any of them.
    pub labels: Vec<String>,
    pub q: Option<String>,
    pub updated_within: Option<Duration>,
    pub sort: ConversationSort,
    /// From 1.
    pub page: u32,
}

impl Default for ConversationQuery {
    /// Open, everybody's, newest activity first.
    fn default() -> Self {
        Self {
            status: Some(ConversationStatus::Open),
            assignee: AssigneeFilter::All,
            inbox_id: None,
            contact_id: None,
            labels: Vec::new(),
            q: None,
            updated_within: None,
            sort: ConversationSort::LastActivityDesc,
            page: 1,
        }
    }
}

pub async fn list(app: &App, member: &Member, query: &ConversationQuery) -> Result<ConversationPage, ReadError> {
    Ok(member.scope.conversations(&filter(app, member, query)).await?)
}

/// The four counts alone.
pub async fn meta(app: &App, member: &Member, query: &ConversationQuery) -> Result<ConversationCounts, ReadError> {
    Ok(member.scope.conversation_counts(&filter(app, member, query)).await?)
}

pub async fn show(_app: &App, member: &Member, conversation: DisplayId) -> Result<ConversationView, ReadError> {
    let view = member.scope.conversation(conversation).await?.ok_or(ReadError::NotFound)?;
    if member.visibility.sees(view.conversation.inbox_id) { Ok(view) } else { Err(ReadError::NotFound) }
}

fn filter(app: &App, member: &Member, query: &ConversationQuery) -> ConversationFilter {
    ConversationFilter {
        status: query.status,
        assignee: query.assignee,
        inbox_id: query.inbox_id,
        contact_id: query.contact_id,
        labels: query.labels.clone(),
        q: query.q.clone().map(|q| q.trim().to_owned()).filter(|q| !q.is_empty()),
        updated_since: query.updated_within.map(|within| app.now().minus(within)),
        sort: query.sort,
        page: query.page.max(1),
        ..ConversationFilter::new(member.visibility.clone(), member.agent.user.id)
    }
}
