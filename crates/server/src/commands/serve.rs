//! `postroom serve`: the API alone. It hints to the workers through Redis, and touches no mailbox.

use crate::config::Config;
use crate::parts::Parts;
use crate::shutdown;
use anyhow::{Result, bail};
use std::process::ExitCode;
use tracing::{info, warn};

pub async fn run(config: Config) -> Result<ExitCode> {
    check_apart(&config, "serve")?;
    let stop = shutdown::on_signal()?;
    let starting = async {
        let parts = Parts::assemble(config, "serve").await?;
        parts.recognise().await?;
        let listening = parts.listen().await?;
        anyhow::Ok((parts, listening))
    };
    let Some(started) = stop.run_until_cancelled(Box::pin(starting)).await else { return Ok(ExitCode::SUCCESS) };
    let (parts, listening) = started?;
    parts.keep_time(&stop);
    listening.serve(stop).await?;
    shutdown::close(parts.app.store()).await;
    info!("stopped");
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
