//! Who a note speaks to: Chatwoot's links `[@Ada](mention://user/7/Ada)` inside its text.

use crate::UserId;
use std::collections::BTreeSet;

const LINK: &str = "mention://user/";
/// As many people one note may speak to; further ones are passed over.
pub const MOST: usize = 100;

/// The people whom the text names, each once. Whether they exist, and may see it, is another question.
pub fn mentioned(content: &str) -> BTreeSet<UserId> {
    let mut people = BTreeSet::new();
    for after in content.split(LINK).skip(1) {
        let digits = after.find(|c: char| !c.is_ascii_digit()).map_or(after, |end| &after[..end]);
        if let Ok(id) = digits.parse() {
            people.insert(UserId(id));
        }
        if people.len() == MOST {
            break;
        }
    }
    people
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_speaks_to_those_it_links_to_each_once() {
        let note = "[@Ada](mention://user/7/Ada%20L) and [@Bo](mention://user/9/Bo), [@Ada](mention://user/7/Ada), \
                    mention://user/x/, mention://user/99999999999999999999/, mention://team/3/, mention://user/";
        assert_eq!(mentioned(note), BTreeSet::from([UserId(7), UserId(9)]));
        assert!(mentioned("@Ada").is_empty());
    }

    #[test]
    fn a_note_speaks_to_a_bounded_number_of_people() {
        let note: String = (0..500).map(|n| format!("mention://user/{n}/x ")).collect();
        assert_eq!(mentioned(&note).len(), MOST);
    }
}
