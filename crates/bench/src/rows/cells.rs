//! Values between a row and a statement. SQLite's say what they are; PostgreSQL's are what their column is.

use anyhow::{Result, bail};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Postgres, Row as _, Sqlite, TypeInfo as _, ValueRef as _};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Cell {
    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Null | Self::Real(_) | Self::Text(_) | Self::Bytes(_) => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Integer(_) | Self::Real(_) | Self::Bytes(_) => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PostgresType {
    Integer,
    Boolean,
    Bytes,
    Text,
    /// Goes as text, and is cast on both ways.
    Other(String),
}

impl PostgresType {
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "int8" => Self::Integer,
            "bool" => Self::Boolean,
            "bytea" => Self::Bytes,
            "text" => Self::Text,
            other => Self::Other(other.to_owned()),
        }
    }

    pub(crate) fn selected(&self, column: &str) -> String {
        match self {
            Self::Integer | Self::Boolean | Self::Bytes | Self::Text => column.to_owned(),
            Self::Other(_) => format!("{column}::text"),
        }
    }

    pub(crate) fn mark(&self, number: usize) -> String {
        match self {
            Self::Integer | Self::Boolean | Self::Bytes | Self::Text => format!("${number}"),
            Self::Other(name) => format!("${number}::text::{name}"),
        }
    }
}

pub(crate) fn of_sqlite(row: &SqliteRow) -> Result<Vec<Cell>> {
    (0..row.len())
        .map(|at| {
            let value = row.try_get_raw(at)?;
            if value.is_null() {
                return Ok(Cell::Null);
            }
            Ok(match value.type_info().name() {
                "TEXT" => Cell::Text(row.try_get_unchecked(at)?),
                "BLOB" => Cell::Bytes(row.try_get_unchecked(at)?),
                "REAL" => Cell::Real(row.try_get_unchecked(at)?),
                "INTEGER" | "BOOLEAN" => Cell::Integer(row.try_get_unchecked(at)?),
                other => bail!("a value of the type {other}"),
            })
        })
        .collect()
}

pub(crate) fn of_postgres(row: &PgRow, types: &[PostgresType]) -> Result<Vec<Cell>> {
    types
        .iter()
        .enumerate()
        .map(|(at, of)| {
            if row.try_get_raw(at)?.is_null() {
                return Ok(Cell::Null);
            }
            Ok(match of {
                PostgresType::Integer => Cell::Integer(row.try_get(at)?),
                PostgresType::Boolean => Cell::Integer(row.try_get::<bool, _>(at)?.into()),
                PostgresType::Bytes => Cell::Bytes(row.try_get(at)?),
                PostgresType::Text | PostgresType::Other(_) => Cell::Text(row.try_get(at)?),
            })
        })
        .collect()
}

pub(crate) fn bind_sqlite<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    cell: &Cell,
) -> Query<'q, Sqlite, SqliteArguments> {
    match cell {
        Cell::Null => query.bind(None::<i64>),
        Cell::Integer(number) => query.bind(*number),
        Cell::Real(number) => query.bind(*number),
        Cell::Text(text) => query.bind(text.clone()),
        Cell::Bytes(bytes) => query.bind(bytes.clone()),
    }
}

pub(crate) fn bind_postgres<'q>(
    query: Query<'q, Postgres, PgArguments>,
    cell: &Cell,
    of: &PostgresType,
) -> Query<'q, Postgres, PgArguments> {
    match (of, cell) {
        (PostgresType::Integer, cell) => query.bind(cell.integer()),
        (PostgresType::Boolean, cell) => query.bind(cell.integer().map(|number| number != 0)),
        (PostgresType::Bytes, Cell::Bytes(bytes)) => query.bind(bytes.clone()),
        (PostgresType::Bytes, _) => query.bind(None::<Vec<u8>>),
        (PostgresType::Text | PostgresType::Other(_), cell) => query.bind(cell.text().map(str::to_owned)),
    }
}
