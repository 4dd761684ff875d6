//! Fields that an account defines for its contacts and conversations.

use poem_openapi::types::{MaybeUndefined, ParseFromJSON, ParseResult};
use poem_openapi::{Enum, Object};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum AttributeModel {
    ConversationAttribute,
    ContactAttribute,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum AttributeType {
    Text,
    Number,
    Currency,
    Percent,
    Link,
    Date,
    List,
    Checkbox,
}

const MODELS: [&str; 2] = ["conversation_attribute", "contact_attribute"];
const TYPES: [&str; 8] = ["text", "number", "currency", "percent", "link", "date", "list", "checkbox"];

/// Chatwoot's own document has these words as numbers; its server takes both.
fn word(value: Option<Value>, words: &[&str]) -> Option<Value> {
    match value {
        Some(Value::Number(number)) => {
            let place = number.as_u64().and_then(|number| usize::try_from(number).ok());
            let word = place.and_then(|place| words.get(place)).map(|word| Value::from(*word));
            word.or(Some(Value::Number(number)))
        }
        other => other,
    }
}

fn attribute_model(value: Option<Value>) -> ParseResult<Option<AttributeModel>> {
    Option::parse_from_json(word(value, &MODELS)).map_err(poem_openapi::types::ParseError::propagate)
}

fn attribute_type(value: Option<Value>) -> ParseResult<Option<AttributeType>> {
    Option::parse_from_json(word(value, &TYPES)).map_err(poem_openapi::types::ParseError::propagate)
}

#[derive(Clone, Debug, Object)]
pub struct CustomAttribute {
    pub id: i64,
    pub attribute_display_name: String,
    pub attribute_display_type: AttributeType,
    #[oai(nullable)]
    pub attribute_description: Option<String>,
    pub attribute_key: String,
    #[oai(nullable)]
    pub regex_pattern: Option<String>,
    #[oai(nullable)]
    pub regex_cue: Option<String>,
    pub attribute_values: Vec<String>,
    pub attribute_model: AttributeModel,
    pub created_at: String,
    pub updated_at: String,
}

#[derive(Clone, Debug, Object)]
pub struct NewCustomAttribute {
    #[oai(deserialize_with = "crate::json::text", validator(min_length = 1, max_length = 255))]
    pub attribute_display_name: String,
    /// `text` when absent. Its number does as well: 0 text, 1 number, 2 currency, 3 percent, 4 link, 5 date, 6 list, 7 checkbox.
    #[oai(deserialize_with = "attribute_type")]
    pub attribute_display_type: Option<AttributeType>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub attribute_description: Option<String>,
    /// Letters, digits, `_`, `-` and `.`.
    #[oai(deserialize_with = "crate::json::text", validator(min_length = 1, max_length = 255))]
    pub attribute_key: String,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub regex_pattern: Option<String>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub regex_cue: Option<String>,
    #[oai(validator(max_items = 500))]
    pub attribute_values: Option<Vec<String>>,
    /// `conversation_attribute` when absent, as Chatwoot has it. Its number does as well: 0 conversation, 1 contact.
    #[oai(deserialize_with = "attribute_model")]
    pub attribute_model: Option<AttributeModel>,
}

/// Model and key stay: values are stored under them.
#[derive(Clone, Debug, Object)]
pub struct CustomAttributeChange {
    #[oai(deserialize_with = "crate::json::optional_text", validator(min_length = 1, max_length = 255))]
    pub attribute_display_name: Option<String>,
    /// Or its number.
    #[oai(deserialize_with = "attribute_type")]
    pub attribute_display_type: Option<AttributeType>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 255))]
    pub attribute_description: MaybeUndefined<String>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 255))]
    pub regex_pattern: MaybeUndefined<String>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 255))]
    pub regex_cue: MaybeUndefined<String>,
    #[oai(validator(max_items = 500))]
    pub attribute_values: Option<Vec<String>>,
}
