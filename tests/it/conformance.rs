//! One set of stories for two kinds of mail servers: the sandbox's, and Dovecot with Postfix on PostgreSQL and Redis.
//!
//! What holds here holds because servers behave so, and not because the sandbox was written by the same people as the product.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use testkit::builders::{Mail, header, message_id, numbered};
use testkit::post::ADA;
use testkit::world::{SUPPORT, Setup, World};

/// Each story as a test on the sandbox's servers and as one on the real ones.
macro_rules! on_both {
    ($($story:ident)*) => {
        mod on_the_sandbox {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() -> Result<()> {
                World::run(Setup::default(), async |w| super::$story(w).await).await
            })*
        }
        mod on_dovecot_and_postfix {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() -> Result<()> {
                World::run(Setup::real(), async |w| super::$story(w).await).await
            })*
        }
    };
}

on_both! {
    the_main_job_from_the_sign_in_to_the_customers_answer
    mails_join_by_their_ids_and_never_by_their_subject
    a_reply_reaches_to_cc_and_bcc_and_names_no_bcc
    words_and_dots_arrive_as_they_were_written
    files_travel_both_ways_unchanged
    a_mail_of_25_mb_comes_in_whole
    a_mail_without_message_id_is_one_message
    the_same_mail_twice_is_one_message
    the_same_message_id_with_another_content_is_another_message
    a_renumbered_folder_loses_and_doubles_nothing
    a_worker_killed_while_mail_arrives_loses_and_doubles_nothing
    a_reply_that_comes_back_is_marked_as_bounced
}

fn id(value: &Value) -> Result<i64> {
    value["id"].as_i64().context("id")
}

/// Also told on every pairing of database and queue.
pub async fn the_main_job_from_the_sign_in_to_the_customers_answer(w: &mut World) -> Result<()> {
    let inbox = w.connect(SUPPORT).await?;
    w.watched(inbox).await?;
    let shown = w.api.get(&w.path(&format!("/inboxes/{inbox}"))).await?;
    assert_eq!((&shown["channel_type"], &shown["provider"]), (&json!("Channel::Email"), &json!("microsoft")));

    let lamp = Mail::new("Ada <ada@customer.example>", "Broken lamp", "It does not shine.").id("lamp@c");
    w.deliver(SUPPORT, &lamp.bytes()).await?;
    let list = w.conversations_are(1).await?;
    let conversation = id(&list[0])?;
    assert_eq!(list[0]["meta"]["sender"]["email"], json!(ADA));
    assert_eq!(list[0]["unread_count"], json!(1));
    let said = w.said_are(conversation, 1).await?;
    assert_eq!(said[0]["content"], json!("It does not shine."));

    let reply = w.reply(conversation, "Please send it **back**.").await?;
    let sent = w.delivery_is(conversation, id(&reply)?, "sent").await?;
    assert_eq!(sent["status"], json!("sent"));
    let arrived = w.inbox_has(ADA, 1).await?.remove(0);
    assert_eq!(header(&arrived, "In-Reply-To").as_deref(), Some("<lamp@c>"));
    assert_eq!(header(&arrived, "Subject").as_deref(), Some("Re: Broken lamp"));
    assert!(header(&arrived, "From").context("From")?.contains(SUPPORT));
    let text = String::from_utf8_lossy(&arrived);
    assert!(text.contains("multipart/alternative") && text.contains("<strong>back</strong>"), "{text}");

    let answer = Mail::new("Ada <ada@customer.example>", "Re: Broken lamp", "It is on its way.").id("lamp-2@c");
    w.deliver(SUPPORT, &answer.answering(&message_id(&arrived).context("Message-ID")?).bytes()).await?;
    let said = w.said_are(conversation, 3).await?;
    assert_eq!(said[2]["content"], json!("It is on its way."));
    w.conversations_are(1).await?;
    Ok(())
}

async fn mails_join_by_their_ids_and_never_by_their_subject(w: &mut World) -> Result<()> {
    w.connect_and_watch(SUPPORT).await?;
    w.deliver(SUPPORT, &Mail::new(ADA, "Invoice", "one").id("one@c").bytes()).await?;
    w.conversations_are(1).await?;
    w.deliver(SUPPORT, &Mail::new(ADA, "Re: Invoice", "two").id("two@c").bytes()).await?;
    w.conversations_are(2).await?;
    let colleague = Mail::new("Grace <grace@customer.example>", "About something else", "three").id("three@c");
    w.deliver(SUPPORT, &colleague.answering("one@c").bytes()).await?;
    w.eventually("the third mail is there", async |w| {
        let list = w.conversations().await?;
        Ok(list.iter().any(|c| c["messages"][0]["content"] == json!("three")))
    })
    .await?;
    let list = w.conversations_are(2).await?;
    let joined = list.iter().find(|c| c["messages"][0]["content"] == json!("three")).context("joined")?;
    let said = w.said(id(joined)?).await?;
    let senders: Vec<&Value> = said.iter().map(|message| &message["sender"]["email"]).collect();
    assert_eq!(senders, [&json!(ADA), &json!("grace@customer.example")]);
    Ok(())
}

async fn a_reply_reaches_to_cc_and_bcc_and_names_no_bcc(w: &mut World) -> Result<()> {
    let conversation = w.first_conversation().await?;
    let (cc, bcc) = ("grace@customer.example", "linus@customer.example");
    let body = json!({"content": "hello", "message_type": "outgoing", "cc_emails": cc, "bcc_emails": [bcc]});
    let reply = w.api.post(&w.path(&format!("/conversations/{conversation}/messages")), &body).await?;
    w.delivery_is(conversation, id(&reply)?, "sent").await?;
    for customer in [ADA, cc, bcc] {
        let mail = w.inbox_has(customer, 1).await?.remove(0);
        assert_eq!(header(&mail, "Cc").context("Cc")?.trim_matches(['<', '>']), cc);
        // Postfix and Dovecot write down for whom they took a copy; what we wrote begins below that.
        let ours = String::from_utf8_lossy(&mail).into_owned();
        let ours = ours.split("\r\n").filter(|line| !line.starts_with("Delivered-To:")).collect::<Vec<_>>().join("\n");
        let received_for = |line: &str| line.contains("for <linus@");
        assert!(!ours.lines().any(|line| line.contains("linus@") && !received_for(line)), "Bcc shows: {ours}");
    }
    // The next reply goes to its own recipients, not to those of the one before.
    let next = w.reply(conversation, "only to Ada").await?;
    w.delivery_is(conversation, id(&next)?, "sent").await?;
    w.inbox_has(ADA, 2).await?;
    w.inbox_has(cc, 1).await?;
    Ok(())
}

async fn words_and_dots_arrive_as_they_were_written(w: &mut World) -> Result<()> {
    w.connect_and_watch(SUPPORT).await?;
    let written = "Grüße aus Köln,\n.\n..zwei Punkte\nпривет 你好";
    let mail = Mail::new("Ada <ada@customer.example>", "=?utf-8?B?R3LDvMOfZQ==?=", written).id("words@c");
    w.deliver(SUPPORT, &mail.header("Content-Transfer-Encoding", "8bit").bytes()).await?;
    let list = w.conversations_are(1).await?;
    assert_eq!(list[0]["additional_attributes"]["mail_subject"], json!("Grüße"));
    let said = w.said_are(id(&list[0])?, 1).await?;
    assert_eq!(said[0]["content"], json!(written));

    let answer = "Danke, **Köln**!\n\n.\n\n.hidden\n\nещё 再见";
    let reply = w.reply(id(&list[0])?, answer).await?;
    w.delivery_is(id(&list[0])?, id(&reply)?, "sent").await?;
    let arrived = w.inbox_has(ADA, 1).await?.remove(0);
    let read = mail::parse::parse(&arrived, arrived.len());
    let text = read.text.context("a text part")?;
    for words in ["Danke, Köln!", "\n.\n", "\n.hidden", "ещё 再见"] {
        assert!(text.replace("\r\n", "\n").contains(words), "{words:?} is not in {text:?}");
    }
    assert_eq!(read.subject.as_deref(), Some("Re: Grüße"));
    Ok(())
}

async fn files_travel_both_ways_unchanged(w: &mut World) -> Result<()> {
    w.connect_and_watch(SUPPORT).await?;
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let encoded = BASE64_STANDARD.encode(&bytes);
    let lines: Vec<&str> = encoded.as_bytes().chunks(76).map(|c| std::str::from_utf8(c).unwrap_or_default()).collect();
    let body = format!(
        "--b\r\nContent-Type: text/plain\r\n\r\nsee the file\r\n--b\r\nContent-Type: application/octet-stream\r\n\
         Content-Disposition: attachment; filename=every-byte.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--",
        lines.join("\r\n")
    );
    let mail = Mail::new(ADA, "File", &body).id("file@c").header("MIME-Version", "1.0");
    w.deliver(SUPPORT, &mail.header("Content-Type", "multipart/mixed; boundary=b").bytes()).await?;
    let conversation = id(&w.conversations_are(1).await?[0])?;
    let said = w.said_are(conversation, 1).await?;
    let url = said[0]["attachments"][0]["data_url"].as_str().context("data_url")?.to_owned();
    let download = w.api.with_token(None).request("GET", &url).send().await?;
    assert_eq!(download.bytes().await?.as_ref(), bytes);

    let boundary = "a-boundary-of-the-form";
    let mut form = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\nand back\r\n--{boundary}\r\n\
         Content-Disposition: form-data; name=\"attachments[]\"; filename=\"every-byte.bin\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    form.extend_from_slice(&bytes);
    form.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let path = w.path(&format!("/conversations/{conversation}/messages"));
    let form_type = format!("multipart/form-data; boundary={boundary}");
    let request = w.api.request("POST", &path).header("content-type", form_type).body(form);
    let reply = w.api.send(request).await?.ok()?;
    w.delivery_is(conversation, id(&reply)?, "sent").await?;
    let arrived = w.inbox_has(ADA, 1).await?.remove(0);
    let text = String::from_utf8_lossy(&arrived).replace(['\r', '\n'], "");
    assert!(text.contains("every-byte.bin") && text.contains(&encoded), "the file is not in the mail");
    Ok(())
}

async fn a_mail_of_25_mb_comes_in_whole(w: &mut World) -> Result<()> {
    w.connect_and_watch(SUPPORT).await?;
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM=\r\n";

    let lines = 25 * 1024 * 1024 / line.len();
    let body = format!(
        "--b\r\nContent-Type: text/plain\r\n\r\nsee the file\r\n--b\r\nContent-Type: application/zip; name=big.zip\r\n\
         Content-Disposition: attachment; filename=big.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n{}--b--",
        line.repeat(lines)
    );
    let mail = Mail::new(ADA, "Big", &body).id("big@c").header("MIME-Version", "1.0");
    w.deliver(SUPPORT, &mail.header("Content-Type", "multipart/mixed; boundary=b").bytes()).await?;
    let conversation = id(&w.conversations_are(1).await?[0])?;
    let said = w.said_are(conversation, 1).await?;
    assert_eq!(said[0]["content"], json!("see the file"));
    assert_eq!(said[0]["attachments"][0]["file_size"], json!(lines * BASE64_STANDARD.decode(line.trim())?.len()));
    Ok(())
}

async fn a_mail_without_message_id_is_one_message(w: &mut World) -> Result<()> {
    w.connect_and_watch(SUPPORT).await?;
    w.deliver(SUPPORT, &Mail::new(ADA, "No id", "hello").without_id().bytes()).await?;
    let list = w.conversations_are(1).await?;
    w.said_are(id(&list[0])?, 1).await?;
    Ok(())
}

async fn the_same_mail_twice_is_one_message(w: &mut World) -> Result<()> {
    w.connect_and_watch(SUPPORT).await?;
    w.deliver(SUPPORT, &numbered(1)).await?;
    w.deliver(SUPPORT, &numbered(1)).await?;
    w.deliver(SUPPORT, &numbered(2)).await?;
    for conversation in w.conversations_are(2).await? {
        w.said_are(id(&conversation)?, 1).await?;
    }
    Ok(())
}

async fn the_same_message_id_with_another_content_is_another_message(w: &mut World) -> Result<()> {
    w.connect_and_watch(SUPPORT).await?;
    w.deliver(SUPPORT, &Mail::new("mallory@elsewhere.example", "Mine", "pre-empted").id("known@c").bytes()).await?;
    w.deliver(SUPPORT, &Mail::new(ADA, "Hers", "the real one").id("known@c").bytes()).await?;
    w.conversations_are(2).await?;
    Ok(())
}

async fn a_renumbered_folder_loses_and_doubles_nothing(w: &mut World) -> Result<()> {
    w.connect_and_watch(SUPPORT).await?;
    for n in 0..5 {
        w.deliver(SUPPORT, &numbered(n)).await?;
    }
    w.conversations_are(5).await?;
    w.renumber(SUPPORT).await?;
    w.deliver(SUPPORT, &numbered(5)).await?;
    w.conversations_are(6).await?;
    Ok(())
}

async fn a_worker_killed_while_mail_arrives_loses_and_doubles_nothing(w: &mut World) -> Result<()> {
    w.connect_and_watch(SUPPORT).await?;
    let worker = w.worker_name();
    for n in 0..20 {
        w.deliver(SUPPORT, &numbered(n)).await?;
        if n % 7 == 3 {
            w.kill(worker)?;
        }
        if n % 7 == 5 {
            w.start_processes().await?;
        }
    }
    w.start_processes().await?;
    w.conversations_are(20).await?;
    Ok(())
}

async fn a_reply_that_comes_back_is_marked_as_bounced(w: &mut World) -> Result<()> {
    let conversation = w.first_conversation().await?;
    let path = w.path(&format!("/conversations/{conversation}"));
    let body = json!({"content": "are you there?", "to_emails": w.unknown_address()});
    let reply = w.api.post(&format!("{path}/messages"), &body).await?;
    let bounced = w.delivery_is(conversation, id(&reply)?, "bounced").await?;
    assert!(bounced["delivery"]["failure"]["cause"].is_string(), "{bounced}");
    // The report stands in the conversation it is about, and opens no other.
    w.conversations_are(1).await?;
    Ok(())
}
