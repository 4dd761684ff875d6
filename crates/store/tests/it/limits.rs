//! Counts that are bounded stay so when many add at once: who counts waits for another who does.

use crate::world::{START, Tenant, each, new_inbox, new_token};
use domain::account::Role;
use domain::channel::Provider;
use domain::{EmailAddress, Secret, Timestamp};
use store::*;

const MOST: u32 = 3;
const AT_ONCE: usize = 12;

/// Of many that are made at once as many come to be as may be, and the others find that out.
fn assert_as_many_as_may_be<T>(made: Vec<Result<T, StoreError>>) {
    let refused = made.iter().filter(|made| matches!(made, Err(StoreError::LimitReached(_)))).count();
    let count = made.iter().filter(|made| made.is_ok()).count();
    let others: Vec<_> = made.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
    assert_eq!((count, refused), (MOST as usize, AT_ONCE - MOST as usize), "{others:?}");
}

async fn at_once<T: Send + 'static, F: Future<Output = Result<T, StoreError>> + Send + 'static>(
    make: impl Fn(usize) -> F,
) -> Vec<Result<T, StoreError>> {
    let tasks: Vec<_> = (0..AT_ONCE).map(|n| tokio::spawn(make(n))).collect();
    let mut made = Vec::new();
    for task in tasks {
        made.push(task.await.unwrap());
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_inboxes_that_are_made_at_once_as_many_come_to_be_as_may_be() {
    each(async |w| {
        let grant = w.ours.grant("oid").await;
        let made = at_once(|n| {
            let (scope, new) = (w.ours.scope.clone(), new_inbox(&format!("box{n}@ours.example"), &grant));
            async move {
                let mut tx = scope.begin().await?;
                tx.room_for_an_inbox(MOST).await?;
                let inbox = tx.create_inbox(&new).await?;
                tx.commit().await?;
                Ok(inbox)
            }
        });
        assert_as_many_as_may_be(made.await);
        assert_eq!(w.ours.scope.inboxes(&Visibility::All).await.unwrap().len(), MOST as usize);
        let mut theirs = w.theirs.scope.begin().await.unwrap();
        theirs.room_for_an_inbox(1).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_agents_who_are_added_at_once_as_many_come_in_as_may_be() {
    each(async |w| {
        let made = at_once(|n| {
            let (scope, invite, email) = (w.ours.scope.clone(), w.ours.invite(), format!("agent{n}@ours.example"));
            async move {
                let email = EmailAddress::parse(&email).unwrap();
                let new = NewUser { email, name: "Agent".to_owned(), password: None };
                // The administrator is one of them.
                scope.invite_agent(&new, Role::Agent, &AgentChange::default(), MOST + 1, invite).await
            }
        });
        assert_as_many_as_may_be(made.await);
        assert_eq!(w.ours.scope.agents().await.unwrap().len(), MOST as usize + 1);
    })
    .await;
}

fn attempt(tenant: &Tenant, state: &str, expires_at: Timestamp) -> NewConnection {
    NewConnection {
        purpose: ConnectionPurpose::Connect,
        provider: Provider::Microsoft,
        oauth_app_id: None,
        inbox_id: None,
        created_by: tenant.admin.id,
        email: None,
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
        expires_at,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_sign_ins_that_are_begun_at_once_as_many_are_open_as_may_be_and_expired_ones_count_no_more() {
    each(async |w| {
        for n in 0..5 {
            w.ours.scope.create_connection(&attempt(&w.ours, &format!("old-{n}"), START), MOST).await.unwrap();
        }
        let made = at_once(|n| {
            let scope = w.ours.scope.clone();
            let new = attempt(&w.ours, &format!("new-{n}"), Timestamp(START.0 + 900_000_000));
            async move { scope.create_connection(&new, MOST).await }
        });
        assert_as_many_as_may_be(made.await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_api_tokens_as_many_come_to_be_as_may_be_and_of_sessions_the_newest_live() {
    each(async |w| {
        let made = at_once(|n| {
            let (sign_in, new) = (w.store.sign_in(), new_token(&w.ours, &format!("api-{n}"), TokenKind::Api));
            async move { sign_in.create_token(&new, MOST).await }
        });
        assert_as_many_as_may_be(made.await);
        let made = at_once(|n| {
            let kind = if n % 2 == 0 { TokenKind::Session } else { TokenKind::Client };
            let (sign_in, new) = (w.store.sign_in(), new_token(&w.ours, &format!("session-{n}"), kind));
            async move { sign_in.create_token(&new, MOST).await }
        });
        let mut ids: Vec<_> = made.await.into_iter().map(|made| made.unwrap()).collect();
        ids.sort_unstable();
        let tokens = w.store.sign_in().tokens(w.ours.admin.id, START).await.unwrap();
        let (api, sessions): (Vec<_>, Vec<_>) = tokens.into_iter().partition(|token| token.kind == TokenKind::Api);
        let lives: Vec<_> = sessions.iter().rev().map(|session| session.id).collect();
        assert_eq!((api.len(), lives.as_slice()), (MOST as usize, &ids[AT_ONCE - MOST as usize..]));
    })
    .await;
}
