//! What did not become a message, and what did not leave: listed for those who can do something about it, and for nobody else.

use crate::desk::{ADA, Desk, connect, mail};
use crate::postgres::on_each;
use app::accounts::{self, Caller, Member, NewAgent};
use app::inbound::quarantine::{self, LeftOutFilter, LeftOutState, QuarantineError};
use app::outbound::{cancel, unsent};
use domain::account::Role;
use domain::message::DeliveryState;
use domain::{RawEmailId, Secret};
use store::{RawEmailState, RawOutcome};

const REASON: &str = "unreadable: The mail could not be read.";

async fn mark(desk: &Desk, id: RawEmailId, outcome: &RawOutcome) {
    let mut tx = desk.scope.begin().await.expect("a transaction");
    tx.lock_raw_email(id).await.expect("answers").expect("it waits");
    tx.mark_raw_email(id, outcome, None).await.expect("marked");
    tx.commit().await.expect("committed");
}

async fn listed(desk: &Desk, state: Option<LeftOutState>) -> Vec<RawEmailId> {
    let filter = LeftOutFilter { inbox_id: None, state, page: 1 };
    let (found, count) = quarantine::list(&desk.app, &desk.member, &filter).await.expect("an administrator");
    assert_eq!(found.len() as u64, count);
    found.iter().map(|email| email.id).collect()
}

pub async fn agent(desk: &Desk, email: &str) -> Member {
    let new = NewAgent {
        name: "Bob".into(),
        email: email.into(),
        role: Role::Agent,
        availability: None,
        auto_offline: None,
        password: Some(Secret::new("correct horse battery")),
    };
    let made = accounts::create_agent(&desk.app, &desk.member, new).await.expect("an agent");
    let caller = Caller {
        user: made.user.clone(),
        token_id: desk.member.token_id,
        kind: accounts::TokenKind::Session,
        account_id: None,
    };
    accounts::enter(&desk.app, &caller, desk.scope.account_id()).await.expect("a member")
}

#[tokio::test]
async fn a_mail_in_the_quarantine_is_tried_again_when_somebody_asks_and_becomes_one_message() {
    on_each(async |desk| {
        let raw = mail(ADA, "q@x.example", "Stuck", "", "what she wrote").replace('\n', "\r\n");
        let id = desk.store_raw(raw.as_bytes()).await[0];
        mark(desk, id, &RawOutcome::Quarantined { reason: REASON.to_owned() }).await;
        assert_eq!(listed(desk, None).await, [id]);
        assert_eq!(listed(desk, Some(LeftOutState::Quarantined)).await, [id]);
        assert_eq!(listed(desk, Some(LeftOutState::Dropped)).await, []);
        let shown = quarantine::show(&desk.app, &desk.member, id).await.expect("shown");
        let (code, words) = quarantine::reason(&shown.email).expect("a reason");
        assert_eq!((code.as_str(), words.as_str()), ("unreadable", "The mail could not be read."));
        let read = shown.read.expect("it can be read");
        assert_eq!((read.subject.as_deref(), read.from), (Some("Stuck"), vec![ADA.to_owned()]));
        assert_eq!(read.excerpt.as_deref(), Some("what she wrote"));
        assert_eq!(quarantine::raw(&desk.app, &desk.member, id).await.expect("bytes"), raw.as_bytes());

        for _ in 0..2 {
            let email = quarantine::reprocess(&desk.app, &desk.member, id).await.expect("asked");
            assert_eq!((email.state, email.attempts, email.reason), (RawEmailState::Waiting, 0, None));
        }
        assert_eq!(listed(desk, None).await, []);
        desk.work().await;
        let email = quarantine::reprocess(&desk.app, &desk.member, id).await.expect("nothing more to do");
        assert_eq!(email.state, RawEmailState::Ingested);
        desk.work().await;
        assert_eq!(desk.messages(desk.conversation().await.conversation.display_id).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_somebody_dismissed_is_kept_and_listed_no_more_until_it_is_tried_and_left_out_again() {
    on_each(async |desk| {
        let raw = mail(ADA, "d@x.example", "Old", "", "old").replace('\n', "\r\n");
        let id = desk.store_raw(raw.as_bytes()).await[0];
        let dropped = RawOutcome::Dropped { reason: "conversation_deleted: Its conversation was deleted.".to_owned() };
        mark(desk, id, &dropped).await;
        assert_eq!(listed(desk, Some(LeftOutState::Dropped)).await, [id]);
        let email = quarantine::dismiss(&desk.app, &desk.member, id).await.expect("dismissed");
        assert!(email.dismissed_at.is_some() && email.state == RawEmailState::Dropped);
        assert_eq!(listed(desk, None).await, []);
        assert_eq!(quarantine::raw(&desk.app, &desk.member, id).await.expect("kept"), raw.as_bytes());
        quarantine::reprocess(&desk.app, &desk.member, id).await.expect("asked");
        mark(desk, id, &dropped).await;
        assert_eq!(listed(desk, None).await, [id]);
    })
    .await;
}

#[tokio::test]
async fn only_administrators_of_the_account_look_into_its_quarantine() {
    let desk = Desk::new().await;
    let id = desk.store_raw(mail(ADA, "s@x.example", "Secret", "", "secret").as_bytes()).await[0];
    mark(&desk, id, &RawOutcome::Quarantined { reason: REASON.to_owned() }).await;
    let bob = agent(&desk, "bob@contoso.example").await;
    let list = quarantine::list(&desk.app, &bob, &LeftOutFilter::default()).await;
    assert!(matches!(list, Err(QuarantineError::Forbidden)));
    assert!(matches!(quarantine::raw(&desk.app, &bob, id).await, Err(QuarantineError::Forbidden)));
    assert!(matches!(quarantine::reprocess(&desk.app, &bob, id).await, Err(QuarantineError::Forbidden)));
    let unknown = quarantine::dismiss(&desk.app, &desk.member, RawEmailId(id.0 + 1)).await;
    assert!(matches!(unknown, Err(QuarantineError::NotFound)));
}

#[tokio::test]
async fn what_did_not_leave_is_listed_to_whoever_sees_its_inbox_with_as_many_statements_for_one_as_for_many() {
    on_each(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "Invoice", "", "first")).await;
        let id = desk.conversation().await.conversation.display_id;
        let first = desk.reply(id, "The **first** answer").await;
        let list = async |member: &Member, state: Option<DeliveryState>| {
            unsent::list(&desk.app, member, state, None, 1).await.expect("a list")
        };
        assert_eq!(list(&desk.member, None).await.1, 0, "what waits for its turn needs nobody");
        assert_eq!(list(&desk.member, Some(DeliveryState::Queued)).await.1, 1);
        cancel(&desk.app, &desk.member, id, first.id).await.expect("it has not left");
        let statements = || desk.app.store().statements().count();
        let before = statements();
        let (found, count) = list(&desk.member, None).await;
        let for_one = statements() - before;
        assert_eq!((count, found[0].message.id), (1, first.id));
        assert_eq!(found[0].record.envelope.to[0].address.to_string(), ADA);

        for _ in 0..4 {
            let more = desk.reply(id, "once more").await;
            cancel(&desk.app, &desk.member, id, more.id).await.expect("it has not left");
        }
        let before = statements();
        let (found, count) = list(&desk.member, None).await;
        assert_eq!((statements() - before, count), (for_one, 5));
        assert_eq!(found[4].message.id, first.id, "the newest first");

        let bob = agent(desk, "bob@contoso.example").await;
        assert_eq!(list(&bob, None).await.1, 0, "he is no member of the inbox");
        let other = connect(&desk.scope, &desk.sandbox, "sales@contoso.example").await;
        let of_other = unsent::list(&desk.app, &desk.member, None, Some(other.id), 1).await.expect("a list");
        assert_eq!(of_other.1, 0);
        app::outbound::delete_message(&desk.app, &desk.member, id, first.id).await.expect("deleted");
        assert_eq!(list(&desk.member, None).await.1, 4, "nobody is told of a deleted message");
    })
    .await;
}
