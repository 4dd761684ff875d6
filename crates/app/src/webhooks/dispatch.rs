//! Events → tellings that are owed: whoever is told of an event is written down in the transaction that passes it.
//!
//! Nothing of it is done where something happens, so an account's webhooks cost its mail nothing. Any number of processes may look at the same
//! time: one moves the cursor, the others find it moved.

use crate::conversations::new_uuid;
use crate::{App, Hint};
use domain::message::MessageType;
use domain::webhook::Webhook;
use domain::{AccountId, WebhookId};
use serde_json::Value;
use store::{AccountScope, NewTelling, StoreError, StoredEvent};
use tracing::warn;

/// Accounts, and webhooks, that are read together.
const AT_ONCE: u32 = 100;
/// Events of one transaction.
const EVENTS: u32 = 200;

/// What one look came to.
#[derive(Clone, Copy, Debug, Default)]
struct Looked {
    owed: bool,
    more: bool,
}

impl Looked {
    fn with(self, other: Self) -> Self {
        Self { owed: self.owed || other.owed, more: self.more || other.more }
    }
}

/// Every account that has something to tell, one page of its events each, so that a busy one keeps none from its turn; and every webhook that
/// is not left alone any more. `true`: there may be more.
pub async fn dispatch(app: &App) -> Result<bool, StoreError> {
    let (mut looked, mut passing) = (Looked::default(), None);
    let mut after = AccountId(0);
    loop {
        let accounts = app.store().relay().accounts_to_tell(after, AT_ONCE).await?;
        let Some((last, _)) = accounts.last() else { break };
        after = last.account_id();
        for (scope, seen) in &accounts {
            looked = looked.with(passed_by(scope, pass(app, scope, *seen).await, &mut passing));
        }
    }
    let mut after = WebhookId(0);
    loop {
        let held = app.store().relay().webhooks_with_held(after, AT_ONCE).await?;
        let Some((_, last)) = held.last() else { break };
        after = *last;
        for (scope, webhook) in &held {
            let released =
                scope.release_tellings(*webhook).await.map(|count| Looked { owed: count > 0, more: count > 1 });
            looked = looked.with(passed_by(scope, released, &mut passing));
        }
    }
    if looked.owed {
        app.wake(Hint::Owed);
    }
    match passing {
        Some(error) => Err(error),
        None => Ok(looked.more),
    }
}

/// What cannot be done for one account keeps no other from being told. What may be better the next time is kept, to end the round with it.
fn passed_by(scope: &AccountScope, looked: Result<Looked, StoreError>, passing: &mut Option<StoreError>) -> Looked {
    match looked {
        Ok(looked) => looked,
        Err(error) if error.is_transient() => {
            passing.get_or_insert(error);
            Looked::default()
        }
        Err(error) => {
            warn!(account.id = %scope.account_id(), %error, "an account's webhooks could not be looked after; trying again");
            Looked::default()
        }
    }
}

async fn pass(app: &App, scope: &AccountScope, seen: i64) -> Result<Looked, StoreError> {
    // In this order: what happens after the newest was looked for is not passed over, and a webhook that was made after these events were
    // read has nothing to do with them.
    let newest = scope.newest_event().await?;
    let events = scope.events_after(seen, EVENTS).await?;
    // All of them may have been pruned before anybody looked.
    let last = events.last().map_or(newest, |event| event.seq);
    if events.first().is_none_or(|first| first.seq > seen + 1) {
        warn!(account.id = %scope.account_id(), after = seen, "events were pruned before webhooks could be told of them (EVENTS_KEPT_HOURS)");
    }
    let webhooks = scope.webhooks().await?;
    let mut tellings = Vec::new();
    for event in events.iter().filter(|event| is_told(event)) {
        for webhook in webhooks.iter().filter(|webhook| webhook.hears(&event.kind, event.inbox)) {
            tellings.push(telling(app, webhook, event));
        }
    }
    let told = last > seen && scope.tell_webhooks(seen, last, &tellings).await?;
    Ok(Looked { owed: told && !tellings.is_empty(), more: events.len() == EVENTS as usize })
}

fn telling(app: &App, webhook: &Webhook, event: &StoredEvent) -> NewTelling {
    NewTelling {
        webhook_id: webhook.id,
        event_seq: event.seq,
        event: event.kind.clone(),
        uuid: new_uuid(app.entropy(), app.now()),
    }
}

/// What concerns one person alone is nobody else's, and lines of activity are not told, as in Chatwoot.
fn is_told(event: &StoredEvent) -> bool {
    if event.user.is_some() {
        return false;
    }
    if !event.kind.starts_with("message_") {
        return true;
    }
    let payload: Value = serde_json::from_str(&event.payload).unwrap_or_default();
    let message_type = payload.pointer("/message/message_type").and_then(Value::as_i64);
    message_type != Some(i64::from(MessageType::Activity.number()))
}
