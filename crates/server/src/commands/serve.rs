//! `postroom serve`: the API alone. It hints to the workers through Redis, and touches no mailbox.

use crate::config::Config;
use crate::parts::Parts;
use crate::shutdown;
use anyhow::{Result, bail};
use std::process::ExitCode;
use tracing::warn;

pub async fn run(config: Config) -> Result<ExitCode> {
    check_apart(&config, "serve")?;
    let stop = shutdown::on_signal()?;
    let parts = Parts::assemble(config, "serve").await?;
    parts.recognise().await?;
    parts.listen().await?.serve(stop).await?;
    parts.app.store().close().await;
    Ok(ExitCode::SUCCESS)
}

/// Whether API and worker can be apart at all.
pub fn check_apart(config: &Config, command: &str) -> Result<()> {
    if config.database.is_sqlite {
        bail!(
            "DATABASE_URL: `postroom {command}` needs PostgreSQL, because an SQLite file is served by one process. Use `postroom run`, or set DATABASE_URL=postgres://…"
        );
    }
    if config.database.redis_url.is_none() {
        warn!("REDIS_URL is not set: processes find each other's work by looking once a second");
    }
    Ok(())
}
