//! Conditions that somebody puts together themself: which conversations a saved view or an advanced filter shows.

use domain::Timestamp;
use domain::conversation::Priority;

/// One condition, and how it is joined with the next. AND binds closer than OR.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterTerm {
    pub of: FilterKey,
    pub test: FilterTest,
    pub or_next: bool,
}

/// What is looked at. A closed list: nothing that comes from outside names a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterKey {
    Status,
    Assignee,
    Inbox,
    Team,
    Contact,
    Priority,
    DisplayId,
    Labels,
    CreatedAt,
    LastActivityAt,
    Subject,
    /// A custom attribute, by its key.
    Attribute(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterTest {
    Any(Vec<FilterValue>),
    /// Nor anything at all.
    NoneOf(Vec<FilterValue>),
    /// The text holds one of these.
    Holds(Vec<String>),
    /// The text, if there is one, holds none of these.
    Lacks(Vec<String>),
    Present,
    Absent,
    /// At this time or later.
    From(Timestamp),
    Before(Timestamp),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterValue {
    Number(i64),
    Priority(Priority),
    /// Compared without case, where it is a text of people's.
    Text(String),
}
