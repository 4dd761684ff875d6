//! Migrations, the schema's state, and who may serve.

use crate::world::each;
use std::time::Duration;
use store::{Backend, OwedKind, OwedPriority, SchemaState, Store, StoreError};

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

#[tokio::test(flavor = "multi_thread")]
async fn the_one_process_of_a_sqlite_file_waits_for_no_lease_of_the_one_that_died() {
    each(async |w| {
        let lease = Duration::from_secs(3600);
        w.ours.inbox("support@ours.example").await;
        let grant = w.ours.grant("somebody").await;
        let died = w.store.sync().start_session("died").await.unwrap();
        assert_eq!(w.store.sync().lease_channels(died, 10).await.unwrap().len(), 1);
        assert!(w.ours.scope.claim_refresh(grant.id, lease).await.unwrap().is_some());
        let mut tx = w.ours.scope.begin().await.unwrap();
        let owed = tx.owe(OwedKind::ImportWindow, 1, serde_json::Value::Null, OwedPriority::Human, None).await.unwrap();
        tx.commit().await.unwrap();
        let claim = async |store: &Store| {
            let id = w.ours.scope.account_id();
            store.relay().claim(id, OwedKind::ImportWindow, owed, "worker", lease).await.unwrap()
        };
        assert!(claim(&w.store).await.is_some());

        let next = w.another_store().await;
        let lock = next.lock_for_serving().unwrap();
        next.succeed(&lock).await.unwrap();
        let is_free = next.backend() == Backend::Sqlite;
        let session = next.sync().start_session("next").await.unwrap();
        assert_eq!(next.sync().lease_channels(session, 10).await.unwrap().len(), usize::from(is_free));
        assert_eq!(w.ours.scope.claim_refresh(grant.id, lease).await.unwrap().is_some(), is_free);
        let counted = claim(&next).await.map(|work| (work.attempts, work.breakdowns));
        assert_eq!(counted, is_free.then_some((2, 1)), "the attempt stays counted, and that it broke down is");
    })
    .await;
}
