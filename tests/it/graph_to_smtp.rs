//! A mailbox is switched back from Microsoft Graph to SMTP while replies wait, some with a draft that may have left (O8, O1–O3).

use crate::sending_by_graph::{answering, arrived, drafts, replied, sendings, setup, the_inbox};
use anyhow::Result;
use sandbox::{Event, Fault, GraphFault, GraphPoint};
use serde_json::json;
use testkit::check::waits_are_over;
use testkit::world::{SUPPORT, World};

const ADA: &str = "ada@customer.example";

/// A reply whose draft is at Graph, and that waits after `fault`; nobody can look at the draft. Conversation and reply.
async fn waiting(w: &mut World, fault: GraphFault) -> Result<(i64, i64)> {
    let conversation = answering(w).await?;
    w.sandbox.update_user(SUPPORT, |user| user.smtp_auth_enabled = true);
    w.sandbox.faults().once(fault.clone());
    w.sandbox.faults().always(GraphFault::Html { at: GraphPoint::ReadMessage, status: 502 });
    let reply = replied(w, conversation, "hello").await?;
    w.eventually("the draft was refused", async |w| {
        Ok(w.sandbox.faults().fired().contains(&Fault::from(fault.clone())))
    })
    .await?;
    w.delivery_is(conversation, reply, "queued").await?;
    Ok((conversation, reply))
}

async fn switched_to_smtp(w: &World) -> Result<()> {
    let inbox = the_inbox(w).await?;
    let switch = w.path(&format!("/inboxes/{inbox}/send_transport"));
    let switched = w.api.put(&switch, &json!({"send_transport": "smtp"})).await?;
    anyhow::ensure!(switched["send_transport"] == json!("smtp"), "{switched}");
    Ok(())
}

/// Mails that the mail server took by SMTP.
fn by_smtp(w: &World) -> usize {
    w.sandbox.events().iter().filter(|event| matches!(event, Event::SmtpAccepted { .. })).count()
}

/// Waits for this state.
async fn becomes(w: &mut World, (conversation, reply): (i64, i64), state: &str) -> Result<serde_json::Value> {
    w.eventually(&format!("the reply is {state}"), async |w| {
        waits_are_over(w.database_url()).await?;
        Ok(w.message(conversation, reply).await?["delivery"]["state"] == json!(state))
    })
    .await?;
    w.message(conversation, reply).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_did_not_leave_is_deleted_and_its_reply_leaves_by_smtp_once() -> Result<()> {
    World::run(setup(), async |w| {
        let waits = waiting(w, GraphFault::too_many_requests(GraphPoint::Send, None)).await?;
        assert_eq!((drafts(w), arrived(w, ADA).len()), (1, 0));
        switched_to_smtp(w).await?;
        // As long as nobody can say what became of the draft, SMTP sends nothing.
        let worker = w.worker_name();
        w.eventually("it was asked what became of the draft", async |w| {
            waits_are_over(w.database_url()).await?;
            Ok(w.said_by(worker)?.contains("its mail does not leave otherwise yet"))
        })
        .await?;
        assert_eq!((drafts(w), arrived(w, ADA).len(), by_smtp(w)), (1, 0, 0));
        w.sandbox.faults().clear();
        becomes(w, waits, "sent").await?;
        assert_eq!((drafts(w), arrived(w, ADA).len(), by_smtp(w), sendings(w)), (0, 1, 1, 1));
        // And the next one as if nothing had been.
        let next = replied(w, waits.0, "and this").await?;
        w.delivery_is(waits.0, next, "sent").await?;
        assert_eq!((arrived(w, ADA).len(), by_smtp(w)), (2, 2));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_has_left_settles_its_reply_and_smtp_sends_nothing() -> Result<()> {
    World::run(setup(), async |w| {
        let waits = waiting(w, GraphFault::DoneAndUnavailable(GraphPoint::Send)).await?;
        assert_eq!((drafts(w), arrived(w, ADA).len()), (0, 1), "it has left, and nobody knows");
        switched_to_smtp(w).await?;
        w.sandbox.faults().clear();
        becomes(w, waits, "sent").await?;
        assert_eq!((arrived(w, ADA).len(), by_smtp(w), sendings(w)), (1, 0, 1));
        assert_eq!(w.sandbox.mailbox(SUPPORT).messages("Sent Items").len(), 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_graph_lets_nobody_ask_sent_decides_and_then_a_person() -> Result<()> {
    for (fault, state) in [
        (GraphFault::DoneAndUnavailable(GraphPoint::Send), "sent"),
        (GraphFault::too_many_requests(GraphPoint::Send, None), "outcome_unknown"),
    ] {
        World::run(setup(), async |w| {
            let had_left = state == "sent";
            let waits = waiting(w, fault.clone()).await?;
            w.sandbox.faults().clear();
            w.sandbox.faults().always(GraphFault::access_denied(GraphPoint::ReadMessage));
            switched_to_smtp(w).await?;
            becomes(w, waits, state).await?;
            if !had_left {
                w.eventually("a person is asked", async |w| {
                    waits_are_over(w.database_url()).await?;
                    let delivery = w.message(waits.0, waits.1).await?["delivery"].clone();
                    Ok(delivery["next_try_at"].is_null() && delivery["state"] == json!("outcome_unknown"))
                })
                .await?;
            }
            assert_eq!((arrived(w, ADA).len(), by_smtp(w)), (usize::from(had_left), 0));
            if !had_left {
                // The person has looked, and wants it out: nobody asks Graph any more.
                let retry = format!("/conversations/{}/messages/{}/retry", waits.0, waits.1);
                w.api.post(&w.path(&retry), &json!({})).await?;
                becomes(w, waits, "sent").await?;
                assert_eq!((arrived(w, ADA).len(), by_smtp(w)), (1, 1));
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}
