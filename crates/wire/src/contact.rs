//! Contacts: people outside.

use crate::JsonObject;
use crate::agent::Agent;
use crate::moment::seconds;
use poem_openapi::Object;
use poem_openapi::types::MaybeUndefined;

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
    /// In which inboxes they are known, of those that one sees. Absent in lists that were not asked for it.
    #[oai(skip_serializing_if_is_none)]
    pub contact_inboxes: Option<Vec<ContactInbox>>,
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
            contact_inboxes: None,
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

/// An inbox in which a contact is known.
#[derive(Clone, Debug, Object)]
pub struct ContactInbox {
    pub source_id: String,
    pub inbox: SlimInbox,
}

#[derive(Clone, Debug, Object)]
pub struct SlimInbox {
    pub id: i64,
    pub avatar_url: String,
    pub channel_id: i64,
    pub name: String,
    pub channel_type: String,
    pub provider: String,
}

impl ContactInbox {
    pub fn new(source_id: String, inbox: &domain::inbox::Inbox) -> Self {
        Self {
            source_id,
            inbox: SlimInbox {
                id: inbox.id.0,
                avatar_url: String::new(),
                channel_id: inbox.channel.id.0,
                name: inbox.name.clone(),
                channel_type: crate::conversation::CHANNEL_TYPE.to_owned(),
                provider: inbox.channel.provider.as_str().to_owned(),
            },
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct ContactableInboxes {
    pub payload: Vec<ContactInbox>,
}

#[derive(Clone, Debug, Object)]
pub struct ContactSearchMeta {
    /// How many there are in all.
    pub count: i64,
    pub current_page: i64,
    pub has_more: bool,
}

#[derive(Clone, Debug, Object)]
pub struct ContactSearch {
    pub meta: ContactSearchMeta,
    pub payload: Vec<Contact>,
}

#[derive(Clone, Debug, Object)]
pub struct ContactCreated {
    pub payload: ContactAndInbox,
}

#[derive(Clone, Debug, Object)]
pub struct ContactAndInbox {
    pub contact: Contact,
    #[oai(nullable)]
    pub contact_inbox: Option<ContactInbox>,
}

/// What is absent stays; null or an empty text takes a value away. Attributes are put over those that are there.
#[derive(Clone, Debug, Object)]
pub struct ContactFields {
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 255))]
    pub name: MaybeUndefined<String>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 320))]
    pub email: MaybeUndefined<String>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 32))]
    pub phone_number: MaybeUndefined<String>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 255))]
    pub identifier: MaybeUndefined<String>,
    pub blocked: Option<bool>,
    pub additional_attributes: Option<JsonObject>,
    pub custom_attributes: Option<JsonObject>,
}

#[derive(Clone, Debug, Object)]
pub struct NewContact {
    #[oai(flatten)]
    pub fields: ContactFields,
    /// Where the contact is known from the beginning.
    pub inbox_id: Option<i64>,
    /// Under what; the contact's address when absent.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub source_id: Option<String>,
}

#[derive(Clone, Debug, Object)]
pub struct NewContactInbox {
    pub inbox_id: i64,
    /// The contact's address when absent.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub source_id: Option<String>,
}

#[derive(Clone, Debug, Object)]
pub struct ContactLabels {
    #[oai(validator(max_items = 100))]
    pub labels: Vec<String>,
}

#[derive(Clone, Debug, Object)]
pub struct ContactLabelList {
    pub payload: Vec<String>,
}

#[derive(Clone, Debug, Object)]
pub struct ContactConversations {
    pub payload: Vec<crate::conversation::Conversation>,
}

#[derive(Clone, Debug, Object)]
pub struct ContactNote {
    pub id: i64,
    pub content: String,
    pub contact_id: i64,
    pub user: Agent,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Clone, Debug, Object)]
pub struct NewContactNote {
    #[oai(deserialize_with = "crate::json::text", validator(max_length = 50_000))]
    pub content: String,
}

#[derive(Clone, Debug, Object)]
pub struct ContactMerge {
    /// Keeps what it has, and takes the rest.
    pub base_contact_id: i64,
    /// Is gone after that.
    pub mergee_contact_id: i64,
}

#[derive(Clone, Debug, Object)]
pub struct ContactFilterBody {
    #[oai(validator(min_items = 1, max_items = 20))]
    pub payload: Vec<ContactFilterLine>,
}

#[derive(Clone, Debug, Object)]
pub struct ContactFilterLine {
    /// `name`, `email`, `phone_number`, `identifier`, `blocked`, `labels`, `created_at`, `last_activity_at`, `city`, `country`, `country_code`,
    /// `company_name`, `referer`, or the key of an attribute that the account has defined for contacts.
    #[oai(deserialize_with = "crate::json::text", validator(max_length = 255))]
    pub attribute_key: String,
    /// `equal_to`, `not_equal_to`, `contains`, `does_not_contain`, `is_present`, `is_not_present`, `is_greater_than`, `is_less_than` or `days_before`.
    #[oai(deserialize_with = "crate::json::text", validator(max_length = 32))]
    pub filter_operator: String,
    /// Any of them: texts, numbers or true and false. A day is `2026-11-21`, or seconds since 1970.
    #[oai(validator(max_items = 50))]
    pub values: Option<Vec<serde_json::Value>>,
    /// `AND` or `OR`, with the next line.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 3))]
    pub query_operator: Option<String>,
}
