//! Rules that narrow the list of contacts, as Chatwoot's clients send them.

use super::{AttributeDefinition, AttributeModel, AttributeType, ContactError, ContactFilter, attributes};
use crate::App;
use crate::accounts::Member;
use domain::Timestamp;
use domain::contact::Contact;
use serde_json::Value;
use std::time::Duration;
use store::{ContactField, ContactRule, ContactSortField, FilterOperator};

const MAX_RULES: usize = 20;
const MAX_VALUES: usize = 50;
const MAX_VALUE_CHARS: usize = 255;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Beyond this a number of days is no date.
const MAX_DAYS: u64 = 365_000;

/// One line, as it was sent.
#[derive(Clone, Debug)]
pub struct Line {
    pub key: String,
    pub operator: String,
    pub values: Vec<Value>,
    /// Joined to the next line by "or".
    pub or_next: bool,
}

/// One page, and how many there are in all.
pub async fn filter(
    app: &App,
    member: &Member,
    lines: &[Line],
    page: u32,
) -> Result<(Vec<Contact>, u64), ContactError> {
    if lines.is_empty() || lines.len() > MAX_RULES {
        return Err(ContactError::invalid("payload", "A filter needs 1 to 20 lines"));
    }
    let mut custom = attributes::list(app, member).await?;
    custom.retain(|definition| definition.model == AttributeModel::Contact);
    let mut rules = Vec::with_capacity(lines.len());
    let mut or = false;
    for line in lines {
        let field =
            field(&line.key, &custom).ok_or_else(|| ContactError::invalid("attribute_key", "Invalid attribute key"))?;
        rules.push(rule(app.now(), field, line, or)?);
        or = line.or_next;
    }
    let filter = ContactFilter {
        rules,
        sort: ContactSortField::LastActivityAt,
        descending: true,
        page,
        ..ContactFilter::default()
    };
    Ok(member.scope.contacts(&filter).await?)
}

fn field(key: &str, custom: &[AttributeDefinition]) -> Option<ContactField> {
    let defined = || custom.iter().find(|known| known.key == key && attributes::is_key(key));
    Some(match key {
        "name" => ContactField::Name,
        "email" => ContactField::Email,
        "phone_number" => ContactField::PhoneNumber,
        "identifier" => ContactField::Identifier,
        "blocked" => ContactField::Blocked,
        "labels" => ContactField::Labels,
        "created_at" => ContactField::CreatedAt,
        "last_activity_at" => ContactField::LastActivityAt,
        "country_code" | "city" | "country" | "company_name" | "referer" => ContactField::Additional(key.to_owned()),
        "company" => ContactField::Additional("company_name".to_owned()),
        _ => match defined()?.display_type {
            AttributeType::Number | AttributeType::Currency | AttributeType::Percent => {
                ContactField::CustomNumber(key.to_owned())
            }
            AttributeType::Text
            | AttributeType::Link
            | AttributeType::Date
            | AttributeType::List
            | AttributeType::Checkbox => ContactField::Custom(key.to_owned()),
        },
    })
}

fn rule(now: Timestamp, field: ContactField, line: &Line, or: bool) -> Result<ContactRule, ContactError> {
    let invalid = || ContactError::invalid("values", "Invalid value. The values provided for the filter are invalid");
    let is_moment = matches!(field, ContactField::CreatedAt | ContactField::LastActivityAt);
    let days_before = line.operator == "days_before";
    let operator = if days_before { Some(FilterOperator::IsLessThan) } else { FilterOperator::parse(&line.operator) };
    let operator = operator.filter(|operator| match operator {
        FilterOperator::Contains | FilterOperator::DoesNotContain => !is_moment,
        FilterOperator::IsGreaterThan | FilterOperator::IsLessThan => {
            is_moment || matches!(field, ContactField::Custom(_) | ContactField::CustomNumber(_))
        }
        FilterOperator::EqualTo
        | FilterOperator::NotEqualTo
        | FilterOperator::IsPresent
        | FilterOperator::IsNotPresent => true,
    });
    let operator = operator.filter(|_| is_moment || !days_before);
    let operator =
        operator.ok_or_else(|| ContactError::invalid("filter_operator", "Invalid operator for this attribute"))?;
    let asks_for_presence = matches!(operator, FilterOperator::IsPresent | FilterOperator::IsNotPresent);
    if line.values.len() > MAX_VALUES || (line.values.is_empty() && !asks_for_presence) {
        return Err(invalid());
    }
    let is_compared_as_number = matches!(field, ContactField::CustomNumber(_))
        && !matches!(operator, FilterOperator::Contains | FilterOperator::DoesNotContain);
    let mut values = Vec::with_capacity(line.values.len());
    for value in &line.values {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(yes) => yes.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return Err(invalid()),
        };
        if text.chars().count() > MAX_VALUE_CHARS {
            return Err(invalid());
        }
        values.push(match (is_moment, days_before) {
            (true, true) => {
                let days: u64 = text.parse().ok().filter(|days| *days <= MAX_DAYS).ok_or_else(invalid)?;
                now.minus(DAY * u32::try_from(days).unwrap_or(u32::MAX)).0.to_string()
            }
            (true, false) => moment(&text).ok_or_else(invalid)?.0.to_string(),
            (false, _) if is_compared_as_number && !is_decimal(&text) => return Err(invalid()),
            (false, _) => text,
        });
    }
    if asks_for_presence {
        values.clear();
    }
    Ok(ContactRule { field, operator, values, or })
}

/// As both databases read it: digits, perhaps a minus before them and a fraction after.
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    digits(whole) && digits(fraction)
}

/// A day (`2026-11-21`, its beginning in UTC), or seconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<i64>() {
        return (0..=253_402_300_799).contains(&seconds).then(|| Timestamp::from_seconds(seconds));
    }
    Timestamp::from_iso_day(text)
}
