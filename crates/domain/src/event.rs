//! Events: what happened in an account, in order. Each carries its own snapshot from the moment it happened.

use serde::{Deserialize, Serialize};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// Chatwoot's event names, and ours for what Chatwoot does not tell.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl EventKind {
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

events! {
    ConversationCreated = "conversation_created",
    ConversationUpdated = "conversation_updated",
    ConversationStatusChanged = "conversation_status_changed",
    ConversationDeleted = "conversation_deleted",
    AssigneeChanged = "assignee_changed",
    TeamChanged = "team_changed",
    MessageCreated = "message_created",
    MessageUpdated = "message_updated",
    ContactCreated = "contact_created",
    ContactUpdated = "contact_updated",
    /// What clients keep a copy of is not what it was: labels, teams, canned responses.
    AccountCacheInvalidated = "account_cache_invalidated",
    ContactMerged = "contact_merged",
    ContactDeleted = "contact_deleted",
    InboxCreated = "inbox_created",
    InboxUpdated = "inbox_updated",
    InboxDeleted = "inbox_deleted",
    InboxHealthChanged = "inbox_health_changed",
    /// Microsoft refuses an account's own app, or each of its credentials; or takes one again.
    OauthAppHealthChanged = "oauth_app_health_changed",
    OauthAppCredentialEnding = "oauth_app_credential_ending",
    /// Somebody must act for a mailbox, or need not any more.
    InboxHealthNotice = "inbox_health_notice",
    DeliveryUpdated = "delivery_updated",
    /// An attempt to connect a mailbox went a step further, or ended.
    ConnectionUpdated = "connection_updated",
    ConnectLinkUpdated = "connect_link_updated",
    NotificationCreated = "notification_created",
    NotificationUpdated = "notification_updated",
    NotificationDeleted = "notification_deleted",
}
