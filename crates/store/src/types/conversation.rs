//! Conversations as lists and pages show them.

use super::{FilterTerm, Visibility, codes};
use domain::contact::Contact;
use domain::conversation::{Conversation, ConversationStatus, Priority};
use domain::message::Message;
use domain::organising::Team;
use domain::user::Agent;
use domain::{ContactId, ConversationId, InboxId, LabelId, TeamId, Timestamp, UserId};
use std::collections::BTreeMap;

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
    /// Chatwoot's `conversation_type`.
    ConversationKind {
        /// A note speaks to the viewer.
        Mention = "mention",
        /// The viewer takes part.
        Participating = "participating",
        /// Nobody has answered yet, or the customer waits again.
        Unattended = "unattended",
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
    pub team_id: Option<TeamId>,
    /// What the viewer has to do with them. `None`: nothing in particular.
    pub kind: Option<ConversationKind>,
    /// What somebody put together themself.
    pub terms: Vec<FilterTerm>,
    /// The contact's name in the inbox: for e-mail their address.
    pub source_id: Option<String>,
    /// Any of them.
    pub labels: Vec<String>,
    /// All of the words, in one message (with its subject, sender and files) or in the contact.
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
            team_id: None,
            kind: None,
            terms: Vec::new(),
            source_id: None,
            labels: Vec::new(),
            q: None,
            updated_since: None,
            sort: ConversationSort::LastActivityDesc,
            page: 1,
        }
    }
}

/// Open conversations with something unread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreadCounts {
    pub all: u64,
    pub mine: u64,
    pub unassigned: u64,
    pub inboxes: BTreeMap<InboxId, u64>,
    pub teams: BTreeMap<TeamId, u64>,
    pub labels: BTreeMap<LabelId, u64>,
}

/// Who a conversation is, and no more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversationPlace {
    pub id: ConversationId,
    pub inbox_id: InboxId,
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
    pub team: Option<Team>,
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
