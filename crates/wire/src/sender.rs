//! Who said something: a contact or a user. The `type` field tells which.

use crate::JsonObject;
use crate::words::Availability;
use poem_openapi::{Object, Union};

#[derive(Clone, Debug, Union)]
#[oai(one_of, discriminator_name = "type")]
pub enum Sender {
    #[oai(mapping = "contact")]
    Contact(ContactSender),
    #[oai(mapping = "user")]
    User(UserSender),
}

#[derive(Clone, Debug, Object)]
pub struct ContactSender {
    pub additional_attributes: JsonObject,
    pub custom_attributes: JsonObject,
    #[oai(nullable)]
    pub email: Option<String>,
    pub id: i64,
    #[oai(nullable)]
    pub identifier: Option<String>,
    pub name: String,
    #[oai(nullable)]
    pub phone_number: Option<String>,
    pub thumbnail: String,
    pub blocked: bool,
}

#[derive(Clone, Debug, Object)]
pub struct UserSender {
    pub id: i64,
    pub name: String,
    pub available_name: String,
    pub avatar_url: String,
    /// Null where a message is shown: presence belongs to an account, not to what was said.
    #[oai(nullable)]
    pub availability_status: Option<Availability>,
    pub thumbnail: String,
}

impl From<&domain::contact::Contact> for ContactSender {
    fn from(contact: &domain::contact::Contact) -> Self {
        Self {
            additional_attributes: (&contact.additional_attributes).into(),
            custom_attributes: (&contact.custom_attributes).into(),
            email: contact.email.clone(),
            id: contact.id.0,
            identifier: contact.identifier.clone(),
            name: contact.name.clone(),
            phone_number: contact.phone_number.clone(),
            thumbnail: String::new(),
            blocked: contact.blocked,
        }
    }
}

impl From<&domain::user::User> for UserSender {
    fn from(user: &domain::user::User) -> Self {
        Self {
            id: user.id.0,
            name: user.name.clone(),
            available_name: user.available_name().to_owned(),
            avatar_url: String::new(),
            availability_status: None,
            thumbnail: String::new(),
        }
    }
}

impl From<&domain::user::Agent> for UserSender {
    fn from(agent: &domain::user::Agent) -> Self {
        Self { availability_status: Some(agent.availability.into()), ..Self::from(&agent.user) }
    }
}

impl Sender {
    /// `None` for what the system says about itself.
    pub fn of(sender: &domain::message::Sender) -> Option<Self> {
        match sender {
            domain::message::Sender::Contact(contact) => Some(Self::Contact(contact.as_ref().into())),
            domain::message::Sender::User(user) => Some(Self::User(user.as_ref().into())),
            domain::message::Sender::System => None,
        }
    }
}
