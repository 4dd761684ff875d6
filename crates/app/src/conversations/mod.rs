//! What agents see of conversations and do with them.
//!
//! - [`list`]: the list with its four counts, and one conversation.
//! - [`status`], [`assign`], [`seen`]: what is changed.
//! - [`messages`]: what was said, and a mail's HTML made harmless.
//! - [`activity`]: the lines that say who changed what.
//! - [`snapshot`]: conversations and messages as events carry them.

pub mod activity;
pub mod assign;
pub mod list;
pub mod messages;
pub mod seen;
pub mod snapshot;
pub mod status;

pub use assign::{AssignError, assign};
pub use list::{list, meta, show};
pub use messages::{MessageList, message_html, messages};
pub use seen::update_last_seen;
pub use status::{StatusError, toggle_status};

use store::StoreError;
// What lists and pages are made of, for whoever shows them.
pub use store::{
    AssigneeFilter, ConversationCounts, ConversationFilter, ConversationPage, ConversationSort, ConversationView,
};

/// Why a conversation could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No such thing, or nothing the member sees: the two look the same.
    #[error("not found")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A random (version 4) UUID: what names a conversation for ever.
pub(crate) fn new_uuid(entropy: &dyn domain::Entropy) -> String {
    let mut bytes = [0u8; 16];
    entropy.fill(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
