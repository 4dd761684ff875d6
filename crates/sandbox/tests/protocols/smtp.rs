//! Submission as Exchange Online does it, and its faults.

use std::time::Duration;

use sandbox::{Event, INBOX, NdrLanguage, Sandbox, SandboxConfig, SmtpFault, SmtpPoint, UnknownRecipients};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::*;

const ADA: &str = "ada@customer.example";

#[tokio::test]
async fn the_extensions_are_exchanges_and_auth_comes_only_after_starttls() {
    let sandbox = start().await;
    let (mut smtp, greeting) = Smtp::plain(&sandbox).await;
    assert!(greeting.starts_with("220 ") && greeting.contains("Microsoft ESMTP MAIL Service ready"));
    let plain = smtp.run("EHLO test.example").await;
    let words: Vec<&str> = plain.lines().skip(1).map(|line| &line[4..]).collect();
    assert_eq!(
        words,
        [
            "SIZE 157286400",
            "PIPELINING",
            "DSN",
            "ENHANCEDSTATUSCODES",
            "STARTTLS",
            "8BITMIME",
            "BINARYMIME",
            "CHUNKING",
            "SMTPUTF8"
        ]
    );
    assert!(smtp.run("AUTH XOAUTH2").await.starts_with("504 5.7.4"));
    assert!(smtp.run(&format!("MAIL FROM:<{SUPPORT}>")).await.starts_with("451 5.7.3 STARTTLS is required"));
    let mut smtp = smtp.start_tls(&sandbox).await;
    let encrypted = smtp.run("EHLO test.example").await;
    assert!(encrypted.contains("AUTH LOGIN XOAUTH2") && !encrypted.contains("STARTTLS"));
    assert!(smtp.run(&format!("MAIL FROM:<{SUPPORT}>")).await.starts_with("530 5.7.57 Client not authenticated"));
    assert!(smtp.run("AUTH LOGIN").await.starts_with("550 5.7.30"));
    assert!(smtp.run("QUIT").await.starts_with("221 2.0.0"));
}

#[tokio::test]
async fn commands_sent_in_clear_behind_starttls_are_thrown_away() {
    let sandbox = start().await;
    let (mut smtp, _) = Smtp::plain(&sandbox).await;
    smtp.run("EHLO test.example").await;
    smtp.stream.write_all(b"STARTTLS\r\nQUIT\r\n").await.unwrap();
    assert!(smtp.reply().await.starts_with("220 "));
    let mut smtp = Smtp { stream: tokio::io::BufReader::new(tls(&sandbox, smtp.stream.into_inner()).await) };
    assert!(smtp.run("EHLO test.example").await.starts_with("250-"), "the QUIT in clear was not obeyed");
}

#[tokio::test]
async fn xoauth2_in_one_step_and_in_two_and_refused() {
    let sandbox = start().await;
    let token = sandbox.mint_access_token(SUPPORT).unwrap();
    let mut smtp = Smtp::encrypted(&sandbox).await;
    assert!(
        smtp.run(&format!("AUTH XOAUTH2 {}", xoauth2(SUPPORT, "garbage")))
            .await
            .starts_with("535 5.7.3 Authentication unsuccessful [")
    );
    assert!(smtp.run(&format!("AUTH XOAUTH2 {}", xoauth2(SUPPORT, &token))).await.starts_with("235 2.7.0"));
    Smtp::signed_in(&sandbox, SUPPORT).await;
    sandbox.update_user(SUPPORT, |user| user.aliases.push("help@contoso.example".into()));
    let mut smtp = Smtp::encrypted(&sandbox).await;
    let alias = smtp.run(&format!("AUTH XOAUTH2 {}", xoauth2("help@contoso.example", &token))).await;
    assert!(alias.starts_with("535 5.7.3"), "SMTP AUTH wants the UPN");
    sandbox.update_user(SUPPORT, |user| user.smtp_auth_enabled = false);
    assert!(
        smtp.auth(&sandbox, SUPPORT)
            .await
            .starts_with("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled")
    );
    sandbox.faults().once(SmtpFault::smtp_auth_disabled_for_tenant());
    sandbox.update_user(SUPPORT, |user| user.smtp_auth_enabled = true);
    assert!(smtp.auth(&sandbox, SUPPORT).await.contains("for the Tenant"));
    assert!(smtp.auth(&sandbox, SUPPORT).await.starts_with("235"));
}

#[tokio::test]
async fn a_token_on_the_auth_line_is_too_long_for_a_server_with_postfixs_limit() {
    let sandbox = start().await;
    let token = sandbox.mint_access_token(SUPPORT).unwrap();
    sandbox.faults().always(SmtpFault::LineLimit(2048));
    let mut smtp = Smtp::encrypted(&sandbox).await;
    assert!(smtp.run(&format!("AUTH XOAUTH2 {}", xoauth2(SUPPORT, &token))).await.starts_with("500 5.5.2"));
    assert!(smtp.auth(&sandbox, SUPPORT).await.starts_with("235"), "as a line of its own it is taken");
}

#[tokio::test]
async fn a_mail_is_delivered_kept_in_sent_items_and_a_work_mailbox_keeps_the_message_id() {
    let sandbox = start().await;
    let mut smtp = Smtp::signed_in(&sandbox, SUPPORT).await;
    let raw = mail(SUPPORT, ADA, "Hello", "ours@contoso.example")
        .replace("\r\n\r\n", "\r\nBcc: secret@x.example\r\n\r\n.dot\r\n");
    let reply = smtp.mail(SUPPORT, ADA, &raw.replace("\r\n.dot", "\r\n..dot")).await;
    assert!(reply.starts_with("250 2.0.0 OK <ours@contoso.example> [Hostname="), "{reply}");
    let got = sandbox.mailbox(ADA).messages(INBOX);
    let text = String::from_utf8_lossy(&got[0].bytes).into_owned();
    assert!(text.starts_with(&format!("Return-Path: <{SUPPORT}>\r\nReceived: from ")));
    assert!(text.contains("Message-ID: <ours@contoso.example>\r\n") && text.contains("\r\n\r\n.dot\r\n"));
    assert!(!text.contains("Bcc"));
    let sent = sandbox.mailbox(SUPPORT).messages("Sent Items");
    assert_eq!(sent.len(), 1);
    assert!(sent[0].has_flag("\\Seen") && String::from_utf8_lossy(&sent[0].bytes).contains("Bcc"));
    let accepted = sandbox.events().into_iter().find(|event| matches!(event, Event::SmtpAccepted { .. }));
    assert_eq!(
        accepted,
        Some(Event::SmtpAccepted {
            from: SUPPORT.into(),
            to: vec![ADA.into()],
            message_id: "ours@contoso.example".into(),
            stored_message_id: "ours@contoso.example".into()
        })
    );
}

#[tokio::test]
async fn a_personal_mailbox_replaces_the_message_id_and_says_so_in_the_reply() {
    let sandbox = start().await;
    let mut smtp = Smtp::signed_in(&sandbox, PERSONAL).await;
    let reply = smtp.mail(PERSONAL, ADA, mail(PERSONAL, ADA, "Hello", "ours@postroom.example").trim_end()).await;
    let new = reply.split(['<', '>']).nth(1).unwrap().to_owned();
    assert!(new.ends_with(".prod.outlook.com") && reply.starts_with("250 2.0.0 OK <"));
    let mailbox = sandbox.mailbox(PERSONAL);
    for copy in [&sandbox.mailbox(ADA).messages(INBOX)[0], &mailbox.messages("Sent")[0]] {
        let text = String::from_utf8_lossy(&copy.bytes).into_owned();
        assert!(text.contains(&format!("Message-ID:\r\n <{new}>\r\n")), "{text}");
        assert!(text.contains("X-Microsoft-Original-Message-ID: <ours@postroom.example>\r\n"));
        assert!(!text.contains("\r\nMessage-ID: <ours"));
    }
    let mut work = Smtp::signed_in(&sandbox, SUPPORT).await;
    sandbox.faults().once(SmtpFault::RewriteMessageId);
    assert!(
        work.mail(SUPPORT, ADA, mail(SUPPORT, ADA, "x", "w@x.example").trim_end())
            .await
            .contains(".prod.outlook.com> [")
    );
    sandbox.update_user(SUPPORT, |user| user.keeps_sent_copy = false);
    work.mail(SUPPORT, ADA, mail(SUPPORT, ADA, "x", "w2@x.example").trim_end()).await;
    assert_eq!(sandbox.mailbox(SUPPORT).messages("Sent Items").len(), 1, "the copy was switched off");
}

#[tokio::test]
async fn the_same_message_id_again_is_a_duplicate_delivery() {
    let sandbox = start().await;
    let mut smtp = Smtp::signed_in(&sandbox, SUPPORT).await;
    let raw = mail(SUPPORT, ADA, "Once", "once@contoso.example");
    assert!(smtp.mail(SUPPORT, ADA, raw.trim_end()).await.starts_with("250 "));
    assert!(sandbox.handed_in_again().is_empty());
    let again = smtp.mail(SUPPORT, ADA, raw.trim_end()).await;
    assert!(
        again.starts_with("554 5.2.0") && again.contains("StoragePermanentException.MapiExceptionDuplicateDelivery")
    );
    sandbox.faults().once(SmtpFault::SwallowDuplicates);
    assert!(smtp.mail(SUPPORT, ADA, raw.trim_end()).await.starts_with("250 "));
    assert_eq!(sandbox.mailbox(ADA).messages(INBOX).len(), 1);
    assert_eq!(sandbox.handed_in_again(), ["once@contoso.example"; 2]);
}

#[tokio::test]
async fn nobody_sends_as_somebody_else() {
    let sandbox = start().await;
    let mut smtp = Smtp::signed_in(&sandbox, SUPPORT).await;
    assert_eq!(
        smtp.run("MAIL FROM:<sales@contoso.example>").await,
        "550 5.7.60 SMTP; Client does not have permissions to send as this sender"
    );
    let forged = smtp.mail(SUPPORT, ADA, mail("sales@contoso.example", ADA, "x", "f@x.example").trim_end()).await;
    assert!(forged.starts_with("554 5.2.252 SendAsDenied;") && forged.contains("MapiExceptionSendAsDenied"));
    assert!(smtp.mail(SUPPORT, ADA, "Subject: without author\r\n\r\nx").await.starts_with("550 5.7.512"));
    sandbox.update_user(SUPPORT, |user| user.send_as.push("sales@contoso.example".into()));
    let mut smtp = Smtp::signed_in(&sandbox, SUPPORT).await;
    assert!(
        smtp.mail("sales@contoso.example", ADA, mail("sales@contoso.example", ADA, "x", "g@x.example").trim_end())
            .await
            .starts_with("250")
    );
}

#[tokio::test]
async fn bare_line_feeds_are_illegal_in_data_and_welcome_in_bdat() {
    let sandbox = start().await;
    let mut smtp = Smtp::signed_in(&sandbox, SUPPORT).await;
    let raw = format!("From: {SUPPORT}\r\nMessage-ID: <lf@x.example>\r\n\r\none\ntwo\r\n");
    assert!(smtp.mail(SUPPORT, ADA, raw.trim_end()).await.starts_with("550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal"));
    smtp.run(&format!("MAIL FROM:<{SUPPORT}> BODY=BINARYMIME SIZE={}", raw.len())).await;
    smtp.run(&format!("RCPT TO:<{ADA}> NOTIFY=FAILURE")).await;
    let (first, second) = raw.split_at(20);
    assert!(smtp.run(&format!("BDAT 20\r\n{}", &first[..18])).await.starts_with("250 "), "the client's CRLF counts");
    assert!(!second.is_empty());
    smtp.run("RSET").await;
    smtp.run(&format!("MAIL FROM:<{SUPPORT}>")).await;
    smtp.run(&format!("RCPT TO:<{ADA}>")).await;
    smtp.stream.write_all(format!("BDAT {} LAST\r\n{raw}", raw.len()).as_bytes()).await.unwrap();
    assert!(smtp.reply().await.starts_with("250 2.0.0 OK <lf@x.example>"));
    assert!(smtp.run(&format!("MAIL FROM:<{SUPPORT}> SIZE=200000000")).await.starts_with("552 5.3.4"));
}

#[tokio::test]
async fn a_refused_recipient_leaves_the_others() {
    let sandbox = start().await;
    let mut smtp = Smtp::signed_in(&sandbox, SUPPORT).await;
    sandbox.faults().once(SmtpFault::recipient_unknown("bad@customer.example"));
    smtp.run(&format!("MAIL FROM:<{SUPPORT}>")).await;
    assert_eq!(smtp.run("RCPT TO:<bad@customer.example>").await, "550 5.1.1 User unknown");
    assert!(smtp.run(&format!("RCPT TO:<{ADA}>")).await.starts_with("250 2.1.5"));
    smtp.run("DATA").await;
    assert!(smtp.run(&format!("{}.", mail(SUPPORT, ADA, "x", "r@x.example"))).await.starts_with("250 "));
    assert_eq!(sandbox.mailbox(ADA).messages(INBOX).len(), 1);
    assert!(smtp.run("DATA").await.starts_with("503 5.5.2"));
    smtp.run(&format!("MAIL FROM:<{SUPPORT}>")).await;
    assert!(smtp.run("RCPT TO:<nonsense>").await.starts_with("501 5.1.3"));
}

#[tokio::test]
async fn the_fourth_connection_of_a_mailbox_is_one_too_many() {
    let sandbox = start().await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(Smtp::signed_in(&sandbox, SUPPORT).await);
    }
    let mut fourth = Smtp::encrypted(&sandbox).await;
    assert!(fourth.auth(&sandbox, SUPPORT).await.starts_with("432 4.3.2 Concurrent connections limit exceeded."));
    Smtp::signed_in(&sandbox, PERSONAL).await;
}

#[tokio::test]
async fn what_a_mailbox_does_at_once_is_counted_at_its_most() {
    let sandbox = start().await;
    let seen = || (sandbox.most_smtp_connections(SUPPORT), sandbox.most_mails_at_once(SUPPORT));
    let (mut one, mut two) = (Smtp::signed_in(&sandbox, SUPPORT).await, Smtp::signed_in(&sandbox, SUPPORT).await);
    assert_eq!(seen(), (2, 0));
    // One after the other, over two connections.
    for (smtp, id) in [(&mut one, "1@x.example"), (&mut two, "2@x.example")] {
        assert!(smtp.mail(SUPPORT, ADA, mail(SUPPORT, ADA, "x", id).trim_end()).await.starts_with("250"));
    }
    assert_eq!(seen(), (2, 1));
    // A third connection behind the goodbye of one is not at the same time.
    assert!(one.run("QUIT").await.starts_with("221"));
    let mut three = Smtp::signed_in(&sandbox, SUPPORT).await;
    assert_eq!(seen(), (2, 1));
    for smtp in [&mut two, &mut three] {
        assert!(smtp.run(&format!("MAIL FROM:<{SUPPORT}>")).await.starts_with("250"));
    }
    assert_eq!(seen(), (2, 2));
}

#[tokio::test]
async fn after_the_final_dot_the_connection_may_end_with_the_mail_accepted_or_not() {
    let sandbox = start().await;
    for (accepted, id) in [(true, "kept@x.example"), (false, "lost@x.example")] {
        let mut smtp = Smtp::signed_in(&sandbox, SUPPORT).await;
        sandbox.faults().once(SmtpFault::DropAfterDot { accepted });
        assert_eq!(smtp.mail(SUPPORT, ADA, mail(SUPPORT, ADA, "x", id).trim_end()).await, "");
    }
    let ids: Vec<String> = sandbox
        .mailbox(ADA)
        .messages(INBOX)
        .iter()
        .map(|mail| String::from_utf8_lossy(&mail.bytes).into_owned())
        .collect();
    assert_eq!(ids.len(), 1);
    assert!(ids[0].contains("kept@x.example"));
}

#[tokio::test]
async fn faults_come_at_their_moment() {
    let sandbox = start().await;
    sandbox
        .faults()
        .once(SmtpFault::Answer { at: SmtpPoint::Connect, reply: "421 4.3.2 Service not available".into() });
    let (_, greeting) = Smtp::plain(&sandbox).await;
    assert_eq!(greeting, "421 4.3.2 Service not available");
    let mut smtp = Smtp::signed_in(&sandbox, SUPPORT).await;
    sandbox.faults().once(SmtpFault::server_busy());
    let raw = mail(SUPPORT, ADA, "x", "busy@x.example");
    assert!(smtp.mail(SUPPORT, ADA, raw.trim_end()).await.starts_with("451 4.7.500"));
    assert!(smtp.mail(SUPPORT, ADA, raw.trim_end()).await.starts_with("250 "), "refused before was not taken before");
    sandbox.faults().once(SmtpFault::insufficient_resources());
    assert!(smtp.run(&format!("MAIL FROM:<{SUPPORT}>")).await.starts_with("452 4.3.1"));
    sandbox.faults().once(SmtpFault::AcceptedBut { reply: "451 4.4.2 Timeout".into() });
    let raw = mail(SUPPORT, ADA, "x", "but@x.example");
    assert_eq!(smtp.mail(SUPPORT, ADA, raw.trim_end()).await, "451 4.4.2 Timeout");
    assert!(smtp.mail(SUPPORT, ADA, raw.trim_end()).await.contains("DuplicateDelivery"), "it was taken all the same");
    sandbox.faults().once(SmtpFault::StallAt(SmtpPoint::MailFrom));
    smtp.stream.write_all(format!("MAIL FROM:<{SUPPORT}>\r\n").as_bytes()).await.unwrap();
    smtp.stream.flush().await.unwrap();
    let mut byte = [0];
    assert!(tokio::time::timeout(Duration::from_millis(150), smtp.stream.read(&mut byte)).await.is_err(), "silence");
    sandbox.faults().once(SmtpFault::NoStartTls);
    let (mut smtp, _) = Smtp::plain(&sandbox).await;
    assert!(!smtp.run("EHLO x").await.contains("STARTTLS"));
}

#[tokio::test]
async fn an_unknown_address_of_a_tenant_bounces_later_in_exchanges_form() {
    let sandbox = start().await;
    let mut smtp = Smtp::signed_in(&sandbox, SUPPORT).await;
    let nobody = "nobody@fabrikam.example";
    smtp.mail(SUPPORT, nobody, mail(SUPPORT, nobody, "Where are you", "n@contoso.example").trim_end()).await;
    let reports = sandbox.mailbox(SUPPORT).messages(INBOX);
    let report = String::from_utf8_lossy(&reports[0].bytes).into_owned();
    for expected in [
        "From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@contoso.example>",
        "Subject: Undeliverable: Where are you",
        "In-Reply-To: <n@contoso.example>",
        "Auto-Submitted: auto-replied",
        "X-MS-Exchange-Message-Is-Ndr:\r\n",
        "multipart/report; report-type=delivery-status",
        "Final-Recipient: rfc822;nobody@fabrikam.example\r\nAction: failed\r\nStatus: 5.1.10",
        "Diagnostic-Code: smtp;550 5.1.10",
    ] {
        assert!(report.contains(expected), "{expected} in {report}");
    }
    sandbox.faults().once(SmtpFault::BounceLater {
        status: "5.1.1".into(),
        diagnostic: "550 5.1.1 User unknown".into(),
        language: NdrLanguage::Estonian,
    });
    smtp.mail(SUPPORT, ADA, mail(SUPPORT, ADA, "x", "late@contoso.example").trim_end()).await;
    assert!(sandbox.mailbox(ADA).messages(INBOX).is_empty());
    let second = sandbox.mailbox(SUPPORT).messages(INBOX)[1].clone();
    assert!(String::from_utf8_lossy(&second.bytes).contains("Subject: Kohaletoimetamatu: x"));
}

#[tokio::test]
async fn addresses_nobody_has_become_customers_or_are_refused_as_configured() {
    let sandbox = start().await;
    let stranger = "stranger@new.example";
    let mut smtp = Smtp::signed_in(&sandbox, SUPPORT).await;
    smtp.mail(SUPPORT, stranger, mail(SUPPORT, stranger, "x", "s@x.example").trim_end()).await;
    assert_eq!(sandbox.mailbox(stranger).messages(INBOX).len(), 1);
    let config = SandboxConfig { unknown_recipients: UnknownRecipients::Refuse, ..SandboxConfig::default() };
    let strict = Sandbox::start(config).await.unwrap();
    let mut smtp = Smtp::signed_in(&strict, SUPPORT).await;
    smtp.run(&format!("MAIL FROM:<{SUPPORT}>")).await;
    assert!(smtp.run(&format!("RCPT TO:<{stranger}>")).await.starts_with("550 5.1.10"));
}
