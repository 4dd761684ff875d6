//! Whom an account tells what happens in it, and the log of what was told. Administrators only.

use crate::auth::Auth;
use crate::error::{Acting, Deciding, Problem, Reading, Refusal, Writing};
use crate::tags::Tag;
use app::accounts::Member;
use app::webhooks::{self, LogError, NewWebhook, WebhookChange, WebhookError};
use domain::{InboxId, WebhookDeliveryId, WebhookId};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use wire::webhook::{
    Webhook, WebhookAnswer, WebhookDelivery, WebhookDeliveryList, WebhookDeliveryMeta, WebhookDeliveryState,
    WebhookList, WebhookListAnswer, WebhookRequest, WebhookShown,
};

pub struct WebhooksApi;

#[OpenApi(tag = "Tag::Webhooks")]
impl WebhooksApi {
    /// List webhooks
    #[oai(path = "/api/v1/accounts/:account_id/webhooks", method = "get", operation_id = "list_webhooks")]
    async fn list(&self, auth: Auth, account_id: Path<i64>) -> Result<Json<WebhookListAnswer>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        let found = webhooks::list(auth.app(), &member).await?;
        let inboxes = member.scope.inboxes(&member.visibility).await?;
        let name =
            |id: Option<InboxId>| inboxes.iter().find(|inbox| Some(inbox.id) == id).map(|inbox| inbox.name.as_str());
        let webhooks =
            found.iter().map(|webhook| Webhook::new(webhook, account_id.0, name(webhook.inbox_id), None)).collect();
        Ok(Json(WebhookListAnswer { payload: WebhookList { webhooks } }))
    }

    /// Make a webhook
    ///
    /// Its secret is in this answer and in no other. At most 50 for an account, each with an address of its own.
    #[oai(path = "/api/v1/accounts/:account_id/webhooks", method = "post", operation_id = "create_webhook")]
    async fn create(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<WebhookRequest>,
    ) -> Result<Json<WebhookAnswer>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let fields = body.0.fields();
        let new = NewWebhook {
            url: fields.url.unwrap_or_default(),
            name: fields.name.take(),
            inbox_id: fields.inbox_id.take().map(InboxId),
            subscriptions: fields.subscriptions,
        };
        let (webhook, secret) = webhooks::create(auth.app(), &member, new).await?;
        Ok(Json(shown(&member, &webhook, Some(secret.expose().to_owned())).await?))
    }

    /// Change a webhook, or enable it again
    #[oai(
        path = "/api/v1/accounts/:account_id/webhooks/:webhook_id",
        method = "patch",
        operation_id = "update_webhook"
    )]
    async fn update(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        webhook_id: Path<i64>,
        body: Json<WebhookRequest>,
    ) -> Result<Json<WebhookAnswer>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let fields = body.0.fields();
        let change = WebhookChange {
            url: fields.url,
            name: changed(fields.name),
            inbox_id: changed(fields.inbox_id).map(|inbox| inbox.map(InboxId)),
            subscriptions: fields.subscriptions,
            enabled: fields.enabled,
        };
        let webhook = webhooks::update(auth.app(), &member, WebhookId(webhook_id.0), change).await?;
        Ok(Json(shown(&member, &webhook, None).await?))
    }

    /// Delete a webhook, with its log
    #[oai(
        path = "/api/v1/accounts/:account_id/webhooks/:webhook_id",
        method = "delete",
        operation_id = "delete_webhook"
    )]
    async fn delete(&self, auth: Auth, account_id: Path<i64>, webhook_id: Path<i64>) -> Result<(), Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        Ok(webhooks::delete(auth.app(), &member, WebhookId(webhook_id.0)).await?)
    }

    /// Give a webhook a new secret
    ///
    /// It is in this answer and in no other. For a day `X-Postroom-Signature` holds a signature with the one before as well.
    #[oai(
        path = "/api/v1/accounts/:account_id/webhooks/:webhook_id/rotate_secret",
        method = "post",
        operation_id = "rotate_webhook_secret"
    )]
    async fn rotate_secret(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        webhook_id: Path<i64>,
    ) -> Result<Json<WebhookAnswer>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        let (webhook, secret) = webhooks::rotate_secret(auth.app(), &member, WebhookId(webhook_id.0)).await?;
        Ok(Json(shown(&member, &webhook, Some(secret.expose().to_owned())).await?))
    }

    /// List what a webhook was told
    ///
    /// Newest first, 25 a page. What ended is kept for 30 days.
    #[oai(
        path = "/api/v1/accounts/:account_id/webhooks/:webhook_id/deliveries",
        method = "get",
        operation_id = "list_webhook_deliveries"
    )]
    async fn deliveries(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        webhook_id: Path<i64>,
        state: Query<Option<WebhookDeliveryState>>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<WebhookDeliveryList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let page = page.0.unwrap_or(1).max(1);
        let state = state.0.map(kept);
        let id = WebhookId(webhook_id.0);
        let (found, count) = webhooks::deliveries(auth.app(), &member, id, state, page).await?;
        Ok(Json(WebhookDeliveryList {
            meta: WebhookDeliveryMeta {
                count: i64::try_from(count).unwrap_or(i64::MAX),
                current_page: i64::from(page),
            },
            payload: found.into_iter().map(delivery).collect(),
        }))
    }

    /// Tell a webhook once more
    ///
    /// Of an event that it took, or that is not tried any more; with the same `delivery_id`.
    #[oai(
        path = "/api/v1/accounts/:account_id/webhooks/:webhook_id/deliveries/:delivery_id/redeliver",
        method = "post",
        operation_id = "redeliver_webhook"
    )]
    async fn redeliver(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        webhook_id: Path<i64>,
        delivery_id: Path<i64>,
    ) -> Result<Json<WebhookDelivery>, Refusal<Deciding>> {
        let member = auth.enter(account_id.0).await?;
        let (webhook, id) = (WebhookId(webhook_id.0), WebhookDeliveryId(delivery_id.0));
        Ok(Json(delivery(webhooks::redeliver(auth.app(), &member, webhook, id).await?)))
    }
}

/// `None`: it is not named.
fn changed<T>(field: MaybeUndefined<T>) -> Option<Option<T>> {
    match field {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

async fn shown(
    member: &Member,
    webhook: &domain::webhook::Webhook,
    secret: Option<String>,
) -> Result<WebhookAnswer, Problem> {
    let inbox = match webhook.inbox_id {
        Some(inbox) => member.scope.inbox(inbox).await?,
        None => None,
    };
    let name = inbox.as_ref().map(|inbox| inbox.name.as_str());
    let webhook = Webhook::new(webhook, member.account.id.0, name, secret);
    Ok(WebhookAnswer { payload: WebhookShown { webhook } })
}

fn kept(state: WebhookDeliveryState) -> app::webhooks::DeliveryState {
    match state {
        WebhookDeliveryState::Queued => app::webhooks::DeliveryState::Queued,
        WebhookDeliveryState::Delivered => app::webhooks::DeliveryState::Delivered,
        WebhookDeliveryState::Failed => app::webhooks::DeliveryState::Failed,
    }
}

fn delivery(delivery: app::webhooks::Delivery) -> WebhookDelivery {
    WebhookDelivery {
        id: delivery.id.0,
        webhook_id: delivery.webhook_id.0,
        delivery_id: delivery.uuid,
        event: delivery.event,
        seq: delivery.event_seq,
        state: match delivery.state {
            app::webhooks::DeliveryState::Queued => WebhookDeliveryState::Queued,
            app::webhooks::DeliveryState::Delivered => WebhookDeliveryState::Delivered,
            app::webhooks::DeliveryState::Failed => WebhookDeliveryState::Failed,
        },
        attempts: i64::from(delivery.attempts),
        next_try_at: wire::moment::seconds(delivery.next_try_at),
        answer_status: delivery.answer_status.map(i64::from),
        answer: delivery.answer,
        failure: delivery.failure,
        took_milliseconds: delivery.took_micros.map(|micros| micros / 1000),
        delivered_at: wire::moment::seconds(delivery.delivered_at),
        created_at: delivery.created_at.seconds(),
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Forbidden => Self::forbidden(),
            WebhookError::NotFound => Self::not_found(),
            WebhookError::Invalid(field, words) => Self::invalid(field, words),
            WebhookError::AccountFull => {
                Self::unprocessable("webhooks_limit_reached", "The account has as many webhooks as it may have")
            }
            WebhookError::Store(error) => error.into(),
        }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Webhook(error) => error.into(),
            LogError::OnItsWay => Self::conflict("on_its_way", "The event is on its way already"),
            LogError::Disabled => Self::conflict("webhook_disabled", "The webhook is disabled: enable it first"),
        }
    }
}
