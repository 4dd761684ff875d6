//! Every kill point where a worker or the API stands, in three ways: the process dies there, stands still past its leases while another takes
//! over, or finds its connections dead when it goes on (I1, O1, O2, C6; the table is in docs/FAILURES.md). `kill_import` and `kill_sign_in` tell
//! the same of an import and of a sign-in.
//!
//! Each round sees the process meet its point, and ends with what must hold after every story. On PostgreSQL and Redis, because only there
//! somebody else can take over; `kill_points` tells the deaths on SQLite as well.

use anyhow::{Context, Result};
use sandbox::SmtpFault;
use serde_json::json;
use testkit::builders::numbered;
use testkit::load;
use testkit::post::ADA;
use testkit::ways::Link::{Database, Imap, Redis, Smtp};
use testkit::ways::Way::{self, Dies, IsCut, Stalls};
use testkit::world::{self, ADMIN_EMAIL, Queue, SUPPORT, Setup, World};

/// Whom the server does not know, the first time it is asked.
const GONE: &str = "gone@customer.example";

fn setup() -> Setup {
    Setup::on(world::Database::Postgres, Queue::Redis).through_proxies().with("OUTCOME_LOOKS_SECONDS", "1,1,1")
}

/// Names the round in whatever it fails with.
fn in_round<T>(told: Result<T>, point: &str, way: Way) -> Result<T> {
    told.with_context(|| format!("at {point}, where the process {way:?}"))
}

async fn the_api_lives(w: &World) -> Result<()> {
    load::lives(&w.api).await
}

/// Mail that arrives while the worker meets `point` is there once.
async fn mail_arrives(point: &str, ways: &[Way]) -> Result<()> {
    World::run(setup(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        let mut count = 0;
        for way in ways {
            let round = async {
                w.stop_all("work")?;
                for _ in 0..3 {
                    w.deliver(SUPPORT, &numbered(count)).await?;
                    count += 1;
                }
                w.start_towards("work", point, *way)?;
                w.meets_its_point("work", *way).await?;
                the_api_lives(w).await?;
                w.befalls("work", *way, async |w| w.conversations_are(count).await.map(drop)).await?;
                w.deliver(SUPPORT, &numbered(count)).await?;
                count += 1;
                w.conversations_are(count).await?;
                w.workers_begin_anew().await?;
                w.holds().await
            };
            in_round(round.await, point, *way)?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_was_fetched_is_there_once_whatever_happens_to_its_worker() -> Result<()> {
    mail_arrives("fetched", &[Dies, Stalls, IsCut(&[Imap]), IsCut(&[Database])]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_was_stored_is_there_once_whatever_happens_to_its_worker() -> Result<()> {
    mail_arrives("raw_stored", &[Dies, Stalls, IsCut(&[Database, Imap])]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_is_being_ingested_is_there_once_whatever_happens_to_its_worker() -> Result<()> {
    mail_arrives("ingesting", &[Dies, Stalls, IsCut(&[Database])]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_is_numbered_anew_is_read_once_whatever_happens_between_noting_its_uids_and_its_cursor()
-> Result<()> {
    World::run(setup(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        let mut count = 0;
        for way in [Dies, Stalls, IsCut(&[Database]), IsCut(&[Imap])] {
            let round = async {
                w.stop_all("work")?;
                for _ in 0..2 {
                    w.deliver(SUPPORT, &numbered(count)).await?;
                    count += 1;
                }
                w.renumber(SUPPORT).await?;
                w.worker_meets("uids_noted", way, async |w| w.conversations_are(count).await.map(drop)).await?;
                w.deliver(SUPPORT, &numbered(count)).await?;
                count += 1;
                w.conversations_are(count).await?;
                w.workers_begin_anew().await?;
                w.holds().await
            };
            in_round(round.await, "uids_noted", way)?;
        }
        Ok(())
    })
    .await
}

/// A reply whose worker meets `point` reaches the customer once.
async fn a_reply_leaves(point: &str, ways: &[Way]) -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        replies_leave(w, conversation, point, ways).await
    })
    .await
}

async fn replies_leave(w: &mut World, conversation: i64, point: &str, ways: &[Way]) -> Result<()> {
    for (n, way) in ways.iter().enumerate() {
        let round = async {
            w.stop_all("work")?;
            let reply = w.reply(conversation, &format!("reply {n}")).await?["id"].as_i64().context("id")?;
            w.start_towards("work", point, *way)?;
            w.meets_its_point("work", *way).await?;
            the_api_lives(w).await?;
            w.befalls("work", *way, async |w| is_sent(w, conversation, reply).await).await?;
            let next = w.reply(conversation, &format!("after {n}")).await?["id"].as_i64().context("id")?;
            is_sent(w, conversation, next).await?;
            w.workers_begin_anew().await?;
            is_sent(w, conversation, reply).await?;
            w.inbox_has(ADA, 2 * n + 2).await?;
            w.holds().await
        };
        in_round(round.await, point, *way)?;
    }
    Ok(())
}

/// Waits for it, and lets the waits between two tries pass.
async fn is_sent(w: &mut World, conversation: i64, message: i64) -> Result<()> {
    w.eventually("the reply is sent", async |w| {
        let delivery = w.message(conversation, message).await?["delivery"].clone();
        if delivery["state"] == json!("queued") && delivery["failure"].is_object() {
            w.minutes_pass().await?;
        }
        Ok(delivery["state"] == json!("sent"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_was_handed_over_is_sent_once_whatever_happens_to_its_worker() -> Result<()> {
    a_reply_leaves("handed_over", &[Dies, Stalls, IsCut(&[Database]), IsCut(&[Redis])]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_was_claimed_is_sent_once_whatever_happens_to_its_worker() -> Result<()> {
    a_reply_leaves("claimed", &[Dies, Stalls, IsCut(&[Database]), IsCut(&[Smtp])]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_about_to_be_sent_is_sent_once_whatever_happens_to_its_worker() -> Result<()> {
    a_reply_leaves("sending", &[Dies, Stalls, IsCut(&[Smtp]), IsCut(&[Database])]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_whose_draft_was_kept_leaves_once_through_graph_whatever_happens_to_its_worker() -> Result<()> {
    World::run(setup(), async |w| {
        let by_graph = json!({"email": SUPPORT, "send_transport": "graph"});
        let inbox = w.connect_as(ADMIN_EMAIL, SUPPORT, &by_graph).await?;
        w.watched(inbox).await?;
        w.deliver(SUPPORT, &numbered(0)).await?;
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        replies_leave(w, conversation, "draft_kept", &[Dies, Stalls, IsCut(&[Database])]).await?;
        assert!(w.sandbox.mailbox(SUPPORT).messages("Drafts").is_empty(), "no draft is left behind");
        assert!(w.sandbox.handed_in_again().is_empty(), "no mail had a second draft that was sent");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_the_server_took_is_sent_once_whatever_happens_to_its_worker() -> Result<()> {
    a_reply_leaves("answered", &[Dies, Stalls, IsCut(&[Database])]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_refused_is_named_whatever_happens_before_the_mail_is_handed_over() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        for (n, way) in [Dies, Stalls, IsCut(&[Smtp]), IsCut(&[Database])].into_iter().enumerate() {
            let round = async {
                w.stop_all("work")?;
                w.sandbox.faults().clear();
                // Said once: who forgot it would send to them the second time, and have nobody to name.
                w.sandbox.faults().once(SmtpFault::RefuseRecipient {
                    address: GONE.to_owned(),
                    reply: "550 5.1.1 RecipientNotFound; no such user".to_owned(),
                });
                let body = json!({"content": format!("reply {n}"), "cc_emails": GONE});
                let reply = w.api.post(&path, &body).await?["id"].as_i64().context("id")?;
                w.worker_meets("refusals_written", way, async |w| is_sent(w, conversation, reply).await).await?;
                w.workers_begin_anew().await?;
                let delivery = w.message(conversation, reply).await?["delivery"].clone();
                assert_eq!(delivery["refused_recipients"][0]["address"], json!(GONE), "{delivery}");
                w.inbox_has(ADA, n + 1).await?;
                assert!(
                    w.sandbox.mailbox(GONE).messages("INBOX").is_empty(),
                    "it was sent to whom the server had refused"
                );
                w.holds().await
            };
            in_round(round.await, "refusals_written", way)?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_was_committed_is_sent_once_whatever_happens_to_the_api() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        for (n, way) in [Dies, Stalls, IsCut(&[Database]), IsCut(&[Redis])].into_iter().enumerate() {
            let round = async {
                w.stop_all("serve")?;
                w.start_towards("serve", "reply_committed", way)?;
                w.start_processes().await?;
                let ask = |w: &World| {
                    let key = format!("reply-{n}");
                    w.api.request("POST", &path).header("Idempotency-Key", key).json(&json!({"content": "hello"}))
                };
                let first = tokio::spawn({
                    let (api, request) = (w.api.clone(), ask(w));
                    async move { api.send(request).await }
                });
                w.meets_its_point("serve", way).await?;
                if way == Stalls {
                    // The workers need nobody to tell them.
                    w.eventually("the reply is there", async |w| Ok(w.inbox_of(ADA)?.len() == n + 1)).await?;
                }
                w.befalls("serve", way, async |_| Ok(())).await?;
                match (way, first.await?) {
                    (Dies, answered) => assert!(answered.is_err(), "the process answered before it died"),
                    (_, answered) => {
                        let answered = answered?;
                        if answered.status != 200 {
                            answered.is_plainly_unavailable()?;
                        }
                    }
                }
                // Whoever got no answer, or a refusal, asks again under the same key and gets the message that was made.
                let reply = w.api.send(ask(w)).await?.ok()?["id"].as_i64().context("id")?;
                is_sent(w, conversation, reply).await?;
                w.said_are(conversation, n + 2).await?;
                w.inbox_has(ADA, n + 1).await?;
                w.holds().await
            };
            in_round(round.await, "reply_committed", way)?;
        }
        Ok(())
    })
    .await
}

/// No worker is there, and whoever comes needs a new access token to read it.
async fn mail_comes_when_tokens_have_ended(w: &mut World, n: usize) -> Result<()> {
    w.stop_all("work")?;
    w.minutes_pass().await?;
    w.sandbox.expire_access_tokens(SUPPORT);
    w.deliver(SUPPORT, &numbered(n)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_whose_tokens_came_asks_nobody_to_sign_in_whatever_happens_to_its_worker() -> Result<()> {
    World::run(setup(), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        for (n, way) in [Dies, Stalls, IsCut(&[Database])].into_iter().enumerate() {
            let round = async {
                mail_comes_when_tokens_have_ended(w, n).await?;
                w.worker_meets("token_answered", way, async |w| w.conversations_are(n + 1).await.map(drop)).await?;
                if way == Stalls {
                    // What the first one brought is older than what is kept, and Microsoft would take either.
                    let kept = w.number("SELECT version FROM grants").await?;
                    w.says("work", "newer tokens were stored during a refresh", 1).await?;
                    assert_eq!(w.number("SELECT version FROM grants").await?, kept, "older tokens were stored");
                }
                w.workers_begin_anew().await?;
                let health = w.api.get(&w.path(&format!("/inboxes/{inbox}/health"))).await?;
                assert_eq!(health["fetch"]["state"], json!("connected"), "nobody has to sign in again: {health}");
                w.holds().await
            };
            in_round(round.await, "token_answered", way)?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_gone_is_said_whatever_happens_to_the_worker_that_learnt_it() -> Result<()> {
    World::run(setup(), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        let path = w.path(&format!("/inboxes/{inbox}/health"));
        for (n, way) in [Dies, Stalls, IsCut(&[Database])].into_iter().enumerate() {
            let round = async {
                mail_comes_when_tokens_have_ended(w, n).await?;
                w.sandbox.revoke_refresh_tokens(SUPPORT);
                w.worker_meets("grant_refused", way, async |w| {
                    w.eventually("somebody is asked to sign in again", async |w| {
                        Ok(w.api.get(&path).await?["fetch"]["state"] == json!("needs_reauth"))
                    })
                    .await
                })
                .await?;
                w.workers_begin_anew().await?;
                // They do, and the mail that waited is there.
                sign_in_again(w, inbox).await?;
                w.conversations_are(n + 1).await?;
                w.holds().await
            };
            in_round(round.await, "grant_refused", way)?;
        }
        Ok(())
    })
    .await
}

async fn sign_in_again(w: &mut World, inbox: i64) -> Result<()> {
    let again = w.connect_as(ADMIN_EMAIL, SUPPORT, &json!({"inbox_id": inbox})).await?;
    anyhow::ensure!(again == inbox, "another inbox");
    Ok(())
}
