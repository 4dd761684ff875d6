//! Recipients as clients send them: one comma-separated text, or a list of texts.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde_json::Value;
use std::borrow::Cow;

/// `"a@x.org, b@x.org"` or `["a@x.org", "b@x.org"]`. What the parts are worth is judged by the use case, not here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl OneOrMany {
    /// Split at commas outside quotes, so that `"Lovelace, Ada" <ada@x.org>` stays one.
    pub fn split(text: &str) -> Self {
        let mut parts = vec![String::new()];
        let mut quoted = false;
        for c in text.chars() {
            match c {
                '"' => quoted = !quoted,
                ',' | ';' if !quoted => {
                    parts.push(String::new());
                    continue;
                }
                _ => {}
            }
            if let Some(part) = parts.last_mut() {
                part.push(c);
            }
        }
        Self(parts.into_iter().map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect())
    }
}

impl Type for OneOrMany {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = String;

    fn name() -> Cow<'static, str> {
        "string_or_list".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let text = || MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")));
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            one_of: vec![
                text(),
                MetaSchemaRef::Inline(Box::new(MetaSchema {
                    items: Some(Box::new(text())),
                    ..MetaSchema::new("array")
                })),
            ],
            ..MetaSchema::ANY
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a String> + 'a> {
        Box::new(self.0.iter())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ParseFromJSON for OneOrMany {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            Value::String(text) => Ok(Self::split(&text)),
            Value::Array(items) => {
                let mut texts = Vec::with_capacity(items.len());
                for item in items {
                    match item {
                        Value::String(text) => texts.extend(Self::split(&text).0),
                        other => return Err(ParseError::expected_type(other)),
                    }
                }
                Ok(Self(texts))
            }
            other => Err(ParseError::expected_type(other)),
        }
    }
}

impl ToJSON for OneOrMany {
    fn to_json(&self) -> Option<Value> {
        Some(Value::from(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn recipients_come_as_one_text_or_as_a_list() {
        let parsed = |value| OneOrMany::parse_from_json(Some(value)).map(|many| many.0).ok();
        let both = Some(vec!["a@x.org".to_owned(), "b@x.org".to_owned()]);
        assert_eq!(parsed(json!("a@x.org, b@x.org,")), both);
        assert_eq!(parsed(json!(["a@x.org", "b@x.org"])), both);
        assert_eq!(
            parsed(json!("\"Lovelace, Ada\" <ada@x.org>")),
            Some(vec!["\"Lovelace, Ada\" <ada@x.org>".to_owned()])
        );
        assert_eq!(parsed(json!([1])), None);
        assert_eq!(parsed(json!(5)), None);
    }
}
