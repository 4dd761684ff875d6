//! Who a message is from, and a contact that changed.

use super::object;
use super::part::Part;
use crate::contact::Contact;
use crate::moment::seconds;
use crate::sender::{ContactSender, Sender, UserSender};
use crate::to_value;
use serde_json::{Map, Value};

/// Chatwoot's push shape of a contact, with what lists of contacts have beside it.
pub(super) fn event(contact: Part<'_>) -> Map<String, Value> {
    let shape = Contact {
        additional_attributes: contact.value("additional_attributes").into(),
        availability_status: "offline".to_owned(),
        email: contact.text("email"),
        id: contact.id("id"),
        name: contact.text_or_empty("name"),
        phone_number: contact.text("phone_number"),
        blocked: contact.is("blocked"),
        identifier: contact.text("identifier"),
        thumbnail: String::new(),
        custom_attributes: contact.value("custom_attributes").into(),
        last_activity_at: seconds(contact.time("last_activity_at")),
        created_at: contact.seconds("created_at"),
        contact_inboxes: None,
    };
    let mut data = object(to_value(&shape));
    data.insert("type".to_owned(), "contact".into());
    data
}

/// `None` for what the system says about itself.
pub(super) fn sender(part: Part<'_>) -> Option<Sender> {
    match part.value("type").as_str() {
        Some("contact") => Some(Sender::Contact(contact_sender(part))),
        Some("user") => Some(Sender::User(user_sender(part))),
        _ => None,
    }
}

pub(super) fn contact_sender(contact: Part<'_>) -> ContactSender {
    ContactSender {
        additional_attributes: contact.value("additional_attributes").into(),
        custom_attributes: contact.value("custom_attributes").into(),
        email: contact.text("email"),
        id: contact.id("id"),
        identifier: contact.text("identifier"),
        name: contact.text_or_empty("name"),
        phone_number: contact.text("phone_number"),
        thumbnail: String::new(),
        blocked: contact.is("blocked"),
    }
}

pub(super) fn user_sender(user: Part<'_>) -> UserSender {
    UserSender {
        id: user.id("id"),
        name: user.text_or_empty("name"),
        available_name: user.text_or_empty("available_name"),
        avatar_url: String::new(),
        availability_status: None,
        thumbnail: String::new(),
    }
}
