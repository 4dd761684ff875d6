//! Decides which conversation an inbound mail belongs to.
//!
//! Pure: given the ids the mail refers to and what is known about them, returns one conversation or `None`.
//! In order: our own signed token in any referred id; then In-Reply-To, then References from the newest, against every Message-ID
//! stored in this inbox. A subject alone never matches: two customers may write "Invoice" on the same day. The caller looks ids up
//! in one inbox only, so a match can never cross inboxes or tenants.

use crate::ConversationId;
use std::collections::HashMap;

/// Mails with longer reference lists exist (mailing lists, loops); the oldest beyond this say nothing new.
pub const MAX_REFERRED_IDS: usize = 100;

/// The ids a mail refers to, in the order in which they are tried: In-Reply-To first, then References from the newest. Without
/// angle brackets, without repeats, at most [`MAX_REFERRED_IDS`].
pub fn referred_ids(in_reply_to: &[String], references: &[String]) -> Vec<String> {
    let mut ids = Vec::new();
    for id in in_reply_to.iter().chain(references.iter().rev()) {
        let id = id.trim().trim_start_matches('<').trim_end_matches('>');
        if !id.is_empty() && !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
            if ids.len() == MAX_REFERRED_IDS {
                break;
            }
        }
    }
    ids
}

/// Why a mail was put where it was; kept with the message so that a surprise can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// An id of ours whose signature holds.
    SignedToken,
    /// An id stored in this inbox: incoming, outgoing, or as a provider rewrote it.
    StoredId,
}

impl Evidence {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedToken => "signed_token",
            Self::StoredId => "stored_id",
        }
    }
}

/// `signed` holds the referred ids that carry a token of ours with a valid signature; `stored` the ones found in the inbox's id map.
pub fn choose(
    referred: &[String],
    signed: &HashMap<String, ConversationId>,
    stored: &HashMap<String, ConversationId>,
) -> Option<(ConversationId, Evidence)> {
    let first = |known: &HashMap<String, ConversationId>| referred.iter().find_map(|id| known.get(id).copied());
    first(signed)
        .map(|conversation| (conversation, Evidence::SignedToken))
        .or_else(|| first(stored).map(|conversation| (conversation, Evidence::StoredId)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn in_reply_to_comes_before_references_and_newer_references_before_older() {
        assert_eq!(
            referred_ids(&ids(&["<d@x>"]), &ids(&["a@x", "b@x", "d@x", "c@x"])),
            ids(&["d@x", "c@x", "b@x", "a@x"])
        );
    }

    #[test]
    fn a_signed_token_wins_over_a_stored_id() {
        let referred = ids(&["a@x", "token@us"]);
        let stored = HashMap::from([("a@x".to_owned(), ConversationId(1))]);
        let signed = HashMap::from([("token@us".to_owned(), ConversationId(2))]);
        assert_eq!(choose(&referred, &signed, &stored), Some((ConversationId(2), Evidence::SignedToken)));
        assert_eq!(choose(&referred, &HashMap::new(), &stored), Some((ConversationId(1), Evidence::StoredId)));
        assert_eq!(choose(&ids(&["z@x"]), &signed, &stored), None);
    }
}
