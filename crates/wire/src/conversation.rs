//! Conversations, as lists and single answers show them.

use crate::agent::Agent;
use crate::contact::Contact;
use crate::message::{ContactInboxSource, MessageConversation, MessagePush};
use crate::moment::{float_seconds, iso, seconds_or_zero};
use crate::organising::Team;
use crate::words::{ConversationStatus, Priority};
use crate::{JsonObject, Links};
use poem_openapi::Object;
use poem_openapi::types::MaybeUndefined;

pub const CHANNEL_TYPE: &str = "Channel::Email";

/// What is put together to show a conversation.
#[derive(Clone, Copy, Debug)]
pub struct ConversationParts<'a> {
    pub conversation: &'a domain::conversation::Conversation,
    pub contact: &'a domain::contact::Contact,
    pub assignee: Option<&'a domain::user::Agent>,
    pub team: Option<&'a domain::organising::Team>,
    pub unread_count: u32,
    pub last_message: Option<&'a domain::message::Message>,
    pub last_non_activity_message: Option<&'a domain::message::Message>,
    pub labels: &'a [String],
}

impl ConversationParts<'_> {
    /// With the subject, where Chatwoot's clients look for it.
    pub(crate) fn additional_attributes(&self) -> JsonObject {
        let mut attributes = JsonObject::from(&self.conversation.additional_attributes);
        if let Some(subject) = &self.conversation.subject {
            attributes.0.entry("mail_subject").or_insert_with(|| subject.clone().into());
        }
        attributes
    }

    fn for_message(&self) -> MessageConversation {
        MessageConversation {
            assignee_id: self.conversation.assignee_id.map(|id| id.0),
            unread_count: self.unread_count.into(),
            last_activity_at: self.conversation.last_activity_at.seconds(),
            contact_inbox: ContactInboxSource { source_id: self.contact.email.clone() },
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct ConversationMeta {
    pub sender: Contact,
    pub channel: String,
    /// Absent, not null, when nobody is assigned.
    #[oai(skip_serializing_if_is_none)]
    pub assignee: Option<Agent>,
    #[oai(skip_serializing_if_is_none)]
    pub assignee_type: Option<String>,
    /// Absent, not null, when it is no team's.
    #[oai(skip_serializing_if_is_none)]
    pub team: Option<Team>,
    pub hmac_verified: bool,
}

#[derive(Clone, Debug, Object)]
pub struct Conversation {
    pub meta: ConversationMeta,
    /// The `display_id`: counts per account, from 1.
    pub id: i64,
    /// The last message, if there is one.
    pub messages: Vec<MessagePush>,
    pub account_id: i64,
    pub uuid: String,
    pub additional_attributes: JsonObject,
    pub agent_last_seen_at: i64,
    pub assignee_last_seen_at: i64,
    pub can_reply: bool,
    pub contact_last_seen_at: i64,
    pub custom_attributes: JsonObject,
    pub inbox_id: i64,
    pub labels: Vec<String>,
    pub muted: bool,
    #[oai(nullable)]
    pub snoozed_until: Option<String>,
    pub status: ConversationStatus,
    pub created_at: i64,
    pub updated_at: f64,
    pub timestamp: i64,
    pub first_reply_created_at: i64,
    pub unread_count: i64,
    #[oai(nullable)]
    pub last_non_activity_message: Option<MessagePush>,
    pub last_activity_at: i64,
    #[oai(nullable)]
    pub priority: Option<Priority>,
    pub waiting_since: i64,
    #[oai(nullable)]
    pub sla_policy_id: Option<i64>,
}

impl Conversation {
    pub fn new(parts: &ConversationParts<'_>, links: &dyn Links) -> Self {
        let conversation = parts.conversation;
        let push = |message| MessagePush::new(message, parts.for_message(), links);
        Self {
            meta: ConversationMeta {
                sender: parts.contact.into(),
                channel: CHANNEL_TYPE.to_owned(),
                assignee: parts.assignee.map(Agent::from),
                assignee_type: parts.assignee.map(|_| "User".to_owned()),
                team: parts.team.map(|team| Team::new(team, links.is_in_team(team.id))),
                hmac_verified: false,
            },
            id: conversation.display_id.0,
            messages: parts.last_message.map(push).into_iter().collect(),
            account_id: conversation.account_id.0,
            uuid: conversation.uuid.clone(),
            additional_attributes: parts.additional_attributes(),
            agent_last_seen_at: seconds_or_zero(conversation.agent_last_seen_at),
            assignee_last_seen_at: seconds_or_zero(conversation.assignee_last_seen_at),
            can_reply: true,
            contact_last_seen_at: seconds_or_zero(conversation.contact_last_seen_at),
            custom_attributes: (&conversation.custom_attributes).into(),
            inbox_id: conversation.inbox_id.0,
            labels: parts.labels.to_vec(),
            // Chatwoot's meaning: whoever writes is blocked.
            muted: parts.contact.blocked,
            snoozed_until: iso(conversation.snoozed_until),
            status: conversation.status.into(),
            created_at: conversation.created_at.seconds(),
            updated_at: float_seconds(conversation.updated_at),
            timestamp: conversation.last_activity_at.seconds(),
            first_reply_created_at: seconds_or_zero(conversation.first_reply_at),
            unread_count: parts.unread_count.into(),
            last_non_activity_message: parts.last_non_activity_message.map(push),
            last_activity_at: conversation.last_activity_at.seconds(),
            priority: conversation.priority.map(Into::into),
            waiting_since: seconds_or_zero(conversation.waiting_since),
            sla_policy_id: None,
        }
    }
}

/// How many conversations there are under the same filters: mine, assigned to somebody, to nobody, and all.
#[derive(Clone, Copy, Debug, Default, Object)]
pub struct ConversationCounts {
    pub mine_count: i64,
    pub assigned_count: i64,
    pub unassigned_count: i64,
    pub all_count: i64,
}

#[derive(Clone, Debug, Object)]
pub struct ConversationPage {
    pub meta: ConversationCounts,
    pub payload: Vec<Conversation>,
}

#[derive(Clone, Debug, Object)]
pub struct ConversationList {
    pub data: ConversationPage,
}

#[derive(Clone, Debug, Object)]
pub struct ConversationMetaAnswer {
    pub meta: ConversationCounts,
}

#[derive(Clone, Debug, Default, Object)]
pub struct ToggleStatus {
    /// Absent: open becomes resolved, everything else becomes open.
    pub status: Option<ConversationStatus>,
    /// Epoch seconds; only with `snoozed`.
    #[oai(validator(minimum(value = "0"), maximum(value = "253402300799")))]
    pub snoozed_until: Option<i64>,
}

#[derive(Clone, Debug, Object)]
pub struct StatusToggled {
    pub success: bool,
    pub conversation_id: i64,
    pub current_status: ConversationStatus,
    #[oai(nullable)]
    pub snoozed_until: Option<String>,
}

#[derive(Clone, Debug, Object)]
pub struct StatusToggledAnswer {
    pub meta: JsonObject,
    pub payload: StatusToggled,
}

#[derive(Clone, Debug, Default, Object)]
pub struct Assignment {
    /// The agent; null or 0 for nobody. Absent changes nothing.
    #[oai(nullable)]
    pub assignee_id: MaybeUndefined<i64>,
    /// The team; null or 0 for none. Looked at only when there is no `assignee_id`.
    #[oai(nullable)]
    pub team_id: MaybeUndefined<i64>,
}
