//! Who asked to be told by mail is told by mail: once, where they have not read it meanwhile, and of nothing that they may not see.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use crate::left_behind::agent;
use crate::passwords::{GRACE, with_mailer};
use crate::postgres::on_each;
use app::accounts::Member;
use app::notifications::NotificationFilter;
use app::{conversations, notifications};
use domain::DisplayId;
use domain::notification::{NotificationKind, NotificationSettings};
use std::time::Duration;
use testkit::post_office::{PostOffice, Taken};

/// Longer than anybody is given to read it.
const LATER: Duration = Duration::from_secs(121);

async fn grace(desk: &Desk) -> Member {
    let grace = agent(desk, GRACE).await;
    let (account, user, inbox) = (desk.scope.account_id(), grace.agent.user.id, desk.inbox.id);
    desk.outside(&format!(
        "INSERT INTO inbox_members (account_id, inbox_id, user_id, created_at) VALUES ({account}, {inbox}, {user}, 0)"
    ))
    .await;
    prove(desk, &grace).await;
    entered(desk, &grace).await
}

/// As when they had used a link that was mailed to them.
async fn prove(desk: &Desk, member: &Member) {
    desk.outside(&format!("UPDATE users SET email_proved_at = 1 WHERE id = {}", member.agent.user.id)).await;
}

/// As they come in now.
async fn entered(desk: &Desk, member: &Member) -> Member {
    let caller = app::accounts::Caller {
        user: member.agent.user.clone(),
        token_id: desk.member.token_id,
        kind: app::accounts::TokenKind::Session,
        account_id: None,
    };
    app::accounts::enter(&desk.app, &caller, desk.scope.account_id()).await.expect("a member")
}

/// Taken from whoever has it, and given to her.
async fn give(desk: &Desk, id: DisplayId, to: &Member) {
    conversations::assign(&desk.app, &desk.member, id, None).await.expect("taken away");
    conversations::assign(&desk.app, &desk.member, id, Some(to.agent.user.id)).await.expect("given");
}

async fn mails_to(desk: &Desk, office: &PostOffice, to: &str) -> Vec<Taken> {
    desk.work().await;
    office.taken().into_iter().filter(|mail| mail.to == [to]).collect()
}

#[tokio::test]
async fn who_is_given_a_conversation_gets_a_mail_unless_they_have_read_it_within_two_minutes() {
    with_mailer(async |desk, office| {
        let grace = grace(desk).await;
        desk.take_in(&mail(ADA, "1@x.example", "Where <b>is</b> it?", "", "the text of the mail")).await;
        let id = desk.conversation().await.conversation.display_id;
        let before = mails_to(desk, office, GRACE).await.len();
        for _ in 0..3 {
            give(desk, id, &grace).await;
        }
        assert_eq!(mails_to(desk, office, GRACE).await.len(), before, "she may be about to see it");
        desk.mailbox_rests(LATER).await;
        let mails = mails_to(desk, office, GRACE).await;
        assert_eq!(mails.len(), before + 1, "one, however often it was given to her");
        let told = &mails[before];
        assert_eq!(told.from, "desk@contoso.example");
        assert_eq!(told.subject(), format!("Contoso: conversation {id}, \u{201c}Where <b>is</b> it?\u{201d}"));
        let account = desk.scope.account_id();
        for words in
            [format!("You were given conversation {id}"), format!("/app/accounts/{account}/conversations/{id}")]
        {
            assert!(told.words().contains(&words), "{words}: {}", told.words());
        }
        assert!(!told.words().contains("the text of the mail"), "what was said is read where it was said");
        let bytes = String::from_utf8_lossy(&told.bytes).into_owned();
        let (head, html) = bytes.split_once("text/html").expect("both kinds");
        assert!(head.contains("Auto-Submitted: auto-generated") && html.contains("&lt;b&gt;is"), "{bytes}");

        give(desk, id, &grace).await;
        conversations::update_last_seen(&desk.app, &grace, id).await.expect("seen");
        desk.mailbox_rests(LATER).await;
        assert_eq!(mails_to(desk, office, GRACE).await.len(), before + 1, "she has seen it");
    })
    .await;
}

#[tokio::test]
async fn nobody_is_mailed_of_what_they_did_not_ask_for_may_not_see_or_would_fetch_again() {
    with_mailer(async |desk, office| {
        let grace = grace(desk).await;
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
        let id = desk.conversation().await.conversation.display_id;
        let before = mails_to(desk, office, GRACE).await.len();
        let settings = |email: &[NotificationKind]| NotificationSettings { email: email.to_vec(), push: Vec::new() };

        notifications::set_settings(&desk.app, &grace, &settings(&[])).await.expect("set");
        give(desk, id, &grace).await;
        desk.mailbox_rests(LATER).await;
        assert_eq!(mails_to(desk, office, GRACE).await.len(), before, "she asked for none");

        // Anybody may be made up with anybody's address.
        notifications::set_settings(&desk.app, &grace, &NotificationSettings::default()).await.expect("set");
        desk.outside(&format!("UPDATE users SET email_proved_at = NULL WHERE id = {}", grace.agent.user.id)).await;
        give(desk, id, &grace).await;
        desk.mailbox_rests(LATER).await;
        assert_eq!(mails_to(desk, office, GRACE).await.len(), before, "nobody knows whether it is her address");
        prove(desk, &grace).await;

        // What machines write is told to nobody: it may be about such a mail itself.
        let begun = settings(&[NotificationKind::ConversationCreation]);
        notifications::set_settings(&desk.app, &grace, &begun).await.expect("set");
        desk.take_in(&mail("d@x.example", "d@x.example", "Failed", "Auto-Submitted: auto-replied\n", "no")).await;
        desk.mailbox_rests(LATER).await;
        assert_eq!(mails_to(desk, office, GRACE).await.len(), before, "a machine wrote it");
        desk.take_in(&mail("h@x.example", "h@x.example", "Hello", "", "yes")).await;
        desk.mailbox_rests(LATER).await;
        let mails = mails_to(desk, office, GRACE).await;
        assert!(mails.len() == before + 1 && mails[before].subject().ends_with("\u{201c}Hello\u{201d}"));
        let before = before + 1;

        let said = settings(&[NotificationKind::AssignedConversationNewMessage]);
        notifications::set_settings(&desk.app, &grace, &said).await.expect("set");
        desk.take_in(&mail(ADA, "2@x.example", "Re: One", "In-Reply-To: <1@x.example>\n", "second")).await;
        desk.mailbox_rests(LATER).await;
        let mails = mails_to(desk, office, GRACE).await;
        assert_eq!(mails.len(), before + 1);
        assert!(mails[before].words().contains("There is a new message in conversation"), "{}", mails[before].words());

        desk.take_in(&mail(ADA, "3@x.example", "Re: One", "In-Reply-To: <1@x.example>\n", "third")).await;
        desk.outside(&format!("DELETE FROM inbox_members WHERE user_id = {}", grace.agent.user.id)).await;
        desk.mailbox_rests(LATER).await;
        assert_eq!(mails_to(desk, office, GRACE).await.len(), before + 1, "she does not see it any more");

        // The administrator's address is the mailbox itself: each mail about a mail would be another one.
        let admin = desk.member.agent.user.id;
        desk.outside(&format!("UPDATE users SET email = '{SUPPORT}' WHERE id = {admin}")).await;
        let mine = settings(&[NotificationKind::ConversationAssignment]);
        notifications::set_settings(&desk.app, &desk.member, &mine).await.expect("set");
        conversations::assign(&desk.app, &grace_as_admin(desk, &grace).await, id, Some(admin)).await.expect("given");
        let owed = desk.number("SELECT COUNT(*) FROM system_mails WHERE state = 'waiting'").await;
        assert_eq!(owed, 1, "it is owed");
        desk.mailbox_rests(LATER).await;
        assert_eq!(mails_to(desk, office, SUPPORT).await.len(), 0);
        assert_eq!(desk.number("SELECT COUNT(*) FROM system_mails WHERE state = 'waiting'").await, 0, "and dropped");
    })
    .await;
}

async fn grace_as_admin(desk: &Desk, grace: &Member) -> Member {
    let user = grace.agent.user.id;
    desk.outside(&format!("UPDATE account_users SET role = 'administrator' WHERE user_id = {user}")).await;
    entered(desk, grace).await
}

#[tokio::test]
async fn of_a_person_the_newest_notifications_are_kept_and_none_for_ever() {
    on_each(async |desk| {
        let grace = grace(desk).await;
        for number in 1..=4 {
            desk.take_in(&mail(ADA, &format!("{number}@x.example"), &format!("No {number}"), "", "text")).await;
        }
        let mut ids: Vec<DisplayId> =
            desk.conversations().await.iter().map(|view| view.conversation.display_id).collect();
        ids.sort_unstable();
        for id in &ids {
            give(desk, *id, &grace).await;
            desk.clock.forward(Duration::from_secs(60));
        }
        let kept = async || -> Vec<DisplayId> {
            let page = notifications::list(&desk.app, &grace, NotificationFilter::default()).await.expect("a list");
            page.items.iter().map(|(_, view)| view.conversation.display_id).collect()
        };
        let purge = desk.app.store().purge();
        assert_eq!(kept().await, [ids[3], ids[2], ids[1], ids[0]]);
        assert_eq!(purge.sweep_notifications(Duration::from_secs(3600), 3).await.expect("swept"), 1);
        assert_eq!(kept().await, [ids[3], ids[2], ids[1]]);
        // The last was made a minute ago, the one before it two.
        assert_eq!(purge.sweep_notifications(Duration::from_secs(90), 3).await.expect("swept"), 2);
        assert_eq!(kept().await, [ids[3]]);
    })
    .await;
}
