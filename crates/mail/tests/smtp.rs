//! The submission client: what was taken, what was not, and what nobody can know.

mod support;

use domain::FailureClass;
use mail::smtp::{Envelope, SendOutcome, Session, SmtpLogin, probe};
use net::TlsMode;
use support::smtp::{MAIL, address, envelope, open, rejection, send, signed_in};
use support::{USER, connector, serve, token};

#[tokio::test]
async fn the_token_comes_after_the_servers_prompt_and_not_on_the_auth_line() {
    let (session, server) = open(|mut peer| async move {
        peer.smtp_hello("250 AUTH XOAUTH2").await;
        assert_eq!(peer.reply("AUTH", "334 ").await, "AUTH XOAUTH2");
        assert!(peer.reply("dXNlcj", "235 2.7.0 Authentication successful").await.len() > 4_000);
        peer.reply("QUIT", "221 2.0.0 bye").await;
    })
    .await;
    session.expect("signs in").quit().await;
    server.await.expect("the script played");
}

#[tokio::test]
async fn an_error_challenge_gets_an_empty_line() {
    let (session, server) = open(|mut peer| async move {
        peer.smtp_hello("250 AUTH XOAUTH2").await;
        peer.reply("AUTH XOAUTH2", "334 ").await;
        peer.reply("dXNlcj", "334 eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIn0=").await;
        let line = peer
            .reply(
                "",
                "535-5.7.8 Username and Password not accepted. Learn more at\r\n535 5.7.8 https://support.google.com",
            )
            .await;
        assert_eq!(line, "");
    })
    .await;
    let failure = session.expect_err("refused");
    assert_eq!(failure.class, FailureClass::SendingRefused);
    assert!(
        failure.server_said.is_some_and(|said| said.contains("not accepted") && said.contains("support.google.com"))
    );
    server.await.expect("the script played");
}

#[tokio::test]
async fn what_exchange_says_to_a_sign_in_is_understood() {
    for (says, expected) in [
        ("535 5.7.3 Authentication unsuccessful [AM0PR.eurprd01.prod.outlook.com]", FailureClass::SendingRefused),
        (
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.",
            FailureClass::SmtpAuthDisabled,
        ),
        ("454 4.7.0 Temporary authentication failure", FailureClass::ServerUnavailable),
    ] {
        let (session, server) = open(move |mut peer| async move {
            peer.smtp_hello("250 AUTH XOAUTH2").await;
            peer.reply("AUTH XOAUTH2", "334 ").await;
            peer.reply("dXNlcj", says).await;
        })
        .await;
        assert_eq!(session.expect_err("refused").class, expected);
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_greeting_that_is_none_is_a_failure() {
    for (says, expected) in [
        ("421 4.3.2 Service not available\r\n", FailureClass::ServerUnavailable),
        (
            "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending\r\n",
            FailureClass::TooManyConnections,
        ),
        ("HTTP/1.1 400 Bad Request\r\n", FailureClass::ProtocolError),
        ("", FailureClass::ConnectionLost),
    ] {
        let (session, server) = open(move |mut peer| async move { peer.send(says).await }).await;
        let failure = session.expect_err("no session");
        assert_eq!(failure.class, expected, "{says}");
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_mail_goes_out_with_its_dots_doubled_and_its_new_id_is_learnt() {
    let (mut session, server) = signed_in(|mut peer| async move {
        peer.smtp_begin().await;
        assert_eq!(peer.smtp_content().await, ["Subject: x", "", "..dots", "end"]);
        peer.send("250 2.0.0 OK <AM0PR01MB1@AM0PR01MB1.eurprd01.prod.outlook.com> [Hostname=AM0PR01MB1.eurprd01.prod.outlook.com]\r\n").await;
        // The same session takes another mail.
        peer.smtp_begin().await;
        peer.smtp_content().await;
        peer.send("250 2.0.0 Ok: queued as 4F2A91C2\r\n").await;
    })
    .await;
    match send(&mut session, &envelope(), MAIL).await {
        Ok(SendOutcome::Accepted { rewritten_message_id, .. }) => {
            assert_eq!(rewritten_message_id.as_deref(), Some("AM0PR01MB1@AM0PR01MB1.eurprd01.prod.outlook.com"));
        }
        other => panic!("{other:?}"),
    }
    assert!(session.is_usable());
    let reply = "2.0.0 Ok: queued as 4F2A91C2".to_owned();
    let expected = SendOutcome::Accepted { reply, rewritten_message_id: None };
    assert_eq!(send(&mut session, &envelope(), MAIL).await, Ok(expected));
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_refusal_at_mail_or_after_the_dot_is_a_rejection_with_its_class() {
    for (at_mail, says, expected, usable) in [
        (
            true,
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
            FailureClass::SenderNotAllowed,
            true,
        ),
        (
            true,
            "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending",
            FailureClass::TooManyConnections,
            true,
        ),
        (true, "421 4.3.2 Service shutting down", FailureClass::ServerUnavailable, false),
        (
            false,
            "554 5.2.252 SendAsDenied; a@x not allowed to send as b@x; STOREDRV.Submission.Exception:SendAsDeniedException",
            FailureClass::SenderNotAllowed,
            true,
        ),
        (false, "451 4.7.500 Server busy. Please try again later", FailureClass::Throttled, true),
        (
            false,
            "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
            FailureClass::SendingQuotaExceeded,
            true,
        ),
        (false, "550 5.6.11 bare line feed", FailureClass::MessageUnbuildable, true),
    ] {
        let (mut session, server) = signed_in(move |mut peer| async move {
            if at_mail {
                peer.reply("MAIL FROM", says).await;
                if usable {
                    peer.reply("RSET", "250 ok").await;
                }
            } else {
                peer.smtp_begin().await;
                peer.smtp_content().await;
                peer.send(&format!("{says}\r\n")).await;
            }
        })
        .await;
        assert_eq!(rejection(send(&mut session, &envelope(), MAIL).await), expected, "{says}");
        assert_eq!(session.is_usable(), usable, "{says}");
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_mail_the_server_already_has_is_told_apart() {
    let (mut session, server) = signed_in(|mut peer| async move {
        peer.smtp_begin().await;
        peer.smtp_content().await;
        peer.send("554 5.6.0 STOREDRV.Submission.Exception:StoragePermanentException.MapiExceptionDuplicateDelivery; Failed to process message\r\n").await;
    })
    .await;
    assert!(matches!(send(&mut session, &envelope(), MAIL).await, Ok(SendOutcome::Duplicate { .. })));
    server.await.expect("the script played");
}

#[tokio::test]
async fn after_the_final_dot_a_lost_connection_or_silence_is_unknown() {
    for closes in [true, false] {
        let (mut session, server) = signed_in(move |mut peer| async move {
            peer.smtp_begin().await;
            peer.smtp_content().await;
            if !closes {
                assert_eq!(peer.line().await, "");
            }
        })
        .await;
        match send(&mut session, &envelope(), MAIL).await {
            Ok(SendOutcome::Unknown { failure }) => assert_eq!(failure.class, FailureClass::OutcomeUnknown),
            other => panic!("{other:?}"),
        }
        assert!(!session.is_usable());
        drop(session);
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn an_answer_to_the_final_dot_that_asks_for_more_is_no_yes() {
    for says in ["354 Start mail input; end with <CRLF>.<CRLF>", "334 more", "not a reply"] {
        let (mut session, server) = signed_in(move |mut peer| async move {
            peer.smtp_begin().await;
            peer.smtp_content().await;
            peer.send(&format!("{says}\r\n")).await;
        })
        .await;
        match send(&mut session, &envelope(), MAIL).await {
            Ok(SendOutcome::Unknown { failure }) => {
                assert_eq!(failure.class, FailureClass::OutcomeUnknown);
                assert!(failure.server_said.is_some_and(|said| said.contains(says)), "{says}");
            }
            other => panic!("{says}: {other:?}"),
        }
        assert!(!session.is_usable());
        drop(session);
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_sender_or_a_recipient_is_not_taken_by_a_reply_that_asks_for_more() {
    for at_mail in [true, false] {
        let (mut session, server) = signed_in(move |mut peer| async move {
            peer.reply("MAIL FROM", if at_mail { "354 go on" } else { "250 ok" }).await;
            if !at_mail {
                peer.reply("RCPT TO", "354 go on").await;
                peer.reply("RCPT TO", "354 go on").await;
            }
        })
        .await;
        assert_eq!(rejection(send(&mut session, &envelope(), MAIL).await), FailureClass::ProtocolError);
        assert!(!session.is_usable());
        drop(session);
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_connection_lost_before_the_final_dot_is_a_rejection_that_may_be_tried_again() {
    // Closed at MAIL, at DATA, and in the middle of a mail too long for any buffer.
    for stage in 0..3 {
        let (mut session, server) = signed_in(move |mut peer| async move {
            match stage {
                0 => drop(peer.line().await),
                1 => {
                    peer.reply("MAIL", "250 ok").await;
                    peer.reply("RCPT", "250 ok").await;
                    peer.reply("RCPT", "250 ok").await;
                    peer.line().await;
                }
                _ => {
                    peer.smtp_begin().await;
                    peer.bytes(1000).await;
                }
            }
        })
        .await;
        let long = [b"Subject: x\r\n\r\n".to_vec(), b"0123456789abcdef\r\n".repeat(2_000_000)].concat();
        assert_eq!(
            rejection(send(&mut session, &envelope(), &long).await),
            FailureClass::ConnectionLost,
            "stage {stage}"
        );
        assert!(!session.is_usable());
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn sizes_and_characters_are_announced_or_refused_here() {
    let (mut session, server) = signed_in(|mut peer| async move {
        let line = peer.reply("MAIL", "250 ok").await;
        assert_eq!(line, "MAIL FROM:<support@acme.example> SIZE=18 SMTPUTF8 BODY=8BITMIME");
        let line = peer.reply("RCPT", "250 ok").await;
        assert_eq!(line, "RCPT TO:<jörg@xn--mller-kva.example>");
        peer.reply("DATA", "354 go").await;
        peer.smtp_content().await;
        peer.send("250 ok\r\n").await;
    })
    .await;
    let to_joerg = Envelope { from: address(USER), to: vec![address("jörg@müller.example")] };
    assert!(matches!(
        send(&mut session, &to_joerg, "Subject: ü\r\n\r\nx".as_bytes()).await,
        Ok(SendOutcome::Accepted { .. })
    ));
    server.await.expect("the script played");

    let (session, server) = open(|mut peer| async move {
        peer.smtp_hello("250-SIZE 20\r\n250 AUTH XOAUTH2").await;
        peer.reply("AUTH", "334 ").await;
        peer.reply("", "235 ok").await;
        peer.reply("RSET", "250 ok").await;
        peer.reply("RSET", "250 ok").await;
    })
    .await;
    let mut session = session.expect("signs in");
    assert_eq!(rejection(send(&mut session, &to_joerg, b"Subject: x\r\n\r\nx").await), FailureClass::RecipientRefused);
    assert_eq!(rejection(send(&mut session, &envelope(), MAIL).await), FailureClass::MessageTooLarge);
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_probe_signs_in_and_asks_whether_it_may_send_as_the_mailbox() {
    let not_owned = "553 5.7.1 <support@acme.example>: Sender address rejected: not owned by user x";
    for (at_mail, at_recipient, expected) in [
        ("250 2.1.0 ok", "250 2.1.5 ok", None),
        ("250 2.1.0 ok", "550 5.1.1 no such recipient", None),
        ("250 2.1.0 ok", not_owned, Some(FailureClass::SenderNotAllowed)),
        (
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
            "",
            Some(FailureClass::SenderNotAllowed),
        ),
    ] {
        let (endpoint, server) = serve(move |mut peer| async move {
            peer.smtp_sign_in().await;
            peer.reply("MAIL FROM:<support@acme.example>", at_mail).await;
            if !at_recipient.is_empty() {
                peer.reply("RCPT TO:<support@acme.example>", at_recipient).await;
            }
            if expected.is_none() {
                peer.reply("RSET", "250 2.0.0 ok").await;
            }
            peer.reply("QUIT", "221 2.0.0 bye").await;
        })
        .await;
        let login = SmtpLogin { endpoint, user: USER.to_owned(), token: token() };
        let outcome = probe(&connector(), &login, Some(&address(USER))).await;
        assert_eq!(outcome.err().map(|f| f.class), expected);
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn commands_slipped_in_before_tls_are_noticed() {
    let (mut endpoint, server) = serve(|mut peer| async move {
        peer.smtp_hello("250 STARTTLS").await;
        peer.reply("STARTTLS", "220 go\r\n250-AUTH PLAIN").await;
        peer.line().await;
    })
    .await;
    endpoint.tls = TlsMode::StartTls;
    let login = SmtpLogin { endpoint, user: USER.to_owned(), token: token() };
    assert_eq!(Session::open(&connector(), &login).await.expect_err("refused").class, FailureClass::TlsUnavailable);
    server.await.expect("the script played");
}
