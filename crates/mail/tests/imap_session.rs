//! The IMAP client's sign-in and its fetches, against a server that says what it should not, and what Exchange does say.

mod support;

use domain::{FailureClass, Timestamp};
use mail::imap::{ImapLogin, Session};
use net::TlsMode;
use support::imap::{class, fetch_answer, inbox, open, whole};
use support::{USER, connector, serve, token};

#[tokio::test]
async fn a_server_without_sasl_ir_gets_the_token_after_its_prompt() {
    let (session, server) = open(|mut peer| async move {
        peer.send("* OK ready\r\n").await;
        peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=XOAUTH2\r\n", "OK done").await;
        let (tag, command) = peer.command_line("AUTHENTICATE").await;
        assert_eq!(command, "AUTHENTICATE XOAUTH2");
        peer.send("+ \r\n").await;
        assert!(peer.line().await.len() > 4_000);
        peer.send(&format!("{tag} OK in\r\n")).await;
        peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE\r\n", "OK done").await;
        peer.command("LOGOUT").await;
    })
    .await;
    let session = session.expect("signs in");
    assert!(session.can_idle() && session.offers("idle") && !session.offers("MOVE"));
    session.logout().await;
    server.await.expect("the script played");
}

#[tokio::test]
async fn an_error_challenge_gets_an_empty_line_and_is_a_refusal() {
    // {"status":"401","schemes":"bearer mac"}, and a challenge that is not base64 at all.
    for (challenge, continues) in
        [("eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyJ9", true), ("{\"status\":\"401\"}", false)]
    {
        let (session, server) = open(move |mut peer| async move {
            peer.send("* OK ready\r\n").await;
            peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 SASL-IR\r\n", "OK done").await;
            let tag = peer.command("AUTHENTICATE XOAUTH2 ").await;
            peer.send(&format!("+ {challenge}\r\n")).await;
            assert_eq!(peer.line().await, "");
            if continues {
                peer.send(&format!("{tag} NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n")).await;
            }
        })
        .await;
        assert_eq!(class(session), FailureClass::AuthenticationRefused);
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn what_exchange_says_to_a_sign_in_is_understood() {
    for (says, expected) in [
        ("NO AUTHENTICATE failed.", FailureClass::AuthenticationRefused),
        ("NO [UNAVAILABLE] Temporary authentication failure.", FailureClass::ServerUnavailable),
        ("BAD Request is throttled. Suggested Backoff Time: 4000 milliseconds", FailureClass::Throttled),
    ] {
        let (session, server) = open(move |mut peer| async move {
            peer.send("* OK ready\r\n").await;
            peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 SASL-IR\r\n", "OK done").await;
            peer.answer("AUTHENTICATE XOAUTH2", "", says).await;
        })
        .await;
        let failure = session.expect_err("refused");
        assert_eq!(failure.class, expected);
        assert_eq!(failure.server_said.as_deref(), says.split_once(' ').map(|(_, text)| text));
        assert_eq!(failure.retry_after_seconds, (expected == FailureClass::Throttled).then_some(4));
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_session_that_ends_during_sign_in_says_why() {
    for (last, expected) in [
        ("* BYE Connection closed. 14\r\n", FailureClass::ConnectionLost),
        ("* BYE Server shutting down\r\n", FailureClass::ServerUnavailable),
        ("Server Unavailable. 15\r\n", FailureClass::ServerUnavailable),
        ("", FailureClass::ConnectionLost),
    ] {
        let (session, server) = open(move |mut peer| async move {
            peer.send("* OK ready\r\n").await;
            peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 SASL-IR\r\n", "OK done").await;
            peer.command("AUTHENTICATE XOAUTH2").await;
            peer.send(last).await;
        })
        .await;
        assert_eq!(class(session), expected, "{last}");
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn signed_in_but_not_connected_is_its_own_failure() {
    let (session, server) = open(|mut peer| async move {
        peer.imap_sign_in().await;
        peer.answer("EXAMINE", "", "BAD User is authenticated but not connected.").await;
        peer.send("* BYE Connection closed. 14\r\n").await;
    })
    .await;
    assert_eq!(class(session.expect("signs in").examine("INBOX").await), FailureClass::MailboxNotConnected);
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_greeting_that_is_none_is_a_failure() {
    for (greeting, expected) in [
        ("* BYE Too many simultaneous connections\r\n", FailureClass::TooManyConnections),
        ("HTTP/1.1 400 Bad Request\r\n", FailureClass::ProtocolError),
        ("Server Unavailable. 15\r\n", FailureClass::ServerUnavailable),
        ("* OK ready\r\n* OK and more\r\n", FailureClass::ProtocolError),
        ("", FailureClass::ConnectionLost),
    ] {
        let (session, server) = open(move |mut peer| async move { peer.send(greeting).await }).await;
        assert_eq!(class(session), expected, "{greeting}");
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn commands_slipped_in_before_tls_are_noticed() {
    let (mut endpoint, server) = serve(|mut peer| async move {
        peer.send("* OK ready\r\n").await;
        let tag = peer.command("STARTTLS").await;
        peer.send(&format!("{tag} OK go\r\n* CAPABILITY IMAP4rev1 LOGIN-IN-THE-CLEAR\r\n")).await;
        peer.line().await;
    })
    .await;
    endpoint.tls = TlsMode::StartTls;
    let login = ImapLogin { endpoint, user: USER.to_owned(), token: token() };
    assert_eq!(class(Session::open(&connector(), &login).await), FailureClass::ProtocolError);
    server.await.expect("the script played");
}

#[tokio::test]
async fn mails_come_in_any_order_and_some_do_not_come() {
    let (mut session, server) = inbox(|mut peer| async move {
        let (tag, command) = peer.command_line("UID FETCH").await;
        assert_eq!(command, "UID FETCH 4:7 (UID INTERNALDATE BODY.PEEK[])");
        let noise = "* 9 FETCH (FLAGS (\\Seen))\r\n* 5 EXISTS\r\n* 1 EXPUNGE\r\n";
        let answers = [
            fetch_answer(4, 7, "seven"),
            fetch_answer(8, 99, "not asked for"),
            fetch_answer(1, 4, ""),
            "* 2 FETCH (UID 5 BODY[] NIL)\r\n".to_owned(),
        ];
        peer.send(&format!("{}{noise}{tag} OK FETCH completed.\r\n", answers.concat())).await;
    })
    .await;
    let mails = session.fetch_batch(&whole(&[7, 6, 5, 4])).await.expect("fetches");
    let got: Vec<_> = mails.iter().map(|m| (m.uid, m.bytes.as_ref())).collect();
    assert_eq!(got, [(7, b"seven".as_slice()), (4, b"")]);
    assert_eq!(mails[0].internal_date, Some(Timestamp::from_seconds(1_794_042_123)));
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_fetch_that_breaks_off_is_never_a_short_success() {
    for (end, expected, usable) in [
        ("{tag} NO FETCH failed\r\n", FailureClass::ProtocolError, true),
        ("{tag} BAD Command Argument Error. 11\r\n", FailureClass::ProtocolError, true),
        ("{tag} NO Request is throttled. Suggested Backoff Time: 1000 milliseconds\r\n", FailureClass::Throttled, true),
        ("* BYE Session invalidated - AccessTokenExpired\r\n", FailureClass::SessionExpired, false),
        ("Server Unavailable. 15\r\n", FailureClass::ServerUnavailable, false),
        ("* 2 FETCH (UID 5 BODY[] {100}\r\nonly this", FailureClass::ConnectionLost, false),
        ("* OK [ALERT]é is not ASCII\r\n", FailureClass::ProtocolError, false),
        ("", FailureClass::ConnectionLost, false),
    ] {
        let (mut session, server) = inbox(move |mut peer| async move {
            let tag = peer.command("UID FETCH").await;
            peer.send(&fetch_answer(1, 4, "four")).await;
            peer.send(&end.replace("{tag}", &tag)).await;
        })
        .await;
        assert_eq!(class(session.fetch_batch(&whole(&[4, 5])).await), expected, "{end}");
        assert_eq!(session.is_usable(), usable, "{end}");
        if !usable {
            assert_eq!(class(session.noop().await), FailureClass::ConnectionLost);
        }
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_fetch_of_which_some_mails_were_expunged_keeps_the_others() {
    let (mut session, server) = inbox(|mut peer| async move {
        let tag = peer.command("UID FETCH").await;
        peer.send(&fetch_answer(1, 4, "four")).await;
        peer.send(&format!("{tag} NO Some of the requested messages no longer exist.\r\n")).await;
    })
    .await;
    assert_eq!(session.fetch_batch(&whole(&[4, 5])).await.expect("fetches").len(), 1);
    server.await.expect("the script played");
}
