//! Conditions that somebody puts together themself, as SQL about `c`, the conversation. Values are bound; columns are ours.

use super::conversations::{Bound, one};
use super::convert::priority_number;
use crate::*;
use sea_orm::Value;

/// All of them, in brackets.
pub(crate) fn condition(backend: Backend, terms: &[FilterTerm]) -> (String, Vec<Bound>) {
    let (mut text, mut values) = (String::from("("), Vec::new());
    for (at, term) in terms.iter().enumerate() {
        match &term.of {
            FilterKey::Labels => labels(&term.test, &mut text, &mut values),
            FilterKey::Attribute(key) => {
                let mut place = || -> (String, Bound) { (attribute(backend).to_owned(), one(key.as_str())) };
                tested(&term.test, &mut place, &mut text, &mut values);
            }
            known => plain(column(known), &term.test, &mut text, &mut values),
        }
        if at + 1 < terms.len() {
            text.push_str(if term.or_next { " OR " } else { " AND " });
        }
    }
    text.push(')');
    (text, values)
}

/// In lower case, whatever JSON it is. SQLite would say 1 for `true`.
fn attribute(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => {
            "(SELECT LOWER(CASE WHEN j.json IN ('true', 'false') THEN j.json ELSE CAST(j.value AS TEXT) END) FROM \
             (SELECT c.custom_attributes -> k.name AS json, c.custom_attributes ->> k.name AS value FROM (SELECT ? AS name) AS k) AS j)"
        }
        Backend::Postgres => "LOWER(CAST(c.custom_attributes{json} ->> ? AS TEXT))",
    }
}

/// SQLite's LOWER knows ASCII alone: what it leaves as it stands is looked for as it was typed, in small letters, and with a capital first one.
fn spellings(words: &str) -> Vec<String> {
    let small = words.to_lowercase();
    let mut first = small.chars();
    let capital: String = first.next().map(|c| c.to_uppercase().chain(first).collect()).unwrap_or_default();
    let mut all = vec![small];
    for other in [words.to_ascii_lowercase(), capital.to_ascii_lowercase()] {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all
}

fn column(key: &FilterKey) -> &'static str {
    match key {
        FilterKey::Status => "c.status",
        FilterKey::Assignee => "c.assignee_id",
        FilterKey::Inbox => "c.inbox_id",
        FilterKey::Team => "c.team_id",
        FilterKey::Contact => "c.contact_id",
        FilterKey::Priority => "c.priority",
        FilterKey::DisplayId => "c.display_id",
        FilterKey::CreatedAt => "c.created_at",
        FilterKey::LastActivityAt => "c.last_activity_at",
        FilterKey::Subject => "LOWER(c.subject)",
        FilterKey::Labels | FilterKey::Attribute(_) => unreachable!("these are no columns"),
    }
}

fn bound(value: &FilterValue) -> Value {
    match value {
        FilterValue::Number(number) => (*number).into(),
        FilterValue::Priority(priority) => priority_number(*priority).into(),
        FilterValue::Text(text) => text.to_lowercase().into(),
    }
}

fn bounds(value: &FilterValue) -> Vec<Value> {
    match value {
        FilterValue::Text(text) => spellings(text).into_iter().map(Value::from).collect(),
        FilterValue::Number(_) | FilterValue::Priority(_) => vec![bound(value)],
    }
}

fn plain(column: &str, test: &FilterTest, text: &mut String, values: &mut Vec<Bound>) {
    let list = |of: &[FilterValue]| Bound::Many(of.iter().flat_map(bounds).collect());
    let spelled = |words: &[String]| words.iter().flat_map(|words| spellings(words)).collect::<Vec<_>>();
    match test {
        FilterTest::Any(any) => {
            text.push_str(&format!("{column} IN (??)"));
            values.push(list(any));
        }
        FilterTest::NoneOf(none) => {
            text.push_str(&format!("({column} IS NULL OR {column} NOT IN (??))"));
            values.push(list(none));
        }
        FilterTest::Holds(words) => {
            let words = spelled(words);
            let each = vec![format!("CAST({column} AS TEXT) LIKE ? ESCAPE '\\'"); words.len()];
            text.push_str(&format!("({})", each.join(" OR ")));
            values.extend(words.iter().map(|words| one(as_pattern(words))));
        }
        FilterTest::Lacks(words) => {
            let words = spelled(words);
            let each = vec![format!("CAST({column} AS TEXT) NOT LIKE ? ESCAPE '\\'"); words.len()];
            text.push_str(&format!("({column} IS NULL OR ({}))", each.join(" AND ")));
            values.extend(words.iter().map(|words| one(as_pattern(words))));
        }
        FilterTest::Present => text.push_str(&format!("{column} IS NOT NULL")),
        FilterTest::Absent => text.push_str(&format!("{column} IS NULL")),
        FilterTest::From(at) => {
            text.push_str(&format!("{column} >= ?"));
            values.push(one(at.0));
        }
        FilterTest::Before(at) => {
            text.push_str(&format!("{column} < ?"));
            values.push(one(at.0));
        }
    }
}

/// As [`plain`], of an expression that binds a value wherever it stands.
fn tested(test: &FilterTest, place: &mut impl FnMut() -> (String, Bound), text: &mut String, values: &mut Vec<Bound>) {
    let mut parts = String::new();
    let mut bounds = Vec::new();
    plain("\u{1}", test, &mut parts, &mut bounds);
    let mut bounds = bounds.into_iter();
    let mut rest = parts.as_str();
    // The values come in the order of their marks, those of the expression among them.
    while let Some(at) = rest.find(['\u{1}', '?']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('\u{1}') {
            let (expression, value) = place();
            text.push_str(&expression);
            values.push(value);
            rest = after;
        } else {
            let mark = if rest.starts_with("??") { "??" } else { "?" };
            text.push_str(mark);
            values.extend(bounds.next());
            rest = &rest[mark.len()..];
        }
    }
    text.push_str(rest);
}

fn labels(test: &FilterTest, text: &mut String, values: &mut Vec<Bound>) {
    let marked =
        "EXISTS (SELECT 1 FROM conversation_labels l WHERE l.account_id = c.account_id AND l.conversation_id = c.id";
    let mut titled = |any: &[FilterValue]| values.push(Bound::Many(any.iter().map(bound).collect()));
    match test {
        FilterTest::Any(any) => {
            titled(any);
            text.push_str(&format!("{marked} AND l.title IN (??))"));
        }
        FilterTest::NoneOf(none) => {
            titled(none);
            text.push_str(&format!("NOT {marked} AND l.title IN (??))"));
        }
        FilterTest::Present => text.push_str(&format!("{marked})")),
        FilterTest::Absent => text.push_str(&format!("NOT {marked})")),
        // Whoever reads what was asked for lets none of these through.
        FilterTest::Holds(_) | FilterTest::Lacks(_) | FilterTest::From(_) | FilterTest::Before(_) => {
            text.push_str("1 = 0");
        }
    }
}

/// A LIKE pattern that finds the words as they are written, in lower case.
pub(crate) fn holds(words: &str) -> String {
    as_pattern(&words.to_lowercase())
}

fn as_pattern(words: &str) -> String {
    let mut pattern = String::from("%");
    for c in words.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
