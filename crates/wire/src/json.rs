//! Free-form JSON objects: `additional_attributes`, `custom_attributes`, `content_attributes`.
//!
//! Always an object on the wire: a null or a list in a stored row is shown as `{}`, and a client that sends one is told so.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{MaybeUndefined, ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonObject(pub Map<String, Value>);

impl JsonObject {
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

impl From<&Value> for JsonObject {
    fn from(value: &Value) -> Self {
        Self(value.as_object().cloned().unwrap_or_default())
    }
}

impl From<Value> for JsonObject {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(map) => Self(map),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Self::default(),
        }
    }
}

impl Type for JsonObject {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "object".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            additional_properties: Some(Box::new(MetaSchemaRef::Inline(Box::new(MetaSchema::ANY)))),
            ..MetaSchema::new("object")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ParseFromJSON for JsonObject {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            Value::Object(map) => Ok(Self(map)),
            other => Err(ParseError::expected_type(other)),
        }
    }
}

impl ToJSON for JsonObject {
    fn to_json(&self) -> Option<Value> {
        Some(Value::Object(self.0.clone()))
    }
}

/// A field that clients expect and that never holds anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlwaysNull;

impl Type for AlwaysNull {
    const IS_REQUIRED: bool = false;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "null".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema { nullable: true, ..MetaSchema::new("string") }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for AlwaysNull {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            Value::Null => Ok(Self),
            other => Err(ParseError::expected_type(other)),
        }
    }
}

impl ToJSON for AlwaysNull {
    fn to_json(&self) -> Option<Value> {
        Some(Value::Null)
    }
}

/// Text in a request: text, and nothing that could be read as text. (poem-openapi alone would take `5` and `true`.)
pub fn text(value: Option<Value>) -> ParseResult<String> {
    match value {
        Some(Value::String(text)) => Ok(text),
        other => Err(ParseError::expected_type(other.unwrap_or_default())),
    }
}

/// The same, or nothing.
pub fn optional_text(value: Option<Value>) -> ParseResult<Option<String>> {
    match value {
        None | Some(Value::Null) => Ok(None),
        given => text(given).map(Some).map_err(ParseError::propagate),
    }
}

/// The same, where null clears and absence leaves.
pub fn changed_text(value: Option<Value>) -> ParseResult<MaybeUndefined<String>> {
    match value {
        None => Ok(MaybeUndefined::Undefined),
        Some(Value::Null) => Ok(MaybeUndefined::Null),
        given => text(given).map(MaybeUndefined::Value).map_err(ParseError::propagate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_an_object_is_shown_as_an_empty_one_and_refused_when_sent() {
        assert_eq!(JsonObject::from(json!([1])).to_json(), Some(json!({})));
        assert_eq!(JsonObject::from(&json!({"a": 1})).to_json(), Some(json!({"a": 1})));
        assert!(JsonObject::parse_from_json(Some(json!("text"))).is_err());
    }
}
