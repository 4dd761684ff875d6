//! Webhooks of many events and many accounts: in order, each account by itself, and nothing of what was erased.

use crate::contacts::called;
use crate::desk::{ADA, Desk, mail};
use crate::passwords::tenant;
use crate::postgres::on_each_tuned;
use crate::telling::{dispatched, in_private_networks, log, somebody_writes, told_of_contacts};
use app::contacts::change::{self, Sent};
use app::contacts::erase;
use app::webhooks::{self, NewWebhook};
use testkit::receiver::Receiver;

#[tokio::test]
async fn what_happened_first_is_told_first() {
    in_private_networks(async |desk| {
        let receiver = Receiver::start().await.expect("listens");
        let (webhook, _) = told_of_contacts(desk, &receiver).await;
        for number in 1..=5 {
            let from = format!("{number}@new.example");
            desk.take_in(&mail(&from, &format!("{number}@x.example"), "Hello", "", "hello")).await;
        }
        dispatched(desk).await;
        let mut kept = log(desk, &webhook).await;
        kept.sort_by_key(|told| told.event_seq);
        assert!(kept.len() == 5 && kept.is_sorted_by_key(|told| told.id.0), "{kept:?}");
        desk.work().await;
        let told: Vec<String> =
            receiver.told().iter().map(|told| told.header("x-chatwoot-delivery").to_owned()).collect();
        assert_eq!(told, kept.iter().map(|told| told.uuid.clone()).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn an_account_whose_webhooks_cannot_be_looked_after_keeps_no_other_from_being_told() {
    let desk = Desk::tuned(Default::default(), None, |settings| settings.webhook_private_networks = true).await;
    let receiver = Receiver::start().await.expect("listens");
    let (ours, _) = told_of_contacts(&desk, &receiver).await;
    let (_, admin) = tenant(&desk, "fabrikam").await;
    let theirs = NewWebhook {
        url: format!("{}/theirs", receiver.url().trim_end_matches('/')),
        subscriptions: Some(vec!["contact_created".to_owned()]),
        ..NewWebhook::default()
    };
    let (theirs, _) = webhooks::create(&desk.app, &admin, theirs).await.expect("made");
    let account = desk.scope.account_id();
    desk.outside(&format!(
        "CREATE TRIGGER broken BEFORE INSERT ON webhook_deliveries WHEN NEW.account_id = {account} BEGIN SELECT RAISE(ABORT, 'broken'); END"
    ))
    .await;
    somebody_writes(&desk, 1).await;
    let sent = Sent { name: Some("Bob".to_owned()), ..Sent::default() };
    change::create(&desk.app, &admin, sent, None).await.expect("made");
    dispatched(&desk).await;
    desk.work().await;
    let kept = webhooks::deliveries(&desk.app, &admin, theirs.id, None, 1).await.expect("a log").0;
    let told: Vec<String> = receiver.told().iter().map(|told| told.header("x-chatwoot-delivery").to_owned()).collect();
    assert!(kept.len() == 1 && told == [kept[0].uuid.as_str()], "{told:?}");
    // Nothing of the other's is lost by it.
    desk.outside("DROP TRIGGER broken").await;
    dispatched(&desk).await;
    desk.work().await;
    assert_eq!((receiver.told().len(), log(&desk, &ours).await.len()), (2, 1));
}

#[tokio::test]
async fn of_somebody_who_was_erased_meanwhile_nobody_is_told() {
    on_each_tuned(
        |settings| settings.webhook_private_networks = true,
        async |desk: &Desk| {
            let receiver = Receiver::start().await.expect("listens");
            let (webhook, _) = told_of_contacts(desk, &receiver).await;
            desk.take_in(&mail(ADA, "1@x.example", "Hello", "", "hello")).await;
            dispatched(desk).await;
            // It waits, as when the address was down; then she asks to be forgotten.
            desk.outside("UPDATE owed_work SET ready_at = ready_at + 3600000000 WHERE kind = 'deliver_webhook'").await;
            erase::delete(&desk.app, &desk.member, called(desk, ADA).await.id).await.expect("deleted");
            desk.work().await;
            desk.outside("UPDATE owed_work SET ready_at = 0 WHERE kind = 'deliver_webhook'").await;
            desk.work().await;
            assert_eq!(receiver.told().len(), 0);
            let kept = log(desk, &webhook).await;
            let failure = kept[0].failure.clone().unwrap_or_default();
            assert!(kept.len() == 1 && failure.starts_with("event_erased"), "{kept:?}");
        },
    )
    .await;
}
