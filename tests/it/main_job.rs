//! The main job, whole, on both databases and both queues; `conformance` tells it on real mail servers too.

use crate::conformance::the_main_job_from_the_sign_in_to_the_customers_answer as the_main_job;
use anyhow::Result;
use testkit::world::{Database, Queue, Setup, World};

async fn on(database: Database, queue: Queue) -> Result<()> {
    World::run(Setup::on(database, queue), async |w| the_main_job(w).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_runs_on_sqlite_and_memory() -> Result<()> {
    on(Database::Sqlite, Queue::Memory).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_runs_on_sqlite_and_redis() -> Result<()> {
    on(Database::Sqlite, Queue::Redis).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_runs_on_postgres_and_memory() -> Result<()> {
    on(Database::Postgres, Queue::Memory).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_runs_on_postgres_and_redis_with_api_and_worker_apart() -> Result<()> {
    on(Database::Postgres, Queue::Redis).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_runs_on_dovecot_postfix_postgres_and_redis() -> Result<()> {
    World::run(Setup::real(), async |w| the_main_job(w).await).await
}
