//! What is sealed is sealed anew with the first key of the ring, and nothing is forgotten doing it.

use crate::connecting::attempt;
use crate::world::{START, World, each, new_inbox, on_sqlite};
use domain::oauth_app::CredentialKind;
use domain::{GrantId, Secret};
use sqlx::Connection as _;
use std::collections::BTreeSet;
use store::*;

const FIRST: &str = "k1:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
const SECOND: &str = "k2:CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";

async fn seal_everything(w: &World) -> GrantId {
    let grant = w.ours.grant("one").await;
    let mut tx = w.ours.scope.begin().await.unwrap();
    tx.create_inbox(&new_inbox("support@ours.example", &grant)).await.unwrap();
    tx.store_access_token(grant.id, "outlook", &Secret::new("access"), START).await.unwrap();
    tx.commit().await.unwrap();
    let new = NewWebhook {
        inbox_id: None,
        name: None,
        url: "https://hooks.example/".to_owned(),
        subscriptions: vec!["message_created".to_owned()],
        secret: Secret::new("first"),
    };
    let webhook = w.ours.scope.create_webhook(&new, 10).await.unwrap();
    let until = START.plus(std::time::Duration::from_secs(1 << 20));
    assert!(w.ours.scope.rotate_webhook_secret(webhook.id, &Secret::new("second"), until).await.unwrap());
    attempt(&w.ours, "s1").await;
    let app = NewOauthApp {
        name: "Ours".to_owned(),
        client_id: "6cb04018-a3f5-46a7-b995-940c78f5aef3".to_owned(),
        authority: "common".to_owned(),
        is_default: false,
        credential: Some(NewOauthAppCredential {
            kind: CredentialKind::Secret,
            hint: "abc".to_owned(),
            secret: Secret::new("abc-of-an-app"),
            expires_at: None,
        }),
    };
    w.ours.scope.create_oauth_app(&app, 10).await.unwrap();
    grant.id
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sealed_column_is_sealed_anew_and_opens_with_the_new_key_alone() {
    each(async |w| {
        let grant = seal_everything(&w).await;
        let before = w.store.keys().uses().await.unwrap();
        let kinds: BTreeSet<&str> = before[0].seals.iter().map(|sealed| sealed.what).collect();
        // Two accounts, of which one has everything.
        assert_eq!((before.len(), kinds.len(), before[0].count()), (1, 7, 8), "{before:?}");

        let both = w.store_with_keys(&format!("{SECOND},{FIRST}")).await;
        let rotated = both.keys().rotate().await.unwrap();
        assert_eq!(rotated, Rotated { resealed: 8, unreadable: 0 });
        assert_eq!(both.keys().rotate().await.unwrap(), Rotated::default(), "a second time there is nothing to do");
        let alone = w.store_with_keys(SECOND).await;
        assert!(!alone.keys().some_are_missing().await.unwrap());
        let scope = alone.operator().account(w.ours.scope.account_id()).await.unwrap().unwrap();
        assert_eq!(scope.message_id_keys().await.unwrap().len(), 1);
        let token = scope.access_token(grant, "outlook").await.unwrap().unwrap();
        assert_eq!(token.token.expose(), "access");
        let claim = scope.claim_refresh(grant, std::time::Duration::from_secs(9)).await.unwrap().unwrap();
        assert_eq!(claim.refresh_token.expose(), "refresh-1");
        let app = scope.oauth_apps().await.unwrap()[0].id;
        let opened = scope.open_oauth_app(app).await.unwrap().unwrap();
        assert_eq!(opened.credentials[0].secret.expose(), "abc-of-an-app");
        for store in [both, alone] {
            store.close().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_of_the_schema_that_is_sealed_is_known_to_whoever_seals_anew() {
    on_sqlite(async |w| {
        let mut connection = sqlx::SqliteConnection::connect(&w.url).await.unwrap();
        let columns: Vec<(String, String)> = sqlx::query_as(
            "SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' AND p.name LIKE '%seal_uid'",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let keys = w.store.keys();
        let known: BTreeSet<(String, String)> =
            keys.columns().map(|(table, uid)| (table.to_owned(), uid.to_owned())).collect();
        // Of an app itself nothing is sealed: its credentials have rows of their own.
        let in_use = columns.into_iter().filter(|(table, _)| table != "oauth_apps").collect::<BTreeSet<_>>();
        assert_eq!(known, in_use);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_missing_key_sealed_is_named_and_left_as_it_is() {
    each(async |w| {
        seal_everything(&w).await;
        let other = w.store_with_keys(SECOND).await;
        assert!(other.keys().some_are_missing().await.unwrap());
        let uses = other.keys().uses().await.unwrap();
        assert_eq!(
            uses.iter().map(|key| (key.key_id.as_str(), key.is_known, key.count())).collect::<Vec<_>>(),
            [("k2", true, 0), ("k1", false, 8)]
        );
        assert_eq!(other.keys().rotate().await.unwrap(), Rotated { resealed: 0, unreadable: 8 });
        other.close().await;
        assert_eq!(w.store.keys().uses().await.unwrap()[0].count(), 8, "the one that was put back opens everything");
        assert_eq!(w.ours.scope.message_id_keys().await.unwrap().len(), 1);
    })
    .await;
}
