//! A Notification tells one person of something in a conversation that concerns them. There is one for each conversation: the latest.

use crate::{AccountId, ConversationId, NotificationId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// Chatwoot's words. What comes first goes before what comes later, where one person is concerned in several ways.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum NotificationKind {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl NotificationKind {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    /// Named in a note.
    ConversationMention = "conversation_mention",
    /// Given a conversation.
    ConversationAssignment = "conversation_assignment",
    /// Something was said in a conversation of theirs.
    AssignedConversationNewMessage = "assigned_conversation_new_message",
    /// Something was said in a conversation that they take part in.
    ParticipatingConversationNewMessage = "participating_conversation_new_message",
    /// A conversation began in an inbox of theirs. Only for those who asked to be told.
    ConversationCreation = "conversation_creation",
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    pub id: NotificationId,
    pub account_id: AccountId,
    pub user_id: UserId,
    pub conversation_id: ConversationId,
    pub kind: NotificationKind,
    pub read_at: Option<Timestamp>,
    /// Not shown before.
    pub snoozed_until: Option<Timestamp>,
    pub last_activity_at: Timestamp,
    pub created_at: Timestamp,
}

/// How many a person has that are not put off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotificationCounts {
    pub unread: u64,
    pub all: u64,
}

/// What a person wants to be told by mail and on their devices; Chatwoot's default is what they are given to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationSettings {
    pub email: Vec<NotificationKind>,
    pub push: Vec<NotificationKind>,
}

impl Default for NotificationSettings {
    fn default() -> Self {
        let assignment = vec![NotificationKind::ConversationAssignment];
        Self { email: assignment.clone(), push: assignment }
    }
}
