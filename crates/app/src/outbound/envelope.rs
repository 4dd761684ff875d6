//! Who gets a reply, and what it refers to. Pure.

use domain::message::{Message, Sender};
use domain::{EmailAddress, Mailbox};
use mail::compose::{references_for, reply_subject};
use serde_json::Value;

/// What a reply answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parent {
    pub in_reply_to: Option<String>,
    pub references: Vec<String>,
}

/// To, when the agent names nobody: Reply-To of the last mail that came in, else its From, else the contact.
pub fn default_to(last_incoming: Option<&Message>, contact: Option<&str>, ours: &[&EmailAddress]) -> Vec<Mailbox> {
    let people = |pointer: &str| -> Vec<Mailbox> {
        let listed = last_incoming.and_then(|message| message.content_attributes.pointer(pointer));
        listed.and_then(Value::as_array).into_iter().flatten().filter_map(person).collect()
    };
    let others = |list: Vec<Mailbox>| -> Vec<Mailbox> {
        list.into_iter().filter(|m| !ours.iter().any(|our| our.same_as(&m.address))).collect()
    };
    let reply_to = others(people("/email/people/reply_to"));
    if !reply_to.is_empty() {
        return reply_to;
    }
    let from = others(people("/email/people/from"));
    if !from.is_empty() {
        return from;
    }
    let sender = last_incoming.and_then(|message| match &message.sender {
        Sender::Contact(contact) => contact.email.as_deref(),
        Sender::User(_) | Sender::System => None,
    });
    sender.or(contact).and_then(EmailAddress::parse).map(Mailbox::bare).into_iter().collect()
}

fn person(value: &Value) -> Option<Mailbox> {
    let address = EmailAddress::parse(value.get("address")?.as_str()?)?;
    Some(Mailbox { name: value.get("name").and_then(Value::as_str).map(str::to_owned), address })
}

/// In-Reply-To and References: the last mail that came in, with the chain it named itself; in a conversation that we began, our own
/// last mail.
pub fn parent(last_incoming: Option<&Message>, last_outgoing: Option<&Message>) -> Parent {
    let Some(answered) = last_incoming.or(last_outgoing) else { return Parent::default() };
    let Some(id) = answered.source_id.clone() else { return Parent::default() };
    let mut known: Vec<String> = answered
        .content_attributes
        .pointer("/email/references")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|id| id.as_str().map(str::to_owned))
        .collect();
    // RFC 5322 §3.6.4: without References, a single In-Reply-To stands in for them.
    if known.is_empty()
        && let Some(parent) = answered.content_attributes.pointer("/email/in_reply_to").and_then(Value::as_str)
    {
        known.push(parent.to_owned());
    }
    Parent { references: references_for(&known, Some(&id)), in_reply_to: Some(id) }
}

/// The subject of a reply: the conversation's, answered; a first mail's as it is.
pub fn subject(conversation: Option<&str>, display_id: i64, answers: bool) -> String {
    match conversation.map(str::trim).filter(|subject| !subject.is_empty()) {
        Some(subject) if answers => reply_subject(subject),
        Some(subject) => subject.to_owned(),
        None => format!("[#{display_id}] New messages on this conversation"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_named_after_the_conversation_and_a_first_mail_too() {
        assert_eq!(subject(Some("Invoice"), 3, true), "Re: Invoice");
        assert_eq!(subject(Some("Re: Invoice"), 3, true), "Re: Invoice");
        assert_eq!(subject(Some("Invoice"), 3, false), "Invoice");
        assert_eq!(subject(Some(" "), 3, true), "[#3] New messages on this conversation");
    }

    #[test]
    fn nobody_known_means_nobody_in_to() {
        assert_eq!(default_to(None, None, &[]), Vec::new());
        assert_eq!(default_to(None, Some("ada@x.example"), &[]).len(), 1);
        assert_eq!(default_to(None, Some("no address"), &[]), Vec::new());
    }
}
