//! An Attachment is a file that belongs to a message, inline or not.

use crate::{AccountId, AttachmentId, BlobId, MessageId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub id: AttachmentId,
    pub account_id: AccountId,
    pub message_id: MessageId,
    pub blob_id: BlobId,
    /// Safe to show and to save: no path, no control characters, never empty.
    pub file_name: String,
    /// What the sender said it is; never trusted for display.
    pub content_type: String,
    pub size_bytes: u64,
    /// Referred to by the HTML body as `cid:…`.
    pub content_id: Option<String>,
    pub inline: bool,
}

impl Attachment {
    pub fn file_type(&self) -> FileType {
        FileType::of(&self.content_type)
    }

    pub fn extension(&self) -> Option<&str> {
        self.file_name.rsplit_once('.').map(|(_, extension)| extension).filter(|e| !e.is_empty() && e.len() <= 16)
    }
}

/// Chatwoot's coarse kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileType {
    Image,
    Audio,
    Video,
    File,
}

impl FileType {
    pub fn of(content_type: &str) -> Self {
        match content_type.split('/').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "image" => Self::Image,
            "audio" => Self::Audio,
            "video" => Self::Video,
            _ => Self::File,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::File => "file",
        }
    }
}

/// The longest file name kept, in bytes: what common file systems take.
pub const MAX_FILE_NAME_BYTES: usize = 255;

/// A name that can be shown and saved, from whatever a mail claims: the last path segment, without control, bidi-override and reserved
/// characters, cut to [`MAX_FILE_NAME_BYTES`]; `fallback` when nothing is left.
pub fn safe_file_name(claimed: &str, fallback: &str) -> String {
    let last = claimed.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '"' | '<' | '>' | ':' | '|' | '?' | '*'))
        .collect();
    let clean = clean.trim().trim_start_matches('.').trim_end_matches(['.', ' ']);
    if clean.is_empty() {
        return fallback.to_owned();
    }
    if clean.len() <= MAX_FILE_NAME_BYTES {
        return clean.to_owned();
    }
    let (stem, extension) = clean.rsplit_once('.').filter(|(_, e)| e.len() <= 16).unwrap_or((clean, ""));
    let room = MAX_FILE_NAME_BYTES - extension.len() - usize::from(!extension.is_empty());
    let stem = &stem[..stem.floor_char_boundary(room)];
    if extension.is_empty() { stem.to_owned() } else { format!("{stem}.{extension}") }
}

#[cfg(test)]
mod tests {
    use super::safe_file_name;

    #[test]
    fn a_claimed_name_never_leaves_its_folder() {
        assert_eq!(safe_file_name("../../etc/passwd", "f"), "passwd");
        assert_eq!(safe_file_name("C:\\temp\\a\u{202e}b.exe", "f"), "ab.exe");
        assert_eq!(safe_file_name("..", "attachment-1"), "attachment-1");
        assert!(safe_file_name(&format!("{}.pdf", "ä".repeat(400)), "f").ends_with(".pdf"));
    }
}
