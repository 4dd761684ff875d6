//! What From says (M1, M3, O3): of people who sign in under a name that is no address of their mailbox, of servers that judge From before
//! they have seen the mail and of those that judge it after, and of an administrator who says which address it is.

use anyhow::{Context, Result};
use sandbox::{CONTOSO, GraphFault, GraphPoint, INBOX, SmtpFault, TenantUser};
use serde_json::{Value, json};
use testkit::builders::{Mail, header};
use testkit::world::{ADMIN_EMAIL, Setup, World};

const ADA: &str = "ada@customer.example";
/// Where organisations have no domain of their own among the sign-in names.
const SIGN_IN_NAME: &str = "frieda@contoso.onmicrosoft.example";
const ADDRESS: &str = "frieda@contoso.example";

/// Frieda, whose sign-in name is no address of her mailbox, at a registration whose manifest asks for nothing.
fn frieda(w: &World, judges_after_data: bool) {
    let mut user = TenantUser::work(CONTOSO, SIGN_IN_NAME, "Frieda Contoso").with_primary_address(ADDRESS);
    user.judges_sender_after_data = judges_after_data;
    w.sandbox.add_user(user);
    w.sandbox.update_app(w.sandbox.client_id(), |app| app.optional_claims = false);
}

async fn shown(w: &World, inbox: i64) -> Result<Value> {
    w.api.get(&w.path(&format!("/inboxes/{inbox}"))).await
}

/// A conversation of Ada's in Frieda's mailbox.
async fn written_to(w: &mut World, inbox: i64) -> Result<i64> {
    w.watched(inbox).await?;
    let mut mail = Mail::new(ADA, "To Frieda", "hello").id("one@c");
    mail.to = ADDRESS.to_owned();
    w.sandbox.deliver(ADDRESS, &mail.bytes());
    w.conversations_are(1).await?[0]["id"].as_i64().context("id")
}

fn arrived_from(w: &World) -> Result<Vec<String>> {
    let mails = w.sandbox.mailbox(ADA).messages(INBOX);
    mails.iter().map(|mail| header(&mail.bytes, "From").context("From")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_name_that_is_no_address_gives_way_to_the_address_that_the_mail_server_takes() -> Result<()> {
    World::run(Setup::default(), async |w| {
        frieda(w, false);
        let inbox = w.connect(SIGN_IN_NAME).await?;
        let conversation = written_to(w, inbox).await?;
        let reply = w.reply(conversation, "hello Ada").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, reply, "sent").await?;
        assert!(arrived_from(w)?[0].ends_with(&format!("<{ADDRESS}>")));
        let shown = shown(w, inbox).await?;
        assert_eq!(
            (&shown["imap_login"], &shown["smtp_login"], &shown["from_address"], &shown["email"]),
            (&json!(SIGN_IN_NAME), &json!(SIGN_IN_NAME), &json!(ADDRESS), &json!(ADDRESS))
        );
        assert!(shown["from_address_accepted_at"].is_i64(), "{shown}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_from_is_judged_with_the_mail_an_administrator_sets_it_and_what_waited_leaves_once() -> Result<()> {
    World::run(Setup::default(), async |w| {
        frieda(w, true);
        // The server says nothing against the sign-in name until it has seen a mail from it.
        let inbox = w.connect(SIGN_IN_NAME).await?;
        let before = shown(w, inbox).await?;
        assert_eq!((&before["from_address"], &before["send_state"]), (&json!(SIGN_IN_NAME), &json!("connected")));
        assert!(before["from_address_accepted_at"].is_null(), "{before}");
        let conversation = written_to(w, inbox).await?;
        let mut replies = Vec::new();
        for text in ["first", "second"] {
            replies.push(w.reply(conversation, text).await?["id"].as_i64().context("id")?);
        }
        let path = w.path(&format!("/inboxes/{inbox}"));
        w.eventually("it is told", async |w| {
            Ok(w.api.get(&format!("{path}/health")).await?["send"]["state"] == json!("blocked"))
        })
        .await?;
        let health = w.api.get(&format!("{path}/health")).await?;
        assert_eq!(health["send"]["failure"]["code"], json!("sender_not_allowed"), "{health}");
        assert!(health["send"]["failure"]["cure"].as_str().is_some_and(|cure| cure.contains("From")), "{health}");
        for reply in &replies {
            w.delivery_is(conversation, *reply, "queued").await?;
        }

        let set = format!("{path}/from_address");
        for address in ["frieda", "a@b\r\nBcc: c@d.example", "two@c.example, three@c.example"] {
            let refused = w.api.call("PUT", &set, Some(&json!({"from_address": address}))).await?;
            let named = &refused.body["attributes"];
            assert_eq!((refused.status, named), (422, &json!(["from_address"])), "{address}: {}", refused.text);
        }
        let changed = w.api.put(&set, &json!({"from_address": ADDRESS})).await?;
        assert_eq!((&changed["from_address"], &changed["email"]), (&json!(ADDRESS), &json!(ADDRESS)));
        for reply in &replies {
            w.delivery_is(conversation, *reply, "sent").await?;
        }
        let from = arrived_from(w)?;
        assert_eq!(from.len(), 2, "{from:?}");
        assert!(from.iter().all(|from| from.ends_with(&format!("<{ADDRESS}>"))), "{from:?}");
        let after = shown(w, inbox).await?;
        assert!(after["from_address_accepted_at"].is_i64(), "{after}");
        assert_eq!(after["send_state"], json!("connected"));
        let log = w.api.get(&w.path("/audit_logs")).await?;
        let told = |entry: &Value| entry["audited_changes"]["from_address"] == json!([SIGN_IN_NAME, ADDRESS]);
        assert!(log["audit_logs"].as_array().is_some_and(|entries| entries.iter().any(told)), "{log}");

        // Whoever signs in again keeps the address that was chosen, and that it was taken.
        let body = json!({"inbox_id": inbox});
        assert_eq!(w.connect_as(ADMIN_EMAIL, SIGN_IN_NAME, &body).await?, inbox);
        let again = shown(w, inbox).await?;
        assert_eq!(
            (&again["from_address"], &again["from_address_accepted_at"]),
            (&json!(ADDRESS), &after["from_address_accepted_at"])
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_the_mail_server_does_not_take_is_not_set_and_one_of_the_mailboxs_own_is() -> Result<()> {
    World::run(Setup::default(), async |w| {
        frieda(w, false);
        w.sandbox.update_user(SIGN_IN_NAME, |user| user.aliases.push("care@contoso.example".to_owned()));
        let inbox = w.connect(SIGN_IN_NAME).await?;
        let set = w.path(&format!("/inboxes/{inbox}/from_address"));
        let foreign = w.api.call("PUT", &set, Some(&json!({"from_address": "ceo@contoso.example"}))).await?;
        assert_eq!((foreign.status, &foreign.body["code"]), (422, &json!("sender_not_allowed")), "{}", foreign.text);
        assert_eq!(shown(w, inbox).await?["from_address"], json!(ADDRESS));
        w.api.put(&set, &json!({"from_address": "care@contoso.example"})).await?;
        let conversation = written_to(w, inbox).await?;
        let reply = w.reply(conversation, "hello Ada").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, reply, "sent").await?;
        assert!(arrived_from(w)?[0].ends_with("<care@contoso.example>"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn through_graph_the_first_mail_judges_from_and_what_it_refuses_leaves_under_the_right_one() -> Result<()> {
    World::run(Setup::default().with("OUTCOME_LOOKS_SECONDS", "1,1,1"), async |w| {
        frieda(w, false);
        let body = json!({"email": SIGN_IN_NAME, "send_transport": "graph"});
        let inbox = w.connect_as(ADMIN_EMAIL, SIGN_IN_NAME, &body).await?;
        let conversation = written_to(w, inbox).await?;
        let reply = w.reply(conversation, "hello Ada").await?["id"].as_i64().context("id")?;
        let path = w.path(&format!("/inboxes/{inbox}"));
        w.eventually("it is told", async |w| {
            Ok(w.api.get(&format!("{path}/health")).await?["send"]["failure"]["code"] == json!("sender_not_allowed"))
        })
        .await?;
        w.delivery_is(conversation, reply, "queued").await?;
        w.api.put(&format!("{path}/from_address"), &json!({"from_address": ADDRESS})).await?;
        w.delivery_is(conversation, reply, "sent").await?;
        let from = arrived_from(w)?;
        assert!(from.len() == 1 && from[0].ends_with(&format!("<{ADDRESS}>")), "{from:?}");
        assert!(shown(w, inbox).await?["from_address_accepted_at"].is_i64());
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn send_as_that_is_missed_only_after_the_mail_was_handed_in_is_told_and_what_waited_leaves_when_it_is_there()
-> Result<()> {
    World::run(Setup::default(), async |w| {
        let shared = "info@contoso.example";
        frieda(w, true);
        w.sandbox.add_user(TenantUser::work(CONTOSO, shared, "Contoso Info"));
        w.sandbox.update_user(SIGN_IN_NAME, |user| user.full_access.push(shared.to_owned()));
        let body = json!({"email": SIGN_IN_NAME, "mailbox": shared});
        let inbox = w.connect_as(ADMIN_EMAIL, SIGN_IN_NAME, &body).await?;
        assert!(shown(w, inbox).await?["from_address_accepted_at"].is_null());
        w.watched(inbox).await?;
        let mut mail = Mail::new(ADA, "To all of you", "hello").id("one@c");
        mail.to = shared.to_owned();
        w.sandbox.deliver(shared, &mail.bytes());
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        let reply = w.reply(conversation, "hello Ada").await?["id"].as_i64().context("id")?;
        let path = w.path(&format!("/inboxes/{inbox}/health"));
        w.eventually("it is told", async |w| {
            Ok(w.api.get(&path).await?["send"]["failure"]["code"] == json!("sender_not_allowed"))
        })
        .await?;
        w.sandbox.update_user(SIGN_IN_NAME, |user| user.send_as.push(shared.to_owned()));
        w.api.post(&format!("{path}/try_again"), &json!({"part": "send"})).await?;
        w.delivery_is(conversation, reply, "sent").await?;
        let from = arrived_from(w)?;
        assert!(from.len() == 1 && from[0].ends_with(&format!("<{shared}>")), "{from:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_may_have_left_under_the_old_from_keeps_it_and_holds_up_no_other() -> Result<()> {
    World::run(Setup::default().with("OUTCOME_LOOKS_SECONDS", "3,3,3"), async |w| {
        frieda(w, true);
        let inbox = w.connect(SIGN_IN_NAME).await?;
        let conversation = written_to(w, inbox).await?;
        w.sandbox.faults().once(SmtpFault::DropAfterDot { accepted: false });
        let lost = w.reply(conversation, "did it leave?").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, lost, "outcome_unknown").await?;
        let path = w.path(&format!("/inboxes/{inbox}"));
        w.api.put(&format!("{path}/from_address"), &json!({"from_address": ADDRESS})).await?;
        // It is the same mail that is handed in again, and the server refuses it: whether the first one left is as open as before.
        is_refused_under_its_from(w, conversation, lost).await?;
        let next = w.reply(conversation, "this leaves").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, next, "sent").await?;
        assert_eq!(w.api.get(&format!("{path}/health")).await?["send"]["state"], json!("connected"));
        // A person tries it again: it leaves under the present From.
        w.api.post(&w.path(&format!("/conversations/{conversation}/messages/{lost}/retry")), &json!({})).await?;
        w.delivery_is(conversation, lost, "sent").await?;
        let from = arrived_from(w)?;
        assert!(from.len() == 2 && from.iter().all(|from| from.ends_with(&format!("<{ADDRESS}>"))), "{from:?}");
        Ok(())
    })
    .await
}

/// It may have left, the server takes its From no more, and a person is asked.
async fn is_refused_under_its_from(w: &mut World, conversation: i64, message: i64) -> Result<()> {
    w.eventually("a person is asked", async |w| {
        let delivery = &w.message(conversation, message).await?["delivery"];
        let failure = &delivery["failure"];
        Ok(delivery["state"] == json!("outcome_unknown")
            && failure["detail"] == json!("sender_not_allowed")
            && delivery["next_try_at"].is_null())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_a_customer_has_under_the_old_from_is_not_sent_to_them_under_the_new_one() -> Result<()> {
    World::run(Setup::default().with("OUTCOME_LOOKS_SECONDS", "3,3,3"), async |w| {
        frieda(w, true);
        w.sandbox.update_user(SIGN_IN_NAME, |user| {
            user.send_as.push(SIGN_IN_NAME.to_owned());
            user.keeps_sent_copy = false;
        });
        let inbox = w.connect(SIGN_IN_NAME).await?;
        let conversation = written_to(w, inbox).await?;
        w.sandbox.faults().once(SmtpFault::DropAfterDot { accepted: true });
        let lost = w.reply(conversation, "did it leave?").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, lost, "outcome_unknown").await?;
        w.sandbox.update_user(SIGN_IN_NAME, |user| user.send_as.clear());
        let path = w.path(&format!("/inboxes/{inbox}/from_address"));
        w.api.put(&path, &json!({"from_address": ADDRESS})).await?;
        is_refused_under_its_from(w, conversation, lost).await?;
        // A person has it sent once more, and Exchange remembers the id that it took.
        w.api.post(&w.path(&format!("/conversations/{conversation}/messages/{lost}/retry")), &json!({})).await?;
        let sent = w.delivery_is(conversation, lost, "sent").await?;
        w.is_sent_again(sent["source_id"].as_str().context("an id")?);
        let from = arrived_from(w)?;
        assert!(from.len() == 1 && from[0].ends_with(&format!("<{SIGN_IN_NAME}>")), "{from:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_waits_at_graph_is_made_anew_under_the_from_that_was_set_meanwhile() -> Result<()> {
    World::run(Setup::default().with("OUTCOME_LOOKS_SECONDS", "1,1,1"), async |w| {
        frieda(w, false);
        w.sandbox.update_user(SIGN_IN_NAME, |user| user.send_as.push(SIGN_IN_NAME.to_owned()));
        let body = json!({"email": SIGN_IN_NAME, "send_transport": "graph"});
        let inbox = w.connect_as(ADMIN_EMAIL, SIGN_IN_NAME, &body).await?;
        let conversation = written_to(w, inbox).await?;
        w.sandbox.faults().once(GraphFault::too_many_requests(GraphPoint::Send, Some(4)));
        let reply = w.reply(conversation, "hello Ada").await?["id"].as_i64().context("id")?;
        w.eventually("it was put off", async |w| {
            Ok(!w.message(conversation, reply).await?["delivery"]["failure"].is_null())
        })
        .await?;
        assert_eq!(w.sandbox.mailbox(SIGN_IN_NAME).messages("Drafts").len(), 1);
        // Graph has other bad moments when the old draft is to go.
        for at in [GraphPoint::ReadMessage, GraphPoint::DeleteMessage] {
            w.sandbox.faults().once(GraphFault::too_many_requests(at, Some(1)));
        }
        let path = w.path(&format!("/inboxes/{inbox}/from_address"));
        w.api.put(&path, &json!({"from_address": ADDRESS})).await?;
        w.delivery_is(conversation, reply, "sent").await?;
        assert_eq!(w.sandbox.faults().fired().len(), 3);
        let from = arrived_from(w)?;
        assert!(from.len() == 1 && from[0].ends_with(&format!("<{ADDRESS}>")), "{from:?}");
        assert!(w.sandbox.mailbox(SIGN_IN_NAME).messages("Drafts").is_empty());
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_nobody_vouches_for_is_not_taken_on_a_servers_bad_day() -> Result<()> {
    World::run(Setup::default(), async |w| {
        frieda(w, false);
        // The sign-in name is refused, and of the claimed address the server says nothing.
        w.sandbox.faults().once(SmtpFault::not_allowed_to_send_as());
        w.sandbox.faults().once(SmtpFault::insufficient_resources());
        let inbox = w.connect(SIGN_IN_NAME).await?;
        let shown = shown(w, inbox).await?;
        assert_eq!((&shown["from_address"], &shown["send_state"]), (&json!(SIGN_IN_NAME), &json!("blocked")));
        assert_eq!(shown["send_health"]["failure"]["code"], json!("sender_not_allowed"), "{shown}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_vouched_address_is_refused_the_sign_in_name_is_taken_also_on_a_servers_bad_day() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.sandbox.add_user(TenantUser::work(CONTOSO, SIGN_IN_NAME, "Frieda Contoso").with_primary_address(ADDRESS));
        w.sandbox.update_user(SIGN_IN_NAME, |user| user.send_as.push(SIGN_IN_NAME.to_owned()));
        // The vouched address is refused, and of the sign-in name the server says nothing.
        w.sandbox.faults().once(SmtpFault::not_allowed_to_send_as());
        w.sandbox.faults().once(SmtpFault::insufficient_resources());
        let inbox = w.connect(SIGN_IN_NAME).await?;
        let before = shown(w, inbox).await?;
        assert_eq!(
            (&before["from_address"], &before["send_state"]),
            (&json!(SIGN_IN_NAME), &json!("failing")),
            "{before}"
        );
        let conversation = written_to(w, inbox).await?;
        let reply = w.reply(conversation, "hello Ada").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, reply, "sent").await?;
        assert_eq!(shown(w, inbox).await?["send_state"], json!("connected"));
        Ok(())
    })
    .await
}
