//! A database of the test's own on the PostgreSQL server that `scripts/test` started.
//!
//! `POSTROOM_TEST_POSTGRES` names that server as a superuser. Without it a test fails and says what to run; none is skipped.

use anyhow::{Context, Result};
use sqlx::{Connection as _, Executor as _, PgConnection};
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

pub struct PostgresDatabase {
    admin_url: String,
    name: String,
    pub url: String,
}

/// The server's URL.
#[expect(clippy::disallowed_methods, reason = "how scripts/test tells the tests where the server is")]
pub fn server_url() -> Result<String> {
    std::env::var("POSTROOM_TEST_POSTGRES")
        .context("POSTROOM_TEST_POSTGRES is not set: run ./scripts/test, which starts the servers")
}

impl PostgresDatabase {
    pub async fn create() -> Result<Self> {
        let admin_url = server_url()?;
        let name = format!("it_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(&admin_url).await.context("connecting to the test PostgreSQL")?;
        admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
        admin.close().await?;
        let mut url = url::Url::parse(&admin_url)?;
        url.set_path(&name);
        Ok(Self { admin_url, name, url: url.into() })
    }

    /// Ends every session on the database and removes it. Called at the end of a test that passed; a failed test's stays for a look.
    pub async fn remove(self) -> Result<()> {
        let mut admin = PgConnection::connect(&self.admin_url).await?;
        admin.execute(sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name))).await?;
        admin.close().await?;
        Ok(())
    }
}
