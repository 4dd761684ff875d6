//! An account's events in order, for whoever follows them, and what each may see.

use crate::world::{START, World, each, new_token};
use domain::UserId;
use domain::account::AccountStatus;
use domain::event::EventKind;
use serde_json::json;
use std::time::Duration;
use store::{AccountScope, NewToken, Standing, TokenKind, Visibility, Watcher};

async fn happen(scope: &AccountScope, events: usize) {
    let mut tx = scope.begin().await.unwrap();
    for n in 0..events {
        tx.append_event(EventKind::ContactUpdated, None, None, json!({ "n": n }));
    }
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sees_an_event_has_seen_every_one_with_a_lower_number() {
    each(async |w| {
        let scope = w.ours.scope.clone();
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let scope = scope.clone();
                tokio::spawn(async move {
                    for n in 0..25 {
                        if (writer + n) % 7 == 0 {
                            // One that is given up after it was numbered would leave a gap; none does.
                            let mut tx = scope.begin().await.unwrap();
                            tx.append_event(EventKind::ContactUpdated, None, None, json!({}));
                            tx.rollback().await.unwrap();
                        }
                        happen(&scope, 1 + n % 3).await;
                    }
                })
            })
            .collect();
        let all: i64 = (0..25).map(|n| 1 + n % 3).sum::<i64>() * 4;
        let mut seen = 0;
        while seen < all {
            // As a reader does who looks whenever it can: never a number beyond the next.
            for event in w.ours.scope.events_after(seen, 10).await.unwrap() {
                assert_eq!(event.seq, seen + 1);
                seen = event.seq;
            }
            assert!(w.ours.scope.newest_event().await.unwrap() >= seen);
            tokio::task::yield_now().await;
        }
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(w.ours.scope.newest_event().await.unwrap(), all);
        let both = [w.ours.scope.account_id(), w.theirs.scope.account_id()];
        let mut heads = w.store.live().newest_events(&both).await.unwrap();
        heads.sort_unstable_by_key(|(account, _)| account.0);
        assert_eq!(heads, [(both[0], all), (both[1], 0)]);
        assert!(w.theirs.scope.events_after(0, 10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_are_pruned_and_what_is_left_has_no_gap() {
    each(async |w| {
        happen(&w.ours.scope, 1_200).await;
        happen(&w.theirs.scope, 2).await;
        w.clock.forward(3600);
        // The clock was put back between the two: the second is older, and its number is higher.
        let mut tx = w.ours.scope.begin().await.unwrap();
        tx.append_event(EventKind::ContactUpdated, None, None, json!({}));
        w.clock.forward(-3600);
        tx.append_event(EventKind::ContactUpdated, None, None, json!({}));
        tx.commit().await.unwrap();
        w.clock.forward(3600);
        let swept = w.store.purge().sweep_events(Duration::from_secs(1800)).await.unwrap();
        assert_eq!(swept, 1_202);
        let left: Vec<i64> =
            w.ours.scope.events_after(0, 10).await.unwrap().into_iter().map(|event| event.seq).collect();
        assert_eq!(left, [1_201, 1_202]);
        assert_eq!(w.ours.scope.newest_event().await.unwrap(), 1_202);
        assert_eq!(w.store.purge().sweep_events(Duration::from_secs(1800)).await.unwrap(), 0);
    })
    .await;
}

async fn watcher(w: &World, user: UserId, name: &str, expires_in: Option<u64>) -> Watcher {
    let expires_at = expires_in.map(|seconds| START.plus(Duration::from_secs(seconds)));
    let token = NewToken { user_id: user, expires_at, ..new_token(&w.ours, name, TokenKind::Session) };
    Watcher { user, token: w.store.sign_in().create_token(&token, 10).await.unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_those_who_follow_may_see_is_told_for_all_together() {
    each(async |w| {
        let scope = &w.ours.scope;
        let inbox = w.ours.inbox("support@ours.example").await.id;
        let bea = watcher(&w, w.ours.agent("bea@ours.example").await.id, "bea", Some(3600)).await;
        let cid = watcher(&w, w.ours.agent("cid@ours.example").await.id, "cid", None).await;
        let ada = watcher(&w, w.ours.admin.id, "ada", None).await;
        let eve = watcher(&w, w.theirs.admin.id, "eve", None).await;
        scope.set_inbox_members(inbox, &[bea.user]).await.unwrap();
        let asked = [ada, bea, cid, eve];
        let audience = scope.audience(&asked).await.unwrap();
        assert_eq!(audience.of(&ada), Standing::Sees(&Visibility::All));
        assert_eq!(audience.of(&bea), Standing::Sees(&Visibility::Inboxes(vec![inbox])));
        assert_eq!(audience.of(&cid), Standing::Sees(&Visibility::Inboxes(Vec::new())));
        assert_eq!(audience.of(&eve), Standing::Gone, "no member");
        assert_eq!(audience.of(&Watcher { user: bea.user, token: ada.token }), Standing::Unknown);

        w.store.sign_in().revoke_token(ada.user, ada.token, START).await.unwrap();
        scope.remove_agent(cid.user).await.unwrap();
        let audience = scope.audience(&asked).await.unwrap();
        assert_eq!((audience.of(&ada), audience.of(&cid)), (Standing::Gone, Standing::Gone));
        assert_eq!(audience.of(&bea), Standing::Sees(&Visibility::Inboxes(vec![inbox])));
        w.clock.forward(3600);
        assert_eq!(scope.audience(&[bea]).await.unwrap().of(&bea), Standing::Gone, "the session has expired");
        let bea = watcher(&w, bea.user, "again", None).await;
        assert_eq!(scope.audience(&[bea]).await.unwrap().of(&bea), Standing::Sees(&Visibility::Inboxes(vec![inbox])));
        w.store.operator().set_account_status(scope.account_id(), AccountStatus::Suspended).await.unwrap();
        assert_eq!(scope.audience(&[bea]).await.unwrap().of(&bea), Standing::Gone, "the account is suspended");
    })
    .await;
}
