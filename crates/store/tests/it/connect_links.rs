//! A connect link ends once, however many are on the way with it, and what has ended stays as it is.

use crate::connecting::attempt;
use crate::oauth_apps::made as app_of;
use crate::world::{START, Tenant, each};
use domain::Timestamp;
use domain::channel::{ConnectLinkStatus, SendTransport};
use store::*;

fn new_link(tenant: &Tenant, token: &str) -> NewConnectLink {
    NewConnectLink {
        token_hash: TokenHash::of(token),
        created_by: tenant.admin.id,
        expected_email: None,
        mailbox: None,
        inbox_id: None,
        oauth_app_id: None,
        send_transport: None,
        return_url: None,
        expires_at: Timestamp(START.0 + 900_000_000),
    }
}

async fn made(tenant: &Tenant, new: &NewConnectLink) -> ConnectLink {
    let mut tx = tenant.scope.begin().await.unwrap();
    let link = tx.create_connect_link(new, 10).await.unwrap();
    tx.commit().await.unwrap();
    link
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_bring_a_mailbox_with_one_link_one_uses_it_up() {
    each(async |w| {
        let link = made(&w.ours, &new_link(&w.ours, "t1")).await;
        let (one, two) = (attempt(&w.ours, "s1").await, attempt(&w.ours, "s2").await);
        let (first, second) = (w.ours.inbox("a@ours.example").await, w.ours.inbox("b@ours.example").await);
        let mut tx = w.ours.scope.begin().await.unwrap();
        let used = tx.use_connect_link(link.id, one.id, first.id).await.unwrap().unwrap();
        assert_eq!((used.status, used.result_inbox_id), (ConnectLinkStatus::Connected, Some(first.id)));
        assert!(tx.use_connect_link(link.id, two.id, second.id).await.unwrap().is_none());
        tx.commit().await.unwrap();
        // What has ended is neither followed nor withdrawn any more.
        let mut tx = w.ours.scope.begin().await.unwrap();
        let late = tx.follow_connect_link(link.id, ConnectLinkStatus::SigningIn, two.id, None).await.unwrap();
        assert!(late.is_none());
        assert!(tx.end_connect_link(link.id, ConnectLinkStatus::Revoked, START).await.unwrap().is_none());
        tx.commit().await.unwrap();
        let now = w.ours.scope.connect_link(link.id).await.unwrap().unwrap();
        assert_eq!((now.result_inbox_id, now.connection_id), (Some(first.id), Some(one.id)));
        let withdrawn = made(&w.ours, &new_link(&w.ours, "t2")).await;
        let mut tx = w.ours.scope.begin().await.unwrap();
        tx.end_connect_link(withdrawn.id, ConnectLinkStatus::Revoked, START).await.unwrap().unwrap();
        assert!(tx.use_connect_link(withdrawn.id, two.id, second.id).await.unwrap().is_none());
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_remembers_which_app_was_named_and_that_none_was() {
    each(async |w| {
        let app = app_of(&w.ours, "ours").await;
        let mut links = Vec::new();
        for (token, named) in [("t1", None), ("t2", Some(None)), ("t3", Some(Some(app)))] {
            let new = NewConnectLink {
                oauth_app_id: named,
                send_transport: Some(SendTransport::Graph),
                ..new_link(&w.ours, token)
            };
            let link = made(&w.ours, &new).await;
            let kept = w.ours.scope.connect_link(link.id).await.unwrap().unwrap();
            assert_eq!((kept.oauth_app_id, kept.send_transport), (named, Some(SendTransport::Graph)));
            links.push(link.id);
        }
        assert!(matches!(w.ours.scope.delete_oauth_app(app).await.unwrap(), Removed::InUse), "the link may be used");
        let mut tx = w.ours.scope.begin().await.unwrap();
        tx.end_connect_link(links[2], ConnectLinkStatus::Revoked, START).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        assert!(matches!(w.ours.scope.delete_oauth_app(app).await.unwrap(), Removed::Gone));
        let left = w.ours.scope.connect_link(links[2]).await.unwrap().unwrap();
        assert_eq!(left.oauth_app_id, Some(None), "it is the installation's, as far as anybody knows now");
    })
    .await;
}
