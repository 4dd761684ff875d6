//! Accounts' own OAuth apps: whose they are, what they prove themselves with, and that what is wrong with one is said once.

use crate::world::{START, Tenant, each, new_grant};
use domain::oauth_app::{CredentialKind, MAX_CREDENTIALS};
use domain::{Failure, FailureClass, OauthAppCredentialId, OauthAppId, Secret, Timestamp};
use std::time::Duration;
use store::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn secret(value: &str, expires_at: Option<Timestamp>) -> NewOauthAppCredential {
    let hint = value.chars().take(3).collect();
    NewOauthAppCredential { kind: CredentialKind::Secret, hint, secret: Secret::new(value), expires_at }
}

fn named(name: &str) -> NewOauthApp {
    NewOauthApp {
        name: name.to_owned(),
        client_id: format!("client of {name}"),
        authority: "common".to_owned(),
        is_default: false,
        credential: Some(secret("the-secret", None)),
    }
}

pub async fn made(tenant: &Tenant, name: &str) -> OauthAppId {
    tenant.scope.create_oauth_app(&named(name), 20).await.unwrap().id
}

async fn version(tenant: &Tenant, id: OauthAppId) -> i64 {
    tenant.scope.oauth_app_state(id).await.unwrap().unwrap().version
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_belongs_to_its_account_and_its_secret_opens_there_alone() {
    each(async |w| {
        let app = made(&w.ours, "ours").await;
        let opened = w.ours.scope.open_oauth_app(app).await.unwrap().unwrap();
        assert_eq!(opened.credentials[0].secret.expose(), "the-secret");
        assert!(!format!("{opened:?}").contains("the-secret"));
        let theirs = &w.theirs.scope;
        assert!(theirs.oauth_apps().await.unwrap().is_empty());
        assert!(theirs.oauth_app(app).await.unwrap().is_none() && theirs.open_oauth_app(app).await.unwrap().is_none());
        assert!(theirs.oauth_app_state(app).await.unwrap().is_none());
        let change = OauthAppChange { name: Some("theirs now".to_owned()), ..OauthAppChange::default() };
        assert!(theirs.update_oauth_app(app, &change).await.unwrap().is_none());
        assert!(theirs.add_oauth_app_credential(app, &secret("x", None), MAX_CREDENTIALS).await.unwrap().is_none());
        let credential = opened.credentials[0].id;
        assert_eq!(theirs.delete_oauth_app_credential(app, credential).await.unwrap(), Removed::NotFound);
        assert_eq!(theirs.delete_oauth_app(app).await.unwrap(), Removed::NotFound);
        theirs.note_credential_refusal(credential, Some((START, &FailureClass::Internal.into()))).await.unwrap();
        let mut tx = theirs.begin().await.unwrap();
        assert!(!tx.raise_oauth_app_alarm(app, &FailureClass::OwnAppCredentialExpired.into()).await.unwrap());
        assert!(!tx.warn_of_credential(credential, 30).await.unwrap());
        let grant = NewGrant { oauth_app_id: Some(app), ..new_grant("theirs", "rt") };
        assert!(tx.upsert_grant(&grant).await.is_err(), "a grant cannot be another tenant's app's");
        drop(tx);
        let left = w.ours.scope.oauth_app(app).await.unwrap().unwrap();
        assert_eq!((left.name.as_str(), left.alarm, left.credentials[0].refused.clone()), ("ours", None, None));
        // The same client id in another account is another app.
        made(&w.theirs, "ours").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_has_two_credentials_at_most_and_every_change_of_them_is_another_version() {
    each(async |w| {
        let (scope, app) = (&w.ours.scope, made(&w.ours, "ours").await);
        let first = version(&w.ours, app).await;
        let two =
            scope.add_oauth_app_credential(app, &secret("the-next", None), MAX_CREDENTIALS).await.unwrap().unwrap();
        assert_eq!(two.credentials.len(), 2);
        let second = version(&w.ours, app).await;
        assert!(second > first);
        let third = scope.add_oauth_app_credential(app, &secret("one-more", None), MAX_CREDENTIALS).await;
        assert!(matches!(third, Err(StoreError::LimitReached(_))));
        assert_eq!(version(&w.ours, app).await, second);
        let gone = scope.delete_oauth_app_credential(app, two.credentials[0].id).await.unwrap();
        assert_eq!((gone, version(&w.ours, app).await > second), (Removed::Gone, true));
        let opened = scope.open_oauth_app(app).await.unwrap().unwrap();
        assert_eq!(opened.credentials.iter().map(|c| c.secret.expose()).collect::<Vec<_>>(), ["the-next"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_as_many_apps_as_there_may_be_one_for_each_client_id_and_one_default() {
    each(async |w| {
        let scope = &w.ours.scope;
        let first = scope.create_oauth_app(&NewOauthApp { is_default: true, ..named("first") }, 2).await.unwrap();
        assert!(matches!(scope.create_oauth_app(&named("first"), 2).await, Err(StoreError::Conflict(_))));
        let second = scope.create_oauth_app(&NewOauthApp { is_default: true, ..named("second") }, 2).await.unwrap();
        assert_eq!(scope.default_oauth_app().await.unwrap(), Some(second.id));
        assert!(!scope.oauth_app(first.id).await.unwrap().unwrap().is_default);
        assert!(matches!(scope.create_oauth_app(&named("third"), 2).await, Err(StoreError::LimitReached(_))));
        let taken = OauthAppChange { client_id: Some(second.client_id), ..OauthAppChange::default() };
        assert!(matches!(scope.update_oauth_app(first.id, &taken).await, Err(StoreError::Conflict(_))));
        let back = OauthAppChange { is_default: Some(true), ..OauthAppChange::default() };
        assert!(scope.update_oauth_app(first.id, &back).await.unwrap().unwrap().is_default);
        assert_eq!(scope.default_oauth_app().await.unwrap(), Some(first.id));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_a_grant_was_given_to_stays_and_signing_in_through_another_moves_the_grant() {
    each(async |w| {
        let (scope, app) = (&w.ours.scope, made(&w.ours, "ours").await);
        let sign_in = async |app: Option<OauthAppId>| {
            let mut tx = scope.begin().await.unwrap();
            let grant = tx.upsert_grant(&NewGrant { oauth_app_id: app, ..new_grant("somebody", "rt") }).await.unwrap();
            tx.commit().await.unwrap();
            grant
        };
        let grant = sign_in(Some(app)).await;
        let claim = scope.claim_refresh(grant.id, Duration::from_secs(60)).await.unwrap().unwrap();
        assert_eq!(claim.oauth_app_id, Some(app));
        assert_eq!(scope.delete_oauth_app(app).await.unwrap(), Removed::InUse);
        let credential = scope.oauth_app(app).await.unwrap().unwrap().credentials[0].id;
        assert_eq!(scope.delete_oauth_app_credential(app, credential).await.unwrap(), Removed::InUse);
        let other_client = OauthAppChange { client_id: Some("another".to_owned()), ..OauthAppChange::default() };
        assert!(matches!(scope.update_oauth_app(app, &other_client).await, Err(StoreError::LimitReached(_))));
        let moved = sign_in(None).await;
        assert_eq!((moved.id, moved.oauth_app_id), (grant.id, None));
        let late = RefreshedTokens {
            scopes: Vec::new(),
            resource: "outlook".to_owned(),
            access_token: Secret::new("of the app before"),
            expires_at: START,
            refresh_token: Some(Secret::new("of the app before")),
        };
        assert!(!scope.store_refreshed(&claim, &late).await.unwrap(), "what the other app was answered is not kept");
        assert_eq!(scope.delete_oauth_app(app).await.unwrap(), Removed::Gone);
        assert_eq!(scope.delete_oauth_app(app).await.unwrap(), Removed::NotFound);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_find_an_app_refused_at_once_one_says_so_until_it_works_again() {
    each(async |w| {
        let app = made(&w.ours, "ours").await;
        let raised = async |class: FailureClass| {
            let tasks: Vec<_> = (0..12)
                .map(|_| {
                    let scope = w.ours.scope.clone();
                    tokio::spawn(async move {
                        let mut tx = scope.begin().await.unwrap();
                        let first = tx.raise_oauth_app_alarm(app, &Failure::new(class)).await.unwrap();
                        tx.commit().await.unwrap();
                        u32::from(first)
                    })
                })
                .collect();
            let mut first = 0;
            for task in tasks {
                first += task.await.unwrap();
            }
            first
        };
        assert_eq!(raised(FailureClass::OwnAppCredentialRefused).await, 1);
        assert_eq!(raised(FailureClass::OwnAppCredentialRefused).await, 0);
        assert_eq!(raised(FailureClass::OwnAppCredentialExpired).await, 1, "another cause");
        let cleared = async || {
            let mut tx = w.ours.scope.begin().await.unwrap();
            let cleared = tx.clear_oauth_app_alarm(app).await.unwrap();
            tx.commit().await.unwrap();
            cleared
        };
        assert_eq!((cleared().await, cleared().await), (true, false));
        assert_eq!(raised(FailureClass::OwnAppCredentialExpired).await, 1);

        let alarms = w.store.app_alarms();
        let refused = Failure::new(FailureClass::AppCredentialRefused).correlation("c-1");
        assert!(alarms.raise("client", &refused).await.unwrap() && !alarms.raise("client", &refused).await.unwrap());
        assert_eq!(alarms.of("client").await.unwrap().unwrap().failure, refused);
        assert_eq!(alarms.of("another").await.unwrap(), None);
        assert!(alarms.raise("client", &FailureClass::AppCredentialExpired.into()).await.unwrap());
        assert!(alarms.clear("client").await.unwrap() && !alarms.clear("client").await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_ends_is_found_unless_another_of_its_app_outlasts_it() {
    each(async |w| {
        let scope = &w.ours.scope;
        let app = made(&w.ours, "ours").await;
        let until = START.plus(DAY * 30);
        let found = async || {
            let ending = w.store.app_alarms().ending(until, 100).await.unwrap();
            ending.into_iter().map(|one| one.id).collect::<Vec<OauthAppCredentialId>>()
        };
        assert!(found().await.is_empty(), "its end is not known");
        let ending = secret("ending", Some(START.plus(DAY * 20)));
        let two = scope.add_oauth_app_credential(app, &ending, MAX_CREDENTIALS).await.unwrap().unwrap();
        assert!(found().await.is_empty(), "the other one outlasts it");
        scope.delete_oauth_app_credential(app, two.credentials[0].id).await.unwrap();
        assert_eq!(found().await, [two.credentials[1].id]);
        let longer = secret("longer", Some(START.plus(DAY * 300)));
        scope.add_oauth_app_credential(app, &longer, MAX_CREDENTIALS).await.unwrap();
        assert!(found().await.is_empty());

        let mut tx = scope.begin().await.unwrap();
        let id = two.credentials[1].id;
        let mut warned = Vec::new();
        for days in [30, 30, 14, 30] {
            warned.push(tx.warn_of_credential(id, days).await.unwrap());
        }
        tx.commit().await.unwrap();
        assert_eq!(warned, [true, false, true, false]);
        let alarms = w.store.app_alarms();
        assert!(alarms.warned("client", "AZURE_APP_SECRET", until, 30).await.unwrap());
        assert!(!alarms.warned("client", "AZURE_APP_SECRET", until, 30).await.unwrap());
        assert!(alarms.warned("client", "AZURE_APP_SECRET", until, 14).await.unwrap());
    })
    .await;
}
