//! What administrators did stands in the log of their account, for its time.

use crate::world::each;
use std::time::Duration;
use store::*;

const DAY: i64 = 24 * 3600;

#[tokio::test(flavor = "multi_thread")]
async fn what_administrators_did_is_kept_for_its_time_and_then_forgotten() {
    each(async |w| {
        let acting = w.ours.scope.clone().acting(Acting::before(w.ours.admin.id));
        acting.update_account(&AccountChange { name: Some("First".into()), ..AccountChange::default() }).await.unwrap();
        w.clock.forward(300 * DAY);
        acting
            .update_account(&AccountChange { name: Some("Second".into()), ..AccountChange::default() })
            .await
            .unwrap();
        let kept = Duration::from_secs(domain::audit::KEPT_DAYS * 24 * 3600);
        assert_eq!(w.store.purge().sweep_audit_events(kept).await.unwrap(), 0);
        w.clock.forward(101 * DAY);
        assert_eq!(w.store.purge().sweep_audit_events(kept).await.unwrap(), 1);
        let (left, count) = w.ours.scope.audit_log(0, 25).await.unwrap();
        assert_eq!((left.len(), count), (1, 1));
        assert_eq!(left[0].changes["name"][1], "Second");
        // Nobody's act is no entry.
        w.ours
            .scope
            .update_account(&AccountChange { name: Some("Third".into()), ..AccountChange::default() })
            .await
            .unwrap();
        assert_eq!(w.ours.scope.audit_log(0, 25).await.unwrap().1, 1);
    })
    .await;
}
