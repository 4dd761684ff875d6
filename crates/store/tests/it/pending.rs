//! UIDs that were announced and not delivered.

use crate::world::{START, each};
use domain::Timestamp;
use std::time::Duration;
use store::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_pending_mail_is_known_until_its_uidvalidity_is_gone() {
    each(async |w| {
        w.ours.inbox("support@ours.example").await;
        let session = w.store.sync().start_session("w").await.unwrap();
        let lease = w.store.sync().lease_channels(session, 1).await.unwrap().remove(0);
        let scope = &w.ours.scope;
        let folder = scope.open_folder(lease.channel_id, FolderRole::Inbox, "INBOX").await.unwrap();
        let fence = Fence::Lease(&lease);
        scope.set_cursor(fence, folder.id, 7, 0, FolderImport::default()).await.unwrap();
        assert_eq!(scope.oldest_pending(folder.id, 8).await.unwrap(), None);
        let day = |n: u64| START.plus(Duration::from_secs(n * 24 * 3600));
        let missing = |uidvalidity, missing: Vec<(u32, Timestamp)>| RawBatch {
            uidvalidity,
            source: RawEmailSource::Live,
            emails: Vec::new(),
            missing: missing.into_iter().map(|(uid, arrived_at)| MissingUid { uid, arrived_at, attempts: 0 }).collect(),
            last_uid: None,
            import_reached_uid: None,
        };
        scope
            .store_raw_emails(fence, folder.id, missing(7, vec![(3, day(3)), (2, day(2)), (4, day(4))]))
            .await
            .unwrap();
        // Noted again later, as after a crash: what was known first stays.
        scope.store_raw_emails(fence, folder.id, missing(7, vec![(2, day(9))])).await.unwrap();
        assert_eq!(scope.oldest_pending(folder.id, 8).await.unwrap(), Some(day(2)));
        assert_eq!(scope.pending_uids(folder.id, 7, &[1, 2, 4, 5]).await.unwrap(), [2, 4]);
        assert!(scope.pending_uids(folder.id, 8, &[2]).await.unwrap().is_empty());
        // What is pending under the new UIDVALIDITY already is not what has to be looked for.
        scope.store_raw_emails(fence, folder.id, missing(8, vec![(1, day(0))])).await.unwrap();
        assert_eq!(scope.oldest_pending(folder.id, 8).await.unwrap(), Some(day(2)));
        scope.set_cursor(fence, folder.id, 8, 9, FolderImport::default()).await.unwrap();
        assert_eq!(scope.oldest_pending(folder.id, 8).await.unwrap(), None);
        assert_eq!(scope.oldest_pending(folder.id, 9).await.unwrap(), Some(day(0)));
    })
    .await;
}
