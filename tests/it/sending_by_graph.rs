//! A mailbox whose organisation has authenticated SMTP switched off sends through Microsoft Graph, with the same promises (O1–O3, C6, C7).

use anyhow::{Context, Result};
use sandbox::{Event, Fault, GraphFault, GraphPoint, SmtpFault};
use serde_json::{Value, json};
use testkit::builders::{Mail, message_id};
use testkit::world::{ADMIN_EMAIL, SUPPORT, Setup, World};

const ADA: &str = "ada@customer.example";

pub(crate) fn setup() -> Setup {
    Setup::default().with("OUTCOME_LOOKS_SECONDS", "1,1,1")
}

pub(crate) fn arrived(w: &World, whom: &str) -> Vec<String> {
    let mails = w.sandbox.mailbox(whom).messages("INBOX");
    mails.iter().map(|mail| String::from_utf8_lossy(&mail.bytes).into_owned()).collect()
}

/// Signs the mailbox in so that it sends through Graph; `inbox`: the one that signs in again.
async fn connect_by_graph(w: &mut World, inbox: Option<i64>) -> Result<i64> {
    let mut body = json!({"email": SUPPORT, "send_transport": "graph"});
    if let Some(inbox) = inbox {
        body["inbox_id"] = json!(inbox);
    }
    w.connect_as(ADMIN_EMAIL, SUPPORT, &body).await
}

pub(crate) async fn the_inbox(w: &World) -> Result<i64> {
    w.api.get(&w.path("/inboxes")).await?["payload"][0]["id"].as_i64().context("id")
}

/// A mailbox that sends through Graph, with a conversation of Ada's.
pub(crate) async fn answering(w: &mut World) -> Result<i64> {
    w.sandbox.update_user(SUPPORT, |user| user.smtp_auth_enabled = false);
    let inbox = connect_by_graph(w, None).await?;
    w.watched(inbox).await?;
    w.sandbox.deliver(SUPPORT, &Mail::new("Ada <ada@customer.example>", "Order", "one").id("one@c").bytes());
    w.conversations_are(1).await?[0]["id"].as_i64().context("id")
}

pub(crate) async fn replied(w: &World, conversation: i64, text: &str) -> Result<i64> {
    w.reply(conversation, text).await?["id"].as_i64().context("id")
}

/// Somebody presses the button at the mailbox.
async fn leaves_when_tried_again(w: &mut World, inbox: i64, (conversation, reply): (i64, i64)) -> Result<()> {
    w.api.post(&w.path(&format!("/inboxes/{inbox}/health/try_again")), &json!({"part": "send"})).await?;
    w.delivery_is(conversation, reply, "sent").await?;
    Ok(())
}

/// A reply whose draft meets `fault`, and that nobody can look at once. Conversation and reply.
async fn met_unseen(w: &mut World, fault: GraphFault) -> Result<(i64, i64)> {
    let conversation = answering(w).await?;
    w.sandbox.faults().once(fault);
    w.sandbox.faults().once(GraphFault::Html { at: GraphPoint::ReadMessage, status: 502 });
    Ok((conversation, replied(w, conversation, "hello").await?))
}

/// How often a draft was sent, whatever was answered.
pub(crate) fn sendings(w: &World) -> usize {
    let sent = |event: &Event| matches!(event, Event::GraphCalled { call, .. } if call.ends_with("/send"));
    w.sandbox.events().iter().filter(|event| sent(event)).count()
}

pub(crate) fn drafts(w: &World) -> usize {
    w.sandbox.mailbox(SUPPORT).messages("Drafts").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_smtp_is_switched_off_a_waiting_reply_leaves_once_through_graph_after_the_switch() -> Result<()> {
    World::run(setup(), async |w| {
        w.sandbox.update_user(SUPPORT, |user| user.smtp_auth_enabled = false);
        let inbox = w.connect_and_watch(SUPPORT).await?;
        w.sandbox.deliver(SUPPORT, &Mail::new("Ada <ada@customer.example>", "Order", "one").id("one@c").bytes());
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        let reply = replied(w, conversation, "hello").await?;
        let path = w.path(&format!("/inboxes/{inbox}"));
        let health = w.api.get(&format!("{path}/health")).await?;
        assert_eq!(health["send"]["failure"]["code"], json!("smtp_auth_disabled"), "{health}");
        assert!(health["send"]["failure"]["cure"].as_str().is_some_and(|cure| cure.contains("Microsoft Graph")));
        // Nobody has consented to it yet: that is said, and nothing is changed, reading least of all.
        let switch = format!("{path}/send_transport");
        let graph = json!({"send_transport": "graph"});
        let refused = w.api.call("PUT", &switch, Some(&graph)).await?;
        assert_eq!((refused.status, &refused.body["code"]), (422, &json!("graph_consent_missing")), "{}", refused.text);
        assert_eq!(w.api.get(&path).await?["send_transport"], json!("smtp"));
        assert_eq!(w.api.get(&format!("{path}/health")).await?["fetch"]["state"], json!("connected"));
        // Signing in again for it switches.
        assert_eq!(connect_by_graph(w, Some(inbox)).await?, inbox);
        w.delivery_is(conversation, reply, "sent").await?;
        let shown = w.api.get(&path).await?;
        assert_eq!((&shown["send_transport"], &shown["send_health"]["state"]), (&json!("graph"), &json!("connected")));
        let mails = arrived(w, ADA);
        assert_eq!((mails.len(), sendings(w), drafts(w)), (1, 1, 0));
        assert!(mails[0].contains("In-Reply-To: <one@c>"), "{}", mails[0]);
        assert_eq!(w.sandbox.mailbox(SUPPORT).messages("Sent Items").len(), 1, "the provider keeps the copy");
        // The customer's answer finds its way back.
        let id = message_id(mails[0].as_bytes()).context("an id")?;
        let answer = Mail::new("Ada <ada@customer.example>", "Re: Order", "two").id("two@c").answering(&id).bytes();
        w.sandbox.deliver(SUPPORT, &answer);
        w.said_are(conversation, 3).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_may_use_graph_already_is_switched_at_once_and_back_again() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = answering(w).await?;
        let inbox = the_inbox(w).await?;
        let switch = w.path(&format!("/inboxes/{inbox}/send_transport"));
        let refused = w.api.call("PUT", &switch, Some(&json!({"send_transport": "smtp"}))).await?;
        assert_eq!((refused.status, &refused.body["code"]), (422, &json!("smtp_auth_disabled")), "{}", refused.text);
        w.sandbox.update_user(SUPPORT, |user| user.smtp_auth_enabled = true);
        let switched = w.api.put(&switch, &json!({"send_transport": "smtp"})).await?;
        assert_eq!(switched["send_transport"], json!("smtp"));
        let by_smtp = replied(w, conversation, "by SMTP").await?;
        w.delivery_is(conversation, by_smtp, "sent").await?;
        assert_eq!(sendings(w), 0);
        w.api.put(&switch, &json!({"send_transport": "graph"})).await?;
        let by_graph = replied(w, conversation, "through Graph").await?;
        w.delivery_is(conversation, by_graph, "sent").await?;
        assert_eq!((arrived(w, ADA).len(), sendings(w)), (2, 1));
        let odd = w.api.call("PUT", &switch, Some(&json!({"send_transport": "pigeon"}))).await?;
        assert_eq!((odd.status, &odd.body["code"]), (400, &json!("invalid_body")), "{}", odd.text);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_attachment_and_people_in_bcc_leave_through_graph() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = answering(w).await?;
        let mut form = Vec::new();
        for (name, value) in [("content", "see the file"), ("bcc_emails", "grace@customer.example")] {
            let part = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            form.extend(part.bytes());
        }
        form.extend(
            b"--b\r\nContent-Disposition: form-data; name=\"attachments[]\"; filename=\"plan.pdf\"\r\n\
              Content-Type: application/pdf\r\n\r\n",
        );
        form.extend(vec![7; 5_000_000]);
        form.extend(b"\r\n--b--\r\n");
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        let request = w.api.request("POST", &path).header("content-type", "multipart/form-data; boundary=b").body(form);
        let message: Value = w.api.send(request).await?.ok()?;
        w.delivery_is(conversation, message["id"].as_i64().context("id")?, "sent").await?;
        for whom in [ADA, "grace@customer.example"] {
            let mails = arrived(w, whom);
            assert!(mails.len() == 1 && mails[0].len() > 6_000_000 && mails[0].contains("plan.pdf"), "{whom}");
            assert!(!mails[0].contains("grace@"), "nobody sees who was written to in secret");
        }
        Ok(())
    })
    .await
}

/// The reply is there once, and `attempts` were needed for it.
async fn the_mail_arrives_once_in_spite_of(fault: GraphFault, attempts: u32) -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = answering(w).await?;
        w.sandbox.faults().once(fault.clone());
        let reply = replied(w, conversation, "hello").await?;
        let sent = w.delivery_is(conversation, reply, "sent").await?;
        assert_eq!((arrived(w, ADA).len(), &sent["delivery"]["attempts"]), (1, &json!(attempts)), "{sent}");
        assert_eq!((w.sandbox.faults().fired(), drafts(w)), (vec![Fault::from(fault)], 0));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_sending_is_tried_again_when_graph_asked_to_and_the_mail_arrives_once() -> Result<()> {
    the_mail_arrives_once_in_spite_of(GraphFault::too_many_requests(GraphPoint::Send, Some(1)), 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_was_made_although_the_answer_is_lost_is_not_left_in_the_mailbox() -> Result<()> {
    the_mail_arrives_once_in_spite_of(GraphFault::AnswerLost { at: GraphPoint::CreateDraft, carried_out: true }, 2)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_graph_refuses_is_replaced_in_the_same_try() -> Result<()> {
    the_mail_arrives_once_in_spite_of(GraphFault::invalid_token(GraphPoint::CreateDraft), 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_after_the_draft_was_sent_makes_no_second_mail_of_it() -> Result<()> {
    the_mail_arrives_once_in_spite_of(GraphFault::AnswerLost { at: GraphPoint::Send, carried_out: true }, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_before_the_draft_was_sent_loses_no_mail() -> Result<()> {
    the_mail_arrives_once_in_spite_of(GraphFault::AnswerLost { at: GraphPoint::Send, carried_out: false }, 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_edge_instead_of_an_answer_loses_no_mail_and_sends_none_twice() -> Result<()> {
    the_mail_arrives_once_in_spite_of(GraphFault::Html { at: GraphPoint::Send, status: 502 }, 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_id_that_graph_replaces_is_learnt_and_the_answer_to_it_finds_its_conversation() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = answering(w).await?;
        w.sandbox.update_user(SUPPORT, |user| user.rewrites_message_id = true);
        let reply = replied(w, conversation, "hello").await?;
        w.delivery_is(conversation, reply, "sent").await?;
        let mail = arrived(w, ADA).pop().context("a mail")?;
        let id = message_id(mail.as_bytes()).context("an id")?;
        assert!(id.ends_with(".prod.outlook.com"), "{mail}");
        let answer =
            Mail::new("Ada <ada@customer.example>", "Another subject", "two").id("two@c").answering(&id).bytes();
        w.sandbox.deliver(SUPPORT, &answer);
        w.said_are(conversation, 3).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_graph_accepted_and_reports_later_as_undeliverable_is_bounced() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = answering(w).await?;
        w.sandbox.faults().once(GraphFault::BounceLater);
        let reply = replied(w, conversation, "hello").await?;
        let bounced = w.delivery_is(conversation, reply, "bounced").await?;
        assert_eq!(bounced["delivery"]["refused_recipients"][0]["address"], json!(ADA), "{bounced}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_every_message_would_meet_blocks_sending_and_a_person_tries_again() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = answering(w).await?;
        let inbox = the_inbox(w).await?;
        w.sandbox.faults().always(GraphFault::access_denied(GraphPoint::CreateDraft));
        let reply = replied(w, conversation, "hello").await?;
        let path = w.path(&format!("/inboxes/{inbox}/health"));
        w.eventually("sending is blocked", async |w| Ok(w.api.get(&path).await?["send"]["state"] == json!("blocked")))
            .await?;
        let health = w.api.get(&path).await?;
        assert_eq!(health["send"]["failure"]["code"], json!("graph_access_denied"), "{health}");
        assert_eq!(health["fetch"]["state"], json!("connected"));
        assert_eq!(w.message(conversation, reply).await?["delivery"]["state"], json!("queued"));
        w.sandbox.faults().clear();
        leaves_when_tried_again(w, inbox, (conversation, reply)).await?;
        assert_eq!(arrived(w, ADA).len(), 1);
        Ok(())
    })
    .await
}

/// Every reply meets this while its draft is made: what an administrator is told, until it is over and the reply leaves.
async fn sending_says(fault: GraphFault, code: &str, who: &str, words: &str) -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = answering(w).await?;
        let inbox = the_inbox(w).await?;
        w.sandbox.faults().always(fault.clone());
        let reply = replied(w, conversation, "hello").await?;
        let path = w.path(&format!("/inboxes/{inbox}/health"));
        w.eventually("sending says why it fails", async |w| Ok(w.api.get(&path).await?["send"]["failure"].is_object()))
            .await?;
        let health = w.api.get(&path).await?;
        let failure = &health["send"]["failure"];
        assert_eq!((&failure["code"], &failure["who_must_act"]), (&json!(code), &json!(who)), "{health}");
        let said = format!("{} {}", failure["cause"], failure["cure"]);
        assert!(said.contains(words) && said.contains("Microsoft Graph"), "{said}");
        assert!(!said.contains("SMTP") && !said.contains("IMAP"), "what it does not use is no cure of it: {said}");
        assert!(failure["correlation_id"].is_string(), "{health}");
        assert_eq!(health["fetch"]["state"], json!("connected"));
        let page = w.api.with_token(None).call("GET", &format!("/help/{code}"), None).await?;
        assert!(page.status == 200 && page.text.contains("Graph") && page.text.contains(code), "{}", page.text);
        assert_eq!(w.message(conversation, reply).await?["delivery"]["state"], json!("queued"));
        w.sandbox.faults().clear();
        leaves_when_tried_again(w, inbox, (conversation, reply)).await?;
        assert_eq!((arrived(w, ADA).len(), drafts(w)), (1, 0));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_graph_refuses_however_fresh_it_is_is_told_in_graphs_words() -> Result<()> {
    let refused = GraphFault::invalid_token(GraphPoint::CreateDraft);
    sending_says(refused, "graph_token_refused", "owner", "Sign in with Microsoft again").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_without_a_licence_is_told_in_graphs_words() -> Result<()> {
    let missing = GraphFault::mailbox_not_enabled(GraphPoint::CreateDraft);
    sending_says(missing, "graph_mailbox_missing", "tenant_admin", "licence").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_a_draft_that_has_left_is_believed_by_nobody_even_when_the_draft_cannot_be_looked_at() -> Result<()>
{
    World::run(setup(), async |w| {
        let (conversation, reply) = met_unseen(w, GraphFault::Repeated(GraphPoint::Send)).await?;
        let sent = w.delivery_is(conversation, reply, "sent").await?;
        assert_eq!(w.sandbox.faults().armed(), [], "both were met");
        assert_eq!((arrived(w, ADA).len(), drafts(w)), (1, 0));
        assert_eq!(sent["delivery"]["attempts"], json!(1), "it was looked up, and not sent anew: {sent}");
        assert_eq!(w.sandbox.mailbox(SUPPORT).messages("Sent Items").len(), 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_refused_and_whose_draft_cannot_be_looked_at_has_not_failed_and_leaves_once() -> Result<()> {
    World::run(setup(), async |w| {
        let (conversation, reply) = met_unseen(w, GraphFault::invalid_recipients()).await?;
        let sent = w.delivery_is(conversation, reply, "sent").await?;
        assert_eq!((w.sandbox.faults().armed(), &sent["delivery"]["attempts"]), (Vec::new(), &json!(2)), "{sent}");
        assert_eq!((arrived(w, ADA).len(), drafts(w)), (1, 0));
        assert!(w.sandbox.handed_in_again().is_empty(), "it was the same draft");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_draft_that_cannot_be_looked_at_is_neither_given_up_nor_sent_twice() -> Result<()> {
    World::run(setup(), async |w| {
        let (conversation, reply) = met_unseen(w, GraphFault::send_as_denied()).await?;
        w.eventually("both were met", async |w| Ok(w.sandbox.faults().armed().is_empty())).await?;
        let inbox = the_inbox(w).await?;
        let path = w.path(&format!("/inboxes/{inbox}/health"));
        w.eventually("the mailbox's refusal is told", async |w| {
            Ok(w.api.get(&path).await?["send"]["failure"]["code"] == json!("sender_not_allowed"))
        })
        .await?;
        w.eventually("it is known that it did not leave", async |w| {
            Ok(w.message(conversation, reply).await?["delivery"]["state"] == json!("queued"))
        })
        .await?;
        assert_eq!(arrived(w, ADA).len(), 0);
        leaves_when_tried_again(w, inbox, (conversation, reply)).await?;
        assert_eq!((arrived(w, ADA).len(), drafts(w)), (1, 0));
        assert!(w.sandbox.handed_in_again().is_empty(), "no second draft of it was sent");
        Ok(())
    })
    .await
}

/// The worker dies at `point` while a reply leaves through Graph, and another one takes over: the customer has it once.
async fn the_worker_dies_at(point: &str) -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = answering(w).await?;
        let worker = w.worker_name();
        w.kill(worker)?;
        w.start_process_with(worker, &[("POSTROOM_TEST_KILL_AT", point)])?;
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        w.start_processes().await?;
        let _ = w.api.call("POST", &path, Some(&json!({"content": "hello"}))).await;
        let status = w.ended(worker)?;
        assert!(!status.success() && status.code().is_none(), "{worker} ended with {status}, not at {point}");
        w.start_processes().await?;
        let said = w.said_are(conversation, 2).await?;
        w.delivery_is(conversation, said[1]["id"].as_i64().context("id")?, "sent").await?;
        assert_eq!((arrived(w, ADA).len(), drafts(w)), (1, 0));
        assert!(w.sandbox.handed_in_again().is_empty(), "no second draft of it was sent");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_before_the_draft_is_made_loses_no_mail() -> Result<()> {
    the_worker_dies_at("sending").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_between_the_draft_and_its_sending_loses_no_mail_and_leaves_no_draft() -> Result<()> {
    the_worker_dies_at("draft_kept").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_after_the_draft_was_sent_sends_no_second_mail() -> Result<()> {
    the_worker_dies_at("answered").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_left_by_smtp_is_not_sent_through_graph_and_a_person_is_asked() -> Result<()> {
    World::run(setup(), async |w| {
        w.sandbox.update_user(SUPPORT, |user| user.keeps_sent_copy = false);
        let inbox = w.connect_and_watch(SUPPORT).await?;
        w.sandbox.deliver(SUPPORT, &Mail::new("Ada <ada@customer.example>", "Order", "one").id("one@c").bytes());
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        w.sandbox.faults().once(SmtpFault::DropAfterDot { accepted: true });
        let reply = replied(w, conversation, "did it leave?").await?;
        w.delivery_is(conversation, reply, "outcome_unknown").await?;
        // Before it is handed in again, of which Exchange would make nothing, SMTP is closed.
        w.sandbox.update_user(SUPPORT, |user| user.smtp_auth_enabled = false);
        w.delivery_is(conversation, reply, "queued").await?;
        connect_by_graph(w, Some(inbox)).await?;
        w.delivery_is(conversation, reply, "outcome_unknown").await?;
        assert_eq!((arrived(w, ADA).len(), sendings(w), drafts(w)), (1, 0, 0));
        let path = w.path(&format!("/conversations/{conversation}/messages/{reply}/resolve"));
        w.api.post(&path, &json!({"sent": true})).await?;
        w.delivery_is(conversation, reply, "sent").await?;
        assert_eq!((arrived(w, ADA).len(), sendings(w)), (1, 0));
        Ok(())
    })
    .await
}
