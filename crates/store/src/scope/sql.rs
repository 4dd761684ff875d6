//! Statements: one text for both databases, values always bound, the account always named.
//!
//! Marks in the text: `?` a bound value, `??` a bound list, `:account` the scope's account, `{now}` the database's clock in
//! microseconds, `{lock}` / `{share}` / `{keep}` / `{skip}` a row lock where the database has row locks (SQLite's writer is alone anyway).
//! A statement of a scope that does not name `:account` is a bug and panics the first time it is made.

use crate::{Result, StoreError};
use domain::AccountId;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, QueryResult, Statement, TryGetable, Value};
use std::borrow::Cow;

pub(crate) struct Sql {
    text: Cow<'static, str>,
    account: Option<AccountId>,
    values: Vec<Bound>,
}

enum Bound {
    One(Value),
    Many(Vec<Value>),
}

/// A statement of one account.
pub(crate) fn scoped(account: AccountId, text: impl Into<Cow<'static, str>>) -> Sql {
    let text = text.into();
    assert!(text.contains(":account"), "a scoped statement must name its account: {text}");
    Sql { text, account: Some(account), values: Vec::new() }
}

/// A statement that looks across accounts: only for the narrow system scopes.
pub(crate) fn system(text: impl Into<Cow<'static, str>>) -> Sql {
    Sql { text: text.into(), account: None, values: Vec::new() }
}

impl Sql {
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(Bound::One(value.into()));
        self
    }

    pub(crate) fn list<V: Into<Value>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.values.push(Bound::Many(values.into_iter().map(Into::into).collect()));
        self
    }

    /// How many rows it changed.
    pub(crate) async fn run<C: ConnectionTrait>(self, on: &C) -> Result<u64> {
        let statement = self.build(on.get_database_backend());
        #[expect(clippy::disallowed_methods, reason = "the one place where raw statements run")]
        let done = on.execute_raw(statement).await?;
        Ok(done.rows_affected())
    }

    pub(crate) async fn rows<C: ConnectionTrait>(self, on: &C) -> Result<Vec<QueryResult>> {
        let statement = self.build(on.get_database_backend());
        #[expect(clippy::disallowed_methods, reason = "the one place where raw statements run")]
        let rows = on.query_all_raw(statement).await?;
        Ok(rows)
    }

    pub(crate) async fn all<T: FromQueryResult, C: ConnectionTrait>(self, on: &C) -> Result<Vec<T>> {
        self.rows(on).await?.iter().map(|row| T::from_query_result(row, "").map_err(StoreError::from)).collect()
    }

    pub(crate) async fn one<T: FromQueryResult, C: ConnectionTrait>(self, on: &C) -> Result<Option<T>> {
        Ok(self.all(on).await?.into_iter().next())
    }

    /// The first column of every row.
    pub(crate) async fn column<T: TryGetable, C: ConnectionTrait>(self, on: &C) -> Result<Vec<T>> {
        self.rows(on).await?.iter().map(|row| row.try_get_by_index::<T>(0).map_err(StoreError::from)).collect()
    }

    /// The first column of the first row.
    pub(crate) async fn value<T: TryGetable, C: ConnectionTrait>(self, on: &C) -> Result<Option<T>> {
        Ok(self.column(on).await?.into_iter().next())
    }

    fn build(self, backend: DbBackend) -> Statement {
        let sqlite = matches!(backend, DbBackend::Sqlite);
        let mut sql = String::with_capacity(self.text.len() + 64);
        let mut bound: Vec<Value> = Vec::with_capacity(self.values.len() + 1);
        let mut values = self.values.into_iter();
        let mut rest = self.text.as_ref();
        let place = |sql: &mut String, bound: &mut Vec<Value>, value: Value| {
            bound.push(value);
            if sqlite {
                sql.push('?');
            } else {
                sql.push('$');
                sql.push_str(&bound.len().to_string());
            }
        };
        while let Some(at) = rest.find(['?', ':', '{']) {
            sql.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("??") {
                let Some(Bound::Many(list)) = values.next() else {
                    panic!("a list must be bound to ?? in {}", self.text)
                };
                if list.is_empty() {
                    sql.push_str("NULL");
                }
                for (index, value) in list.into_iter().enumerate() {
                    if index > 0 {
                        sql.push_str(", ");
                    }
                    place(&mut sql, &mut bound, value);
                }
                rest = after;
            } else if let Some(after) = rest.strip_prefix('?') {
                let Some(Bound::One(value)) = values.next() else {
                    panic!("a value must be bound to ? in {}", self.text)
                };
                match value {
                    // SQLite looks at a bound limit when it plans, so it would prepare the statement anew each time it runs.
                    Value::BigInt(Some(limit)) if sqlite && sql.ends_with("LIMIT ") => sql.push_str(&limit.to_string()),
                    value => place(&mut sql, &mut bound, value),
                }
                rest = after;
            } else if let Some(after) = rest.strip_prefix(":account") {
                let account = self.account.expect("only scoped statements name :account");
                place(&mut sql, &mut bound, account.0.into());
                rest = after;
            } else if let Some((mark, after)) =
                MARKS.iter().find_map(|m| rest.strip_prefix(m.0).map(|after| (m, after)))
            {
                sql.push_str(if sqlite { mark.1 } else { mark.2 });
                rest = after;
            } else {
                sql.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
        sql.push_str(rest);
        assert!(values.next().is_none(), "more values than marks in {sql}");
        Statement::from_sql_and_values(backend, sql, bound)
    }
}

/// (mark, SQLite, PostgreSQL). The statement's start, not the moment: it is stable, so indexes can be used with it.
const MARKS: &[(&str, &str, &str)] = &[
    (
        "{now}",
        "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000000 AS BIGINT)",
    ),
    // Not against those who only refer to the row: a foreign key takes KEY SHARE, and nobody changes keys.
    ("{lock}", "", " FOR NO KEY UPDATE"),
    ("{share}", "", " FOR SHARE"),
    // Against being deleted; whoever deletes is not waited for.
    ("{keep}", "", " FOR KEY SHARE SKIP LOCKED"),
    // A text that holds JSON, for `->>`.
    ("{json}", "", "::jsonb"),
    ("{skip}", "", " FOR UPDATE OF c SKIP LOCKED"),
];

/// `n` copies of a row of marks, for inserting many rows at once.
pub(crate) fn rows_of(row: &str, n: usize) -> String {
    vec![row; n].join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_what_each_database_spells() {
        let make = || {
            scoped(AccountId(9), "SELECT ? FROM t WHERE account_id = :account AND id IN (??) AND x = ?{lock}")
                .bind(1i64)
                .list([2i64, 3])
                .bind("four")
        };
        let lite = make().build(DbBackend::Sqlite);
        assert_eq!(lite.sql, "SELECT ? FROM t WHERE account_id = ? AND id IN (?, ?) AND x = ?");
        let postgres = make().build(DbBackend::Postgres);
        assert_eq!(
            postgres.sql,
            "SELECT $1 FROM t WHERE account_id = $2 AND id IN ($3, $4) AND x = $5 FOR NO KEY UPDATE"
        );
        assert_eq!(postgres.values.expect("bound").0[1], Value::from(9i64));
    }

    #[test]
    fn a_limit_is_a_number_in_the_text_for_sqlite() {
        let make = || {
            scoped(AccountId(9), "SELECT 1 FROM t WHERE account_id = :account LIMIT ? OFFSET ?").bind(25i64).bind(50i64)
        };
        let lite = make().build(DbBackend::Sqlite);
        assert_eq!(lite.sql, "SELECT 1 FROM t WHERE account_id = ? LIMIT 25 OFFSET ?");
        assert_eq!(lite.values.expect("bound").0, [Value::from(9i64), Value::from(50i64)]);
        assert_eq!(make().build(DbBackend::Postgres).sql, "SELECT 1 FROM t WHERE account_id = $1 LIMIT $2 OFFSET $3");
    }

    #[test]
    #[should_panic(expected = "must name its account")]
    fn a_scoped_statement_without_its_account_cannot_be_made() {
        let _ = scoped(AccountId(1), "SELECT * FROM messages");
    }
}
