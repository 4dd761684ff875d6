//! One outgoing message on its way to the mail server. An addition to Chatwoot's message.

use crate::failure::Failure;
use crate::moment::seconds;
use crate::words::DeliveryState;
use poem_openapi::Object;

#[derive(Clone, Debug, Object)]
pub struct Delivery {
    pub id: i64,
    pub state: DeliveryState,
    pub attempts: i64,
    pub queued_at: i64,
    #[oai(nullable)]
    pub sent_at: Option<i64>,
    #[oai(nullable)]
    pub next_try_at: Option<i64>,
    #[oai(nullable)]
    pub failure: Option<Failure>,
    /// Recipients the server refused while it took the others.
    pub refused_recipients: Vec<RefusedRecipient>,
}

#[derive(Clone, Debug, Object)]
pub struct RefusedRecipient {
    pub address: String,
    pub server_said: String,
}

impl From<&domain::message::Delivery> for Delivery {
    fn from(delivery: &domain::message::Delivery) -> Self {
        Self {
            id: delivery.id.0,
            state: delivery.state.into(),
            attempts: delivery.attempts.into(),
            queued_at: delivery.queued_at.seconds(),
            sent_at: seconds(delivery.sent_at),
            next_try_at: seconds(delivery.next_try_at),
            failure: delivery.failure.as_ref().map(Failure::from),
            refused_recipients: delivery
                .refused_recipients
                .iter()
                .map(|r| RefusedRecipient { address: r.address.clone(), server_said: r.server_said.clone() })
                .collect(),
        }
    }
}
