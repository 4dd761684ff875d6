//! What a person is told about, and what they want to be told.

use crate::JsonObject;
use crate::sender::UserSender;
use crate::words::NotificationType;
use poem_openapi::types::ToJSON;
use poem_openapi::{Enum, Object};

#[derive(Clone, Debug, Object)]
pub struct Notification {
    pub id: i64,
    pub account_id: i64,
    pub notification_type: NotificationType,
    pub push_message_title: String,
    /// What was said last in the conversation, cut.
    pub push_message_body: String,
    /// Always `Conversation`.
    pub primary_actor_type: String,
    /// The conversation's row, as `read_all` takes it; `primary_actor.id` is the number that is shown.
    pub primary_actor_id: i64,
    /// The conversation, as events have it.
    pub primary_actor: JsonObject,
    #[oai(nullable)]
    pub read_at: Option<String>,
    /// Always null.
    #[oai(nullable)]
    pub secondary_actor: Option<JsonObject>,
    /// Whose it is; null in events.
    #[oai(nullable)]
    pub user: Option<UserSender>,
    pub created_at: i64,
    pub last_activity_at: i64,
    #[oai(nullable)]
    pub snoozed_until: Option<String>,
    pub meta: JsonObject,
}

#[derive(Clone, Debug, Object)]
pub struct NotificationMeta {
    pub unread_count: i64,
    pub count: i64,
    pub current_page: i64,
}

#[derive(Clone, Debug, Object)]
pub struct NotificationPage {
    pub meta: NotificationMeta,
    pub payload: Vec<Notification>,
}

#[derive(Clone, Debug, Object)]
pub struct NotificationList {
    pub data: NotificationPage,
}

#[derive(Clone, Debug, Default, Object)]
pub struct ReadAll {
    /// Only what is about this conversation; with `primary_actor_type`.
    #[oai(nullable)]
    pub primary_actor_id: Option<i64>,
    #[oai(nullable)]
    pub primary_actor_type: Option<PrimaryActorType>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PrimaryActorType {
    Conversation,
}

#[derive(Clone, Debug, Object)]
pub struct Snooze {
    /// Epoch seconds.
    #[oai(validator(minimum(value = "0"), maximum(value = "253402300799")))]
    pub snoozed_until: i64,
}

#[derive(Clone, Debug, Default, Object)]
pub struct DestroyAll {
    /// `read`: only those that were read.
    #[oai(rename = "type", nullable)]
    pub which: Option<DestroyWhich>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum DestroyWhich {
    Read,
    All,
}

/// What to tell by mail or on a device. Kept; nothing is sent yet.
#[derive(Clone, Debug, Object)]
pub struct NotificationSettings {
    pub user_id: i64,
    pub account_id: i64,
    pub all_email_flags: Vec<String>,
    pub selected_email_flags: Vec<String>,
    pub all_push_flags: Vec<String>,
    pub selected_push_flags: Vec<String>,
}

#[derive(Clone, Debug, Object)]
pub struct NotificationSettingsChange {
    pub notification_settings: SelectedFlags,
}

#[derive(Clone, Debug, Object)]
pub struct SelectedFlags {
    /// Such as `email_conversation_assignment`. Absent leaves them.
    #[oai(validator(max_items = 20))]
    pub selected_email_flags: Option<Vec<EmailFlag>>,
    /// Such as `push_conversation_assignment`. Absent leaves them.
    #[oai(validator(max_items = 20))]
    pub selected_push_flags: Option<Vec<PushFlag>>,
}

macro_rules! flags {
    ($name:ident: $($variant:ident = $text:literal),*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
        pub enum $name {
            $(#[oai(rename = $text)] $variant),*
        }

        impl From<$name> for domain::notification::NotificationKind {
            fn from(flag: $name) -> Self {
                match flag { $($name::$variant => Self::$variant),* }
            }
        }

        impl From<domain::notification::NotificationKind> for $name {
            fn from(kind: domain::notification::NotificationKind) -> Self {
                match kind { $(domain::notification::NotificationKind::$variant => Self::$variant),* }
            }
        }
    };
}

flags! { EmailFlag:
    ConversationCreation = "email_conversation_creation",
    ConversationAssignment = "email_conversation_assignment",
    ConversationMention = "email_conversation_mention",
    AssignedConversationNewMessage = "email_assigned_conversation_new_message",
    ParticipatingConversationNewMessage = "email_participating_conversation_new_message"
}

flags! { PushFlag:
    ConversationCreation = "push_conversation_creation",
    ConversationAssignment = "push_conversation_assignment",
    ConversationMention = "push_conversation_mention",
    AssignedConversationNewMessage = "push_assigned_conversation_new_message",
    ParticipatingConversationNewMessage = "push_participating_conversation_new_message"
}

impl NotificationSettings {
    pub fn new(
        account: domain::AccountId,
        user: domain::UserId,
        settings: &domain::notification::NotificationSettings,
    ) -> Self {
        let all = domain::notification::NotificationKind::ALL;
        Self {
            user_id: user.0,
            account_id: account.0,
            all_email_flags: all.iter().map(|kind| word(EmailFlag::from(*kind))).collect(),
            selected_email_flags: settings.email.iter().map(|kind| word(EmailFlag::from(*kind))).collect(),
            all_push_flags: all.iter().map(|kind| word(PushFlag::from(*kind))).collect(),
            selected_push_flags: settings.push.iter().map(|kind| word(PushFlag::from(*kind))).collect(),
        }
    }
}

fn word(flag: impl ToJSON) -> String {
    flag.to_json().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
