//! Owed work: fair, claimed once, retried when its worker is gone.

use crate::world::{Tenant, World, each};
use domain::account::AccountStatus;
use domain::{AccountId, FailureClass, OwedId, Timestamp};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use store::*;

const HOLD: Duration = Duration::from_secs(60);

async fn owe(tenant: &Tenant, priority: OwedPriority, count: usize) -> Vec<OwedId> {
    let mut tx = tenant.scope.begin().await.unwrap();
    let mut ids = Vec::new();
    for n in 0..count {
        let payload = serde_json::json!({ "n": n });
        ids.push(tx.owe(OwedKind::DeliverMessage, n as i64, payload, priority, None).await.unwrap());
    }
    tx.commit().await.unwrap();
    ids
}

async fn claim(w: &World, account: AccountId, id: OwedId, lease: Duration) -> Option<ClaimedWork> {
    w.store.relay().claim(account, OwedKind::DeliverMessage, id, "worker", lease).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_account_does_not_hold_up_the_others_and_replies_go_first() {
    each(async |w| {
        owe(&w.ours, OwedPriority::Bulk, 300).await;
        let replies = owe(&w.ours, OwedPriority::Human, 2).await;
        let others = owe(&w.theirs, OwedPriority::Normal, 3).await;
        let due = w.store.relay().hand_over(Rooms::of_each(10), &[], HOLD).await.unwrap();
        assert_eq!(due.len(), 15, "both replies, the three others, and as much bulk as there is room for");
        assert_eq!(due[0].owed_id, replies[0]);
        let handed: Vec<OwedId> = due.iter().map(|d| d.owed_id).collect();
        assert!(others.iter().chain(&replies).all(|id| handed.contains(id)), "{handed:?}");
        // The rest follows, and nothing is handed over twice within the hold.
        let mut seen: HashMap<OwedId, u32> = HashMap::new();
        handed.into_iter().for_each(|id| *seen.entry(id).or_default() += 1);
        loop {
            let due = w.store.relay().hand_over(Rooms::of_each(100), &[], HOLD).await.unwrap();
            if due.is_empty() {
                break;
            }
            due.into_iter().for_each(|d| *seen.entry(d.owed_id).or_default() += 1);
        }
        assert_eq!((seen.len(), seen.values().max()), (305, Some(&1)));
        assert!(w.store.relay().next_due_in(HOLD * 2).await.unwrap() > Duration::from_secs(30));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_never_hand_over_the_same_row() {
    each(async |w| {
        owe(&w.ours, OwedPriority::Normal, 200).await;
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let relay = w.store.relay();
                tokio::spawn(async move { relay.hand_over(Rooms::of_each(150), &[], HOLD).await.unwrap() })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap().into_iter().map(|d| d.owed_id));
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_claimed_once_and_comes_back_when_its_worker_is_gone() {
    each(async |w| {
        let account = w.ours.scope.account_id();
        let id = owe(&w.ours, OwedPriority::Human, 1).await[0];
        let relay = w.store.relay();
        assert!(claim(&w, w.theirs.scope.account_id(), id, HOLD).await.is_none());
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let relay = relay.clone();
                tokio::spawn(
                    async move { relay.claim(account, OwedKind::DeliverMessage, id, "w", HOLD).await.unwrap() },
                )
            })
            .collect();
        let mut claims = Vec::new();
        for task in tasks {
            claims.extend(task.await.unwrap());
        }
        assert_eq!(claims.len(), 1);
        let dead = claims.remove(0);
        assert_eq!((dead.attempts, dead.breakdowns, dead.payload.as_str()), (1, 0, r#"{"n":0}"#));
        assert_eq!(w.store.operator().owed_counts().await.unwrap().leased, 1);
        assert!(relay.hand_over(Rooms::of_each(10), &[], HOLD).await.unwrap().is_empty());
        // Its lease ends; it is handed over and claimed again, and the dead worker can finish nothing.
        assert!(relay.extend(&dead, Duration::ZERO).await.unwrap());
        assert_eq!(relay.hand_over(Rooms::of_each(10), &[], HOLD).await.unwrap().len(), 1);
        let next = claim(&w, account, id, HOLD).await.unwrap();
        assert_eq!((next.attempts, next.breakdowns), (2, 1), "the first never said how it ended");
        assert!(!relay.finish(&dead).await.unwrap() && !relay.extend(&dead, HOLD).await.unwrap());
        let mut tx = w.ours.scope.begin().await.unwrap();
        assert!(matches!(tx.finish_work(&dead).await, Err(StoreError::LeaseLost)));
        tx.rollback().await.unwrap();
        // Later, by itself.
        let failure = FailureClass::ServerUnavailable.into();
        assert!(relay.retry(&next, HOLD, &failure).await.unwrap());
        assert!(claim(&w, account, id, HOLD).await.is_none(), "not due");
        assert!(relay.next_due_in(HOLD * 2).await.unwrap() > HOLD / 2);
        let row = w.store.operator().owed_rows(10).await.unwrap().remove(0);
        assert!(row.last_error.unwrap().contains("server_unavailable"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_ends_finished_failed_cancelled_or_given_back() {
    each(async |w| {
        let account = w.ours.scope.account_id();
        let ids = owe(&w.ours, OwedPriority::Human, 4).await;
        let relay = w.store.relay();
        let finished = claim(&w, account, ids[0], HOLD).await.unwrap();
        let mut tx = w.ours.scope.begin().await.unwrap();
        tx.finish_work(&finished).await.unwrap();
        tx.commit().await.unwrap();
        assert!(claim(&w, account, ids[0], HOLD).await.is_none());
        let failed = claim(&w, account, ids[1], HOLD).await.unwrap();
        assert!(relay.fail(&failed, &FailureClass::RecipientRefused.into()).await.unwrap());
        assert!(claim(&w, account, ids[1], HOLD).await.is_none());
        let back = claim(&w, account, ids[2], HOLD).await.unwrap();
        assert!(relay.release(&back, Duration::ZERO).await.unwrap());
        assert_eq!(claim(&w, account, ids[2], HOLD).await.unwrap().attempts, 1);
        let mut tx = w.ours.scope.begin().await.unwrap();
        assert_eq!(tx.cancel_owed(OwedKind::DeliverMessage, 3).await.unwrap(), 1);
        let later = Timestamp(i64::MAX / 2);
        tx.owe(OwedKind::ImportWindow, 1, serde_json::Value::Null, OwedPriority::Bulk, Some(later)).await.unwrap();
        tx.commit().await.unwrap();
        let counts = w.store.operator().owed_counts().await.unwrap();
        assert_eq!((counts.waiting, counts.leased, counts.failed), (2, 1, 1));
        w.store.operator().set_account_status(account, AccountStatus::Suspended).await.unwrap();
        owe(&w.ours, OwedPriority::Human, 1).await;
        assert!(
            relay.hand_over(Rooms::of_each(10), &[], HOLD).await.unwrap().is_empty(),
            "a suspended account sends nothing"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_accounts_with_deep_queues_are_served_in_turn() {
    each(async |w| {
        let mut accounts = vec![w.ours.scope.account_id()];
        owe(&w.ours, OwedPriority::Bulk, 2000).await;
        for n in 0..49 {
            let new = NewAccount { name: format!("t{n}"), locale: "en".to_owned(), admin: None };
            let made = w.store.operator().create_account(&new).await.unwrap();
            let mut tx = made.scope.begin().await.unwrap();
            for subject in 0..40 {
                tx.owe(OwedKind::DeliverMessage, subject, serde_json::Value::Null, OwedPriority::Normal, None)
                    .await
                    .unwrap();
            }
            tx.commit().await.unwrap();
            accounts.push(made.account.id);
        }
        let start = Instant::now();
        let due = w.store.relay().hand_over(Rooms::of_each(100), &[], HOLD).await.unwrap();
        let took = start.elapsed();
        let mut per_account: HashMap<(Lane, AccountId), u32> = HashMap::new();
        due.iter().for_each(|d| *per_account.entry((d.lane, d.account_id)).or_default() += 1);
        assert_eq!(per_account.remove(&(Lane::Bulk, accounts[0])), Some(100), "nobody else has bulk");
        let share = |account: &AccountId| per_account.get(&(Lane::Mail, *account)).copied().unwrap_or(0);
        assert!(accounts[1..].iter().all(|account| (2..=3).contains(&share(account))), "{per_account:?}");
        assert_eq!(per_account.values().sum::<u32>(), 100);
        println!("handed over 200 of 3960 rows of 50 accounts in {took:?}");
        // An account that has all its places is left alone in that lane, and in no other.
        let full = [(Lane::Bulk, accounts[0]), (Lane::Mail, accounts[1])];
        let due = w.store.relay().hand_over(Rooms::of_each(98), &full, HOLD).await.unwrap();
        assert!(due.iter().all(|d| !full.contains(&(d.lane, d.account_id))) && due.len() == 98, "{}", due.len());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_ends_without_a_word_is_a_breakdown_and_words_begin_the_count_anew() {
    each(async |w| {
        let account = w.ours.scope.account_id();
        let id = owe(&w.ours, OwedPriority::Human, 1).await[0];
        let relay = w.store.relay();
        let failure = FailureClass::Internal.into();
        let broken = claim(&w, account, id, HOLD).await.unwrap();
        assert!(relay.broke_off(&broken, Duration::ZERO, &failure).await.unwrap());
        let killed = claim(&w, account, id, Duration::ZERO).await.unwrap();
        let third = claim(&w, account, id, HOLD).await.unwrap();
        assert_eq!((broken.breakdowns, killed.breakdowns, third.breakdowns), (0, 1, 2));
        assert!(!relay.broke_off(&killed, Duration::ZERO, &failure).await.unwrap(), "its lease is lost");
        // Given back untried says nothing about what broke before.
        assert!(relay.release(&third, Duration::ZERO).await.unwrap());
        let fourth = claim(&w, account, id, HOLD).await.unwrap();
        assert_eq!((fourth.breakdowns, fourth.attempts), (2, 3));
        assert!(relay.retry(&fourth, Duration::ZERO, &failure).await.unwrap());
        let fifth = claim(&w, account, id, Duration::ZERO).await.unwrap();
        assert_eq!(fifth.breakdowns, 0);
        let sixth = claim(&w, account, id, HOLD).await.unwrap();
        assert_eq!(sixth.breakdowns, 1);
        assert!(relay.go_on(&sixth).await.unwrap());
        assert_eq!(claim(&w, account, id, HOLD).await.unwrap().breakdowns, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_kind_that_is_not_known_holds_up_nobody_and_fails_when_nobody_came_for_it() {
    each(async |w| {
        let newer = owe(&w.ours, OwedPriority::Human, 30).await;
        w.sql("UPDATE owed_work SET kind = 'fold_laundry', payload = 'not json'").await;
        let known = owe(&w.ours, OwedPriority::Human, 1).await[0];
        let relay = w.store.relay();
        let due = relay.hand_over(Rooms::of_each(10), &[], HOLD).await.unwrap();
        assert_eq!(due.iter().map(|work| work.owed_id).collect::<Vec<_>>(), [known]);
        let failure = FailureClass::GivenUp.into();
        assert_eq!(relay.fail_unknown(HOLD, &failure).await.unwrap(), 0, "perhaps a newer version comes");
        w.sql("UPDATE owed_work SET due_at = due_at - 61000000").await;
        assert_eq!(relay.fail_unknown(HOLD, &failure).await.unwrap(), newer.len() as u64);
        let rows = w.store.operator().owed_rows(100).await.unwrap();
        let failed: Vec<_> = rows.iter().filter(|row| row.state == "failed").collect();
        assert_eq!(failed.len(), newer.len());
        assert!(failed.iter().all(|row| row.kind == "fold_laundry"));
        assert!(failed[0].last_error.as_deref().is_some_and(|error| error.contains("given_up")));
        assert!(claim(&w, w.ours.scope.account_id(), known, HOLD).await.is_some(), "the others are as they were");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_work_is_kept_for_whoever_looks_why_and_not_for_ever() {
    each(async |w| {
        let account = w.ours.scope.account_id();
        let ids = owe(&w.ours, OwedPriority::Human, 3).await;
        for id in &ids[..2] {
            let work = claim(&w, account, *id, HOLD).await.unwrap();
            assert!(w.store.relay().fail(&work, &FailureClass::RecipientRefused.into()).await.unwrap());
        }
        let purge = w.store.purge();
        assert_eq!(purge.sweep_failed_work(HOLD * 2).await.unwrap(), 0);
        w.sql(&format!("UPDATE owed_work SET ready_at = ready_at - 600000000 WHERE id <> {}", ids[1].0)).await;
        assert_eq!(purge.sweep_failed_work(HOLD * 2).await.unwrap(), 1);
        let left: Vec<OwedId> =
            w.store.operator().owed_rows(10).await.unwrap().into_iter().map(|row| row.owed_id).collect();
        assert_eq!(left, [ids[1], ids[2]], "what failed just now, and what waits however long");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_are_no_job_are_kept_the_newest_thousand() {
    each(async |w| {
        let relay = w.store.relay();
        relay.keep_unreadable("nul \0 and \u{1f431}", "not a job", "worker-1").await.unwrap();
        let kept = w.store.operator().unreadable_jobs(10).await.unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!((kept[0].text.as_str(), kept[0].worker.as_str()), ("nul \u{fffd} and \u{1f431}", "worker-1"));
        for n in 0..1_005 {
            relay.keep_unreadable(&n.to_string(), "not a job", "worker-1").await.unwrap();
        }
        assert_eq!(w.store.operator().owed_counts().await.unwrap().unreadable, 1_000);
        assert_eq!(w.store.operator().unreadable_jobs(1).await.unwrap()[0].text, "1004");
    })
    .await;
}
