//! Files of messages.

use crate::Links;
use crate::words::FileType;
use poem_openapi::Object;

#[derive(Clone, Debug, Object)]
pub struct Attachment {
    pub id: i64,
    pub message_id: i64,
    pub file_type: FileType,
    pub account_id: i64,
    #[oai(nullable)]
    pub extension: Option<String>,
    /// What the sender said it is.
    pub content_type: String,
    /// A signed link that needs no further credentials; served as a download.
    pub data_url: String,
    /// The same as `data_url` for images, else empty: there are no thumbnails yet.
    pub thumb_url: String,
    pub file_size: i64,
    #[oai(nullable)]
    pub width: Option<i64>,
    #[oai(nullable)]
    pub height: Option<i64>,
    /// The file's name. Our addition.
    pub file_name: String,
    /// The file stands inside the message's HTML. Our addition.
    pub inline: bool,
}

impl Attachment {
    pub fn new(attachment: &domain::message::Attachment, links: &dyn Links) -> Self {
        let data_url = links.attachment(attachment);
        let file_type = attachment.file_type();
        Self {
            id: attachment.id.0,
            message_id: attachment.message_id.0,
            file_type: file_type.into(),
            account_id: attachment.account_id.0,
            extension: attachment.extension().map(ToOwned::to_owned),
            content_type: attachment.content_type.clone(),
            thumb_url: if file_type == domain::message::FileType::Image { data_url.clone() } else { String::new() },
            data_url,
            file_size: i64::try_from(attachment.size_bytes).unwrap_or(i64::MAX),
            width: None,
            height: None,
            file_name: attachment.file_name.clone(),
            inline: attachment.inline,
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct AttachmentMeta {
    pub total_count: i64,
}

#[derive(Clone, Debug, Object)]
pub struct AttachmentList {
    pub meta: AttachmentMeta,
    pub payload: Vec<Attachment>,
}
