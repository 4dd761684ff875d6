//! The submission client: what was taken, what was not, and what nobody can know.

mod support;

use domain::{EmailAddress, Failure, FailureClass};
use mail::smtp::{Envelope, SendOutcome, Session, SmtpLogin, Timeouts, probe};
use net::TlsMode;
use std::time::Duration;
use support::{Peer, USER, connector, serve, token};
use tokio::task::JoinHandle;

const MAIL: &[u8] = b"Subject: x\r\n\r\n.dots\r\nend\r\n";

async fn open<F>(play: impl FnOnce(Peer) -> F + Send + 'static) -> (Result<Session, Failure>, JoinHandle<()>)
where
    F: Future<Output = ()> + Send,
{
    let (endpoint, server) = serve(play).await;
    let timeouts = Timeouts { acceptance: Duration::from_millis(500), ..Timeouts::default() };
    let login = SmtpLogin { endpoint, user: USER.to_owned(), token: token() };
    (Session::open_with(&connector(), &login, timeouts).await, server)
}

/// A session that is signed in, and a server that then plays.
async fn signed_in<F>(play: impl FnOnce(Peer) -> F + Send + 'static) -> (Session, JoinHandle<()>)
where
    F: Future<Output = ()> + Send,
{
    let (session, server) = open(|mut peer| async move {
        peer.smtp_sign_in().await;
        play(peer).await;
    })
    .await;
    (session.expect("signs in"), server)
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

fn envelope() -> Envelope {
    Envelope { from: address(USER), to: vec![address("bob@customer.example"), address("eve@customer.example")] }
}

fn rejection(outcome: SendOutcome) -> FailureClass {
    match outcome {
        SendOutcome::Rejected { failure, .. } => failure.class,
        other => panic!("expected a rejection, got {other:?}"),
    }
}

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
    match session.send(&envelope(), MAIL).await {
        SendOutcome::Accepted { rewritten_message_id, refused, .. } => {
            assert_eq!(rewritten_message_id.as_deref(), Some("AM0PR01MB1@AM0PR01MB1.eurprd01.prod.outlook.com"));
            assert!(refused.is_empty());
        }
        other => panic!("{other:?}"),
    }
    assert!(session.is_usable());
    let expected = SendOutcome::Accepted {
        reply: "2.0.0 Ok: queued as 4F2A91C2".to_owned(),
        rewritten_message_id: None,
        refused: vec![],
    };
    assert_eq!(session.send(&envelope(), MAIL).await, expected);
    server.await.expect("the script played");
}

#[tokio::test]
async fn one_refused_recipient_does_not_cost_the_others_their_mail() {
    let (mut session, server) = signed_in(|mut peer| async move {
        peer.reply("MAIL FROM", "250 2.1.0 ok").await;
        peer.reply("RCPT TO:<bob", "550 5.1.1 <bob@customer.example>: User unknown").await;
        peer.reply("RCPT TO:<eve", "250 2.1.5 ok").await;
        peer.reply("DATA", "354 go").await;
        peer.smtp_content().await;
        peer.send("250 2.0.0 OK\r\n").await;
    })
    .await;
    match session.send(&envelope(), MAIL).await {
        SendOutcome::Accepted { refused, .. } => {
            assert_eq!(refused.len(), 1);
            assert_eq!(refused[0].address, "bob@customer.example");
            assert!(refused[0].server_said.starts_with("550 5.1.1"));
        }
        other => panic!("{other:?}"),
    }
    server.await.expect("the script played");
}

#[tokio::test]
async fn when_all_recipients_are_refused_nothing_is_sent_and_the_session_lives() {
    let (mut session, server) = signed_in(|mut peer| async move {
        for _ in 0..2 {
            peer.reply("MAIL FROM", "250 2.1.0 ok").await;
            peer.reply("RCPT TO:<bob", "550 5.1.1 User unknown").await;
            peer.reply("RCPT TO:<eve", "550 5.1.10 User unknown").await;
            peer.reply("RSET", "250 2.0.0 ok").await;
        }
    })
    .await;
    for _ in 0..2 {
        match session.send(&envelope(), MAIL).await {
            SendOutcome::Rejected { failure, refused } => {
                assert_eq!((failure.class, refused.len()), (FailureClass::RecipientRefused, 2));
            }
            other => panic!("{other:?}"),
        }
        assert!(session.is_usable());
    }
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
        assert_eq!(rejection(session.send(&envelope(), MAIL).await), expected, "{says}");
        assert_eq!(session.is_usable(), usable, "{says}");
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_mail_the_server_already_has_counts_as_sent() {
    let (mut session, server) = signed_in(|mut peer| async move {
        peer.smtp_begin().await;
        peer.smtp_content().await;
        peer.send("554 5.6.0 STOREDRV.Submission.Exception:StoragePermanentException.MapiExceptionDuplicateDelivery; Failed to process message\r\n").await;
    })
    .await;
    assert!(matches!(session.send(&envelope(), MAIL).await, SendOutcome::Accepted { rewritten_message_id: None, .. }));
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
        match session.send(&envelope(), MAIL).await {
            SendOutcome::Unknown { failure } => assert_eq!(failure.class, FailureClass::OutcomeUnknown),
            other => panic!("{other:?}"),
        }
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
        assert_eq!(rejection(session.send(&envelope(), &long).await), FailureClass::ConnectionLost, "stage {stage}");
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
    assert!(matches!(session.send(&to_joerg, "Subject: ü\r\n\r\nx".as_bytes()).await, SendOutcome::Accepted { .. }));
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
    assert_eq!(rejection(session.send(&to_joerg, b"Subject: x\r\n\r\nx").await), FailureClass::RecipientRefused);
    assert_eq!(rejection(session.send(&envelope(), MAIL).await), FailureClass::MessageTooLarge);
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
async fn a_sender_refused_at_the_recipient_is_no_refused_recipient() {
    let (mut session, server) = signed_in(|mut peer| async move {
        peer.reply("MAIL FROM", "250 2.1.0 ok").await;
        peer.reply("RCPT TO:<bob", "553 5.7.1 <support@acme.example>: Sender address rejected: not owned by user x")
            .await;
        peer.reply("RSET", "250 2.0.0 ok").await;
    })
    .await;
    match session.send(&envelope(), MAIL).await {
        SendOutcome::Rejected { failure, refused } => {
            assert_eq!((failure.class, refused.len()), (FailureClass::SenderNotAllowed, 0));
        }
        other => panic!("{other:?}"),
    }
    server.await.expect("the script played");
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
    assert_eq!(Session::open(&connector(), &login).await.expect_err("refused").class, FailureClass::TlsFailed);
    server.await.expect("the script played");
}
