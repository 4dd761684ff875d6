//! Migrations, the schema's state, and who may serve.

use crate::world::each;
use store::{Backend, SchemaState, StoreError};

#[tokio::test(flavor = "multi_thread")]
async fn migrations_run_at_once_from_several_processes_and_leave_one_schema() {
    each(async |w| {
        let stores = [w.another_store().await, w.another_store().await, w.another_store().await];
        let tasks: Vec<_> = stores.iter().cloned().map(|s| tokio::spawn(async move { s.migrate().await })).collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(w.store.schema().await.unwrap(), SchemaState::Current);
        w.store.check_schema().await.unwrap();
        w.store.ping().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_serving_process_is_refused_on_sqlite_and_welcome_on_postgresql() {
    each(async |w| {
        let first = w.store.lock_for_serving().unwrap();
        let other = w.another_store().await;
        match other.backend() {
            Backend::Sqlite => assert!(matches!(other.lock_for_serving(), Err(StoreError::AlreadyServing))),
            Backend::Postgres => drop(other.lock_for_serving().unwrap()),
        }
        // A command works meanwhile, and the next server may start when the first has ended.
        assert_eq!(other.operator().accounts().await.unwrap().len(), 2);
        drop(first);
        other.lock_for_serving().unwrap();
    })
    .await;
}
