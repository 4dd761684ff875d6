//! Connection attempts are consumed once, by the browser that opened them; tokens are refreshed once.

use crate::world::{START, Tenant, each, new_grant};
use domain::channel::{ConnectionStatus, Provider};
use domain::{Failure, FailureClass, Secret, Timestamp};
use std::time::Duration;
use store::*;

const BROWSER: &str = "browser";

pub async fn attempt(tenant: &Tenant, state: &str) -> Connection {
    let new = NewConnection {
        purpose: ConnectionPurpose::Connect,
        provider: Provider::Microsoft,
        oauth_app_id: None,
        inbox_id: None,
        created_by: tenant.admin.id,
        email: Some("support@ours.example".to_owned()),
        mailbox: None,
        connect_link: None,
        send_transport: None,
        handshake: Handshake {
            state: Secret::new(state),
            nonce: Secret::new("nonce"),
            pkce_verifier: Secret::new("verifier"),
        },
        link_hash: TokenHash::of(&format!("link-{state}")),
        browser: None,
        agreed: false,
        consent_state: format!("consent-{state}"),
        expires_at: Timestamp(START.0 + 900_000_000),
    };
    tenant.scope.create_connection(&new, 1000).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_callbacks_with_the_same_state_one_consumes_it() {
    each(async |w| {
        let made = attempt(&w.ours, "s1").await;
        let browser = TokenHash::of(BROWSER);
        w.store.connections().open_link(&TokenHash::of("link-s1"), &browser, START).await.unwrap().unwrap();
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let connections = w.store.connections();
                tokio::spawn(async move {
                    connections.consume_state(&TokenHash::of("s1"), Some(&browser), START).await.unwrap()
                })
            })
            .collect();
        let mut consumed = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(proof) => {
                    consumed += 1;
                    assert_eq!(proof.connection.id, made.id);
                    assert_eq!(proof.scope.account_id(), w.ours.scope.account_id());
                    assert_eq!(proof.handshake.pkce_verifier.expose(), "verifier");
                }
                Err(StateRefusal::AlreadyUsed(first)) => assert_eq!(first.id, made.id),
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(consumed, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_browser_that_first_opened_the_link_may_go_on() {
    each(async |w| {
        let made = attempt(&w.ours, "s1").await;
        let connections = w.store.connections();
        let (link, state) = (TokenHash::of("link-s1"), TokenHash::of("s1"));
        let (browser, other) = (TokenHash::of(BROWSER), TokenHash::of("other"));
        // Nobody opened it yet.
        let early = connections.consume_state(&state, Some(&browser), START).await.unwrap();
        assert!(matches!(early, Err(StateRefusal::OtherBrowser)));
        let opened = connections.open_link(&link, &browser, START).await.unwrap().unwrap();
        assert_eq!(opened.handshake.state.expose(), "s1");
        connections.open_link(&link, &browser, START).await.unwrap().unwrap();
        assert!(matches!(connections.open_link(&link, &other, START).await.unwrap(), Err(StateRefusal::OtherBrowser)));
        for stranger in [None, Some(&other)] {
            let refused = connections.consume_state(&state, stranger, START).await.unwrap();
            assert!(matches!(refused, Err(StateRefusal::OtherBrowser)));
        }
        assert!(matches!(
            connections.consume_state(&link, Some(&browser), START).await.unwrap(),
            Err(StateRefusal::Unknown)
        ));
        let late = Timestamp(START.0 + 900_000_000);
        assert!(matches!(
            connections.consume_state(&state, Some(&browser), late).await.unwrap(),
            Err(StateRefusal::Expired)
        ));
        connections.consume_state(&state, Some(&browser), START).await.unwrap().unwrap();
        assert!(matches!(
            connections.open_link(&link, &browser, START).await.unwrap(),
            Err(StateRefusal::AlreadyUsed(_))
        ));

        assert_eq!(connections.id_of_state(&state).await.unwrap(), Some(made.id));
        assert!(connections.seen_by_browser(made.id, &browser).await.unwrap().is_some());
        assert!(connections.seen_by_browser(made.id, &other).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_is_consumed_once_and_old_attempts_expire() {
    each(async |w| {
        let made = attempt(&w.ours, "s1").await;
        let old = attempt(&w.ours, "s2").await;
        let connections = w.store.connections();
        let browser = TokenHash::of(BROWSER);
        connections.open_link(&TokenHash::of("link-s1"), &browser, START).await.unwrap().unwrap();
        connections.consume_state(&TokenHash::of("s1"), Some(&browser), START).await.unwrap().unwrap();
        let confirm = TokenHash::of("confirm");
        let change = ConnectionChange {
            status: Some(ConnectionStatus::AwaitingConfirmation),
            confirm_hash: Some(confirm),
            ..ConnectionChange::default()
        };
        w.ours.scope.update_connection(made.id, &change).await.unwrap();
        let asked = ConnectionStatus::AwaitingConfirmation;
        let stranger = connections.consume_confirmation(&confirm, None, asked, START).await.unwrap();
        assert!(matches!(stranger, Err(StateRefusal::OtherBrowser)));
        let otherwise = ConnectionStatus::AwaitingAddress;
        let other = connections.consume_confirmation(&confirm, Some(&browser), otherwise, START).await.unwrap();
        assert!(other.is_err(), "it was asked something else");
        connections.consume_confirmation(&confirm, Some(&browser), asked, START).await.unwrap().unwrap();
        let again = connections.consume_confirmation(&confirm, Some(&browser), asked, START).await.unwrap();
        assert!(matches!(again, Err(StateRefusal::AlreadyUsed(_))), "{again:?}");
        let proving = ConnectionChange { status: Some(ConnectionStatus::Proving), ..ConnectionChange::default() };
        w.ours.scope.update_connection(made.id, &proving).await.unwrap();
        let later = Timestamp(START.0 + 900_000_000);
        let overdue: Vec<_> = connections.overdue(later, 10).await.unwrap().iter().map(|(_, id)| *id).collect();
        assert_eq!(overdue, [old.id]);
        let mut tx = w.ours.scope.begin().await.unwrap();
        assert!(tx.expire_connection(old.id, START).await.unwrap().is_none(), "not before its time");
        assert!(tx.expire_connection(old.id, later).await.unwrap().is_some());
        assert!(tx.expire_connection(made.id, later).await.unwrap().is_none(), "what is being proved goes on");
        tx.commit().await.unwrap();
        let old = w.ours.scope.connection(old.id).await.unwrap().unwrap();
        assert_eq!(old.status, ConnectionStatus::Expired);
        let failed = Some(Some(domain::FailureClass::TimedOut.into()));
        let change = ConnectionChange { failure: failed, ..ConnectionChange::default() };
        let failed = w.ours.scope.update_connection(made.id, &change).await.unwrap();
        assert_eq!(failed.failure.unwrap().class, domain::FailureClass::TimedOut);
    })
    .await;
}

/// Who signs in anew after an approval may be somebody else than an administrator has said yes to.
#[tokio::test(flavor = "multi_thread")]
async fn a_yes_to_a_handover_is_forgotten_when_the_attempt_is_taken_up_again() {
    each(async |w| {
        let made = attempt(&w.ours, "s1").await;
        let later = Timestamp(START.0 + 900_000_000);
        let waits = |status| ConnectionChange { status: Some(status), ..ConnectionChange::default() };
        w.ours.scope.update_connection(made.id, &waits(ConnectionStatus::AwaitingHandover)).await.unwrap();
        let mut tx = w.ours.scope.begin().await.unwrap();
        let agreed = tx.hand_over(made.id, w.ours.admin.id).await.unwrap().unwrap();
        assert_eq!((agreed.status, agreed.handover_by), (ConnectionStatus::Proving, Some(w.ours.admin.id)));
        assert!(tx.hand_over(made.id, w.ours.admin.id).await.unwrap().is_none(), "it is said once");
        tx.commit().await.unwrap();
        let approval = ConnectionChange { consent_until: Some(later), ..waits(ConnectionStatus::AwaitingAdminConsent) };
        w.ours.scope.update_connection(made.id, &approval).await.unwrap();
        let fresh = ResumedConnection {
            handshake: Handshake {
                state: Secret::new("s2"),
                nonce: Secret::new("nonce-2"),
                pkce_verifier: Secret::new("verifier-2"),
            },
            link_hash: TokenHash::of("link-s2"),
            browser: None,
            agreed: false,
            expires_at: later,
        };
        let mut tx = w.ours.scope.begin().await.unwrap();
        let resumed = tx.resume_connection(made.id, &fresh).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        assert_eq!((resumed.status, resumed.handover_by), (ConnectionStatus::Pending, None));
    })
    .await;
}

fn refreshed(access: &str, refresh: Option<&str>) -> RefreshedTokens {
    RefreshedTokens {
        resource: "outlook".to_owned(),
        access_token: Secret::new(access),
        expires_at: Timestamp(START.0 + 3_600_000_000),
        refresh_token: refresh.map(Secret::new),
        scopes: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_listed_under_the_status_that_it_has_at_that_moment_and_under_no_other() {
    const STATUSES: [&str; 10] = [
        "pending",
        "awaiting_confirmation",
        "awaiting_address",
        "awaiting_admin_consent",
        "awaiting_handover",
        "awaiting_acceptance",
        "proving",
        "connected",
        "failed",
        "expired",
    ];
    each(async |w| {
        let mut n = 0;
        for status in STATUSES {
            for expires_at in [START.0 - 1, START.0, START.0 + 1] {
                for consent_until in ["NULL".to_owned(), START.0.to_string(), (START.0 + 1).to_string()] {
                    n += 1;
                    let made = attempt(&w.ours, &format!("s{n}")).await.id.0;
                    w.sql(&format!(
                        "UPDATE connections SET status = '{status}', expires_at = {expires_at}, consent_until = {consent_until} WHERE id = {made}"
                    ))
                    .await;
                }
            }
        }
        let all = w.ours.scope.connections(None, START, 0, 1000).await.unwrap().0;
        assert_eq!(all.len(), n);
        for status in STATUSES.map(|name| ConnectionStatus::parse(name).unwrap()) {
            let (listed, count) = w.ours.scope.connections(Some(status), START, 0, 1000).await.unwrap();
            let ids = |list: &[Connection]| list.iter().map(|one| one.id).collect::<Vec<_>>();
            let (mut has, _) = all.iter().cloned().partition::<Vec<_>, _>(|one| one.status_at(START) == status);
            has.sort_by_key(|one| std::cmp::Reverse(one.id));
            assert_eq!((ids(&listed), count), (ids(&has), has.len() as u64), "{status:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_refreshed_by_one_and_never_loses_its_refresh_token() {
    each(async |w| {
        let scope = &w.ours.scope;
        let grant = w.ours.grant("me").await;
        let lease = Duration::from_secs(30);
        let revoked = Failure::new(FailureClass::GrantRevoked).said("AADSTS50173");
        let claim = scope.claim_refresh(grant.id, lease).await.unwrap().unwrap();
        assert!(scope.claim_refresh(grant.id, lease).await.unwrap().is_none(), "single flight");
        assert!(scope.store_refreshed(&claim, &refreshed("a1", Some("refresh-2"))).await.unwrap());
        assert!(!scope.store_refreshed(&claim, &refreshed("late", Some("stale"))).await.unwrap(), "compare-and-swap");
        let token = scope.access_token(grant.id, "outlook").await.unwrap().unwrap();
        assert_eq!((token.token.expose(), token.version), ("a1", 2));
        assert!(scope.access_token(grant.id, "graph").await.unwrap().is_none());
        // An answer without a refresh token keeps the stored one; an empty one is none.
        for nothing in [None, Some("")] {
            let claim = scope.claim_refresh(grant.id, lease).await.unwrap().unwrap();
            assert_eq!(claim.refresh_token.expose(), "refresh-2");
            assert!(scope.store_refreshed(&claim, &refreshed("a2", nothing)).await.unwrap());
        }
        let claim = scope.claim_refresh(grant.id, lease).await.unwrap().unwrap();
        scope.release_refresh(&claim).await.unwrap();
        let claim = scope.claim_refresh(grant.id, lease).await.unwrap().unwrap();
        // Meanwhile the owner signed in again: the refusal of the old token says nothing about the new one.
        let mut tx = scope.begin().await.unwrap();
        let renewed = tx.upsert_grant(&new_grant("me", "refresh-9")).await.unwrap();
        tx.store_access_token(grant.id, "outlook", &Secret::new("a9"), START).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(renewed.id, grant.id);
        assert!(!scope.refresh_refused(&claim, &revoked).await.unwrap());
        assert_eq!(scope.grant(grant.id).await.unwrap().unwrap().status, GrantStatus::Active);
        let claim = scope.claim_refresh(grant.id, lease).await.unwrap().unwrap();
        assert_eq!(claim.refresh_token.expose(), "refresh-9");
        assert!(scope.refresh_refused(&claim, &revoked).await.unwrap());
        assert!(scope.claim_refresh(grant.id, lease).await.unwrap().is_none(), "it waits for its owner");
        assert_eq!(scope.grant(grant.id).await.unwrap().unwrap().failure, Some(revoked), "and says why");
        let mut tx = scope.begin().await.unwrap();
        assert_eq!(
            tx.upsert_grant(&new_grant("me", "refresh-10")).await.unwrap().failure,
            None,
            "they signed in again"
        );
        tx.rollback().await.unwrap();
        let mut tx = scope.begin().await.unwrap();
        assert!(matches!(tx.upsert_grant(&new_grant("me", "")).await, Err(StoreError::Conflict(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_whose_worker_died_is_claimed_again_when_its_lease_ends() {
    each(async |w| {
        let grant = w.ours.grant("me").await;
        let dead = w.ours.scope.claim_refresh(grant.id, Duration::ZERO).await.unwrap().unwrap();
        let claim = w.ours.scope.claim_refresh(grant.id, Duration::ZERO).await.unwrap().unwrap();
        // Whoever still waits for an answer holds its claim for as long as it says so; the dead worker's is over.
        assert!(w.ours.scope.renew_refresh(&claim, Duration::from_secs(30)).await.unwrap());
        assert!(!w.ours.scope.renew_refresh(&dead, Duration::from_secs(30)).await.unwrap());
        assert!(w.ours.scope.claim_refresh(grant.id, Duration::ZERO).await.unwrap().is_none());
        // The dead worker comes back with its answer: what it brings was true, and the other's claim is then the stale one.
        assert!(w.ours.scope.store_refreshed(&dead, &refreshed("a1", None)).await.unwrap());
        assert!(!w.ours.scope.store_refreshed(&claim, &refreshed("a2", None)).await.unwrap());
        assert_eq!(w.ours.scope.access_token(grant.id, "outlook").await.unwrap().unwrap().token.expose(), "a1");
    })
    .await;
}
