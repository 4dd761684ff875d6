//! Webhooks are told of events: once, again after a failure, and not any more where nobody takes them.

use crate::desk::{ADA, Desk, mail};
use crate::passwords::send_through;
use crate::postgres::{on_each, on_each_tuned};
use app::Settings;
use app::webhooks::{self, DeliveryState, LogError, NewWebhook, WebhookChange, WebhookError};
use domain::Secret;
use domain::webhook::{DISABLED_AFTER, DisabledReason, MAX_WEBHOOKS, ROTATION, TRIED_FOR, Webhook};
use std::time::Duration;
use store::WebhookDelivery;
use testkit::post_office::PostOffice;
use testkit::receiver::Receiver;

fn subscribed(url: &str, to: &[&str]) -> NewWebhook {
    let subscriptions = Some(to.iter().map(|name| (*name).to_owned()).collect());
    NewWebhook { url: url.to_owned(), subscriptions, ..NewWebhook::default() }
}

pub async fn told_of_contacts(desk: &Desk, receiver: &Receiver) -> (Webhook, Secret) {
    let new = subscribed(&receiver.url(), &["contact_created"]);
    webhooks::create(&desk.app, &desk.member, new).await.expect("made")
}

/// Somebody new writes; what is owed is done.
pub async fn somebody_writes(desk: &Desk, number: u32) {
    let from = format!("{number}@new.example");
    desk.take_in(&mail(&from, &format!("{number}@x.example"), "Hello", "", "hello")).await;
    dispatched(desk).await;
    desk.work().await;
}

pub async fn dispatched(desk: &Desk) {
    while webhooks::dispatch(&desk.app).await.expect("looked") {}
}

pub async fn log(desk: &Desk, webhook: &Webhook) -> Vec<WebhookDelivery> {
    webhooks::deliveries(&desk.app, &desk.member, webhook.id, None, 1).await.expect("a log").0
}

async fn shown(desk: &Desk, webhook: &Webhook) -> Webhook {
    webhooks::show(&desk.app, &desk.member, webhook.id).await.expect("shown")
}

/// What waits is due, and the webhook is not left alone any more.
async fn later(desk: &Desk, by: Duration) {
    desk.mailbox_rests(by).await;
    desk.outside(&format!("UPDATE webhooks SET paused_until = paused_until - {}", by.as_micros())).await;
    desk.clock.forward(by);
    dispatched(desk).await;
    desk.work().await;
}

async fn owed(desk: &Desk) -> usize {
    desk.number("SELECT COUNT(*) FROM owed_work WHERE kind = 'deliver_webhook' AND state = 'waiting'").await
}

pub async fn in_private_networks(story: impl AsyncFn(&Desk)) {
    on_each_tuned(|settings| settings.webhook_private_networks = true, story).await;
}

#[tokio::test]
async fn an_event_is_told_once_however_often_it_is_looked_at() {
    in_private_networks(async |desk| {
        let receiver = Receiver::start().await.expect("listens");
        let (webhook, _) = told_of_contacts(desk, &receiver).await;
        desk.take_in(&mail(ADA, "1@x.example", "Hello", "", "hello")).await;
        let (one, other) = tokio::join!(webhooks::dispatch(&desk.app), webhooks::dispatch(&desk.app));
        one.and(other).expect("looked");
        dispatched(desk).await;
        desk.work().await;
        desk.work().await;
        let told = receiver.told();
        assert_eq!(told.len(), 1, "{told:?}");
        let kept = log(desk, &webhook).await;
        assert_eq!((kept.len(), kept[0].state, kept[0].attempts), (1, DeliveryState::Delivered, 1));
        assert_eq!((kept[0].answer_status, kept[0].answer.as_deref()), (Some(200), Some("seen")));
        assert_eq!(told[0].header("x-chatwoot-delivery"), kept[0].uuid);
        assert!(shown(desk, &webhook).await.delivered_at.is_some());
    })
    .await;
}

#[tokio::test]
async fn what_a_webhook_refused_is_told_again_under_the_same_id_and_by_a_person_once_more() {
    in_private_networks(async |desk| {
        let receiver = Receiver::start().await.expect("listens");
        let (webhook, _) = told_of_contacts(desk, &receiver).await;
        receiver.answer(&[500]);
        somebody_writes(desk, 1).await;
        let kept = log(desk, &webhook).await.remove(0);
        assert_eq!((kept.state, kept.attempts, kept.answer_status), (DeliveryState::Queued, 1, Some(500)));
        assert!(kept.next_try_at.is_some() && kept.failure.as_deref() == Some("refused: it answered 500"));
        assert_eq!(shown(desk, &webhook).await.failures_in_a_row, 1);
        let on_its_way = webhooks::redeliver(&desk.app, &desk.member, webhook.id, kept.id).await;
        assert!(matches!(on_its_way, Err(LogError::OnItsWay)), "{on_its_way:?}");
        later(desk, Duration::from_secs(10)).await;
        let kept = log(desk, &webhook).await.remove(0);
        assert_eq!((kept.state, kept.attempts, kept.failure), (DeliveryState::Delivered, 2, None));
        assert_eq!(shown(desk, &webhook).await.failing_since, None);
        webhooks::redeliver(&desk.app, &desk.member, webhook.id, kept.id).await.expect("queued");
        desk.work().await;
        let told = receiver.told();
        assert_eq!(told.len(), 3);
        assert!(told.iter().all(|told| told.header("x-chatwoot-delivery") == kept.uuid));
        assert!(told.iter().all(|again| again.body == told[0].body));
    })
    .await;
}

#[tokio::test]
async fn an_address_that_fails_is_left_alone_with_all_its_events_then_disabled_and_enabled_by_a_person() {
    in_private_networks(async |desk| {
        let receiver = Receiver::start().await.expect("listens");
        let (webhook, _) = told_of_contacts(desk, &receiver).await;
        receiver.answer(&[500; 100]);
        for number in 1..=3 {
            somebody_writes(desk, number).await;
        }
        assert_eq!(receiver.told().len(), 3);
        // Left alone: the next one waits, untried.
        somebody_writes(desk, 4).await;
        assert_eq!((receiver.told().len(), log(desk, &webhook).await[0].attempts), (3, 0));
        // Each is tried for a day.
        later(desk, TRIED_FOR).await;
        later(desk, TRIED_FOR).await;
        let states: Vec<_> = log(desk, &webhook).await.iter().map(|kept| kept.state).collect();
        assert!(states.contains(&DeliveryState::Failed), "{states:?}");
        later(desk, DISABLED_AFTER).await;
        somebody_writes(desk, 5).await;
        later(desk, DISABLED_AFTER).await;
        let disabled = shown(desk, &webhook).await.disabled.expect("disabled");
        assert_eq!(disabled.reason, DisabledReason::Failing);
        let tries = receiver.told().len();
        somebody_writes(desk, 6).await;
        assert_eq!(receiver.told().len(), tries, "nothing is told any more");
        let last = log(desk, &webhook).await.remove(0);
        let again = webhooks::redeliver(&desk.app, &desk.member, webhook.id, last.id).await;
        assert!(matches!(again, Err(LogError::Disabled)), "{again:?}");
        let enable = WebhookChange { enabled: Some(true), ..WebhookChange::default() };
        let enabled = webhooks::update(&desk.app, &desk.member, webhook.id, enable).await.expect("enabled");
        assert_eq!((enabled.disabled, enabled.failures_in_a_row), (None, 0));
        receiver.answer(&[]);
    })
    .await;
}

#[tokio::test]
async fn however_many_events_wait_for_an_address_that_fails_one_finds_out_and_all_are_told_when_it_works() {
    in_private_networks(async |desk| {
        let receiver = Receiver::start().await.expect("listens");
        let (webhook, _) = told_of_contacts(desk, &receiver).await;
        receiver.answer(&[500; 5]);
        for number in 1..=20 {
            somebody_writes(desk, number).await;
        }
        assert_eq!(
            (receiver.told().len(), owed(desk).await),
            (3, 3),
            "what comes while it is left alone costs nothing"
        );
        later(desk, Duration::from_secs(700)).await;
        let tried = receiver.told().len();
        assert!(tried > 3 && tried <= 5, "one or the other finds out: {tried}");
        receiver.answer(&[]);
        for _ in 0..4 {
            later(desk, Duration::from_secs(700)).await;
        }
        let states: Vec<_> = log(desk, &webhook).await.iter().map(|kept| kept.state).collect();
        assert_eq!(states, [DeliveryState::Delivered; 20]);
        assert_eq!(owed(desk).await, 0);
        let mut ids: Vec<_> =
            receiver.told().iter().map(|told| told.header("x-chatwoot-delivery").to_owned()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 20);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_webhook_is_told_nothing_and_its_address_can_be_told_anew_while_its_log_goes_with_the_sweep() {
    in_private_networks(async |desk| {
        let receiver = Receiver::start().await.expect("listens");
        let (first, _) = told_of_contacts(desk, &receiver).await;
        somebody_writes(desk, 1).await;
        webhooks::delete(&desk.app, &desk.member, first.id).await.expect("deleted");
        let gone = webhooks::show(&desk.app, &desk.member, first.id).await;
        assert!(matches!(gone, Err(WebhookError::NotFound)), "{gone:?}");
        somebody_writes(desk, 2).await;
        assert_eq!(receiver.told().len(), 1);
        let (second, _) = told_of_contacts(desk, &receiver).await;
        somebody_writes(desk, 3).await;
        assert_eq!((receiver.told().len(), log(desk, &second).await.len()), (2, 1));
        desk.app.store().purge().sweep_webhook_deliveries(Duration::from_secs(3600)).await.expect("swept");
        assert_eq!(desk.number("SELECT COUNT(*) FROM webhooks").await, 1);
        assert_eq!(desk.number("SELECT COUNT(*) FROM webhook_deliveries").await, 1);
    })
    .await;
}

#[tokio::test]
async fn an_address_is_as_long_as_it_is_asked() {
    in_private_networks(async |desk| {
        let long = format!("https://a.example/{}", "\u{e4}".repeat(700));
        let refused = webhooks::create(&desk.app, &desk.member, subscribed(&long, &["contact_created"])).await;
        assert!(matches!(refused, Err(WebhookError::Invalid("url", _))), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn who_answers_at_length_has_taken_it() {
    in_private_networks(async |desk| {
        let receiver = Receiver::start().await.expect("listens");
        receiver.say(&"x".repeat(3 * 1024 * 1024));
        let (webhook, _) = told_of_contacts(desk, &receiver).await;
        somebody_writes(desk, 1).await;
        let kept = log(desk, &webhook).await.remove(0);
        assert_eq!((kept.state, kept.answer.map(|answer| answer.len())), (DeliveryState::Delivered, Some(1024)));
    })
    .await;
}

#[tokio::test]
async fn an_address_where_nobody_is_any_more_is_told_nothing_again() {
    in_private_networks(async |desk| {
        let receiver = Receiver::start().await.expect("listens");
        let (webhook, _) = told_of_contacts(desk, &receiver).await;
        receiver.answer(&[410]);
        somebody_writes(desk, 1).await;
        assert_eq!(shown(desk, &webhook).await.disabled.map(|d| d.reason), Some(DisabledReason::Gone));
        assert_eq!(log(desk, &webhook).await[0].state, DeliveryState::Failed);
        somebody_writes(desk, 2).await;
        assert_eq!(receiver.told().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn each_administrator_is_told_once_by_mail_that_a_webhook_is_disabled_while_it_is() {
    let office = PostOffice::open().await.expect("a mail server");
    let port = office.addr.port();
    let tune = move |settings: &mut Settings| {
        settings.webhook_private_networks = true;
        send_through(settings, port);
    };
    on_each_tuned(tune, async |desk| {
        let before = office.taken().len();
        let receiver = Receiver::start().await.expect("listens");
        let (webhook, _) = told_of_contacts(desk, &receiver).await;
        receiver.answer(&[410, 410]);
        somebody_writes(desk, 1).await;
        desk.work().await;
        let told = office.mail(before).await.expect("a mail");
        assert_eq!(told.subject(), "A webhook of Contoso is disabled");
        let address = receiver.url().replace("://", " ");
        for words in [address.as_str(), "gone for good (410)", "http://localhost:3000/app"] {
            assert!(told.words().contains(words), "{words}: {}", told.words());
        }
        somebody_writes(desk, 2).await;
        assert_eq!(office.taken().len(), before + 1, "it was told twice");
        // Who is enabled again before the mail leaves is no news.
        let enable = WebhookChange { enabled: Some(true), ..WebhookChange::default() };
        webhooks::update(&desk.app, &desk.member, webhook.id, enable.clone()).await.expect("enabled");
        office.turn_away(1);
        somebody_writes(desk, 3).await;
        desk.work().await;
        assert!(shown(desk, &webhook).await.disabled.is_some());
        webhooks::update(&desk.app, &desk.member, webhook.id, enable).await.expect("enabled");
        later(desk, Duration::from_secs(3600)).await;
        assert_eq!(office.taken().len(), before + 1, "it was told of what is over");
    })
    .await;
}

#[tokio::test]
async fn a_new_secret_and_the_one_before_sign_beside_each_other_for_a_day() {
    in_private_networks(async |desk| {
        let receiver = Receiver::start().await.expect("listens");
        let (webhook, old) = told_of_contacts(desk, &receiver).await;
        let (rotated, new) = webhooks::rotate_secret(&desk.app, &desk.member, webhook.id).await.expect("rotated");
        assert!(rotated.previous_until.is_some_and(|until| until > desk.app.now()));
        somebody_writes(desk, 1).await;
        desk.clock.forward(ROTATION);
        somebody_writes(desk, 2).await;
        let told = receiver.told();
        for (told, secrets) in told.iter().zip([vec![&new, &old], vec![&new]]) {
            let at: i64 = told.header("x-chatwoot-timestamp").parse().expect("seconds");
            let sign = |secret| webhooks::signature::sign(secret, domain::Timestamp::from_seconds(at), &told.body);
            let all: Vec<String> = secrets.iter().map(|secret| format!(",v1={}", sign(secret))).collect();
            assert_eq!(told.header("x-postroom-signature"), format!("t={at}{}", all.concat()));
            assert_eq!(told.header("x-chatwoot-signature"), format!("sha256={}", sign(&new)));
        }
        assert_eq!(told.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_webhook_leads_to_no_address_of_ours_neither_by_number_nor_by_name() {
    on_each(async |desk| {
        let receiver = Receiver::start().await.expect("listens");
        for url in [receiver.url().as_str(), "https://169.254.169.254/latest", "https://[::1]/", "https://[fd00::1]:8/"]
        {
            let refused = webhooks::create(&desk.app, &desk.member, subscribed(url, &["contact_created"])).await;
            assert!(matches!(refused, Err(WebhookError::Invalid("url", _))), "{url}: {refused:?}");
        }
        // A name is judged when it is asked, by where it leads then.
        let by_name =
            format!("https://localhost:{}/", receiver.url().rsplit(':').next().expect("a port").replace("/told", ""));
        let new = subscribed(&by_name, &["contact_created"]);
        let (webhook, _) = webhooks::create(&desk.app, &desk.member, new).await.expect("made");
        somebody_writes(desk, 1).await;
        let kept = log(desk, &webhook).await.remove(0);
        assert!(kept.failure.is_some_and(|why| why.starts_with("forbidden_address")), "{:?}", kept.state);
        assert!(receiver.told().is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_a_webhook_is_refused_with_its_field() {
    on_each(async |desk| {
        let made = |new: NewWebhook| webhooks::create(&desk.app, &desk.member, new);
        for url in ["", "nothing", "ftp://a.example/", "http://a.example/", "https://u:p@a.example/"] {
            let refused = made(subscribed(url, &["contact_created"])).await;
            assert!(matches!(refused, Err(WebhookError::Invalid("url", _))), "{url}: {refused:?}");
        }
        for names in [&[] as &[&str], &["contact_made"]] {
            let refused = made(subscribed("https://a.example/", names)).await;
            assert!(matches!(refused, Err(WebhookError::Invalid("subscriptions", _))), "{refused:?}");
        }
        let elsewhere = NewWebhook {
            inbox_id: Some(domain::InboxId(99)),
            ..subscribed("https://a.example/", &["contact_created"])
        };
        assert!(matches!(made(elsewhere).await, Err(WebhookError::Invalid("inbox_id", _))));
        for number in 0..MAX_WEBHOOKS {
            made(subscribed(&format!("https://a.example/{number}"), &["contact_created"])).await.expect("made");
        }
        let twice = made(subscribed("https://a.example/0", &["contact_created"])).await;
        let full = made(subscribed("https://a.example/more", &["contact_created"])).await;
        assert!(matches!(full, Err(WebhookError::AccountFull)), "{full:?}");
        assert!(matches!(twice, Err(WebhookError::AccountFull)), "{twice:?}");
        let all = webhooks::list(&desk.app, &desk.member).await.expect("a list");
        let change = WebhookChange { url: Some("https://a.example/1".to_owned()), ..WebhookChange::default() };
        let taken = webhooks::update(&desk.app, &desk.member, all[0].id, change).await;
        assert!(matches!(taken, Err(WebhookError::Invalid("url", _))), "{taken:?}");
        webhooks::delete(&desk.app, &desk.member, all[0].id).await.expect("gone");
        let again = webhooks::delete(&desk.app, &desk.member, all[0].id).await;
        assert!(matches!(again, Err(WebhookError::NotFound)), "{again:?}");
    })
    .await;
}
