//! One outgoing message on its way to the mail server. An addition to Chatwoot's message.

use crate::failure::Failure;
use crate::moment::seconds;
use crate::words::DeliveryState;
use domain::Mailbox;
use domain::message::{Message, Sender};
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

/// A message that did not leave, or not to everybody.
#[derive(Clone, Debug, Object)]
pub struct UnsentMessage {
    pub message_id: i64,
    /// The number under which the account knows the conversation.
    pub conversation_id: i64,
    pub inbox_id: i64,
    #[oai(nullable)]
    pub subject: Option<String>,
    /// The beginning of the text.
    pub excerpt: String,
    pub to_emails: Vec<String>,
    pub cc_emails: Vec<String>,
    pub bcc_emails: Vec<String>,
    /// Who wrote it.
    #[oai(nullable)]
    pub sender: Option<UnsentSender>,
    pub created_at: i64,
    pub delivery: Delivery,
}

#[derive(Clone, Debug, Object)]
pub struct UnsentSender {
    pub id: i64,
    pub name: String,
}

#[derive(Clone, Debug, Object)]
pub struct UnsentMeta {
    pub count: i64,
    pub current_page: i64,
}

#[derive(Clone, Debug, Object)]
pub struct UnsentList {
    pub meta: UnsentMeta,
    pub payload: Vec<UnsentMessage>,
}

const EXCERPT_CHARS: usize = 200;

impl UnsentMessage {
    /// To, Cc and Bcc as the delivery has them; `None` for what is no outgoing message.
    pub fn new(message: &Message, [to, cc, bcc]: [&[Mailbox]; 3]) -> Option<Self> {
        let addresses = |people: &[Mailbox]| people.iter().map(|one| one.address.to_string()).collect();
        let text = message.content.as_deref().unwrap_or_default();
        let sender = match &message.sender {
            Sender::User(user) => Some(UnsentSender { id: user.id.0, name: user.available_name().to_owned() }),
            Sender::Contact(_) | Sender::System => None,
        };
        Some(Self {
            message_id: message.id.0,
            conversation_id: message.display_id.0,
            inbox_id: message.inbox_id.0,
            subject: message.content_attributes.pointer("/email/subject").and_then(|s| s.as_str()).map(str::to_owned),
            excerpt: text.chars().take(EXCERPT_CHARS).collect(),
            to_emails: addresses(to),
            cc_emails: addresses(cc),
            bcc_emails: addresses(bcc),
            sender,
            created_at: message.sent_at.seconds(),
            delivery: message.delivery.as_ref()?.into(),
        })
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
