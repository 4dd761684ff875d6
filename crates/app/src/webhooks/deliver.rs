//! The job that tells one webhook of one event: one request, and what becomes of it.
//!
//! Told is who answers with a 2xx within WEBHOOK_TIMEOUT. No redirect is followed, and where the address leads is judged at each request by the
//! address that is then connected to ([`net`]). A webhook that fails again and again is left alone for a while, and its other events are
//! held for as long; they are told in no certain order, and `seq` says which came first.

use super::{Told, signature};
use crate::conversations::snapshot;
use crate::{App, Hint, attachments};
use domain::webhook::{DisabledReason, after_failure};
use domain::{ConversationId, Failure, FailureClass, MessageId, WebhookDeliveryId};
use net::{HttpRequest, NetError};
use serde_json::Value;
use std::time::Duration;
use store::{ClaimedWork, StoreError, WebhookAttempt, WebhookDeliveryState, WebhookTelling};
use tracing::info;
use url::Url;

/// The piece of an answer that is kept.
const MAX_ANSWER_BYTES: usize = 1024;

/// What a try came to.
struct Ended {
    status: Option<u16>,
    answer: Option<String>,
    /// `None`: it was taken.
    failure: Option<String>,
    /// Another try cannot be made.
    is_final: bool,
}

impl Ended {
    fn failed(why: impl Into<String>) -> Self {
        Self { status: None, answer: None, failure: Some(why.into()), is_final: false }
    }

    fn for_good(why: &str) -> Self {
        Self { is_final: true, ..Self::failed(why) }
    }
}

pub async fn deliver(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    let relay = app.store().relay();
    let Some(telling) = work.scope.webhook_telling(WebhookDeliveryId(work.subject_id)).await? else {
        return relay.finish(work).await.map(drop);
    };
    if telling.delivery.state != WebhookDeliveryState::Queued {
        return relay.finish(work).await.map(drop);
    }
    if telling.webhook.disabled.is_none() && telling.is_paused {
        let mut tx = work.scope.begin().await?;
        tx.hold_telling(&telling, work).await?;
        return tx.commit().await.map(drop);
    }
    let began = app.now();
    let ended = match telling.webhook.disabled {
        Some(_) => Ended::for_good("disabled: the webhook is disabled"),
        None => tell(app, work, &telling).await?,
    };
    let took_micros = app.now().micros() - began.micros();
    settle(app, work, &telling, ended, took_micros).await
}

async fn tell(app: &App, work: &ClaimedWork, telling: &WebhookTelling) -> Result<Ended, StoreError> {
    let delivery = &telling.delivery;
    let found = work.scope.events_after(delivery.event_seq - 1, 1).await?;
    let Some(event) = found.into_iter().find(|event| event.seq == delivery.event_seq) else {
        return Ok(Ended::for_good("event_expired: the event is not kept any more"));
    };
    let Ok(url) = Url::parse(&telling.webhook.url) else { return Ok(Ended::for_good("bad_url: it is no web address")) };
    let payload: Value = serde_json::from_str(&event.payload).unwrap_or_default();
    if payload.get("erased") == Some(&Value::Bool(true)) {
        return Ok(Ended::for_good("event_erased: what it told of was erased"));
    }
    let account = work.scope.account().await?;
    let inbox = match event.inbox {
        Some(inbox) => work.scope.inbox(inbox).await?,
        None => None,
    };
    let message = match payload.pointer("/message/id").and_then(Value::as_i64) {
        Some(id) if payload.pointer("/message/shortened") == Some(&Value::Bool(true)) => {
            work.scope.message_by_id(MessageId(id)).await?.filter(|message| !message.deleted)
        }
        _ => None,
    };
    let conversation = match payload.pointer("/message/conversation_id").and_then(Value::as_i64) {
        Some(id) => work.scope.conversation_by_id(ConversationId(id)).await?.map(|view| snapshot::conversation(&view)),
        None => None,
    };
    let signer = attachments::signer(app, &work.scope).await?;
    let told = Told {
        account: &account,
        webhook: telling.webhook.id,
        event: &event.kind,
        seq: event.seq,
        inbox: inbox.as_ref().map(|inbox| (inbox.id, inbox.name.as_str())),
        payload: &payload,
        message: message.as_ref(),
        conversation: conversation.as_ref(),
        signer: &signer,
    };
    let body = app.webhook_bodies().body(&told).to_string().into_bytes();
    let secrets = &telling.secrets;
    let previous = secrets.previous.as_ref();
    let mut request = HttpRequest::post(url, "application/json", body).header("accept", "application/json");
    request = request.read_at_most(MAX_ANSWER_BYTES);
    let signed = signature::headers(&secrets.current, previous, &delivery.uuid, app.now(), &request.body);
    for (name, value) in signed {
        request = request.header(name, value);
    }
    Ok(send(app, request).await)
}

async fn send(app: &App, request: HttpRequest) -> Ended {
    let settings = app.settings();
    let connector = app.connector();
    let http = if settings.webhook_private_networks { connector.http() } else { connector.http_for_tenants() };
    let answer = match tokio::time::timeout(settings.webhook_timeout, http.send(request)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Ended::failed(words(&error)),
        Err(_) => return Ended::failed("timed_out: no answer in time"),
    };
    let text = String::from_utf8_lossy(&answer.body).replace('\0', "");
    let kept = text[..text.floor_char_boundary(MAX_ANSWER_BYTES)].to_owned();
    let failure = (!answer.is_success()).then(|| format!("refused: it answered {}", answer.status));
    Ended { status: Some(answer.status), answer: Some(kept), failure, is_final: false }
}

/// A stable word and what people understand; nothing of what a name resolves to here.
fn words(error: &NetError) -> String {
    match error {
        NetError::Config(_) => "bad_url: it cannot be asked".to_owned(),
        NetError::PlainHttp { .. } => "bad_url: it is not https".to_owned(),
        NetError::Unresolved { .. } => "unresolved: its name is not known".to_owned(),
        NetError::Forbidden { .. } => {
            "forbidden_address: it leads to an address that may not be contacted from here".to_owned()
        }
        NetError::Unreachable { .. } => "unreachable: nobody answers there".to_owned(),
        NetError::TimedOut { .. } => "timed_out: no answer in time".to_owned(),
        NetError::Tls { reason, .. } | NetError::NoTls { reason, .. } => format!("tls_failed: {reason}"),
        NetError::ConnectionLost { .. } => "connection_lost: the connection ended before an answer".to_owned(),
        NetError::NoSlot { .. } => "busy: too many connections".to_owned(),
        NetError::BodyTooLarge { .. } => "answer_too_large: its answer is too long".to_owned(),
    }
}

async fn settle(
    app: &App,
    work: &ClaimedWork,
    telling: &WebhookTelling,
    ended: Ended,
    took_micros: i64,
) -> Result<(), StoreError> {
    let now = app.now();
    let webhook = &telling.webhook;
    let mut attempt = WebhookAttempt {
        state: WebhookDeliveryState::Delivered,
        again_in: None,
        answer_status: ended.status,
        answer: ended.answer,
        failure: ended.failure.clone(),
        took_micros,
        pause: None,
        disable: None,
    };
    if ended.failure.is_some() {
        attempt.state = WebhookDeliveryState::Failed;
        if !ended.is_final {
            let failures = webhook.failures_in_a_row.saturating_add(1);
            let standing = (failures, webhook.failing_since.unwrap_or(now));
            let tried_since = telling.delivery.queued_at;
            let after =
                after_failure(ended.status, telling.delivery.attempts + 1, tried_since, standing, now, app.jitter());
            attempt.pause = Some(after.pause);
            attempt.again_in = after.again_in;
            attempt.disable = after.disable;
            if after.again_in.is_some() {
                attempt.state = WebhookDeliveryState::Queued;
            }
        }
    }
    let mut tx = work.scope.begin().await?;
    let disabled = match ended.is_final {
        true => tx.end_webhook_delivery(telling, &attempt).await.map(|()| false)?,
        false => tx.record_webhook_attempt(telling, &attempt).await?,
    };
    match attempt.again_in {
        Some(wait) => {
            let failure = Failure::new(FailureClass::Unreachable).detail("a webhook was not told");
            tx.retry_work(work, wait.max(attempt.pause.unwrap_or(Duration::ZERO)), &failure).await?;
        }
        None => tx.finish_work(work).await?,
    }
    if disabled && app.settings().mailer.is_some() {
        tx.owe_webhook_notices(webhook.id).await?;
    }
    tx.commit().await?;
    if disabled {
        app.wake(Hint::Owed);
        let reason = attempt.disable.map_or("", DisabledReason::as_str);
        info!(webhook.id = %webhook.id, reason, "a webhook is disabled");
    }
    info!(webhook.id = %webhook.id, delivery.id = %telling.delivery.id, state = attempt.state.as_str(), "told a webhook of an event");
    Ok(())
}

/// Work on it always breaks down: it says so in the log of the webhook.
pub(crate) async fn give_up(work: &ClaimedWork, failure: &Failure) -> Result<(), StoreError> {
    let telling = work.scope.webhook_telling(WebhookDeliveryId(work.subject_id)).await?;
    let mut tx = work.scope.begin().await?;
    if let Some(telling) = telling {
        let attempt = WebhookAttempt {
            state: WebhookDeliveryState::Failed,
            again_in: None,
            answer_status: None,
            answer: None,
            failure: Some(format!("{}: {}", failure.class.code(), failure.class.text())),
            took_micros: 0,
            pause: None,
            disable: None,
        };
        tx.end_webhook_delivery(&telling, &attempt).await?;
    }
    tx.fail_work(work, failure).await?;
    tx.commit().await.map(drop)
}
