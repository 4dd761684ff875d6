//! A new message as clients send it: JSON, or multipart with files.

use crate::error::Problem;
use crate::form_text::FormText;
use crate::no_nul;
use app::outbound::{Draft, IdempotencyKey, UploadedFile};
use domain::message::MAX_ATTACHMENTS;
use poem::web::Field;
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromMultipartField, ParseResult, Type};
use poem_openapi::{ApiRequest, Multipart};
use std::borrow::Cow;
use std::time::Duration;
use wire::JsonObject;
use wire::message::{NewMessage, NewMessageType};
use wire::one_or_many::OneOrMany;

/// JSON for words alone; multipart when there are files.
#[derive(ApiRequest)]
pub enum MessageBody {
    Json(Json<NewMessage>),
    Multipart(NewMessageForm),
}

#[derive(Debug, Multipart)]
pub struct NewMessageForm {
    /// Markdown.
    #[oai(validator(max_length = 150_000))]
    content: Option<FormText>,
    message_type: Option<NewMessageType>,
    /// True for a note, which never leaves.
    private: Option<bool>,
    #[oai(validator(max_length = 255))]
    echo_id: Option<FormText>,
    /// A JSON object, as text.
    content_attributes: Option<FormText>,
    /// Addresses, with commas between them.
    to_emails: Option<FormText>,
    cc_emails: Option<FormText>,
    bcc_emails: Option<FormText>,
    /// Seconds until it leaves.
    #[oai(validator(maximum(value = "31536000")))]
    delay_seconds: Option<u32>,
    #[oai(validator(max_length = 600_000))]
    email_html_content: Option<FormText>,
    /// At most 15 files, 40 MB together with everything else.
    #[oai(rename = "attachments[]")]
    attachments: Files,
}

/// The files of a form. Held in memory: the body's limit is their limit.
#[derive(Debug, Default)]
pub struct Files(Vec<UploadedFile>);

impl Type for Files {
    const IS_REQUIRED: bool = false;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "files".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let file = MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "binary")));
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            items: Some(Box::new(file)),
            max_items: Some(MAX_ATTACHMENTS),
            ..MetaSchema::new("array")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromMultipartField for Files {
    async fn parse_from_multipart(field: Option<Field>) -> ParseResult<Self> {
        match field {
            Some(field) => Self::default().parse_from_repeated_field(field).await,
            None => Ok(Self::default()),
        }
    }

    async fn parse_from_repeated_field(mut self, field: Field) -> ParseResult<Self> {
        if self.0.len() == MAX_ATTACHMENTS {
            return Err(ParseError::custom(format!("at most {MAX_ATTACHMENTS} attachments")));
        }
        let file_name = field.file_name().unwrap_or_default().to_owned();
        let content_type = field.content_type().unwrap_or("application/octet-stream").to_owned();
        let bytes = field.bytes().await.map_err(ParseError::custom)?;
        // Browsers send an empty part without a name for a file input that nobody used.
        if !(bytes.is_empty() && file_name.is_empty()) {
            self.0.push(UploadedFile { file_name, content_type, bytes });
        }
        Ok(self)
    }
}

/// What was asked for, whichever way it came.
#[derive(Debug)]
pub struct Asked {
    pub draft: Draft,
    pub echo_id: Option<String>,
}

impl MessageBody {
    pub fn asked(self, idempotency: Option<IdempotencyKey>) -> Result<Asked, Problem> {
        let (message, files) = match self {
            Self::Json(Json(message)) => (message, Vec::new()),
            Self::Multipart(form) => form.into_message()?,
        };
        if message.message_type == Some(NewMessageType::Incoming) {
            return Err(Problem::invalid("message_type", "Incoming messages come from the mailbox only"));
        }
        let list = |addresses: Option<OneOrMany>| addresses.map(|OneOrMany(list)| list);
        let draft = Draft {
            content: message.content.unwrap_or_default(),
            private: message.private.unwrap_or(false),
            // An empty To is nobody's wish: clients send the field always.
            to: list(message.to_emails).filter(|list| !list.is_empty()),
            cc: list(message.cc_emails),
            bcc: list(message.bcc_emails),
            attachments: files,
            content_attributes: message.content_attributes.unwrap_or_default().into_value(),
            delay: Duration::from_secs(u64::from(message.delay_seconds.unwrap_or(0))),
            html: message.email_html_content.filter(|html| !html.trim().is_empty()),
            echo_id: message.echo_id.clone(),
            idempotency,
        };
        Ok(Asked { draft, echo_id: message.echo_id })
    }
}

impl NewMessageForm {
    fn into_message(self) -> Result<(NewMessage, Vec<UploadedFile>), Problem> {
        let plain = |given: Option<FormText>| given.map(|FormText(text)| text);
        let content_attributes = plain(self.content_attributes);
        let content_attributes = match content_attributes.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            None => None,
            // JSON inside a text: what is escaped there has passed everything before.
            Some(text) if no_nul::in_json(text.as_bytes()).is_some() => {
                return Err(no_nul::in_body("content_attributes"));
            }
            Some(text) => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(serde_json::Value::Object(map)) => Some(JsonObject(map)),
                Ok(_) | Err(_) => return Err(Problem::bad_request("content_attributes: not a JSON object")),
            },
        };
        let addresses = |text| plain(text).map(|text| OneOrMany::split(&text));
        let message = NewMessage {
            content: plain(self.content),
            message_type: self.message_type,
            private: self.private,
            echo_id: plain(self.echo_id),
            content_attributes,
            to_emails: addresses(self.to_emails),
            cc_emails: addresses(self.cc_emails),
            bcc_emails: addresses(self.bcc_emails),
            delay_seconds: self.delay_seconds,
            email_html_content: plain(self.email_html_content),
        };
        Ok((message, self.attachments.0))
    }
}
