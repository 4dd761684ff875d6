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
    /// To, Cc and Bcc of whom the mail server took it.
    pub accepted_recipients: Vec<String>,
    /// Who does not have it yet and is still tried: everybody at first, later those whom the server put off.
    pub waiting_recipients: Vec<WaitingRecipient>,
    /// Who does not get it, unless somebody retries the message: it is sent to these alone then.
    pub refused_recipients: Vec<RefusedRecipient>,
}

#[derive(Clone, Debug, Object)]
pub struct WaitingRecipient {
    pub address: String,
    /// The server's own words, where it put this recipient off.
    #[oai(nullable)]
    pub server_said: Option<String>,
}

#[derive(Clone, Debug, Object)]
pub struct RefusedRecipient {
    pub address: String,
    /// A stable word, as in a failure.
    pub code: String,
    /// One sentence: what it means.
    pub cause: String,
    /// The server's own words; empty where it said nothing.
    pub server_said: String,
    /// The server had taken it, and a report of failure came back.
    pub bounced: bool,
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
            accepted_recipients: delivery.recipients.accepted.iter().map(|a| a.address.to_string()).collect(),
            waiting_recipients: waiting(delivery),
            refused_recipients: delivery.recipients.refused.iter().map(RefusedRecipient::from).collect(),
        }
    }
}

fn waiting(delivery: &domain::message::Delivery) -> Vec<WaitingRecipient> {
    let said = |address: &str| {
        let put_off = delivery.recipients.deferred.iter().find(|r| r.address == address);
        put_off.map(|r| r.server_said.clone())
    };
    let people = delivery.expecting();
    people.iter().map(|a| WaitingRecipient { address: a.to_string(), server_said: said(a.as_str()) }).collect()
}

impl From<&domain::message::RefusedRecipient> for RefusedRecipient {
    fn from(refused: &domain::message::RefusedRecipient) -> Self {
        Self {
            address: refused.address.clone(),
            code: refused.class.code().to_owned(),
            cause: refused.class.text().to_owned(),
            server_said: refused.server_said.clone(),
            bounced: refused.bounced,
        }
    }
}
