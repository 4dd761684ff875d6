//! Conversations as lists and pages show them.

use super::{Visibility, codes};
use domain::contact::Contact;
use domain::conversation::{Conversation, ConversationStatus, Priority};
use domain::message::Message;
use domain::user::Agent;
use domain::{ContactId, InboxId, Timestamp, UserId};

/// Chatwoot's page.
pub const CONVERSATIONS_PER_PAGE: u32 = 25;

codes! {
    AssigneeFilter {
        Me = "me",
        Unassigned = "unassigned",
        Assigned = "assigned",
        All = "all",
    }
}

codes! {
    ConversationSort {
        LastActivityDesc = "last_activity_at_desc",
        LastActivityAsc = "last_activity_at_asc",
        CreatedDesc = "created_at_desc",
        CreatedAsc = "created_at_asc",
        PriorityDesc = "priority_desc",
        PriorityAsc = "priority_asc",
        PriorityDescCreatedAsc = "priority_desc_created_at_asc",
        WaitingSinceDesc = "waiting_since_desc",
        WaitingSinceAsc = "waiting_since_asc",
        Unread = "unread",
    }
}

/// Whose list it is: which conversations they see, and which of them are theirs.
#[derive(Clone, Debug)]
pub struct Viewer {
    pub visibility: Visibility,
    pub user_id: UserId,
}

/// What is asked for. It narrows what the [`Viewer`] sees, and never widens it.
#[derive(Clone, Debug)]
pub struct ConversationFilter {
    /// `None`: every status.
    pub status: Option<ConversationStatus>,
    pub assignee: AssigneeFilter,
    pub inbox_id: Option<InboxId>,
    pub contact_id: Option<ContactId>,
    /// Any of them.
    pub labels: Vec<String>,
    /// Words in the subject, the contact or a message.
    pub q: Option<String>,
    pub updated_since: Option<Timestamp>,
    pub sort: ConversationSort,
    /// From 1.
    pub page: u32,
}

impl Default for ConversationFilter {
    /// Open, everybody's, newest activity first.
    fn default() -> Self {
        Self {
            status: Some(ConversationStatus::Open),
            assignee: AssigneeFilter::All,
            inbox_id: None,
            contact_id: None,
            labels: Vec::new(),
            q: None,
            updated_since: None,
            sort: ConversationSort::LastActivityDesc,
            page: 1,
        }
    }
}

/// Counted under every filter but the assignee's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConversationCounts {
    pub mine: u64,
    pub assigned: u64,
    pub unassigned: u64,
    pub all: u64,
}

#[derive(Clone, Debug)]
pub struct ConversationPage {
    pub counts: ConversationCounts,
    pub items: Vec<ConversationView>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConversationView {
    pub conversation: Conversation,
    pub contact: Contact,
    pub assignee: Option<Agent>,
    /// Incoming messages since an agent last looked.
    pub unread_count: u32,
    pub last_message: Option<Message>,
    pub last_non_activity_message: Option<Message>,
    pub labels: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct NewConversation {
    /// Random; the caller draws it, because it goes into signed Message-IDs.
    pub uuid: String,
    pub inbox_id: InboxId,
    pub contact_id: ContactId,
    pub status: ConversationStatus,
    pub priority: Option<Priority>,
    pub assignee_id: Option<UserId>,
    pub subject: Option<String>,
    pub additional_attributes: serde_json::Value,
    pub waiting_since: Option<Timestamp>,
    pub last_activity_at: Timestamp,
}
