//! Rows of any table as they are, read from one database and inserted into another: what the product's rows cost to insert by themselves.
//!
//! It knows no column's meaning; which rows belong to one batch is [`batches`]'s.

pub mod batches;
mod cells;
mod copies;

use anyhow::Result;
use cells::{Cell, PostgresType};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};
use std::str::FromStr as _;

/// Rows of one statement at most.
const ROWS_AT_ONCE: usize = 100;

/// A connection past the product.
pub enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A table and some of its rows.
pub struct Table {
    pub name: String,
    columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

struct Column {
    name: String,
    postgres: PostgresType,
}

impl Table {
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The same table with some of the rows.
    pub(crate) fn with(&self, rows: Vec<Vec<Cell>>) -> Self {
        let columns = self.columns.iter().map(|c| Column { name: c.name.clone(), postgres: c.postgres.clone() });
        Self { name: self.name.clone(), columns: columns.collect(), rows }
    }
}

impl Connection {
    /// SQLite with the settings of the product.
    pub async fn open(url: &str) -> Result<Self> {
        if !url.starts_with("sqlite") {
            return Ok(Self::Postgres(PgConnection::connect(url).await?));
        }
        let options = SqliteConnectOptions::from_str(url)?
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(std::time::Duration::from_secs(15));
        Ok(Self::Sqlite(SqliteConnection::connect_with(&options).await?))
    }

    pub async fn run(&mut self, statement: &str) -> Result<()> {
        let statement = AssertSqlSafe(statement.to_owned());
        match self {
            Self::Sqlite(connection) => {
                sqlx::raw_sql(statement).execute(connection).await?;
            }
            Self::Postgres(connection) => {
                sqlx::raw_sql(statement).execute(connection).await?;
            }
        }
        Ok(())
    }

    pub async fn number(&mut self, query: &str) -> Result<i64> {
        let query = AssertSqlSafe(query.to_owned());
        Ok(match self {
            Self::Sqlite(connection) => sqlx::query_scalar(query).fetch_one(connection).await?,
            Self::Postgres(connection) => sqlx::query_scalar(query).fetch_one(connection).await?,
        })
    }

    async fn texts(&mut self, query: &str) -> Result<Vec<String>> {
        let query = AssertSqlSafe(query.to_owned());
        Ok(match self {
            Self::Sqlite(connection) => sqlx::query_scalar(query).fetch_all(connection).await?,
            Self::Postgres(connection) => sqlx::query_scalar(query).fetch_all(connection).await?,
        })
    }

    /// Every table of the product, without what the migrations keep for themselves and what a virtual table keeps below it.
    async fn tables(&mut self) -> Result<Vec<String>> {
        let query = match self {
            Self::Sqlite(_) => {
                "SELECT name FROM sqlite_master t WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND sql NOT LIKE 'CREATE VIRTUAL%' \
                 AND NOT EXISTS (SELECT 1 FROM sqlite_master v WHERE v.sql LIKE 'CREATE VIRTUAL%' AND t.name LIKE v.name || '\\_%' ESCAPE '\\')"
            }
            Self::Postgres(_) => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
        };
        let mut tables = self.texts(query).await?;
        tables.retain(|name| name != "seaql_migrations" && name != "schema_info");
        tables.sort();
        Ok(tables)
    }

    /// Every table with all its rows, in the order they were made.
    pub async fn read_all(&mut self) -> Result<Vec<Table>> {
        let mut tables = Vec::new();
        for name in self.tables().await? {
            let columns = self.columns(&name).await?;
            let list: Vec<String> = columns.iter().map(Column::selected).collect();
            let order = ["id", "seq", "created_at"].iter().find(|by| columns.iter().any(|c| c.name == **by));
            let order = order.map_or(String::new(), |by| format!(" ORDER BY {by}"));
            let query = AssertSqlSafe(format!("SELECT {} FROM {name}{order}", list.join(", ")));
            let rows = match self {
                Self::Sqlite(connection) => {
                    let rows = sqlx::query(query).fetch_all(connection).await?;
                    rows.iter().map(cells::of_sqlite).collect::<Result<_>>()?
                }
                Self::Postgres(connection) => {
                    let types: Vec<PostgresType> = columns.iter().map(|c| c.postgres.clone()).collect();
                    let rows = sqlx::query(query).fetch_all(connection).await?;
                    rows.iter().map(|row| cells::of_postgres(row, &types)).collect::<Result<_>>()?
                }
            };
            tables.push(Table { name, columns, rows });
        }
        Ok(tables)
    }

    async fn columns(&mut self, table: &str) -> Result<Vec<Column>> {
        match self {
            Self::Sqlite(connection) => {
                let query = AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid"));
                let names: Vec<String> = sqlx::query_scalar(query).fetch_all(connection).await?;
                Ok(names.into_iter().map(|name| Column { name, postgres: PostgresType::Text }).collect())
            }
            Self::Postgres(connection) => {
                let query = AssertSqlSafe(format!(
                    "SELECT column_name::text, udt_name::text FROM information_schema.columns WHERE table_schema = 'public' \
                     AND table_name = '{table}' AND is_generated = 'NEVER' ORDER BY ordinal_position"
                ));
                let rows = sqlx::query(query).fetch_all(connection).await?;
                let column = |row: &sqlx::postgres::PgRow| {
                    Ok(Column { name: row.try_get(0)?, postgres: PostgresType::named(&row.try_get::<String, _>(1)?) })
                };
                rows.iter().map(column).collect()
            }
        }
    }

    /// Inserts the rows, many to a statement.
    pub(crate) async fn insert(&mut self, table: &Table) -> Result<()> {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        for rows in table.rows.chunks(ROWS_AT_ONCE) {
            let mut number = 0;
            let mut values = Vec::with_capacity(rows.len());
            for _ in rows {
                let marks: Vec<String> = table
                    .columns
                    .iter()
                    .map(|column| {
                        number += 1;
                        match self {
                            Self::Sqlite(_) => "?".to_owned(),
                            Self::Postgres(_) => column.postgres.mark(number),
                        }
                    })
                    .collect();
                values.push(format!("({})", marks.join(", ")));
            }
            let statement = AssertSqlSafe(format!(
                "INSERT INTO {} ({}) VALUES {}",
                table.name,
                names.join(", "),
                values.join(", ")
            ));
            match self {
                Self::Sqlite(connection) => {
                    let mut query = sqlx::query(statement);
                    for cell in rows.iter().flatten() {
                        query = cells::bind_sqlite(query, cell);
                    }
                    query.execute(connection).await?;
                }
                Self::Postgres(connection) => {
                    let mut query = sqlx::query(statement);
                    for (cell, column) in rows.iter().flat_map(|row| row.iter().zip(&table.columns)) {
                        query = cells::bind_postgres(query, cell, &column.postgres);
                    }
                    query.execute(connection).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether rows are checked for what they refer to.
    pub(crate) async fn check_references(&mut self, check: bool) -> Result<()> {
        let (sqlite, postgres) = if check { ("ON", "origin") } else { ("OFF", "replica") };
        match self {
            Self::Sqlite(_) => self.run(&format!("PRAGMA foreign_keys = {sqlite}")).await,
            Self::Postgres(_) => self.run(&format!("SET session_replication_role = {postgres}")).await,
        }
    }
}

impl Column {
    fn selected(&self) -> String {
        self.postgres.selected(&self.name)
    }
}
