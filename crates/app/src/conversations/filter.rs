//! Conditions as Chatwoot's clients put them together, read against a closed list of keys, each with the operators that mean something for it.

use crate::App;
use domain::Timestamp;
use domain::conversation::{ConversationStatus, Priority};
use serde_json::Value;
use std::time::Duration;
use store::{FilterKey, FilterTerm, FilterTest, FilterValue};

pub const MAX_TERMS: usize = 30;
pub const MAX_VALUES: usize = 100;
const MAX_VALUE_CHARS: usize = 255;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The longest that `days_before` reaches back.
const MAX_DAYS: i64 = 36_500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    EqualTo,
    NotEqualTo,
    Contains,
    DoesNotContain,
    IsPresent,
    IsNotPresent,
    IsGreaterThan,
    IsLessThan,
    DaysBefore,
}

/// One condition as it was asked for.
#[derive(Clone, Debug)]
pub struct AskedTerm {
    pub key: String,
    pub operator: Operator,
    pub values: Vec<Value>,
    /// Joined with the next one by OR.
    pub or_next: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("{key}: conversations cannot be filtered by this")]
    UnknownKey { key: String },
    #[error("{key}: this operator means nothing for it")]
    WrongOperator { key: String },
    #[error("{key}: a value that it cannot have")]
    WrongValue { key: String },
    #[error("at most {MAX_TERMS} conditions")]
    TooMany,
}

/// What the values of a key are.
enum Kind {
    Status,
    Priority,
    Ids,
    Labels,
    Time,
    Text,
}

pub fn terms(app: &App, asked: &[AskedTerm]) -> Result<Vec<FilterTerm>, FilterError> {
    if asked.len() > MAX_TERMS {
        return Err(FilterError::TooMany);
    }
    // "Any status" is no condition.
    let conditions = asked.iter().filter(|term| {
        !(term.key == "status" && term.operator == Operator::EqualTo && term.values.iter().any(|value| value == "all"))
    });
    conditions.map(|asked| term(app.now(), asked)).collect()
}

fn term(now: Timestamp, asked: &AskedTerm) -> Result<FilterTerm, FilterError> {
    let key = || asked.key.clone();
    let (of, kind) = known(&asked.key).ok_or_else(|| FilterError::UnknownKey { key: key() })?;
    if asked.values.len() > MAX_VALUES {
        return Err(FilterError::WrongValue { key: key() });
    }
    let values =
        || asked.values.iter().map(|one| value(&kind, one)).collect::<Option<Vec<_>>>().filter(|v| !v.is_empty());
    let texts = || asked.values.iter().map(text).collect::<Option<Vec<_>>>().filter(|v| !v.is_empty());
    let holds = matches!(kind, Kind::Text) || of == FilterKey::DisplayId;
    let test = match asked.operator {
        Operator::IsPresent => Some(FilterTest::Present),
        Operator::IsNotPresent => Some(FilterTest::Absent),
        Operator::EqualTo if !matches!(kind, Kind::Time) => values().map(FilterTest::Any),
        Operator::NotEqualTo if !matches!(kind, Kind::Time) => values().map(FilterTest::NoneOf),
        Operator::Contains if holds => texts().map(FilterTest::Holds),
        Operator::DoesNotContain if holds => texts().map(FilterTest::Lacks),
        // Chatwoot compares days: later than a day is from the next one on.
        Operator::IsGreaterThan if matches!(kind, Kind::Time) => {
            one_day(asked).map(|day| FilterTest::From(day.plus(DAY)))
        }
        Operator::IsLessThan if matches!(kind, Kind::Time) => one_day(asked).map(FilterTest::Before),
        Operator::DaysBefore if matches!(kind, Kind::Time) => days_before(now, asked).map(FilterTest::Before),
        Operator::EqualTo
        | Operator::NotEqualTo
        | Operator::Contains
        | Operator::DoesNotContain
        | Operator::IsGreaterThan
        | Operator::IsLessThan
        | Operator::DaysBefore => return Err(FilterError::WrongOperator { key: key() }),
    };
    let test = test.ok_or_else(|| FilterError::WrongValue { key: key() })?;
    Ok(FilterTerm { of, test, or_next: asked.or_next })
}

fn known(key: &str) -> Option<(FilterKey, Kind)> {
    Some(match key {
        "status" => (FilterKey::Status, Kind::Status),
        "priority" => (FilterKey::Priority, Kind::Priority),
        "assignee_id" => (FilterKey::Assignee, Kind::Ids),
        "inbox_id" => (FilterKey::Inbox, Kind::Ids),
        "team_id" => (FilterKey::Team, Kind::Ids),
        "contact_id" => (FilterKey::Contact, Kind::Ids),
        "display_id" => (FilterKey::DisplayId, Kind::Ids),
        "labels" => (FilterKey::Labels, Kind::Labels),
        "created_at" => (FilterKey::CreatedAt, Kind::Time),
        "last_activity_at" => (FilterKey::LastActivityAt, Kind::Time),
        "mail_subject" => (FilterKey::Subject, Kind::Text),
        // What Chatwoot knows of visitors of a web site, and nobody of whoever writes an e-mail.
        "campaign_id" | "browser_language" | "conversation_language" | "country_code" | "referer" => return None,
        custom => {
            let is_key = !custom.is_empty()
                && custom.len() <= MAX_VALUE_CHARS
                && custom.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
            is_key.then(|| (FilterKey::Attribute(custom.to_owned()), Kind::Text))?
        }
    })
}

fn value(kind: &Kind, value: &Value) -> Option<FilterValue> {
    match kind {
        Kind::Status => ConversationStatus::parse(value.as_str()?).map(|s| FilterValue::Text(s.as_str().to_owned())),
        Kind::Priority => Priority::parse(value.as_str()?).map(FilterValue::Priority),
        Kind::Ids => value.as_i64().or_else(|| value.as_str()?.trim().parse().ok()).map(FilterValue::Number),
        Kind::Labels | Kind::Text | Kind::Time => text(value).map(FilterValue::Text),
    }
}

fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(whether) => whether.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (text.chars().count() <= MAX_VALUE_CHARS).then_some(text)
}

fn one_day(asked: &AskedTerm) -> Option<Timestamp> {
    day(asked.values.first()?.as_str()?)
}

/// The beginning of the day so many days ago.
fn days_before(now: Timestamp, asked: &AskedTerm) -> Option<Timestamp> {
    let days = asked.values.first()?;
    let days = days.as_i64().or_else(|| days.as_str()?.trim().parse().ok())?;
    let days = u64::try_from(days).ok().filter(|_| days <= MAX_DAYS)?;
    let today = Timestamp::from_seconds(now.seconds() - now.seconds().rem_euclid(24 * 3600));
    Some(today.minus(DAY * u32::try_from(days).ok()?))
}

/// The beginning of a day that is written `2026-11-22`, with or without a time of day behind it, which says no more here.
fn day(text: &str) -> Option<Timestamp> {
    let date = text.trim().get(..10)?;
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, of_month) = (parts.next()??, parts.next()??, parts.next()??);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, 28 + i64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = lengths.get(usize::try_from(month - 1).ok()?)?;
    if !(1970..=9999).contains(&year) || !(1..=*length).contains(&of_month) {
        return None;
    }
    let before = |year: i64| year * 365 + year / 4 - year / 100 + year / 400;
    let days = before(year - 1) - before(1969) + lengths.iter().take(usize::try_from(month - 1).ok()?).sum::<i64>();
    Some(Timestamp::from_seconds((days + of_month - 1) * 24 * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(key: &str, operator: Operator, values: &Value) -> AskedTerm {
        let values = values.as_array().cloned().expect("a list");
        AskedTerm { key: key.to_owned(), operator, values, or_next: false }
    }

    #[test]
    fn days_are_counted_from_the_first_of_1970() {
        let at = |text| day(text).map(Timestamp::to_iso);
        for iso in ["1970-01-01", "2000-02-29", "2026-11-22", "2100-03-01", "1999-12-31"] {
            assert_eq!(at(iso).as_deref(), Some(format!("{iso}T00:00:00.000Z").as_str()));
        }
        for not_one in
            ["", "2026-02-29", "2026-13-01", "2026-00-10", "yesterday!", "2026-1-1", "20261122xx", "-026-01-01"]
        {
            assert_eq!(at(not_one), None, "{not_one}");
        }
    }

    #[test]
    fn each_key_takes_what_means_something_for_it() {
        let now = Timestamp::from_seconds(1_795_000_000);
        let test = |key, operator, values: Value| term(now, &asked(key, operator, &values)).map(|term| term.test);
        let number = |n| vec![FilterValue::Number(n)];
        assert_eq!(test("assignee_id", Operator::EqualTo, json!(["7"])).ok(), Some(FilterTest::Any(number(7))));
        assert_eq!(
            test("priority", Operator::NotEqualTo, json!(["urgent"])).ok(),
            Some(FilterTest::NoneOf(vec![FilterValue::Priority(Priority::Urgent)]))
        );
        let before = test("created_at", Operator::DaysBefore, json!([1])).ok();
        assert_eq!(before, day("2026-11-17").map(FilterTest::Before));
        let later = test("created_at", Operator::IsGreaterThan, json!(["2026-11-17"])).ok();
        assert_eq!(later, day("2026-11-18").map(FilterTest::From));
        for (key, operator, values) in [
            ("status", Operator::Contains, json!(["open"])),
            ("created_at", Operator::EqualTo, json!(["2026-01-01"])),
            ("labels", Operator::IsLessThan, json!(["x"])),
        ] {
            assert!(matches!(test(key, operator, values), Err(FilterError::WrongOperator { .. })), "{key}");
        }
        for (key, values) in
            [("status", json!(["opne"])), ("inbox_id", json!(["x"])), ("labels", json!([])), ("team_id", json!([null]))]
        {
            assert!(matches!(test(key, Operator::EqualTo, values), Err(FilterError::WrongValue { .. })), "{key}");
        }
        for key in ["referer", "", "a b", "x'; DROP", "c.id"] {
            assert!(matches!(test(key, Operator::IsPresent, json!([])), Err(FilterError::UnknownKey { .. })), "{key}");
        }
    }
}
