//! Mail servers on a bad day (I10, C7, O5): TLS that is broken, servers that throttle, refuse, hang up and change their minds. Nothing is
//! said in the clear, nobody is asked to sign in who cannot help, other mailboxes notice nothing, and it goes on by itself.

use anyhow::{Context, Result, ensure};
use sandbox::{CONTOSO, Event, ImapFault, SmtpFault, SmtpPoint, TenantUser, TlsFault};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::builders::numbered;
use testkit::post::ADA;
use testkit::process::free_port;
use testkit::world::{SUPPORT, Setup, World};

const SALES: &str = "sales@contoso.example";
const BILLING: &str = "billing@contoso.example";

/// A mailbox to which something happens, with its inbox and a conversation in it, and another one that is well.
struct Two {
    troubled: i64,
    conversation: i64,
}

async fn two_mailboxes(w: &mut World) -> Result<Two> {
    w.sandbox.add_user(TenantUser::work(CONTOSO, SALES, "Sales"));
    let sales = w.connect_and_watch(SALES).await?;
    let troubled = w.connect_and_watch(SUPPORT).await?;
    for inbox in [sales, troubled] {
        imported(w, inbox).await?;
    }
    w.deliver(SUPPORT, &numbered(0)).await?;
    let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
    Ok(Two { troubled, conversation })
}

/// An import signs in by itself, which is not what is counted here.
async fn imported(w: &mut World, inbox: i64) -> Result<()> {
    let path = w.path(&format!("/inboxes/{inbox}/health"));
    w.eventually("the past is imported", async |w| Ok(w.api.get(&path).await?["import"]["state"] == json!("done")))
        .await
}

async fn fetching(w: &World, inbox: i64) -> Result<Value> {
    Ok(w.api.get(&w.path(&format!("/inboxes/{inbox}/health"))).await?["fetch"].clone())
}

/// Waits until fetching fails for this reason.
async fn fails(w: &mut World, inbox: i64, code: &str) -> Result<Value> {
    let what = format!("fetching fails with {code}");
    w.eventually(&what, async |w| Ok(fetching(w, inbox).await?["failure"]["code"] == json!(code))).await?;
    let health = fetching(w, inbox).await?;
    assert_eq!(health["state"], json!("failing"), "it mends itself: {health}");
    Ok(health)
}

async fn well_again(w: &mut World, inbox: i64) -> Result<()> {
    w.eventually("fetching is well again", async |w| Ok(fetching(w, inbox).await?["state"] == json!("connected"))).await
}

/// The session of the troubled mailbox ends, with nothing wrong about its token; the other one's stays.
fn connects_anew(w: &World) {
    w.sandbox.faults().once_for(SUPPORT, ImapFault::AccessTokenExpired);
}

fn said(w: &World, user: &str, command: &str) -> usize {
    let is_it = |event: &Event| matches!(event, Event::ImapCommand { user: by, command: said } if by == user && said == command);
    w.sandbox.events().iter().filter(|event| is_it(event)).count()
}

/// Everything that was ever said without TLS.
fn nothing_but_small_talk_in_the_clear(w: &World) {
    for event in w.sandbox.events() {
        let Event::HeardInTheClear { bytes } = event else { continue };
        let heard = String::from_utf8_lossy(&bytes).into_owned();
        // Records of TLS: alerts are 21, handshakes 22.
        let small = matches!(bytes.first(), Some(21 | 22))
            || heard.starts_with("EHLO ")
            || heard == "STARTTLS"
            || heard == "QUIT";
        assert!(small, "said without TLS: {heard:?}");
    }
}

/// TLS breaks for whoever connects from now on; both ways of mail wait, say why, and go on when it is right again.
async fn broken_tls(
    imap: Option<TlsFault>,
    smtp: SmtpFault,
    fetch_code: &str,
    send_code: &str,
    actor: &str,
) -> Result<()> {
    World::run(Setup::default(), async |w| {
        let two = two_mailboxes(w).await?;
        if let Some(fault) = imap {
            w.sandbox.faults().always(ImapFault::Tls(fault));
        }
        w.sandbox.faults().always(smtp);
        // Only this one has to connect anew.
        connects_anew(w);
        let reply = w.reply(two.conversation, "hello").await?["id"].as_i64().context("id")?;
        w.eventually("the reply says what it waits for", async |w| {
            Ok(w.message(two.conversation, reply).await?["delivery"]["failure"]["code"].is_string())
        })
        .await?;
        let delivery = w.message(two.conversation, reply).await?["delivery"].clone();
        assert_eq!(delivery["failure"]["code"], json!(send_code), "{delivery}");
        assert_eq!((&delivery["state"], &delivery["failure"]["who_must_act"]), (&json!("queued"), &json!(actor)));
        let mut expected = 2;
        if imap.is_some() {
            let health = fails(w, two.troubled, fetch_code).await?;
            assert_eq!(health["failure"]["who_must_act"], json!(actor), "{health}");
            w.deliver(SUPPORT, &numbered(1)).await?;
            expected += 1;
        }
        // Another mailbox's mail arrives meanwhile.
        w.deliver(SALES, &numbered(2)).await?;
        w.eventually("the other mailbox's mail is there", async |w| Ok(w.conversations().await?.len() >= 2)).await?;
        nothing_but_small_talk_in_the_clear(w);
        w.sandbox.faults().clear();
        w.conversations_are(expected).await?;
        w.delivery_is(two.conversation, reply, "sent").await?;
        well_again(w, two.troubled).await?;
        w.inbox_has(ADA, 1).await?;
        nothing_but_small_talk_in_the_clear(w);
        Ok(())
    })
    .await
}

async fn bad_certificate(fault: TlsFault) -> Result<()> {
    broken_tls(Some(fault), SmtpFault::Tls(fault), "tls_failed", "tls_failed", "operator").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_not_believed_until_it_is_renewed() -> Result<()> {
    bad_certificate(TlsFault::ExpiredCertificate).await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_hosts_certificate_is_not_believed() -> Result<()> {
    bad_certificate(TlsFault::OtherHost).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_signed_certificate_is_not_believed() -> Result<()> {
    bad_certificate(TlsFault::SelfSigned).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_cut_is_a_lost_connection_and_nobodys_to_mend() -> Result<()> {
    let fault = TlsFault::CutHandshake;
    broken_tls(Some(fault), SmtpFault::Tls(fault), "connection_lost", "connection_lost", "nobody").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_in_the_clear_where_tls_belongs_is_told_nothing() -> Result<()> {
    let fault = TlsFault::Plaintext;
    broken_tls(Some(fault), SmtpFault::Tls(fault), "tls_unavailable", "tls_unavailable", "operator").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_offers_no_starttls_is_told_nothing() -> Result<()> {
    broken_tls(None, SmtpFault::NoStartTls, "", "tls_unavailable", "operator").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lets_us_in_and_hangs_up_is_left_alone_longer_each_time() -> Result<()> {
    World::run(Setup::default(), async |w| {
        two_mailboxes(w).await?;
        w.sandbox.faults().always_for(SUPPORT, ImapFault::CloseAt { verb: "IDLE".to_owned() });
        connects_anew(w);
        let before = said(w, SUPPORT, "AUTHENTICATE");
        w.eventually("it was let in once more", async |w| Ok(said(w, SUPPORT, "AUTHENTICATE") > before)).await?;
        let begun = Instant::now();
        w.deliver(SALES, &numbered(1)).await?;
        w.conversations_are(2).await?;
        w.eventually("and four times more", async |w| Ok(said(w, SUPPORT, "AUTHENTICATE") >= before + 5)).await?;
        // At least half of 2, 4, 8 and 16 seconds; were every success to make the wait short again, it would be four times one second.
        ensure!(begun.elapsed() > Duration::from_secs(14), "{:?} {:?}", begun.elapsed(), w.sandbox.events());
        // What it does let us read is there.
        w.deliver(SUPPORT, &numbered(2)).await?;
        w.conversations_are(3).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_no_longer_takes_idle_is_asked_again_and_again_instead() -> Result<()> {
    World::run(Setup::default().with("POLL_INTERVAL_SECONDS", "1"), async |w| {
        let two = two_mailboxes(w).await?;
        w.sandbox.faults().always_for(
            SUPPORT,
            ImapFault::Answer { verb: "IDLE".to_owned(), text: "BAD Command Error. 12".to_owned() },
        );
        let sign_ins = said(w, SUPPORT, "AUTHENTICATE");
        for n in 1..5 {
            w.deliver(SUPPORT, &numbered(n)).await?;
            w.conversations_are(n + 1).await?;
        }
        assert!(!w.sandbox.faults().fired().is_empty());
        ensure!(said(w, SUPPORT, "AUTHENTICATE") == sign_ins, "one session goes on: {:?}", w.sandbox.events());
        assert_eq!(fetching(w, two.troubled).await?["state"], json!("connected"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_that_are_refused_for_a_while_are_tried_on_and_the_other_mailbox_is_read() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let two = two_mailboxes(w).await?;
        let mut count = 1;
        for (fault, code, actor) in [
            (ImapFault::AuthenticatedNotConnected, "mailbox_not_connected", "tenant_admin"),
            (ImapFault::AuthenticateFailed, "authentication_refused", "owner"),
        ] {
            w.sandbox.faults().always_for(SUPPORT, fault);
            connects_anew(w);
            let health = fails(w, two.troubled, code).await?;
            // Who could help is named; nobody is asked before it has lasted for an hour.
            assert_eq!(health["failure"]["who_must_act"], json!(actor));
            w.deliver(SUPPORT, &numbered(count)).await?;
            w.deliver(SALES, &numbered(count + 1)).await?;
            w.conversations_are(count + 1).await?;
            w.sandbox.faults().clear();
            count += 2;
            w.conversations_are(count).await?;
            well_again(w, two.troubled).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_a_server_states_is_obeyed_by_the_process_after_a_restart() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let two = two_mailboxes(w).await?;
        w.sandbox.add_user(TenantUser::work(CONTOSO, BILLING, "Billing"));
        let billing = w.connect_and_watch(BILLING).await?;
        imported(w, billing).await?;
        let text = "NO [UNAVAILABLE] Server busy, try again in 25 seconds".to_owned();
        w.sandbox.faults().once_for(SUPPORT, ImapFault::Answer { verb: "EXAMINE".to_owned(), text });
        // Exchange says it in milliseconds, as `Suggested Backoff Time`.
        let throttled = ImapFault::Throttled { milliseconds: 25_000, tagged_no: false, close: true };
        w.sandbox.faults().once_for(BILLING, throttled);
        // Before the refusals can have happened: what passes from here on is no less than the wait.
        let begun = Instant::now();
        for (n, user) in [SUPPORT, BILLING].into_iter().enumerate() {
            w.sandbox.faults().once_for(user, ImapFault::AccessTokenExpired);
            w.deliver(user, &numbered(n + 1)).await?;
        }
        for (inbox, code) in [(two.troubled, "server_unavailable"), (billing, "throttled")] {
            let health = fails(w, inbox, code).await?;
            assert!(health["next_try_at"].is_number() || health["next_try_at"].is_string(), "{health}");
        }
        let sign_ins = |w: &World| [SUPPORT, BILLING].map(|user| said(w, user, "AUTHENTICATE"));
        let before = sign_ins(w);
        let worker = w.worker_name();
        assert!(w.stop(worker, Duration::from_secs(30))?.success());
        w.start_processes().await?;
        // The other one is looked after at once.
        w.deliver(SALES, &numbered(3)).await?;
        w.conversations_are(2).await?;
        w.eventually("one of them is asked again", async |w| Ok(sign_ins(w) != before)).await?;
        assert!(begun.elapsed() > Duration::from_secs(22), "{:?}: {before:?} {:?}", begun.elapsed(), sign_ins(w));
        w.conversations_are(4).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_found_or_refuses_connections_is_tried_until_it_is_there() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let two = two_mailboxes(w).await?;
        let worker = w.worker_name();
        let nobody = format!("127.0.0.1:{}", free_port()?);
        for (n, host) in ["imap.nowhere.invalid:993", nobody.as_str()].into_iter().enumerate() {
            w.kill(worker)?;
            w.start_process_with(worker, &[("MICROSOFT_IMAP", host), ("MICROSOFT_SMTP", host)])?;
            w.start_processes().await?;
            w.deliver(SUPPORT, &numbered(n + 1)).await?;
            let health = fails(w, two.troubled, "unreachable").await?;
            assert_eq!(health["failure"]["who_must_act"], json!("nobody"));
            let reply = w.reply(two.conversation, "hello").await?["id"].as_i64().context("id")?;
            w.eventually("the reply says what it waits for", async |w| {
                Ok(w.message(two.conversation, reply).await?["delivery"]["failure"]["code"] == json!("unreachable"))
            })
            .await?;
            w.kill(worker)?;
            w.start_processes().await?;
            w.conversations_are(n + 2).await?;
            w.delivery_is(two.conversation, reply, "sent").await?;
            well_again(w, two.troubled).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_server_that_falls_silent_holds_up_no_other_mailbox() -> Result<()> {
    World::run(Setup::default().with("OUTCOME_LOOKS_SECONDS", "1,2,2"), async |w| {
        let two = two_mailboxes(w).await?;
        w.deliver(SALES, &numbered(1)).await?;
        let list = w.conversations_are(2).await?;
        let other =
            list.iter().filter_map(|c| c["id"].as_i64()).find(|id| *id != two.conversation).context("another")?;
        let mut count = 0;
        for fault in [
            SmtpFault::StallAt(SmtpPoint::Connect),
            SmtpFault::StallAt(SmtpPoint::MailFrom),
            SmtpFault::StallAt(SmtpPoint::Data),
            SmtpFault::StallAfterDot { accepted: true },
        ] {
            let met = w.sandbox.faults().fired().len();
            w.sandbox.faults().once(fault);
            let stalled = w.reply(two.conversation, "hello").await?["id"].as_i64().context("id")?;
            w.eventually("the server is silent", async |w| Ok(w.sandbox.faults().fired().len() > met)).await?;
            let quick = w.reply(other, "hello").await?["id"].as_i64().context("id")?;
            w.delivery_is(other, quick, "sent").await?;
            assert_ne!(w.message(two.conversation, stalled).await?["delivery"]["state"], json!("sent"));
            // How long each silence is borne is the mail crate's to show; here the line is cut.
            w.sandbox.cut_mail_connections();
            w.delivery_is(two.conversation, stalled, "sent").await?;
            count += 2;
            w.inbox_has(ADA, count).await?;
        }
        Ok(())
    })
    .await
}
