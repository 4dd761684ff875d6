//! Mail that is broken, doubled or hostile, and servers that lie (I1–I4): everything still in the mailbox is there exactly once.

use anyhow::{Context, Result};
use sandbox::ImapFault;
use serde_json::json;
use testkit::builders::{Mail, numbered};
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_no_bytes_blocks_nothing_and_is_kept() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        w.sandbox.deliver(SUPPORT, b"");
        w.sandbox.deliver(SUPPORT, &numbered(1));
        w.conversations_are(2).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_mime_and_a_missing_from_are_still_messages() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        let broken =
            Mail::new("ada@customer.example", "=?utf-8?B?####", "--nowhere\r\nContent-Type: text/html\r\n\r\n<b>hi")
                .id("broken@c");
        let broken =
            broken.header("MIME-Version", "1.0").header("Content-Type", "multipart/mixed; boundary=\"somewhere");
        w.sandbox.deliver(SUPPORT, &broken.bytes());
        w.sandbox.deliver(SUPPORT, b"Subject: nobody\r\nMessage-ID: <nofrom@c>\r\n\r\nwho am I\r\n");
        w.sandbox.deliver(SUPPORT, b"\xff\xfe\x00garbage without a single header\r\n\x80\x81");
        w.conversations_are(3).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_is_downloaded_as_a_file_and_never_shown() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        let body = "--b\r\nContent-Type: text/plain\r\n\r\nsee\r\n--b\r\nContent-Type: text/html; name=\"../evil.html\"\r\n\
                    Content-Disposition: attachment; filename=\"../evil.html\"\r\n\r\n<script>alert(1)</script>\r\n--b--";
        let mail = Mail::new("ada@customer.example", "File", body).id("file@c").header("MIME-Version", "1.0");
        w.sandbox.deliver(SUPPORT, &mail.header("Content-Type", "multipart/mixed; boundary=b").bytes());
        let list = w.conversations_are(1).await?;
        let said = w.said_are(list[0]["id"].as_i64().context("id")?, 1).await?;
        let url = said[0]["attachments"][0]["data_url"].as_str().context("data_url")?.to_owned();
        let answer = w.api.with_token(None).request("GET", &url).send().await?;
        assert_eq!(answer.status().as_u16(), 200);
        let shown = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        assert!(shown("content-disposition").starts_with("attachment") && shown("content-disposition").contains("evil.html"));
        assert!(!shown("content-disposition").contains(".."));
        assert_eq!(shown("x-content-type-options"), "nosniff");
        assert!(shown("content-security-policy").contains("sandbox"));
        assert_eq!(answer.text().await?.trim_end(), "<script>alert(1)</script>");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_mails_behind_a_new_uidvalidity_are_there_once_without_waiting_for_news() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        for n in 0..3 {
            w.sandbox.deliver(SUPPORT, &numbered(n));
        }
        w.conversations_are(3).await?;
        w.kill(w.worker_name())?;
        for n in 3..250 {
            w.sandbox.deliver(SUPPORT, &numbered(n));
        }
        w.sandbox.mailbox(SUPPORT).set_uidvalidity("INBOX", 78);
        w.start_processes().await?;
        let meta = w.path("/conversations/meta?status=all");
        w.eventually("all 250 are there", async |w| Ok(w.api.get(&meta).await?["meta"]["all_count"] == json!(250)))
            .await
    })
    .await
}

async fn a_server_that_fails_in_fetch(fault: ImapFault) -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        w.sandbox.faults().once(fault.clone());
        for n in 0..6 {
            w.sandbox.deliver(SUPPORT, &numbered(n));
        }
        w.conversations_are(6).await?;
        // The fault may have met the first fetch or a later one; one more mail shows that reading goes on.
        w.sandbox.deliver(SUPPORT, &numbered(6));
        w.conversations_are(7).await?;
        assert!(!w.sandbox.faults().fired().is_empty(), "the fault was never met");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_in_the_middle_of_fetch_loses_and_doubles_nothing() -> Result<()> {
    a_server_that_fails_in_fetch(ImapFault::FetchNoAfter { messages: 0 }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_in_the_middle_of_fetch_loses_and_doubles_nothing() -> Result<()> {
    a_server_that_fails_in_fetch(ImapFault::FetchBadAfter { messages: 1 }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_in_a_literal_loses_and_doubles_nothing() -> Result<()> {
    a_server_that_fails_in_fetch(ImapFault::FetchEofInLiteral { after_messages: 0 }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_between_two_mails_loses_and_doubles_nothing() -> Result<()> {
    a_server_that_fails_in_fetch(ImapFault::FetchEofBetween { after_messages: 1 }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn shuffled_and_doubled_fetch_answers_lose_and_double_nothing() -> Result<()> {
    a_server_that_fails_in_fetch(ImapFault::FetchShuffled).await?;
    a_server_that_fails_in_fetch(ImapFault::FetchUnsolicited).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_that_expires_in_idle_is_no_alarm() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        w.sandbox.expire_access_tokens(SUPPORT);
        w.sandbox.deliver(SUPPORT, &numbered(1));
        w.conversations_are(1).await?;
        let inboxes = w.api.get(&w.path("/inboxes")).await?;
        assert_eq!(inboxes["payload"][0]["reauthorization_required"], json!(false));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn seen_is_neither_read_nor_written() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        w.sandbox.mailbox(SUPPORT).append_with("INBOX", &numbered(1), &["\\Seen"], None);
        w.sandbox.deliver(SUPPORT, &numbered(2));
        w.conversations_are(2).await?;
        let flags: Vec<bool> =
            w.sandbox.mailbox(SUPPORT).messages("INBOX").iter().map(|m| m.has_flag("\\Seen")).collect();
        assert_eq!(flags, [true, false]);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_week_is_imported_beside_new_mail_and_what_is_older_stays_out() -> Result<()> {
    World::run(Setup::on(Database::Postgres, Queue::Redis), async |w| {
        for n in 0..40 {
            w.sandbox.deliver(SUPPORT, &numbered(n));
        }
        let old = Mail::new("ada@customer.example", "Ancient", "older than a week").id("ancient@c").bytes();
        w.sandbox.mailbox(SUPPORT).append_with("INBOX", &old, &[], Some(1_700_000_000));
        let inbox = w.connect(SUPPORT).await?;
        w.watched(inbox).await?;
        w.sandbox.deliver(SUPPORT, &numbered(99));
        let health = w.path(&format!("/inboxes/{inbox}/health"));
        w.eventually("the import is done", async |w| Ok(w.api.get(&health).await?["import"]["state"] == json!("done")))
            .await?;
        let meta = w.path("/conversations/meta?status=all");
        w.eventually("all 41 are there", async |w| Ok(w.api.get(&meta).await?["meta"]["all_count"] == json!(41)))
            .await?;
        // Whatever came before the last mail is in the index when that is.
        let last = w.path("/search/messages?q=99");
        w.eventually("the last mail is found", async |w| {
            Ok(w.api.get(&last).await?["payload"]["messages"].as_array().is_some_and(|found| !found.is_empty()))
        })
        .await?;
        let found = w.api.get(&w.path("/conversations?status=all&assignee_type=all&q=Ancient")).await?;
        assert_eq!(found["data"]["payload"], json!([]), "what is older than a week was imported");
        Ok(())
    })
    .await
}
