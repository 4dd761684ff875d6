//! How a mailbox has been doing is written down as it changes, and whoever must act is told once, by mail, by webhook and on the page.

use crate::desk::Desk;
use crate::left_behind::agent;
use crate::passwords::{GRACE, send_through, with_mailer};
use crate::postgres::{on_each, on_each_tuned};
use crate::telling::dispatched;
use app::Settings;
use app::channels::inboxes::{self, InboxError};
use app::channels::{HealthNotice, HealthPart, health, notices};
use app::webhooks::{self, NewWebhook};
use domain::channel::HealthState;
use domain::inbox::Inbox;
use domain::{Actor, ChannelId, Failure, FailureClass, FailureClass::*, InboxId};
use std::time::Duration;
use store::OwedKind;
use testkit::installation::put_mailbox;
use testkit::post_office::{PostOffice, Taken};
use testkit::receiver::Receiver;

const AGNES: &str = "agnes@contoso.example";
const MINUTE: Duration = Duration::from_secs(60);
const KEPT: usize = 200;

async fn prove(desk: &Desk) {
    desk.outside("UPDATE users SET email_proved_at = 1").await;
}

/// One more mailbox; nobody connects to it.
async fn another(desk: &Desk, address: &str) -> Inbox {
    let mut tx = desk.scope.begin().await.expect("a transaction");
    let inbox = put_mailbox(&mut tx, "Support", address, "none".to_owned()).await.expect("an inbox");
    tx.commit().await.expect("committed");
    inbox
}

async fn fails(desk: &Desk, channel: ChannelId, class: FailureClass) {
    // That a permission has ended is believed of one that has.
    desk.outside("UPDATE grants SET status = 'needs_reauth'").await;
    let failure = Failure::new(class).said("the server's own words").correlation("c0ffee");
    health::record_fetch(&desk.app, &desk.scope, channel, Err(&failure), None).await.expect("the database");
}

async fn cannot_send(desk: &Desk, class: FailureClass) {
    let failure = Failure::new(class);
    health::record_send(&desk.app, &desk.scope, desk.inbox.channel.id, Err(&failure), None).await.expect("stored");
}

async fn works(desk: &Desk) {
    health::record_fetch(&desk.app, &desk.scope, desk.inbox.channel.id, Ok(()), None).await.expect("the database");
    health::record_send(&desk.app, &desk.scope, desk.inbox.channel.id, Ok(()), None).await.expect("the database");
}

/// So many minutes, in each of which somebody looks.
async fn pass(desk: &Desk, minutes: u32) {
    for _ in 0..minutes {
        desk.clock.forward(MINUTE);
        notices::look(&desk.app).await.expect("looked");
    }
}

async fn open(desk: &Desk) -> Vec<HealthNotice> {
    notices::open(&desk.app, &desk.member).await.expect("an administrator")
}

async fn mails(desk: &Desk, office: &PostOffice) -> Vec<Taken> {
    desk.work().await;
    office.taken().into_iter().filter(|mail| mail.to == [AGNES]).collect()
}

#[tokio::test]
async fn each_change_of_state_or_cause_is_a_row_with_the_words_and_the_correlation_id_and_the_same_again_is_none() {
    on_each(async |desk| {
        let channel = desk.inbox.channel.id;
        let before = inboxes::health_timeline(&desk.app, &desk.member, desk.inbox.id, 1).await.expect("rows").0;
        assert!(before.iter().all(|change| change.failure.is_none()));
        fails(desk, channel, TimedOut).await;
        fails(desk, channel, TimedOut).await;
        fails(desk, channel, Throttled).await;
        works(desk).await;
        works(desk).await;
        fails(desk, channel, GrantRevoked).await;
        cannot_send(desk, SmtpAuthDisabled).await;
        let (rows, count) = inboxes::health_timeline(&desk.app, &desk.member, desk.inbox.id, 1).await.expect("rows");
        let new = &rows[..rows.len() - before.len()];
        let told: Vec<_> =
            new.iter().rev().map(|row| (row.part, row.state, row.failure.as_ref().map(|f| f.class))).collect();
        assert_eq!(
            told,
            [
                (HealthPart::Fetch, HealthState::Failing, Some(TimedOut)),
                (HealthPart::Fetch, HealthState::Failing, Some(Throttled)),
                (HealthPart::Fetch, HealthState::Connected, None),
                (HealthPart::Send, HealthState::Connected, None),
                (HealthPart::Fetch, HealthState::NeedsReauth, Some(GrantRevoked)),
                (HealthPart::Send, HealthState::Blocked, Some(SmtpAuthDisabled)),
            ]
        );
        assert_eq!(count, rows.len() as u64);
        let failure = new[1].clone().failure.filter(|failure| failure.class == GrantRevoked);
        let failure = failure.expect("a failure");
        assert_eq!(failure.server_said.as_deref(), Some("the server's own words"));
        assert_eq!(failure.correlation_id.as_deref(), Some("c0ffee"));
    })
    .await;
}

#[tokio::test]
async fn of_a_mailbox_that_flaps_for_ever_the_last_two_hundred_changes_are_kept_and_old_ones_go() {
    on_each(async |desk| {
        let channel = desk.inbox.channel.id;
        for n in 0..KEPT + 25 {
            fails(desk, channel, if n % 2 == 0 { TimedOut } else { Throttled }).await;
        }
        let page =
            async |page| inboxes::health_timeline(&desk.app, &desk.member, desk.inbox.id, page).await.expect("rows");
        let (first, count) = page(1).await;
        assert_eq!((first.len(), count), (25, KEPT as u64));
        assert_eq!(first[0].failure.as_ref().map(|f| f.class), Some(TimedOut), "the newest first");
        assert_eq!((page(8).await.0.len(), page(9).await.0.len()), (25, 0));
        desk.clock.forward(Duration::from_secs(91 * 24 * 3600));
        fails(desk, channel, Unreachable).await;
        desk.app.store().purge().sweep_health(Duration::from_secs(90 * 24 * 3600)).await.expect("swept");
        assert_eq!(page(1).await.1, 1);
    })
    .await;
}

#[tokio::test]
async fn how_a_mailbox_does_is_for_its_administrators_alone() {
    on_each(async |desk| {
        let grace = agent(desk, GRACE).await;
        let refused = inboxes::health_timeline(&desk.app, &grace, desk.inbox.id, 1).await;
        assert!(matches!(refused, Err(InboxError::NotFound)), "she does not even see the inbox");
        assert!(matches!(notices::open(&desk.app, &grace).await, Err(InboxError::Forbidden)));
        let nowhere = inboxes::health_timeline(&desk.app, &desk.member, InboxId(999), 1).await;
        assert!(matches!(nowhere, Err(InboxError::NotFound)));
    })
    .await;
}

#[tokio::test]
async fn an_administrator_is_told_once_that_somebody_must_sign_in_and_once_that_it_works_again() {
    with_mailer(async |desk, office| {
        prove(desk).await;
        let before = mails(desk, office).await.len();
        fails(desk, desk.inbox.channel.id, GrantRevoked).await;
        cannot_send(desk, GrantRevoked).await;
        pass(desk, 9).await;
        assert_eq!((mails(desk, office).await.len(), open(desk).await.len()), (before, 0), "it may pass");
        pass(desk, 600).await;
        let told = mails(desk, office).await;
        assert_eq!(told.len(), before + 1, "one mail for fetching and sending, however long it lasts");
        let mail = &told[before];
        let name = &desk.inbox.name;
        assert_eq!(mail.subject(), format!("Contoso: \u{201c}{name}\u{201d} can neither fetch nor send mail"));
        let account = desk.scope.account_id();
        for words in [
            GrantRevoked.text().to_owned(),
            GrantRevoked.cure().to_owned(),
            "Who must act: whoever signs in to the mailbox".to_owned(),
            format!("http://localhost:3000/app/accounts/{account}/settings/inboxes/{}", desk.inbox.id),
            "http://localhost:3000/help/grant_revoked".to_owned(),
        ] {
            assert!(mail.words().contains(&words), "{words}: {}", mail.words());
        }
        let bytes = String::from_utf8_lossy(&mail.bytes).into_owned();
        assert!(!bytes.contains("the server's own words") && !bytes.contains("c0ffee"), "{bytes}");
        let notice = &open(desk).await[0];
        assert_eq!((notice.standing.actor, notice.inbox_id), (Actor::Owner, desk.inbox.id));
        assert_eq!(notice.standing.failure.server_said.as_deref(), Some("the server's own words"), "on the page");

        works(desk).await;
        pass(desk, 9).await;
        assert_eq!(mails(desk, office).await.len(), before + 1);
        pass(desk, 60).await;
        let told = mails(desk, office).await;
        assert_eq!((told.len(), open(desk).await.len()), (before + 2, 0));
        assert_eq!(told[before + 1].subject(), format!("Contoso: \u{201c}{name}\u{201d} works again"));
    })
    .await;
}

#[tokio::test]
async fn another_cause_for_somebody_else_is_told_and_what_comes_and_goes_is_not() {
    with_mailer(async |desk, office| {
        prove(desk).await;
        let before = mails(desk, office).await.len();
        let channel = desk.inbox.channel.id;
        for _ in 0..20 {
            fails(desk, channel, GrantExpired).await;
            pass(desk, 8).await;
            works(desk).await;
            pass(desk, 1).await;
        }
        assert_eq!(mails(desk, office).await.len(), before, "it flapped");
        fails(desk, channel, GrantExpired).await;
        pass(desk, 20).await;
        fails(desk, channel, PolicyBlocked).await;
        pass(desk, 20).await;
        fails(desk, channel, GrantRevoked).await;
        pass(desk, 20).await;
        fails(desk, channel, PolicyBlocked).await;
        pass(desk, 20).await;
        let told = mails(desk, office).await;
        assert_eq!(told.len(), before + 2, "each once");
        assert!(told[before + 1].words().contains("an administrator of your organisation's Microsoft 365"));
        let current: Vec<_> = open(desk).await.iter().map(|n| (n.standing.actor, n.standing.is_current)).collect();
        assert_eq!(current, [(Actor::TenantAdmin, true), (Actor::Owner, false)]);
    })
    .await;
}

#[tokio::test]
async fn of_many_mailboxes_that_fail_for_one_reason_one_mail_tells_and_one_that_they_work_again() {
    with_mailer(async |desk, office| {
        prove(desk).await;
        let mut channels = vec![desk.inbox.channel.id];
        for n in 0..23 {
            channels.push(another(desk, &format!("box{n}@contoso.example")).await.channel.id);
        }
        let before = mails(desk, office).await.len();
        for _ in 0..4 {
            for channel in &channels {
                fails(desk, *channel, Unreachable).await;
            }
            desk.clock.forward(MINUTE * 21);
        }
        pass(desk, 2).await;
        let told = mails(desk, office).await;
        assert_eq!((told.len(), open(desk).await.len()), (before + 1, 24));
        assert_eq!(told[before].subject(), "Contoso: 24 inboxes cannot fetch mail");
        assert!(told[before].words().contains("and 4 more"), "{}", told[before].words());
        for channel in &channels {
            health::record_fetch(&desk.app, &desk.scope, *channel, Ok(()), None).await.expect("the database");
        }
        pass(desk, 11).await;
        let told = mails(desk, office).await;
        assert_eq!((told.len(), told[before + 1].subject().as_str()), (before + 2, "Contoso: 24 inboxes work again"));
    })
    .await;
}

#[tokio::test]
async fn several_processes_that_look_at_once_tell_once() {
    with_mailer(async |desk, office| {
        prove(desk).await;
        let before = mails(desk, office).await.len();
        fails(desk, desk.inbox.channel.id, GrantExpired).await;
        desk.clock.forward(MINUTE * 11);
        let look = || notices::look(&desk.app);
        let (one, two, three, four) = tokio::join!(look(), look(), look(), look());
        let counts = [one, two, three, four].map(|count| count.expect("looked"));
        assert_eq!(counts.iter().sum::<u32>(), 1, "{counts:?}");
        assert_eq!(mails(desk, office).await.len(), before + 1);
        works(desk).await;
        desk.clock.forward(MINUTE * 11);
        let (one, two, three, four) = tokio::join!(look(), look(), look(), look());
        let counts = [one, two, three, four].map(|count| count.expect("looked"));
        assert_eq!(counts.iter().sum::<u32>(), 1, "{counts:?}");
        assert_eq!(mails(desk, office).await.len(), before + 2);
        let events = "SELECT COUNT(*) FROM events WHERE kind = 'inbox_health_notice'";
        assert_eq!(desk.number(events).await, 2);
    })
    .await;
}

#[tokio::test]
async fn who_dies_before_the_commit_has_told_nobody_and_who_dies_after_it_is_stood_in_for() {
    with_mailer(async |desk, office| {
        prove(desk).await;
        let before = mails(desk, office).await.len();
        fails(desk, desk.inbox.channel.id, GrantExpired).await;
        desk.clock.forward(MINUTE * 11);
        for statement in dies_when_it_owes(desk) {
            desk.outside(statement).await;
        }
        let died = notices::look(&desk.app).await;
        assert!(died.is_err() || open(desk).await.is_empty(), "{died:?}");
        assert_eq!((open(desk).await.len(), mails(desk, office).await.len()), (0, before));
        let on = if desk.database_url().starts_with("sqlite") { "" } else { " ON system_mails" };
        desk.outside(&format!("DROP TRIGGER dies{on}")).await;
        notices::look(&desk.app).await.expect("looked");
        assert_eq!(open(desk).await.len(), 1);

        // Somebody takes the mail, and dies with it.
        let relay = desk.app.store().relay();
        let due = relay.hand_over(store::Rooms::of_each(9), &[], MINUTE).await.expect("due");
        let mail = due.iter().find(|work| work.kind == OwedKind::SendSystemMail).expect("owed");
        let lease = Duration::ZERO;
        let taken = relay.claim(mail.account_id, mail.kind, mail.owed_id, "dies", lease).await.expect("answers");
        assert!(taken.is_some());
        desk.mailbox_rests(MINUTE * 2).await;
        assert_eq!(mails(desk, office).await.len(), before + 1);
        pass(desk, 30).await;
        assert_eq!(mails(desk, office).await.len(), before + 1, "and no more");
    })
    .await;
}

fn dies_when_it_owes(desk: &Desk) -> Vec<&'static str> {
    if desk.database_url().starts_with("sqlite") {
        return vec![
            "CREATE TRIGGER dies BEFORE INSERT ON system_mails BEGIN SELECT RAISE(ABORT, 'the process is gone'); END",
        ];
    }
    vec![
        "CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the process is gone'; END $$",
        "CREATE TRIGGER dies BEFORE INSERT ON system_mails FOR EACH ROW EXECUTE FUNCTION dies()",
    ]
}

#[tokio::test]
async fn nobody_is_mailed_for_a_suspended_account_a_deleted_inbox_an_unproved_address_or_an_agent() {
    with_mailer(async |desk, office| {
        let before = mails(desk, office).await.len();
        let account = desk.scope.account_id();
        desk.outside("UPDATE users SET email_proved_at = NULL").await;
        fails(desk, desk.inbox.channel.id, GrantExpired).await;
        desk.outside(&format!("UPDATE accounts SET status = 'suspended' WHERE id = {account}")).await;
        pass(desk, 30).await;
        assert_eq!(open(desk).await.len(), 0, "nothing of a suspended account is anybody's to mend");
        desk.outside(&format!("UPDATE accounts SET status = 'active' WHERE id = {account}")).await;
        pass(desk, 1).await;
        assert_eq!((open(desk).await.len(), mails(desk, office).await.len()), (1, before), "whose address is that?");

        prove(desk).await;
        works(desk).await;
        pass(desk, 11).await;
        assert_eq!(mails(desk, office).await.len(), before, "who was not told is not told that it is over");
        fails(desk, desk.inbox.channel.id, GrantExpired).await;
        pass(desk, 11).await;
        assert_eq!(desk.number("SELECT COUNT(*) FROM system_mails WHERE kind = 'health_notice'").await, 1);
        inboxes::delete(&desk.app, &desk.member, desk.inbox.id).await.expect("deleted");
        pass(desk, 30).await;
        assert_eq!((open(desk).await.len(), mails(desk, office).await.len()), (0, before), "it is gone");
        let other = another(desk, "other@contoso.example").await;
        fails(desk, other.channel.id, GrantExpired).await;
        desk.outside("UPDATE account_users SET role = 'agent'").await;
        pass(desk, 11).await;
        assert_eq!(mails(desk, office).await.len(), before, "agents cannot mend it");
    })
    .await;
}

#[tokio::test]
async fn a_notice_that_is_over_before_its_mail_could_leave_is_not_mailed_and_nobody_gets_more_than_twenty_an_hour() {
    with_mailer(async |desk, office| {
        prove(desk).await;
        let before = mails(desk, office).await.len();
        fails(desk, desk.inbox.channel.id, GrantExpired).await;
        pass(desk, 11).await;
        works(desk).await;
        pass(desk, 11).await;
        assert_eq!(mails(desk, office).await.len(), before, "it was well again before anybody could read of it");
        desk.outside("DELETE FROM system_mails").await;
        // Thirty mailboxes, each of them a little later than the one before.
        for n in 0..30 {
            let inbox = another(desk, &format!("box{n}@contoso.example")).await;
            fails(desk, inbox.channel.id, GrantExpired).await;
            desk.clock.forward(MINUTE);
            notices::look(&desk.app).await.expect("looked");
        }
        pass(desk, 12).await;
        assert_eq!((open(desk).await.len(), mails(desk, office).await.len()), (30, before + 20));
    })
    .await;
}

#[tokio::test]
async fn a_wrong_application_secret_is_no_mailboxs_notice_and_without_a_mailer_notices_wait_on_the_page() {
    on_each(async |desk| {
        let channel = desk.inbox.channel.id;
        for _ in 0..12 {
            fails(desk, channel, AppCredentialExpired).await;
            pass(desk, 10).await;
        }
        assert_eq!(open(desk).await, []);
        fails(desk, channel, GrantExpired).await;
        pass(desk, 11).await;
        assert_eq!(open(desk).await.len(), 1);
        assert_eq!(desk.number("SELECT COUNT(*) FROM system_mails").await, 0);
    })
    .await;
}

#[tokio::test]
async fn webhooks_are_told_of_a_notice_and_of_its_end_without_the_servers_words() {
    let office = PostOffice::open().await.expect("a mail server");
    let port = office.addr.port();
    let tuned = move |settings: &mut Settings| {
        settings.webhook_private_networks = true;
        send_through(settings, port);
    };
    on_each_tuned(tuned, async |desk| {
        let receiver = Receiver::start().await.expect("listens");
        let subscriptions = Some(vec!["inbox_health_notice".to_owned()]);
        let new = NewWebhook { url: receiver.url(), subscriptions, ..NewWebhook::default() };
        webhooks::create(&desk.app, &desk.member, new).await.expect("made");
        fails(desk, desk.inbox.channel.id, GrantExpired).await;
        pass(desk, 11).await;
        works(desk).await;
        pass(desk, 11).await;
        dispatched(desk).await;
        desk.work().await;
        assert_eq!(receiver.told().len(), 2, "that it began, and that it ended");
        for words in ["open", "ended", "grant_expired", "http://localhost:3000/help/grant_expired", "owner"] {
            let told = format!("SELECT COUNT(*) FROM events WHERE kind = 'inbox_health_notice' AND CAST(payload AS TEXT) LIKE '%\"{words}\"%'");
            assert!(desk.number(&told).await > 0, "{words}");
        }
        let told = "SELECT COUNT(*) FROM events WHERE CAST(payload AS TEXT) LIKE '%own words%'";
        assert_eq!(desk.number(told).await, 0);
    })
    .await;
}

#[tokio::test]
async fn how_far_behind_a_mailbox_is_counts_from_when_it_was_last_read_and_from_the_message_that_waits_longest() {
    on_each(async |desk| {
        let lag = async || inboxes::health(&desk.app, &desk.member, desk.inbox.id).await.expect("the inbox").lag;
        works(desk).await;
        assert_eq!(lag().await.fetch, Some(Duration::ZERO));
        desk.clock.forward(MINUTE * 8);
        assert_eq!(lag().await.fetch, Some(Duration::ZERO), "IDLE is silent for so long");
        desk.clock.forward(MINUTE * 12);
        let behind = lag().await;
        assert!(behind.fetch.is_some_and(|lag| lag >= MINUTE * 20), "nobody reads it: {behind:?}");
        fails(desk, desk.inbox.channel.id, TimedOut).await;
        desk.clock.forward(MINUTE);
        assert!(lag().await.fetch.is_some_and(|lag| lag >= MINUTE * 21));
        assert_eq!(lag().await.send, Duration::ZERO);
        let id = crate::claims::begun(desk).await;
        desk.reply(id, "hello").await;
        desk.clock.forward(MINUTE * 5);
        assert!(lag().await.send >= MINUTE * 5);
        desk.work().await;
        assert_eq!(lag().await.send, Duration::ZERO);
    })
    .await;
}
