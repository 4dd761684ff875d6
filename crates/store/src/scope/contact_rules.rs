//! Rules that narrow a list of contacts, as conditions of SQL. Every name comes from a closed list; every value is bound.

use crate::*;
use sea_orm::Value;

/// The condition, and what is bound to its marks. Lines are joined from the first to the last, one after the other, as Chatwoot's are.
pub(crate) fn condition(backend: Backend, rules: &[ContactRule]) -> (String, Vec<Value>) {
    let mut text = String::new();
    let mut values = Vec::new();
    for rule in rules {
        let line = line(backend, rule, &mut values);
        text = match (text.is_empty(), rule.or) {
            (true, _) => line,
            (false, true) => format!("({text} OR {line})"),
            (false, false) => format!("({text} AND {line})"),
        };
    }
    (text, values)
}

fn line(backend: Backend, rule: &ContactRule, values: &mut Vec<Value>) -> String {
    if rule.field == ContactField::Labels {
        return labels(rule, values);
    }
    let column = column(backend, rule, values);
    let is_moment = matches!(rule.field, ContactField::CreatedAt | ContactField::LastActivityAt);
    let (compared, mark) = if is_moment {
        (column.clone(), "CAST(? AS BIGINT)")
    } else if is_number(rule) {
        (column.clone(), "CAST(CAST(? AS TEXT) AS NUMERIC)")
    } else {
        (format!("LOWER(CAST({column} AS TEXT))"), "LOWER(CAST(? AS TEXT))")
    };
    let mut any = |operator: &str, end: &str| {
        // The column's own marks come before each value.
        let own: Vec<Value> = values.clone();
        let already = own.len() - marks(&column);
        let of_column: Vec<Value> = own[already..].to_vec();
        values.truncate(already);
        let each: Vec<String> = rule
            .values
            .iter()
            .map(|value| {
                values.extend(of_column.iter().cloned());
                values.push(pattern(value, operator == "LIKE").into());
                format!("{compared} {operator} {mark}{end}")
            })
            .collect();
        format!("({})", each.join(" OR "))
    };
    match rule.operator {
        FilterOperator::EqualTo => any("=", ""),
        FilterOperator::NotEqualTo => negated(&any("=", "")),
        FilterOperator::Contains => any("LIKE", " ESCAPE '\\'"),
        FilterOperator::DoesNotContain => negated(&any("LIKE", " ESCAPE '\\'")),
        FilterOperator::IsGreaterThan => any(">", ""),
        FilterOperator::IsLessThan => any("<", ""),
        FilterOperator::IsPresent => format!(
            "({column} IS NOT NULL AND CAST({column_again} AS TEXT) <> '')",
            column_again = again(&column, values)
        ),
        FilterOperator::IsNotPresent => {
            format!("({column} IS NULL OR CAST({column_again} AS TEXT) = '')", column_again = again(&column, values))
        }
    }
}

/// Nothing at all is not equal to anything, and contains nothing.
fn negated(condition: &str) -> String {
    format!("COALESCE(NOT {condition}, 1 = 1)")
}

fn marks(column: &str) -> usize {
    column.matches('?').count()
}

/// The column a second time, with its marks.
fn again(column: &str, values: &mut Vec<Value>) -> String {
    let from = values.len() - marks(column);
    values.extend(values[from..].to_vec());
    column.to_owned()
}

/// Compared as a number, not as a text.
fn is_number(rule: &ContactRule) -> bool {
    matches!(rule.field, ContactField::CustomNumber(_))
        && match rule.operator {
            FilterOperator::EqualTo
            | FilterOperator::NotEqualTo
            | FilterOperator::IsGreaterThan
            | FilterOperator::IsLessThan => true,
            FilterOperator::Contains
            | FilterOperator::DoesNotContain
            | FilterOperator::IsPresent
            | FilterOperator::IsNotPresent => false,
        }
}

/// A number of JSON, or a text that is one; else nothing. `{it}` is what may be one. Neither holds a question mark of its own.
fn as_number(backend: Backend, it: &str) -> String {
    match backend {
        Backend::Sqlite => format!(
            "CASE WHEN TYPEOF({it}) IN ('integer', 'real') THEN {it} WHEN ({it} GLOB '[0-9]*' OR {it} GLOB '-[0-9]*') \
             AND SUBSTR({it}, 2) NOT GLOB '*[^0-9.]*' AND LENGTH({it}) - LENGTH(REPLACE({it}, '.', '')) < 2 THEN CAST({it} AS NUMERIC) END"
        ),
        Backend::Postgres => {
            format!(r"CASE WHEN {it} ~ '^-{{0,1}}[0-9][0-9]*(\.[0-9]*){{0,1}}$' THEN CAST({it} AS NUMERIC) END")
        }
    }
}

fn column(backend: Backend, rule: &ContactRule, values: &mut Vec<Value>) -> String {
    // SQLite would say 1 for `true`.
    let worded = |table_column: &str, key: &str, values: &mut Vec<Value>| match backend {
        Backend::Sqlite => {
            let name = Value::from(format!("$.\"{key}\""));
            values.extend([name.clone(), name]);
            format!(
                "CASE json_type({table_column}, ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE json_extract({table_column}, ?) END"
            )
        }
        Backend::Postgres => {
            values.push(key.into());
            format!("(CAST({table_column} AS jsonb) ->> CAST(? AS TEXT))")
        }
    };
    match &rule.field {
        ContactField::Name => "name".to_owned(),
        ContactField::Email => "email".to_owned(),
        ContactField::PhoneNumber => "phone_number".to_owned(),
        ContactField::Identifier => "identifier".to_owned(),
        ContactField::Blocked => "CASE WHEN blocked THEN 'true' ELSE 'false' END".to_owned(),
        ContactField::CreatedAt => "created_at".to_owned(),
        ContactField::LastActivityAt => "last_activity_at".to_owned(),
        ContactField::Additional(key) => worded("additional_attributes", key, values),
        ContactField::CustomNumber(key) if is_number(rule) => {
            let it = match backend {
                Backend::Sqlite => {
                    // Within quotes everything but a quote is a name; keys hold none.
                    values.push(format!("$.\"{key}\"").into());
                    "json_extract(custom_attributes, ?)".to_owned()
                }
                Backend::Postgres => worded("custom_attributes", key, values),
            };
            let number = as_number(backend, &it);
            let key = values.last().cloned();
            values.extend((1..marks(&number)).filter_map(|_| key.clone()));
            number
        }
        ContactField::Custom(key) | ContactField::CustomNumber(key) => worded("custom_attributes", key, values),
        ContactField::Labels => unreachable!("labels are no column"),
    }
}

fn labels(rule: &ContactRule, values: &mut Vec<Value>) -> String {
    let of = "SELECT 1 FROM contact_labels l WHERE l.account_id = contacts.account_id AND l.contact_id = contacts.id";
    let has = match rule.operator {
        FilterOperator::IsPresent | FilterOperator::IsNotPresent => format!("EXISTS ({of})"),
        FilterOperator::EqualTo
        | FilterOperator::NotEqualTo
        | FilterOperator::Contains
        | FilterOperator::DoesNotContain
        | FilterOperator::IsGreaterThan
        | FilterOperator::IsLessThan => {
            values.extend(rule.values.iter().map(|value| Value::from(value.to_lowercase())));
            format!("EXISTS ({of} AND l.title IN ({}))", vec!["?"; rule.values.len()].join(", "))
        }
    };
    match rule.operator {
        FilterOperator::NotEqualTo | FilterOperator::DoesNotContain | FilterOperator::IsNotPresent => {
            format!("NOT {has}")
        }
        FilterOperator::EqualTo
        | FilterOperator::Contains
        | FilterOperator::IsPresent
        | FilterOperator::IsGreaterThan
        | FilterOperator::IsLessThan => has,
    }
}

fn pattern(value: &str, like: bool) -> String {
    if !like {
        return value.to_owned();
    }
    let mut pattern = String::from("%");
    for c in value.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
