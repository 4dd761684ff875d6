//! `postroom work`: the worker alone. Any number of these share the mailboxes and the jobs.

use super::serve::check_apart;
use crate::config::Config;
use crate::parts::Parts;
use crate::shutdown;
use anyhow::{Result, bail};
use std::process::ExitCode;

pub async fn run(config: Config) -> Result<ExitCode> {
    check_apart(&config, "work")?;
    let stop = shutdown::on_signal()?;
    let starting = async {
        let parts = Parts::assemble(config, "work").await?;
        parts.recognise().await?;
        anyhow::Ok(parts)
    };
    let Some(started) = stop.run_until_cancelled(Box::pin(starting)).await else { return Ok(ExitCode::SUCCESS) };
    let parts = started?;
    parts.keep_time(&stop);
    let mut worker = parts.start_worker()?;
    tracing::info!(worker.name = parts.name, "working");
    let broken = tokio::select! {
        () = stop.cancelled() => false,
        () = worker.broken() => true,
    };
    let rested = worker.stop().await;
    shutdown::close(parts.app.store()).await;
    if broken {
        bail!("the worker broke down; see the log");
    }
    tracing::info!(rested, "stopped");
    Ok(ExitCode::SUCCESS)
}
