//! What agents change of a conversation: priority, labels, attributes, assignment, participants; and what they have begun to write.

use crate::JsonObject;
use crate::agent::Agent;
use crate::moment::iso;
use crate::organising::Team;
use crate::words::{ConversationStatus, Priority};
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{MaybeUndefined, ToJSON, Type};
use poem_openapi::{Object, Union};
use serde_json::Value;
use std::borrow::Cow;

#[derive(Clone, Debug, Default, Object)]
pub struct PriorityChange {
    /// Null for none.
    #[oai(nullable)]
    pub priority: MaybeUndefined<Priority>,
}

#[derive(Clone, Debug, Default, Object)]
pub struct ConversationChange {
    /// Null for none.
    #[oai(nullable)]
    pub priority: MaybeUndefined<Priority>,
    pub status: Option<ConversationStatus>,
    /// Epoch seconds; only with the status `snoozed`.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "253402300799")))]
    pub snoozed_until: Option<i64>,
    /// Null or 0 for nobody.
    #[oai(nullable)]
    pub assignee_id: MaybeUndefined<i64>,
    /// Null or 0 for none.
    #[oai(nullable)]
    pub team_id: MaybeUndefined<i64>,
}

/// Titles of labels.
#[derive(Clone, Debug, Object)]
pub struct LabelTitles {
    pub payload: Vec<String>,
}

#[derive(Clone, Debug, Object)]
pub struct NewLabelTitles {
    /// All of them: what is not named here is taken away.
    #[oai(validator(max_items = 50))]
    pub labels: Vec<String>,
}

#[derive(Clone, Debug, Object)]
pub struct CustomAttributesChange {
    pub custom_attributes: JsonObject,
    /// True: what is not named stays. Otherwise these replace all.
    pub merge: Option<bool>,
}

#[derive(Clone, Debug, Object)]
pub struct CustomAttributesRemoval {
    /// Their keys.
    #[oai(validator(max_items = 200))]
    pub custom_attributes: Vec<String>,
}

#[derive(Clone, Debug, Object)]
pub struct CustomAttributes {
    pub custom_attributes: JsonObject,
}

/// Whom a conversation was given to.
#[derive(Clone, Debug, Union)]
pub enum Assigned {
    Agent(Agent),
    Team(Team),
}

/// As an answer null must be declared, or makers of clients and checkers of answers take it for a fault.
#[derive(Clone, Debug)]
pub struct AssignedOrNobody(pub Option<Assigned>);

impl Type for AssignedOrNobody {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "assigned_or_nobody".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            nullable: true,
            any_of: vec![Agent::schema_ref(), Team::schema_ref()],
            ..MetaSchema::new("object")
        }))
    }

    fn register(registry: &mut Registry) {
        Agent::register(registry);
        Team::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ToJSON for AssignedOrNobody {
    fn to_json(&self) -> Option<Value> {
        // A type that answers `None` would leave the body empty.
        Some(self.0.as_ref().and_then(ToJSON::to_json).unwrap_or(Value::Null))
    }
}

#[derive(Clone, Debug, Object)]
pub struct ParticipantIds {
    #[oai(validator(max_items = 100))]
    pub user_ids: Vec<i64>,
}

#[derive(Clone, Debug, Object)]
pub struct DraftBody {
    pub draft_message: DraftFields,
}

#[derive(Clone, Debug, Object)]
pub struct DraftFields {
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 150_000))]
    pub message: Option<String>,
    /// Our addition: whether it is to be a note.
    pub private: Option<bool>,
    /// Our addition: recipients as they were typed, whether or not they are addresses yet.
    #[oai(validator(max_items = 100))]
    pub to_emails: Option<Vec<String>>,
    #[oai(validator(max_items = 100))]
    pub cc_emails: Option<Vec<String>>,
    #[oai(validator(max_items = 100))]
    pub bcc_emails: Option<Vec<String>>,
}

#[derive(Clone, Debug, Object)]
pub struct Draft {
    pub has_draft: bool,
    #[oai(skip_serializing_if_is_none)]
    pub message: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    pub private: Option<bool>,
    #[oai(skip_serializing_if_is_none)]
    pub to_emails: Option<Vec<String>>,
    #[oai(skip_serializing_if_is_none)]
    pub cc_emails: Option<Vec<String>>,
    #[oai(skip_serializing_if_is_none)]
    pub bcc_emails: Option<Vec<String>>,
    #[oai(skip_serializing_if_is_none)]
    pub updated_at: Option<String>,
}

impl Draft {
    pub fn none() -> Self {
        Self {
            has_draft: false,
            message: None,
            private: None,
            to_emails: None,
            cc_emails: None,
            bcc_emails: None,
            updated_at: None,
        }
    }

    pub fn of(message: String, private: bool, [to, cc, bcc]: [Vec<String>; 3], updated_at: domain::Timestamp) -> Self {
        Self {
            has_draft: true,
            message: Some(message),
            private: Some(private),
            to_emails: Some(to),
            cc_emails: Some(cc),
            bcc_emails: Some(bcc),
            updated_at: iso(Some(updated_at)),
        }
    }
}
