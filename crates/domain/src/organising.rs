//! What agents sort and share their work with: labels, teams, canned responses, saved views.

use crate::{AccountId, CannedResponseId, CustomFilterId, LabelId, TeamId, Timestamp, UserId};

/// The longest title of a label, name of a team, short code, or name of a saved view.
pub const MAX_NAME_CHARS: usize = 255;
/// The longest description.
pub const MAX_DESCRIPTION_CHARS: usize = 1000;
/// The longest canned response.
pub const MAX_CANNED_CHARS: usize = 20_000;
/// As many labels a conversation may have.
pub const MAX_LABELS_OF_ONE: usize = 50;
/// Chatwoot's colour of a label that nobody chose one for.
pub const LABEL_COLOR: &str = "#1f93ff";

/// A word that conversations are marked with. They hold its title, so a mark may be there without a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub id: LabelId,
    pub account_id: AccountId,
    pub title: String,
    pub description: Option<String>,
    pub color: String,
    pub show_on_sidebar: bool,
}

/// A group of agents to whom a conversation can be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    pub id: TeamId,
    pub account_id: AccountId,
    pub name: String,
    pub description: Option<String>,
    pub allow_auto_assign: bool,
    pub icon: String,
    pub icon_color: String,
}

/// An answer that is kept for the next time, under the word that brings it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannedResponse {
    pub id: CannedResponseId,
    pub account_id: AccountId,
    pub short_code: String,
    pub content: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A view that somebody saved for themself. What it asks for is their client's.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomFilter {
    pub id: CustomFilterId,
    pub account_id: AccountId,
    pub user_id: UserId,
    pub name: String,
    pub filter_type: FilterType,
    pub query: serde_json::Value,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterType {
    Conversation,
    Contact,
}

impl FilterType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::Contact => "contact",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Conversation, Self::Contact].into_iter().find(|f| f.as_str() == text)
    }
}

/// The title as it is kept: lower-case letters and digits of any language, with `-` and `_` behind the first. `None`: it cannot be one.
pub fn label_title(text: &str) -> Option<String> {
    let title = text.trim().to_lowercase();
    let mut letters = title.chars();
    let begins = letters.next().is_some_and(char::is_alphanumeric);
    let goes_on = letters.all(|c| c.is_alphanumeric() || is_mark(c) || matches!(c, '-' | '_'));
    (begins && goes_on && title.chars().count() <= MAX_NAME_CHARS).then_some(title)
}

/// What lower case makes of some letters (İ) stands beside them.
fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

/// `#1f93ff`, or its short form.
pub fn is_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or_default();
    matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A team's name as it is kept, which compares without case. `None`: it is empty or too long.
pub fn team_name(text: &str) -> Option<String> {
    let name = text.trim().to_lowercase();
    (!name.is_empty() && name.chars().count() <= MAX_NAME_CHARS).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_labels_title_is_one_word_in_lower_case() {
        assert_eq!(label_title(" Billing_2-x "), Some("billing_2-x".to_owned()));
        assert_eq!(label_title("请求"), Some("请求".to_owned()));
        for not_one in ["", "  ", "two words", "-begins", "a,b", "a\0", "<b>", &"x".repeat(MAX_NAME_CHARS + 1)] {
            assert_eq!(label_title(not_one), None, "{not_one}");
        }
    }

    #[test]
    fn a_color_is_written_as_in_a_style_sheet() {
        assert!(is_color("#1f93ff") && is_color("#FFF"));
        assert!(!is_color("red") && !is_color("#12345g") && !is_color("#1234") && !is_color("url(x)"));
    }
}
