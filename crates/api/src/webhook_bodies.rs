//! What webhooks are told, in Chatwoot's shapes: the port of [`app::webhooks`], on `wire`.

use crate::shape::SignedLinks;
use app::webhooks::{Bodies, Told};
use serde_json::Value;

#[derive(Debug)]
pub struct WebhookBodies;

impl Bodies for WebhookBodies {
    fn body(&self, told: &Told<'_>) -> Value {
        let shown = wire::webhook_body::Told {
            account: (told.account.id, &told.account.name),
            event: told.event,
            seq: told.seq,
            inbox: told.inbox,
            payload: told.payload,
            message: told.message,
            conversation: told.conversation,
        };
        wire::webhook_body::body(&shown, &SignedLinks::of(told.signer.clone()))
    }
}
