//! One worker process of an installation, and what happens to processes: they start, stop and are killed.

use anyhow::Result;
use app::{App, Hint, Wake};
use domain::{AccountId, ChannelId};
use std::sync::Arc;
use std::time::Duration;
use testkit::installation::{Installation, ProcessParts};
use worker::{Hints, REST_AFTER_BREAKDOWN, RunningWorker, Worker, WorkerConfig};

pub const SUPPORT: &str = "support@contoso.example";
pub const SALES: &str = "sales@contoso.example";
/// A stop that takes longer has waited for something that it should have dropped.
pub const PROMPTLY: Duration = Duration::from_secs(20);

pub struct Machine {
    pub app: App,
    pub hints: Hints,
    worker: RunningWorker,
}

impl Machine {
    pub async fn start(installation: &Installation, name: &str) -> Result<Self> {
        Self::start_with(installation, name, REST_AFTER_BREAKDOWN, |_| {}).await
    }

    pub async fn start_with(
        installation: &Installation,
        name: &str,
        rest_after_breakdown: Duration,
        change: impl FnOnce(&mut ProcessParts),
    ) -> Result<Self> {
        let hints = Hints::in_process();
        let mut parts = ProcessParts::new(Arc::new(hints.clone()));
        change(&mut parts);
        let app = installation.app(parts).await?;
        let config = WorkerConfig {
            name: name.to_owned(),
            redis_url: None,
            hints: hints.clone(),
            concurrency: 2,
            bulk_concurrency: 1,
            max_mailboxes: 100,
            rest_after_breakdown,
        };
        Ok(Self { worker: Worker::start(app.clone(), &config)?, app, hints })
    }

    /// SIGTERM. `true`: everything came to its end.
    pub async fn stop(self) -> Result<bool> {
        Ok(tokio::time::timeout(PROMPTLY, self.worker.stop()).await?)
    }

    /// SIGKILL: no goodbye.
    pub fn kill(self) {
        drop(self.worker);
    }

    /// So many hints about everything else that a listener with a short memory would forget what it heard.
    pub fn flood(&self, channels: &[ChannelId]) {
        for n in 0..1_000 {
            self.hints.wake(Hint::Owed);
            self.hints.wake(Hint::Account(AccountId(n)));
        }
        for channel in channels {
            self.hints.wake(Hint::Channel(*channel));
        }
    }
}
