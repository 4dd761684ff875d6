//! From the commit of owed work to the end of its job, which has nothing to do but to find that out: relay, queue, claim.
//!
//! The worker runs in the bench's process. Where Redis carries the jobs, whoever commits is an app of its own, which reaches the worker
//! through Redis alone, as an API process does.

use super::{Servers, Sizes};
use crate::database::Database;
use crate::place::Place;
use crate::report::{Section, ms, quantile};
use anyhow::{Context, Result, ensure};
use app::{Hint, Wake};
use domain::Secret;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{OwedKind, OwedPriority};
use tokio::sync::mpsc;
use tracing_subscriber::layer::{Context as LayerContext, SubscriberExt as _};
use worker::{Hints, Worker, WorkerConfig};

const WITHIN: Duration = Duration::from_secs(30);

pub async fn run(servers: &Servers, databases: &[Database], sizes: &Sizes) -> Result<Vec<Section>> {
    let mut section = Section::new(
        "Push → execution (`push`)",
        format!(
            "{} rows of owed work, one at a time, from the commit to the moment the worker says that the job ran (it finds that the message \
             it is about is gone, and closes its row: two statements). In memory on SQLite, through Redis on PostgreSQL.",
            sizes.pushes
        ),
        &["queue", "p50", "p99", "longest"],
    );
    let (heard, mut ran) = mpsc::unbounded_channel();
    let listening = tracing_subscriber::registry().with(JobsRan(heard));
    tracing::subscriber::set_global_default(listening).context("the bench listens to the worker's log")?;
    for (database, postgres) in servers.pairings(databases) {
        let place = Place::new(&servers.mail, postgres).await?;
        let redis = place.redis_url();
        let in_worker = Hints::new(redis.as_deref(), "worker")?;
        let committing = match &redis {
            Some(url) => Hints::new(Some(url), "api")?,
            None => in_worker.clone(),
        };
        let app = place.app_with(Arc::new(in_worker.clone())).await?;
        let config = WorkerConfig {
            name: "bench".to_owned(),
            redis_url: redis.clone().map(Secret::new),
            hints: in_worker,
            concurrency: 8,
            bulk_concurrency: 8,
            max_mailboxes: 1,
            rest_after_breakdown: Duration::from_secs(60),
        };
        let running = Worker::start(app, &config)?;
        let mut times = Vec::new();
        // The first ones warm up.
        let warm_up = 5;
        for n in 0..sizes.pushes + warm_up {
            let mut tx = place.signed_up.scope.begin().await?;
            let subject = i64::MAX - i64::try_from(n)?;
            tx.owe(OwedKind::DeliverMessage, subject, json!({}), OwedPriority::Human, None).await?;
            tx.commit().await?;
            let committed = Instant::now();
            committing.wake(Hint::Owed);
            let at = tokio::time::timeout(WITHIN, ran.recv()).await?.context("the worker's log")?;
            if n >= warm_up {
                times.push(at.saturating_duration_since(committed));
            }
        }
        ensure!(running.stop().await, "the worker did not stop well");
        times.sort_unstable();
        section.count(format!("jobs run, {}", database.as_str()), times.len() as u64);
        section.row([
            if redis.is_some() { "Redis (PostgreSQL)" } else { "memory (SQLite)" }.to_owned(),
            ms(quantile(&times, 500)),
            ms(quantile(&times, 990)),
            ms(quantile(&times, 1000)),
        ]);
    }
    Ok(vec![section])
}

/// Hears when a job has run: the worker says so, and knows nothing of us.
struct JobsRan(mpsc::UnboundedSender<Instant>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for JobsRan {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: LayerContext<'_, S>) -> bool {
        metadata.target() == "worker" && *metadata.level() <= tracing::Level::DEBUG
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: LayerContext<'_, S>) {
        let mut message = Message(false);
        event.record(&mut message);
        if message.0 {
            // Nobody listens after the last one.
            let _ = self.0.send(Instant::now());
        }
    }
}

struct Message(bool);

impl tracing::field::Visit for Message {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let said = format!("{value:?}");
            self.0 = said == "a job ran" || said == "nothing to do for a job";
        }
    }
}
