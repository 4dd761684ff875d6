//! Leases on channels, cursors, raw mail.

use crate::world::{Tenant, World, address, each};
use domain::account::AccountStatus;
use domain::channel::{Health, ImportProgress, ImportState};
use domain::inbox::Inbox;
use domain::{FailureClass, MessageId};
use std::time::Duration;
use store::*;

async fn lease(w: &World, session: domain::WorkerSessionId) -> ChannelLease {
    let mut leases = w.store.sync().lease_channels(session, 10).await.unwrap();
    assert_eq!(leases.len(), 1);
    leases.remove(0)
}

async fn opened(lease: &ChannelLease) -> Folder {
    let folder = lease.scope.open_folder(lease.channel_id, FolderRole::Inbox, "INBOX").await.unwrap();
    let import = FolderImport { uidvalidity: Some(7), before_uid: Some(100), reached_uid: Some(100) };
    lease.scope.set_cursor(Fence::Lease(lease), folder.id, 7, 99, import).await.unwrap();
    folder
}

fn mail(uid: u32) -> NewRawEmail {
    NewRawEmail {
        uid,
        internal_date: None,
        message_id: Some(format!("{uid}@x")),
        bytes: format!("Subject: {uid}\r\n\r\nHi").into_bytes().into(),
        truncated: uid == 102,
    }
}

fn batch(emails: Vec<NewRawEmail>, last_uid: u32) -> RawBatch {
    RawBatch {
        uidvalidity: 7,
        source: RawEmailSource::Live,
        emails,
        missing: Vec::new(),
        last_uid: Some(last_uid),
        import_reached_uid: None,
    }
}

async fn folder_now(scope: &AccountScope, lease: &ChannelLease) -> Folder {
    scope.folders(lease.channel_id).await.unwrap().remove(0)
}

async fn inbox(tenant: &Tenant) -> Inbox {
    tenant.inbox("support@ours.example").await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_a_channel_writes_nothing_any_more() {
    each(async |w| {
        inbox(&w.ours).await;
        let sync = w.store.sync();
        let first = sync.start_session("first").await.unwrap();
        let second = sync.start_session("second").await.unwrap();
        let old = lease(&w, first).await;
        let folder = opened(&old).await;
        assert!(sync.lease_channels(second, 10).await.unwrap().is_empty(), "the first is alive");
        assert!(sync.heartbeat(first).await.unwrap() && sync.holds(&old).await.unwrap());
        sync.end_session(first).await.unwrap();
        assert!(!sync.heartbeat(first).await.unwrap());
        assert!(sync.lease_channels(first, 10).await.unwrap().is_empty(), "an ended session takes nothing");
        let new = lease(&w, second).await;
        assert!(new.epoch > old.epoch && !sync.holds(&old).await.unwrap());

        let scope = &w.ours.scope;
        let late = scope.store_raw_emails(Fence::Lease(&old), folder.id, batch(vec![mail(100)], 100)).await;
        assert!(matches!(late, Err(StoreError::LeaseLost)));
        let late = scope.set_cursor(Fence::Lease(&old), folder.id, 8, 0, FolderImport::default()).await;
        assert!(matches!(late, Err(StoreError::LeaseLost)));
        let late = scope.drop_pending_uids(Fence::Lease(&old), folder.id, 7, &[100]).await;
        assert!(matches!(late, Err(StoreError::LeaseLost)));
        assert_eq!(folder_now(scope, &new).await.last_uid, 99);
        assert_eq!(scope.raw_emails(&RawEmailFilter::default()).await.unwrap().1, 0);
        let stored = scope.store_raw_emails(Fence::Lease(&new), folder.id, batch(vec![mail(100)], 100)).await.unwrap();
        assert_eq!(stored.len(), 1);
        sync.release(&new).await.unwrap();
        assert!(!sync.holds(&new).await.unwrap());
        lease(&w, second).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_of_one_account_fences_nothing_in_another() {
    each(async |w| {
        inbox(&w.ours).await;
        let session = w.store.sync().start_session("w").await.unwrap();
        let ours = lease(&w, session).await;
        let folder = opened(&ours).await;
        let refused =
            w.theirs.scope.store_raw_emails(Fence::Lease(&ours), folder.id, batch(vec![mail(100)], 100)).await;
        assert!(matches!(refused, Err(StoreError::LeaseLost)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_and_cursor_move_together_and_nothing_is_stored_twice() {
    each(async |w| {
        inbox(&w.ours).await;
        let session = w.store.sync().start_session("w").await.unwrap();
        let lease = lease(&w, session).await;
        let folder = opened(&lease).await;
        let scope = &w.ours.scope;
        let mut announced = batch(vec![mail(100), mail(102)], 102);
        announced.missing = vec![MissingUid { uid: 101, arrived_at: crate::world::START, attempts: 0 }];
        let stored = scope.store_raw_emails(Fence::Lease(&lease), folder.id, announced.clone()).await.unwrap();
        assert_eq!(stored.iter().map(|s| s.uid).collect::<Vec<_>>(), [100, 102]);
        assert_eq!(folder_now(scope, &lease).await.last_uid, 102);
        // Again, after a crash before the answer was seen.
        assert!(scope.store_raw_emails(Fence::Lease(&lease), folder.id, announced).await.unwrap().is_empty());
        assert_eq!(scope.raw_emails(&RawEmailFilter::default()).await.unwrap().1, 2);
        assert_eq!(scope.stored_uids(folder.id, 7, &[99, 100, 101, 102]).await.unwrap().len(), 2);
        // The missing one is asked for again at once, then later, and is not pending any more when it came.
        assert_eq!(
            scope.due_pending_uids(folder.id, 7, 10).await.unwrap(),
            [PendingUid { uid: 101, attempts: 0, source: RawEmailSource::Live }]
        );
        let hour = Duration::from_secs(3600);
        scope.defer_pending_uids(Fence::Lease(&lease), folder.id, 7, &[101], hour).await.unwrap();
        assert!(scope.due_pending_uids(folder.id, 7, 10).await.unwrap().is_empty());
        scope.defer_pending_uids(Fence::Lease(&lease), folder.id, 7, &[101], Duration::ZERO).await.unwrap();
        assert_eq!(
            scope.due_pending_uids(folder.id, 7, 10).await.unwrap(),
            [PendingUid { uid: 101, attempts: 2, source: RawEmailSource::Live }]
        );
        let mut found = batch(vec![mail(101)], 0);
        found.last_uid = None;
        scope.store_raw_emails(Fence::Lease(&lease), folder.id, found).await.unwrap();
        assert!(scope.due_pending_uids(folder.id, 7, 10).await.unwrap().is_empty());
        assert_eq!(folder_now(scope, &lease).await.last_uid, 102, "the cursor never moves back");
        // Another UIDVALIDITY: nothing of the batch stays.
        let mut strange = batch(vec![mail(1)], 1);
        strange.uidvalidity = 8;
        let refused = scope.store_raw_emails(Fence::Lease(&lease), folder.id, strange).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))));
        assert_eq!(scope.raw_emails(&RawEmailFilter::default()).await.unwrap().1, 3);
        let raw = scope.raw_email(stored[0].id).await.unwrap().unwrap();
        assert_eq!(scope.read_blob(raw.blob_id).await.unwrap().unwrap(), mail(100).bytes);
        assert_eq!((raw.state, raw.size_bytes), (RawEmailState::Waiting, mail(100).bytes.len() as u64));
        let cut = scope.raw_email(stored[1].id).await.unwrap().unwrap();
        assert_eq!((raw.truncated, cut.truncated), (false, true));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_keeps_the_rest_of_the_batch() {
    each(async |w| {
        let inbox = inbox(&w.ours).await;
        let session = w.store.sync().start_session("w").await.unwrap();
        let lease = lease(&w, session).await;
        let folder = opened(&lease).await;
        let emails = batch(vec![mail(100), mail(101), mail(102)], 102);
        let stored = w.ours.scope.store_raw_emails(Fence::Lease(&lease), folder.id, emails).await.unwrap();
        let contact = w.ours.contact("cy@customer.example").await;
        let mut tx = w.ours.scope.begin().await.unwrap();
        for (index, raw) in stored.iter().enumerate() {
            tx.savepoint().await.unwrap();
            tx.lock_raw_email(raw.id).await.unwrap().unwrap();
            let made = tx.create_conversation(&crate::world::new_conversation(&inbox, contact)).await.unwrap();
            let payload = serde_json::json!({ "id": made.display_id });
            tx.append_event(domain::event::EventKind::ConversationCreated, Some(inbox.id), Some(made.id), payload);
            if index == 1 {
                // A mail that cannot be stored: even a broken statement leaves the transaction usable.
                let broken = tx.mark_raw_email(raw.id, &RawOutcome::Ingested(MessageId(999_999)), None).await;
                assert!(matches!(broken, Err(StoreError::Conflict(_))));
                tx.rollback_to().await.unwrap();
                tx.defer_raw_email(raw.id, "broken", Duration::ZERO).await.unwrap();
            } else {
                let outcome = RawOutcome::Dropped { reason: "test".to_owned() };
                tx.mark_raw_email(raw.id, &outcome, Some("f")).await.unwrap();
                tx.release_savepoint().await.unwrap();
            }
        }
        let committed = tx.commit().await.unwrap();
        let mut numbers: Vec<i64> = committed.display_ids.values().map(|d| d.0).collect();
        numbers.sort_unstable();
        assert_eq!((numbers, committed.last_event_seq), (vec![1, 2], Some(2)), "no gap where one was rolled back");
        let by_state = |state| RawEmailFilter { state: Some(state), inbox_id: Some(inbox.id), page: 1 };
        assert_eq!(w.ours.scope.raw_emails(&by_state(RawEmailState::Dropped)).await.unwrap().1, 2);
        let (waiting, _) = w.ours.scope.raw_emails(&by_state(RawEmailState::Waiting)).await.unwrap();
        assert_eq!((waiting.len(), waiting[0].attempts), (1, 1));
        // What was left is handed to the queue, claimed, and ingested once.
        let due = w.store.relay().hand_over(Rooms::of_each(10), &[], Duration::from_secs(60)).await.unwrap();
        assert_eq!(due.len(), 1);
        let work = w.store.relay();
        let claim = async || {
            work.claim(due[0].account_id, due[0].kind, due[0].owed_id, "w", Duration::from_secs(60)).await.unwrap()
        };
        let claimed = claim().await.unwrap();
        assert_eq!(
            (claimed.kind, claimed.subject_id, claimed.attempts),
            (OwedKind::IngestRawEmail, waiting[0].id.0, 2)
        );
        assert!(claim().await.is_none());
        let mut tx = claimed.scope.begin().await.unwrap();
        let outcome = RawOutcome::Quarantined { reason: "odd".to_owned() };
        tx.mark_raw_email(waiting[0].id, &outcome, None).await.unwrap();
        tx.finish_work(&claimed).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = claimed.scope.begin().await.unwrap();
        assert!(tx.lock_raw_email(waiting[0].id).await.unwrap().is_none());
        assert!(matches!(tx.finish_work(&claimed).await, Err(StoreError::LeaseLost)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_waits_for_a_person_is_not_leased_until_it_is_connected_again() {
    each(async |w| {
        let made = inbox(&w.ours).await;
        let sync = w.store.sync();
        let session = sync.start_session("w").await.unwrap();
        let held = lease(&w, session).await;
        let scope = &w.ours.scope;
        let asks = Health::default().failed(FailureClass::GrantExpired.into(), crate::world::START, None);
        scope.update_fetch_health(made.channel.id, &asks).await.unwrap();
        assert!(!sync.holds(&held).await.unwrap());
        sync.release(&held).await.unwrap();
        assert!(sync.lease_channels(session, 10).await.unwrap().is_empty());
        let mut tx = scope.begin().await.unwrap();
        let grant = made.channel.grant_id.unwrap();
        let names = SignedInAgain {
            grant_id: grant,
            service: domain::channel::Service::Microsoft365,
            principal: "help@ours.example".to_owned(),
            mailbox_address: address("help@ours.example"),
            from_address: address("care@ours.example"),
            smtp_user: "smtp".to_owned(),
        };
        tx.reconnect_channel(made.channel.id, &names).await.unwrap();
        let health = Health::default().worked(crate::world::START);
        tx.update_send_health(made.channel.id, &health).await.unwrap();
        tx.update_import(made.channel.id, &ImportProgress { state: ImportState::Running, total: Some(5), done: 1 })
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let channel = scope.channel(made.channel.id).await.unwrap().unwrap();
        assert_eq!((channel.smtp_user.as_str(), channel.send_health, channel.import.total), ("smtp", health, Some(5)));
        assert_eq!(
            (channel.principal.as_str(), channel.from_address.as_str()),
            ("help@ours.example", "care@ours.example")
        );
        lease(&w, session).await;
        assert_eq!(scope.channels_of_grant(grant).await.unwrap().len(), 1);
        assert!(scope.channel_of_mailbox("support@ours.example").await.unwrap().is_none(), "it was renamed");
        let place = scope.channel_of_mailbox("help@ours.example").await.unwrap().unwrap();
        assert_eq!((place.inbox_id, place.channel_id), (made.id, made.channel.id));
        w.clock.forward(90_000);
        let day = Duration::from_secs(86_400);
        assert_eq!(sync.idle_grants(day, day, 10).await.unwrap().len(), 1);
        w.store.operator().set_account_status(scope.account_id(), AccountStatus::Suspended).await.unwrap();
        assert!(sync.idle_grants(day, day, 10).await.unwrap().is_empty());
        sync.end_session(session).await.unwrap();
        let other = sync.start_session("w2").await.unwrap();
        assert!(sync.lease_channels(other, 10).await.unwrap().is_empty(), "a suspended account fetches nothing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_grants_that_are_always_refused_hold_up_no_others() {
    each(async |w| {
        let (idle, tried) = (Duration::from_secs(14 * 86_400), Duration::from_secs(86_400));
        let scope = &w.ours.scope;
        let mut all = Vec::new();
        for n in 0..5 {
            all.push(w.ours.inbox(&format!("box{n}@ours.example")).await.channel.grant_id.unwrap());
            w.clock.forward(60);
        }
        w.clock.forward(20 * 86_400);
        // None of the tries refreshes anything, and yet each has its turn, the longest idle first.
        let sync = w.store.sync();
        let next = async || {
            let some = sync.idle_grants(idle, tried, 2).await.unwrap();
            for (_, grant) in &some {
                scope.keeping_alive(*grant).await.unwrap();
            }
            some.into_iter().map(|(_, grant)| grant).collect::<Vec<_>>()
        };
        let turns = [next().await, next().await, next().await].concat();
        assert_eq!(turns, all);
        assert!(next().await.is_empty(), "each once a day");
        w.clock.forward(86_400);
        assert_eq!(next().await, all[..2]);
        // One that came to be idle meanwhile is tried before those that were tried yesterday.
        let tenant = w.ours.inbox("new@ours.example").await.channel.grant_id.unwrap();
        w.clock.forward(15 * 86_400);
        assert_eq!(next().await, [tenant, all[2]]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_at_a_time_sends_through_a_mailbox() {
    each(async |w| {
        let made = inbox(&w.ours).await;
        let scope = &w.ours.scope;
        let lease = Duration::from_secs(60);
        let held = scope.claim_send_lease(made.channel.id, "a", lease, None).await.unwrap().unwrap();
        assert!(scope.claim_send_lease(made.channel.id, "b", lease, None).await.unwrap().is_none());
        assert!(scope.extend_send_lease(&held, Duration::ZERO).await.unwrap());
        let next = scope.claim_send_lease(made.channel.id, "b", lease, None).await.unwrap().unwrap();
        assert!(!scope.extend_send_lease(&held, lease).await.unwrap());
        scope.release_send_lease(&held, None).await.unwrap();
        assert!(scope.extend_send_lease(&next, lease).await.unwrap(), "the old holder released nothing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_at_a_time_keeps_a_session_for_sending() {
    each(async |w| {
        let made = inbox(&w.ours).await;
        let (scope, minute) = (&w.ours.scope, Duration::from_secs(60));
        let sends = async |worker: &str, keeps: Option<Duration>| {
            let lease = scope.claim_send_lease(made.channel.id, worker, minute, None).await.unwrap().unwrap();
            assert!(scope.release_send_lease(&lease, keeps.map(|long| (worker, long))).await.unwrap());
            lease.may_keep_session
        };
        assert!(sends("a", Some(minute)).await);
        assert!(!sends("b", Some(minute)).await, "and what it says of keeping one is not believed");
        assert!(sends("a", Some(Duration::ZERO)).await, "its own");
        assert!(sends("b", Some(minute)).await, "that one has ended");
        assert!(!sends("a", None).await);
        w.store.sync().end_sending("b").await.unwrap();
        assert!(sends("a", Some(minute)).await);
        assert!(sends("a", None).await, "it keeps none any more");
        assert!(sends("b", None).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_come_back_as_they_were_whatever_their_size() {
    each(async |w| {
        for size in [0usize, 1, 256 * 1024, 256 * 1024 + 1, 3_000_000] {
            let bytes: Vec<u8> = (0..=250u8).cycle().take(size).collect();
            let id = w.ours.scope.put_blob(&bytes).await.unwrap();
            assert_eq!(w.ours.scope.put_blob(&bytes).await.unwrap(), id, "stored once");
            assert_eq!(w.ours.scope.read_blob(id).await.unwrap().unwrap(), bytes);
            assert_ne!(w.theirs.scope.put_blob(&bytes).await.unwrap(), id, "per account");
        }
    })
    .await;
}
