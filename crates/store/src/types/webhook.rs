//! Webhooks, and each telling of an event to one.

use super::codes;
use domain::webhook::{DisabledReason, Webhook};
use domain::{InboxId, Secret, Timestamp, WebhookDeliveryId, WebhookId};

#[derive(Clone, Debug)]
pub struct NewWebhook {
    pub inbox_id: Option<InboxId>,
    pub name: Option<String>,
    pub url: String,
    pub subscriptions: Vec<String>,
    pub secret: Secret,
}

/// `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    pub inbox_id: Option<Option<InboxId>>,
    pub name: Option<Option<String>>,
    pub url: Option<String>,
    pub subscriptions: Option<Vec<String>>,
    /// `Some(None)`: it is told again.
    pub disabled: Option<Option<DisabledReason>>,
}

/// What requests to it are signed with.
#[derive(Clone, Debug)]
pub struct WebhookSecrets {
    pub current: Secret,
    /// The one before, for as long as it holds beside.
    pub previous: Option<Secret>,
}

codes! {
    WebhookDeliveryState {
        Queued = "queued",
        Delivered = "delivered",
        Failed = "failed",
    }
}

/// An event that a webhook is to be told of.
#[derive(Clone, Debug)]
pub struct NewTelling {
    pub webhook_id: WebhookId,
    pub event_seq: i64,
    pub event: String,
    pub uuid: String,
}

/// One event on its way to a webhook, or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookDelivery {
    pub id: WebhookDeliveryId,
    pub webhook_id: WebhookId,
    pub event_seq: i64,
    pub event: String,
    /// The same at every try.
    pub uuid: String,
    pub state: WebhookDeliveryState,
    pub attempts: u32,
    pub next_try_at: Option<Timestamp>,
    /// Of the last try.
    pub answer_status: Option<u16>,
    pub answer: Option<String>,
    /// A stable word, and more words; of the last try, when it failed.
    pub failure: Option<String>,
    pub took_micros: Option<i64>,
    pub delivered_at: Option<Timestamp>,
    /// Since when it is tried, this time.
    pub queued_at: Timestamp,
    pub created_at: Timestamp,
}

/// What somebody who tells needs.
#[derive(Clone, Debug)]
pub struct WebhookTelling {
    pub delivery: WebhookDelivery,
    pub webhook: Webhook,
    /// It is left alone for a while.
    pub is_paused: bool,
    pub secrets: WebhookSecrets,
}

/// How one try ended.
#[derive(Clone, Debug)]
pub struct WebhookAttempt {
    pub state: WebhookDeliveryState,
    pub again_in: Option<std::time::Duration>,
    pub answer_status: Option<u16>,
    pub answer: Option<String>,
    pub failure: Option<String>,
    pub took_micros: i64,
    /// `None`: it was taken. Else how long the address is left alone.
    pub pause: Option<std::time::Duration>,
    pub disable: Option<DisabledReason>,
}
