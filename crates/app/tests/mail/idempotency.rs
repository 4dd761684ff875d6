//! The same request under the same key is one message, whatever happens between the two.

use crate::desk::{ADA, Desk, mail};
use crate::postgres::on_each;
use app::accounts::{self, Caller, Member, TokenAsked};
use app::outbound::{self, Draft, IdempotencyKey, ReplyError};
use domain::{DisplayId, MessageId, TokenId};
use sandbox::INBOX;
use std::collections::BTreeSet;
use std::time::Duration;
use store::{IdempotencyCheck, TokenHash};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn written_to(desk: &Desk) -> DisplayId {
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    desk.conversation().await.conversation.display_id
}

async fn say(desk: &Desk, member: &Member, id: DisplayId, token: TokenId, text: &str) -> Result<MessageId, ReplyError> {
    let draft = Draft {
        content: text.to_owned(),
        idempotency: Some(IdempotencyKey { token_id: token, key: "k".to_owned() }),
        ..Draft::default()
    };
    outbound::reply(&desk.app, member, id, draft).await.map(|message| message.id)
}

#[tokio::test]
async fn twenty_requests_at_once_under_one_key_make_one_message() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        let token = desk.member.token_id;
        let all = futures_util::future::join_all((0..20).map(|_| say(desk, &desk.member, id, token, "hello"))).await;
        let made: BTreeSet<MessageId> =
            all.into_iter().map(|one| one.expect("the same answer for everybody")).collect();
        assert_eq!(made.len(), 1);
        assert_eq!(desk.messages(id).await.len(), 2, "hers, and one answer");
        desk.work().await;
        assert_eq!(desk.sandbox.mailbox(ADA).messages(INBOX).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_key_holds_for_a_day_and_no_longer() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        let token = desk.member.token_id;
        let first = say(desk, &desk.member, id, token, "hello").await.expect("made");
        desk.clock.forward(DAY - Duration::from_secs(60));
        assert_eq!(say(desk, &desk.member, id, token, "hello").await.expect("the same"), first);
        assert!(matches!(say(desk, &desk.member, id, token, "other").await, Err(ReplyError::KeyReused)));
        desk.clock.forward(Duration::from_secs(120));
        assert_ne!(say(desk, &desk.member, id, token, "other").await.expect("another"), first);
    })
    .await;
}

#[tokio::test]
async fn the_same_key_of_another_token_or_account_is_another_key() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        let first = say(desk, &desk.member, id, desk.member.token_id, "hello").await.expect("made");
        let user = desk.member.agent.user.clone();
        let caller = Caller { user, token_id: desk.member.token_id, kind: store::TokenKind::Api, account_id: None };
        let (other, _) = accounts::create_api_token(&desk.app, &caller, TokenAsked::default()).await.expect("a token");
        let other = other.id;
        let second = say(desk, &desk.member, id, other, "something else").await.expect("another key");
        assert_ne!(first, second);
        // In another account the key is free, also for a token that opens both.
        let theirs = accounts::create_account(
            &desk.app,
            accounts::NewAccount {
                name: "Fabrikam".to_owned(),
                admin_email: "fred@fabrikam.example".to_owned(),
                admin_name: None,
                admin_password: domain::Secret::new("correct horse battery"),
            },
        );
        let scope = desk.app.store().operator().account(theirs.await.expect("made").account_id).await;
        let scope = scope.expect("answers").expect("there");
        let mut tx = scope.begin().await.expect("a transaction");
        let request = TokenHash::of("anything");
        let check =
            tx.claim_idempotency_key(desk.member.token_id, "k", &request, desk.app.now()).await.expect("answers");
        assert_eq!(check, IdempotencyCheck::New);
        tx.rollback().await.expect("ended");
    })
    .await;
}

#[tokio::test]
async fn a_key_whose_first_request_died_in_the_middle_works_again() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        let token = desk.member.token_id;
        // Somebody has the key, and dies before they have made anything, while the same request waits.
        let mut dying = desk.scope.begin().await.expect("a transaction");
        let taken = dying.claim_idempotency_key(token, "k", &TokenHash::of("the same"), desk.app.now()).await;
        assert_eq!(taken.expect("answers"), IdempotencyCheck::New);
        let again = say(desk, &desk.member, id, token, "hello");
        let dies = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            dying.rollback().await.expect("dead");
        };
        let (made, ()) = tokio::join!(again, dies);
        let made = made.expect("made");
        assert_eq!(say(desk, &desk.member, id, token, "hello").await.expect("the same"), made);
        assert_eq!(desk.messages(id).await.len(), 2);
    })
    .await;
}
