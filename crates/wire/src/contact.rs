//! Contacts: people outside.

use crate::JsonObject;
use crate::moment::seconds;
use poem_openapi::Object;

#[derive(Clone, Debug, Object)]
pub struct Contact {
    pub additional_attributes: JsonObject,
    /// Chatwoot's presence of a chat visitor; somebody who writes e-mail is never "online".
    pub availability_status: String,
    #[oai(nullable)]
    pub email: Option<String>,
    pub id: i64,
    pub name: String,
    #[oai(nullable)]
    pub phone_number: Option<String>,
    pub blocked: bool,
    #[oai(nullable)]
    pub identifier: Option<String>,
    pub thumbnail: String,
    pub custom_attributes: JsonObject,
    #[oai(skip_serializing_if_is_none)]
    pub last_activity_at: Option<i64>,
    pub created_at: i64,
}

impl From<&domain::contact::Contact> for Contact {
    fn from(contact: &domain::contact::Contact) -> Self {
        Self {
            additional_attributes: (&contact.additional_attributes).into(),
            availability_status: "offline".to_owned(),
            email: contact.email.clone(),
            id: contact.id.0,
            name: contact.name.clone(),
            phone_number: contact.phone_number.clone(),
            blocked: contact.blocked,
            identifier: contact.identifier.clone(),
            thumbnail: String::new(),
            custom_attributes: (&contact.custom_attributes).into(),
            last_activity_at: seconds(contact.last_activity_at),
            created_at: contact.created_at.seconds(),
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct ContactMeta {
    pub count: i64,
    pub current_page: i64,
}

#[derive(Clone, Debug, Object)]
pub struct ContactList {
    pub meta: ContactMeta,
    pub payload: Vec<Contact>,
}

#[derive(Clone, Debug, Object)]
pub struct ContactShown {
    pub payload: Contact,
}
