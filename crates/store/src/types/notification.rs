//! What people are told about, as it is asked for and made.

use super::ConversationView;
use domain::notification::{Notification, NotificationCounts, NotificationKind};
use domain::{ConversationId, UserId};

/// Chatwoot's page.
pub const NOTIFICATIONS_PER_PAGE: u32 = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewNotification {
    pub user_id: UserId,
    pub conversation_id: ConversationId,
    pub kind: NotificationKind,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct NotificationFilter {
    pub with_read: bool,
    pub with_snoozed: bool,
    pub oldest_first: bool,
    /// From 1.
    pub page: u32,
}

#[derive(Clone, Debug)]
pub struct NotificationPage {
    /// Each with its conversation as it is now.
    pub items: Vec<(Notification, ConversationView)>,
    /// Under the same filter.
    pub counts: NotificationCounts,
}

/// What changes on one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationChange {
    Read,
    Unread,
    /// Not shown before, and unread then.
    Snooze(domain::Timestamp),
}
