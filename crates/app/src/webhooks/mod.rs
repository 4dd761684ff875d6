//! Telling other programs what happens in an account.
//!
//! - [`manage`]: whom to tell, for administrators. [`log`]: what was told, and telling it once more.
//! - [`dispatch`]: events → tellings that are owed.
//! - [`deliver`]: one telling, one try. [`signature`]: how its receiver knows that it is ours.
//!
//! What is told is rendered by whoever knows the shapes ([`Bodies`]) from the event's own snapshot.

pub mod deliver;
pub mod dispatch;
pub mod log;
pub mod manage;
pub mod signature;

pub use dispatch::dispatch;
pub use log::{LogError, deliveries, redeliver};
pub use manage::{NewWebhook, WebhookChange, WebhookError, create, delete, list, rotate_secret, show, update};

use crate::attachments::Signer;
use domain::account::Account;
use domain::message::Message;
use domain::{InboxId, WebhookId};
use serde_json::Value;
// What the log is made of, for whoever shows it.
pub use store::{WebhookDelivery as Delivery, WebhookDeliveryState as DeliveryState};

/// An event as it is told to a webhook.
#[derive(Debug)]
pub struct Told<'a> {
    pub account: &'a Account,
    pub webhook: WebhookId,
    /// The event's name, as in a subscription.
    pub event: &'a str,
    pub seq: i64,
    /// The inbox that it happened in, and its name.
    pub inbox: Option<(InboxId, &'a str)>,
    /// The snapshot of its moment.
    pub payload: &'a Value,
    /// The message it is about, whole, where the snapshot has not all of it.
    pub message: Option<&'a Message>,
    /// The conversation of that message as it is now, as an event would picture it.
    pub conversation: Option<&'a Value>,
    /// Signs links to the account's files.
    pub signer: &'a Signer,
}

/// Makes the body of a request.
pub trait Bodies: Send + Sync + std::fmt::Debug {
    /// JSON.
    fn body(&self, told: &Told<'_>) -> Value;
}

/// Nobody is told anything: where no webhook is ever delivered.
#[derive(Debug)]
pub struct NoBodies;

impl Bodies for NoBodies {
    fn body(&self, _told: &Told<'_>) -> Value {
        Value::Null
    }
}
