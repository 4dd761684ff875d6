//! `postroom run`: the API and the worker in one process. On SQLite the only way; on PostgreSQL any number of these is safe.
//!
//! On SQLite it brings the schema up to date itself: who runs everything in one process on one file has nobody else to do it. On PostgreSQL
//! that is `postroom migrate`'s: an empty database may be an empty standby.

use crate::config::Config;
use crate::parts::Parts;
use crate::shutdown;
use anyhow::{Result, anyhow};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;
use tracing::info;
use worker::RunningWorker;

pub async fn run(config: Config) -> Result<ExitCode> {
    let stop = shutdown::on_signal()?;
    let starting = async {
        let parts = Parts::assemble(config, "run").await?;
        let lock = parts.app.store().lock_for_serving()?;
        if parts.config.database.is_sqlite {
            parts.app.store().migrate().await?;
        }
        parts.recognise().await?;
        parts.app.store().succeed(&lock).await?;
        let listening = parts.listen().await?;
        anyhow::Ok((parts, lock, listening))
    };
    // Who is stopped while it waits for its database has begun nothing.
    let Some(started) = stop.run_until_cancelled(Box::pin(starting)).await else { return Ok(ExitCode::SUCCESS) };
    let (parts, _lock, listening) = started?;
    parts.keep_time(&stop);
    let worker = parts.start_worker()?;
    serve_and_work(listening.serve(stop.clone()), worker, stop).await?;
    shutdown::close(parts.app.store()).await;
    Ok(ExitCode::SUCCESS)
}

/// Both until `stop`; the end of either ends both.
pub async fn serve_and_work(
    serving: impl Future<Output = Result<()>>,
    mut worker: RunningWorker,
    stop: CancellationToken,
) -> Result<()> {
    let supervised = async {
        let broken = tokio::select! {
            () = stop.cancelled() => false,
            () = worker.broken() => true,
        };
        stop.cancel();
        (broken, worker.stop().await)
    };
    let (served, (broken, rested)) = tokio::join!(
        async {
            let served = serving.await;
            stop.cancel();
            served
        },
        supervised
    );
    info!(rested, "stopped");
    served?;
    if broken { Err(anyhow!("the worker broke down; see the log")) } else { Ok(()) }
}
