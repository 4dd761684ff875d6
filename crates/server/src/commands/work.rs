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
    let parts = Parts::assemble(config, "work").await?;
    parts.recognise().await?;
    let mut worker = parts.start_worker()?;
    tracing::info!(worker.name = parts.name, "working");
    let broken = tokio::select! {
        () = stop.cancelled() => false,
        () = worker.broken() => true,
    };
    let rested = worker.stop().await;
    parts.app.store().close().await;
    if broken {
        bail!("the worker broke down; see the log");
    }
    tracing::info!(rested, "stopped");
    Ok(ExitCode::SUCCESS)
}
