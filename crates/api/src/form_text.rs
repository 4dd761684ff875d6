//! A text in a multipart form. It decides one thing, which JSON and queries have decided for them (`no_nul`): no text holds a NUL.

use poem::web::Field;
use poem_openapi::registry::MetaSchemaRef;
use poem_openapi::types::{ParseError, ParseFromMultipartField, ParseResult, Type};
use std::borrow::Cow;

#[derive(Debug)]
pub struct FormText(pub String);

impl Type for FormText {
    const IS_REQUIRED: bool = String::IS_REQUIRED;
    type RawValueType = String;
    type RawElementValueType = String;

    fn name() -> Cow<'static, str> {
        String::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        String::schema_ref()
    }

    fn as_raw_value(&self) -> Option<&String> {
        Some(&self.0)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a String> + 'a> {
        self.0.raw_element_iter()
    }
}

impl ParseFromMultipartField for FormText {
    async fn parse_from_multipart(field: Option<Field>) -> ParseResult<Self> {
        let text = String::parse_from_multipart(field).await.map_err(ParseError::propagate)?;
        if text.contains('\0') { Err(ParseError::custom("must not hold the character NUL")) } else { Ok(Self(text)) }
    }
}
