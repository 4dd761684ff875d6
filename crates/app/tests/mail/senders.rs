//! Several mailboxes of which one person sends: Exchange counts the person, so they share one pace, one line and one session, and none keeps
//! another from sending.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use crate::postgres::on_each;
use app::channels::{Part, health};
use app::outbound::{self, RetryError};
use domain::channel::{Health, HealthState, Provider, SendTransport, SendingLimits, Service};
use domain::inbox::{Inbox, InboxSettings};
use domain::message::{Delivery, DeliveryState};
use domain::{DisplayId, EmailAddress, FailureClass, MessageId};
use sandbox::{CONTOSO, Event, INBOX, SmtpFault, SmtpPoint, TenantUser};
use std::time::Duration;
use store::{NewChannel, NewInbox, OwedKind, OwedPriority};

const INFO: &str = "info@contoso.example";
const JOBS: &str = "jobs@contoso.example";
const MINUTE: Duration = Duration::from_secs(61);

/// Another mailbox that the person of the desk's opens and, with `send_as`, sends as; and a conversation in it.
pub async fn shared(desk: &Desk, address: &str, send_as: bool) -> (Inbox, DisplayId) {
    desk.sandbox.add_user(TenantUser::work(CONTOSO, address, address));
    desk.sandbox.update_user(SUPPORT, |user| {
        user.full_access.push(address.to_owned());
        user.send_as.extend(send_as.then(|| address.to_owned()));
    });
    let mailbox = EmailAddress::parse(address).expect("an address");
    let mut tx = desk.scope.begin().await.expect("a transaction");
    let new = NewInbox {
        name: address.to_owned(),
        settings: InboxSettings::default(),
        channel: NewChannel {
            provider: Provider::Microsoft,
            service: Service::Microsoft365,
            grant_id: desk.inbox.channel.grant_id,
            principal: SUPPORT.to_owned(),
            mailbox_address: mailbox.clone(),
            from_address: mailbox,
            smtp_user: SUPPORT.to_owned(),
            fetch_health: Health::default(),
            send_health: Health::default(),
        },
    };
    let inbox = tx.create_inbox(&new).await.expect("an inbox");
    tx.commit().await.expect("committed");
    desk.take_in_at(&inbox, &mail(ADA, &format!("to-{address}"), address, "", "hello")).await;
    let found = desk.conversations().await.into_iter().find(|view| view.conversation.inbox_id == inbox.id);
    (inbox, found.expect("a conversation").conversation.display_id)
}

async fn own(desk: &Desk) -> DisplayId {
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    desk.conversation().await.conversation.display_id
}

async fn replies(desk: &Desk, id: DisplayId, count: usize) -> Vec<MessageId> {
    let mut sent = Vec::new();
    for n in 0..count {
        sent.push(desk.reply(id, &format!("number {n}.")).await.id);
    }
    sent
}

async fn agree(desk: &Desk, inbox: &Inbox, limits: SendingLimits) {
    let mut tx = desk.scope.begin().await.expect("a transaction");
    tx.set_sending_limits(inbox.channel.id, limits).await.expect("written");
    tx.commit().await.expect("committed");
}

async fn delivery(desk: &Desk, id: DisplayId, message: MessageId) -> Delivery {
    desk.message(id, message).await.delivery.expect("a delivery")
}

fn class(delivery: &Delivery) -> Option<FailureClass> {
    delivery.failure.as_ref().map(|f| f.class)
}

/// From whom Ada has mail, in the order in which it came.
fn senders(desk: &Desk) -> Vec<&'static str> {
    let from = |mail: &sandbox::StoredMail| {
        let text = String::from_utf8_lossy(&mail.bytes).into_owned();
        let line = text.lines().find(|line| line.starts_with("From:")).expect("a From").to_owned();
        [SUPPORT, INFO, JOBS].into_iter().find(|address| line.contains(address)).expect("one of ours")
    };
    desk.sandbox.mailbox(ADA).messages(INBOX).iter().map(from).collect()
}

fn from(desk: &Desk, address: &str) -> usize {
    senders(desk).into_iter().filter(|sender| *sender == address).count()
}

#[tokio::test]
async fn what_a_person_sends_for_several_mailboxes_is_thirty_a_minute_together_and_they_take_turns() {
    on_each(async |desk| {
        let support = own(desk).await;
        let (_, info) = shared(desk, INFO, true).await;
        replies(desk, support, 20).await;
        let late = replies(desk, info, 20).await;
        desk.work().await;
        let sent = senders(desk);
        assert_eq!(sent.len(), 30, "thirty a minute of one person, whichever mailbox it is for");
        assert!(from(desk, SUPPORT) == 15 && from(desk, INFO) == 15, "whoever began later is not behind: {sent:?}");
        // Whoever asked before the limit was reached asks again, and is told.
        desk.mailbox_rests(Duration::from_secs(40)).await;
        desk.work().await;
        assert_eq!(senders(desk).len(), 30);
        let waiting = delivery(desk, info, late[19]).await;
        assert_eq!((class(&waiting), waiting.attempts), (Some(FailureClass::SendingPaced), 0));
        let detail = waiting.failure.as_ref().and_then(|failure| failure.detail.clone());
        assert_eq!(detail.as_deref(), Some("the limit is 30 messages a minute"));
        let connections = desk.sandbox.events().iter().filter(|event| matches!(event, Event::SmtpConnected)).count();
        assert_eq!(connections, 2, "one session serves them all, for twenty mails");
        desk.mailbox_rests(MINUTE).await;
        desk.work().await;
        assert_eq!((from(desk, SUPPORT), from(desk, INFO)), (20, 20), "each once");
        assert_eq!(desk.sandbox.most_smtp_connections(SUPPORT), 1);
    })
    .await;
}

#[tokio::test]
async fn a_mailbox_that_may_not_send_or_has_used_up_its_own_limit_lets_the_persons_others_pass() {
    on_each(async |desk| {
        let support = own(desk).await;
        let (_, info) = shared(desk, INFO, false).await;
        let (jobs_inbox, jobs) = shared(desk, JOBS, true).await;
        agree(desk, &jobs_inbox, SendingLimits { messages_per_minute: Some(1), ..SendingLimits::default() }).await;
        // The automatic mail of their own mailbox stands behind all of it.
        let refused = replies(desk, info, 3).await;
        let slow = replies(desk, jobs, 3).await;
        let last = replies(desk, support, 2).await;
        for automatic in &last {
            let record = desk.scope.delivery_of_message(*automatic).await.expect("answers").expect("a delivery");
            let mut tx = desk.scope.begin().await.expect("a transaction");
            let (kind, subject) = (OwedKind::DeliverMessage, record.delivery.id.0);
            tx.cancel_owed(kind, subject).await.expect("cancelled");
            tx.owe(kind, subject, serde_json::json!({}), OwedPriority::Normal, None).await.expect("owed");
            tx.commit().await.expect("committed");
        }
        desk.work().await;
        assert_eq!(senders(desk), [JOBS, SUPPORT, SUPPORT], "people first, and nobody waits for who cannot");
        assert_eq!(class(&delivery(desk, info, refused[2]).await), Some(FailureClass::SenderNotAllowed));
        let paced = delivery(desk, jobs, slow[1]).await;
        assert_eq!(class(&paced), Some(FailureClass::SendingPaced));
        let detail = paced.failure.as_ref().and_then(|failure| failure.detail.clone());
        assert_eq!(detail.as_deref(), Some("the limit is 1 messages a minute"));
        desk.mailbox_rests(MINUTE).await;
        desk.work().await;
        assert_eq!(from(desk, JOBS), 2);
    })
    .await;
}

#[tokio::test]
async fn what_was_agreed_for_one_mailbox_is_not_undone_by_another_of_the_same_person_that_waits_with_it() {
    on_each(async |desk| {
        let support = own(desk).await;
        let (_, info) = shared(desk, INFO, true).await;
        agree(desk, &desk.inbox, SendingLimits { messages_per_minute: Some(40), ..SendingLimits::default() }).await;
        replies(desk, support, 32).await;
        desk.work().await;
        assert_eq!(from(desk, SUPPORT), 32);
        // The person has sent more than a mailbox may for which nothing was agreed, and that mailbox is the next in turn.
        replies(desk, info, 4).await;
        replies(desk, support, 10).await;
        desk.work().await;
        assert_eq!((from(desk, SUPPORT), from(desk, INFO)), (36, 4), "forty a minute of one person");
        desk.mailbox_rests(MINUTE).await;
        desk.work().await;
        assert_eq!((from(desk, SUPPORT), from(desk, INFO)), (42, 4), "each once");
    })
    .await;
}

#[tokio::test]
async fn a_mailbox_for_which_nothing_was_agreed_keeps_to_its_own_day_and_the_persons_raised_one_goes_on() {
    on_each(async |desk| {
        let support = own(desk).await;
        let (inbox, info) = shared(desk, INFO, true).await;
        agree(desk, &desk.inbox, SendingLimits { recipients_per_day: Some(50_000), ..SendingLimits::default() }).await;
        replies(desk, support, 1).await;
        desk.work().await;
        let day = "UPDATE channel_submissions SET recipients";
        desk.outside(&format!("{day} = 20000 WHERE span = 600000000")).await;
        replies(desk, info, 1).await;
        replies(desk, support, 1).await;
        desk.work().await;
        assert_eq!(senders(desk), [SUPPORT, INFO, SUPPORT], "neither has used up what it may");
        desk.outside(&format!("{day} = 10000 WHERE span = 600000000 AND channel_id = {}", inbox.channel.id.0)).await;
        let waits = replies(desk, info, 1).await;
        replies(desk, support, 1).await;
        desk.work().await;
        assert_eq!(senders(desk), [SUPPORT, INFO, SUPPORT, SUPPORT], "whoever waits for itself alone steps aside");
        let waiting = delivery(desk, info, waits[0]).await;
        assert_eq!(class(&waiting), Some(FailureClass::DailyRecipientsReached));
        let detail = waiting.failure.as_ref().and_then(|failure| failure.detail.clone());
        assert_eq!(detail.as_deref(), Some("the limit is 10000 recipients in 24 hours"));
    })
    .await;
}

#[tokio::test]
async fn what_a_server_asks_of_one_mailbox_is_waited_for_by_it_alone_and_outlasts_what_the_person_meets_with_another() {
    on_each(async |desk| {
        let support = own(desk).await;
        let (_, info) = shared(desk, INFO, true).await;
        let reply = "451 4.7.500 Server busy. Please try again in 5 minutes".to_owned();
        desk.sandbox.faults().once(SmtpFault::Answer { at: SmtpPoint::MailFrom, reply });
        let asked = replies(desk, info, 1).await;
        desk.work().await;
        assert_eq!(class(&delivery(desk, info, asked[0]).await), Some(FailureClass::Throttled));
        replies(desk, support, 1).await;
        desk.work().await;
        assert_eq!(senders(desk), [SUPPORT], "it may have been about that message");
        desk.sandbox.cut_mail_connections();
        desk.sandbox.faults().once(SmtpFault::concurrent_connections());
        let crowded = replies(desk, support, 1).await;
        desk.work().await;
        assert_eq!(class(&delivery(desk, support, crowded[0]).await), Some(FailureClass::TooManyConnections));
        // The person's wait is shorter, and a person ends it.
        outbound::retry(&desk.app, &desk.member, support, crowded[0], false).await.expect("tried now");
        desk.work().await;
        assert_eq!(senders(desk), [SUPPORT, SUPPORT]);
        let refused = outbound::retry(&desk.app, &desk.member, info, asked[0], false).await;
        let minutes = desk.app.now().plus(Duration::from_secs(200));
        assert!(matches!(refused, Err(RetryError::AskedToWait { until }) if until > minutes), "{refused:?}");
        desk.mailbox_rests(Duration::from_secs(200)).await;
        desk.work().await;
        assert_eq!(from(desk, INFO), 0, "it came before its time");
        desk.mailbox_rests(Duration::from_secs(120)).await;
        desk.work().await;
        assert_eq!(from(desk, INFO), 1);
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_tried_now_takes_the_persons_other_mailboxes_with_it_unless_the_server_stated_the_time() {
    on_each(async |desk| {
        let support = own(desk).await;
        let (_, info) = shared(desk, INFO, true).await;
        desk.sandbox.faults().once(SmtpFault::concurrent_connections());
        replies(desk, support, 1).await;
        desk.work().await;
        let waits = replies(desk, info, 1).await;
        desk.work().await;
        assert_eq!((desk.sandbox.faults().fired().len(), senders(desk).len()), (1, 0), "both wait");
        outbound::retry(&desk.app, &desk.member, info, waits[0], false).await.expect("tried now");
        desk.work().await;
        assert_eq!((from(desk, SUPPORT), from(desk, INFO)), (1, 1));
        desk.sandbox.cut_mail_connections();
        let reply = "432 4.3.2 Concurrent connections limit exceeded; retry after 300 seconds".to_owned();
        desk.sandbox.faults().once(SmtpFault::Answer { at: SmtpPoint::MailFrom, reply });
        replies(desk, support, 1).await;
        desk.work().await;
        let waits = replies(desk, info, 1).await;
        desk.work().await;
        let refused = outbound::retry(&desk.app, &desk.member, info, waits[0], false).await;
        assert!(matches!(refused, Err(RetryError::AskedToWait { until }) if until > desk.app.now()), "{refused:?}");
        outbound::retry(&desk.app, &desk.member, info, waits[0], true).await.expect("tried now");
        desk.work().await;
        assert_eq!((from(desk, SUPPORT), from(desk, INFO)), (1, 2), "nobody spoke of the other");
        desk.mailbox_rests(Duration::from_secs(320)).await;
        desk.work().await;
        assert_eq!((from(desk, SUPPORT), from(desk, INFO)), (2, 2), "each once");
    })
    .await;
}

#[tokio::test]
async fn a_mailbox_that_an_administrator_tries_again_takes_the_persons_others_with_it() {
    on_each(async |desk| {
        let support = own(desk).await;
        let (inbox, info) = shared(desk, INFO, true).await;
        desk.sandbox.faults().once(SmtpFault::concurrent_connections());
        replies(desk, support, 1).await;
        desk.work().await;
        replies(desk, info, 1).await;
        desk.work().await;
        assert_eq!((desk.sandbox.faults().fired().len(), senders(desk).len()), (1, 0), "both wait");
        let tried = health::try_again(&desk.app, &desk.member, inbox.id, Part::Send).await.expect("tried");
        assert_eq!(tried.channel.send_health.state, HealthState::Connected);
        desk.work().await;
        assert_eq!((from(desk, SUPPORT), from(desk, INFO)), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_person_with_too_many_connections_is_asked_once_after_every_wait_whichever_mailbox_waits() {
    on_each(async |desk| {
        let support = own(desk).await;
        let (_, info) = shared(desk, INFO, true).await;
        desk.sandbox.faults().always(SmtpFault::concurrent_connections());
        let (first, second) = (replies(desk, support, 2).await, replies(desk, info, 2).await);
        for round in 1..=3 {
            desk.work().await;
            assert_eq!(desk.sandbox.faults().fired().len(), round, "one attempt a wait, whichever mailbox waits");
            for (id, message) in first.iter().map(|m| (support, *m)).chain(second.iter().map(|m| (info, *m))) {
                let waiting = delivery(desk, id, message).await;
                assert_eq!(
                    (waiting.state, class(&waiting)),
                    (DeliveryState::Queued, Some(FailureClass::TooManyConnections))
                );
            }
            desk.mailbox_rests(Duration::from_secs(3600)).await;
        }
        desk.sandbox.faults().clear();
        desk.work().await;
        assert_eq!((from(desk, SUPPORT), from(desk, INFO)), (2, 2), "each once");
    })
    .await;
}

#[tokio::test]
async fn a_mailbox_that_sends_by_graph_is_counted_by_itself() {
    on_each(async |desk| {
        let support = own(desk).await;
        let (inbox, info) = shared(desk, INFO, true).await;
        let mut tx = desk.scope.begin().await.expect("a transaction");
        tx.set_send_transport(inbox.channel.id, SendTransport::Graph).await.expect("written");
        tx.commit().await.expect("committed");
        let lease = desk.scope.claim_send_lease(inbox.channel.id, "another", Duration::from_secs(600), None).await;
        let lease = lease.expect("answers").expect("is free");
        replies(desk, info, 1).await;
        replies(desk, support, 1).await;
        desk.work().await;
        assert_eq!(senders(desk), [SUPPORT], "the person sends by SMTP while the shared mailbox is busy at Graph");
        desk.scope.release_send_lease(&lease, None).await.expect("released");
    })
    .await;
}
