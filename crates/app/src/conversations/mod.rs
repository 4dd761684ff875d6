//! What agents see of conversations and do with them.
//!
//! - [`list`]: the list with its four counts, and one conversation.
//! - [`status`], [`assign`], [`seen`], [`marks`]: what is changed. `change`: how, and who hears of it.
//! - [`bulk`]: the same done to many. [`delete`]. [`filter`]: conditions that somebody puts together. [`unread`]: badges.
//! - [`participants`]: who takes part. [`drafts`]: what somebody has begun to write.
//! - [`messages`]: what was said, and a mail's HTML made harmless.
//! - [`activity`]: the lines that say who changed what.
//! - [`snapshot`]: conversations and messages as events carry them.

pub mod activity;
pub mod assign;
pub mod bulk;
pub(crate) mod change;
pub mod delete;
pub mod drafts;
pub mod filter;
pub mod list;
pub mod marks;
pub mod messages;
pub mod participants;
pub mod seen;
pub mod snapshot;
pub mod status;
pub mod unread;

pub use assign::{AssignError, assign, assign_team};
pub use bulk::{BulkChange, BulkError, change_many};
pub(crate) use change::announce;
pub use delete::{DeleteError, delete};
pub use list::{list, meta, show};
pub use marks::{Attributes, MarkError, labels, mute, set_custom_attributes, set_labels, set_priority, unmute};
pub use messages::{MessageList, message_html, messages};
pub use participants::{ParticipantError, People, change_participants, participants};
pub use seen::{mark_unread, update_last_seen};
pub use status::{StatusError, toggle_status, wake_snoozed};
pub use unread::{UnreadCounts, unread_counts};

use store::StoreError;
// What lists and pages are made of, for whoever shows them.
pub use store::{
    AssigneeFilter, ConversationCounts, ConversationFilter, ConversationKind, ConversationPage, ConversationSort,
    ConversationView,
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

/// What names a conversation for ever: a UUID that begins with the time (version 7, RFC 9562 §5.7), so that new ones stand together in the
/// database's index, and ends with 74 random bits.
pub(crate) fn new_uuid(entropy: &dyn domain::Entropy, now: domain::Timestamp) -> String {
    let mut random = [0u8; 10];
    entropy.fill(&mut random);
    let milliseconds = u64::try_from(now.micros() / 1000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemEntropy;
    use domain::Timestamp;
    use std::time::Duration;

    #[test]
    fn a_conversations_uuid_stands_behind_those_made_before_it_and_cannot_be_guessed_from_the_time() {
        let (entropy, now) = (SystemEntropy::new(), Timestamp::from_seconds(1_700_000_000));
        let first = new_uuid(&entropy, now);
        // RFC 9562 §5.7: 48 bits of milliseconds, then the version.
        assert_eq!((&first[..13], &first[13..15], first.len()), ("018bcfe5-6800", "-7", 36));
        assert_ne!(first, new_uuid(&entropy, now));
        assert!(first < new_uuid(&entropy, now.plus(Duration::from_millis(1))));
    }
}
