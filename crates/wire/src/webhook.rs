//! Webhooks: whom an account tells, and the log of what was told.

use crate::moment::seconds;
use poem_openapi::types::MaybeUndefined;
use poem_openapi::{Enum, Object};

/// What a webhook is made of, or what changes in one.
#[derive(Clone, Debug, Default, Object)]
pub struct WebhookFields {
    /// Where events are posted to: `https://`, without a user name or password.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 2048))]
    pub url: Option<String>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 255))]
    pub name: MaybeUndefined<String>,
    /// Only what happens in this inbox; null: in all of them.
    pub inbox_id: MaybeUndefined<i64>,
    /// Names of events. When one is made without them: Chatwoot's default, everything about conversations, messages and contacts.
    #[oai(validator(max_items = 40))]
    pub subscriptions: Option<Vec<String>>,
    /// Of one that exists: false to tell it nothing, true to tell it again.
    pub enabled: Option<bool>,
}

/// The fields as they are, or under `webhook`, as Chatwoot's dashboard sends them.
#[derive(Clone, Debug, Default, Object)]
pub struct WebhookRequest {
    pub webhook: Option<WebhookFields>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 2048))]
    pub url: Option<String>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 255))]
    pub name: MaybeUndefined<String>,
    pub inbox_id: MaybeUndefined<i64>,
    #[oai(validator(max_items = 40))]
    pub subscriptions: Option<Vec<String>>,
    pub enabled: Option<bool>,
}

impl WebhookRequest {
    pub fn fields(self) -> WebhookFields {
        let Self { webhook, url, name, inbox_id, subscriptions, enabled } = self;
        webhook.unwrap_or(WebhookFields { url, name, inbox_id, subscriptions, enabled })
    }
}

#[derive(Clone, Debug, Object)]
pub struct WebhookInbox {
    pub id: i64,
    pub name: String,
}

#[derive(Clone, Debug, Object)]
pub struct Webhook {
    pub id: i64,
    #[oai(nullable)]
    pub name: Option<String>,
    pub url: String,
    pub account_id: i64,
    pub subscriptions: Vec<String>,
    /// What requests are signed with: shown when it was made just now, null ever after.
    #[oai(nullable)]
    pub secret: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    pub inbox: Option<WebhookInbox>,
    pub enabled: bool,
    /// Epoch seconds.
    #[oai(nullable)]
    pub disabled_at: Option<i64>,
    /// `by_person`, `failing` (nothing was taken for three days) or `gone` (the address answered 410).
    #[oai(nullable)]
    pub disabled_reason: Option<String>,
    /// Since when nothing was taken, in epoch seconds.
    #[oai(nullable)]
    pub failing_since: Option<i64>,
    pub failures_in_a_row: i64,
    /// When something was taken last, in epoch seconds.
    #[oai(nullable)]
    pub delivered_at: Option<i64>,
    /// Until then requests are signed with the secret before as well, in epoch seconds.
    #[oai(nullable)]
    pub previous_secret_until: Option<i64>,
    pub created_at: i64,
}

#[derive(Clone, Debug, Object)]
pub struct WebhookList {
    pub webhooks: Vec<Webhook>,
}

#[derive(Clone, Debug, Object)]
pub struct WebhookListAnswer {
    pub payload: WebhookList,
}

#[derive(Clone, Debug, Object)]
pub struct WebhookShown {
    pub webhook: Webhook,
}

#[derive(Clone, Debug, Object)]
pub struct WebhookAnswer {
    pub payload: WebhookShown,
}

impl Webhook {
    /// `inbox`: the name of the one it is for.
    pub fn new(
        webhook: &domain::webhook::Webhook,
        account_id: i64,
        inbox: Option<&str>,
        secret: Option<String>,
    ) -> Self {
        Self {
            id: webhook.id.0,
            name: webhook.name.clone(),
            url: webhook.url.clone(),
            account_id,
            subscriptions: webhook.subscriptions.clone(),
            secret,
            inbox: webhook.inbox_id.map(|id| WebhookInbox { id: id.0, name: inbox.unwrap_or_default().to_owned() }),
            enabled: webhook.disabled.is_none(),
            disabled_at: webhook.disabled.as_ref().map(|disabled| disabled.at.seconds()),
            disabled_reason: webhook.disabled.as_ref().map(|disabled| disabled.reason.as_str().to_owned()),
            failing_since: seconds(webhook.failing_since),
            failures_in_a_row: i64::from(webhook.failures_in_a_row),
            delivered_at: seconds(webhook.delivered_at),
            previous_secret_until: seconds(webhook.previous_until),
            created_at: webhook.created_at.seconds(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum WebhookDeliveryState {
    /// It is told, or tried again at `next_try_at`.
    Queued,
    /// The address answered with a 2xx.
    Delivered,
    /// It is not tried any more.
    Failed,
}

/// One event on its way to a webhook, or told. Its answer and failure are those of the last try.
#[derive(Clone, Debug, Object)]
pub struct WebhookDelivery {
    pub id: i64,
    pub webhook_id: i64,
    /// As in the header `X-Chatwoot-Delivery`, the same at every try.
    pub delivery_id: String,
    pub event: String,
    /// The event's number in the account: which of two happened first.
    pub seq: i64,
    pub state: WebhookDeliveryState,
    pub attempts: i64,
    /// Epoch seconds.
    #[oai(nullable)]
    pub next_try_at: Option<i64>,
    #[oai(nullable)]
    pub answer_status: Option<i64>,
    /// Its first kilobyte.
    #[oai(nullable)]
    pub answer: Option<String>,
    /// A stable word, a colon, and what happened.
    #[oai(nullable)]
    pub failure: Option<String>,
    #[oai(nullable)]
    pub took_milliseconds: Option<i64>,
    /// Epoch seconds.
    #[oai(nullable)]
    pub delivered_at: Option<i64>,
    pub created_at: i64,
}

#[derive(Clone, Debug, Object)]
pub struct WebhookDeliveryMeta {
    pub count: i64,
    pub current_page: i64,
}

/// Newest first.
#[derive(Clone, Debug, Object)]
pub struct WebhookDeliveryList {
    pub meta: WebhookDeliveryMeta,
    pub payload: Vec<WebhookDelivery>,
}
