//! Headers alone: what is looked at in Sent is never downloaded whole, and an answer that breaks off is no answer.

mod support;

use domain::FailureClass;
use mail::imap::FetchedHeader;
use support::Peer;
use support::imap::{class, inbox};

const ONE: &str = "Message-ID: <1@us>\r\nSubject: one\r\n\r\n";

fn header_answer(seq: u32, uid: u32, header: &str) -> String {
    format!("* {seq} FETCH (BODY[HEADER] {{{}}}\r\n{header} UID {uid})\r\n", header.len())
}

fn fetched(uid: u32, header: &str) -> FetchedHeader {
    FetchedHeader { uid, bytes: header.as_bytes().to_vec() }
}

#[tokio::test]
async fn headers_come_in_the_order_asked_for_and_what_is_gone_is_absent() {
    let (mut session, server) = inbox(|mut peer| async move {
        let two = ONE.replace('1', "2");
        let answers =
            [header_answer(2, 7, &two), "* 9 FETCH (FLAGS (\\Seen))\r\n".to_owned(), header_answer(1, 4, ONE)].concat();
        peer.answer("UID FETCH 4:5,7 (UID BODY.PEEK[HEADER])", &answers, "OK FETCH completed.").await;
        peer.answer("NOOP", "", "OK NOOP completed.").await;
    })
    .await;
    let headers = session.fetch_headers(&[7, 5, 4]).await.expect("fetches");
    assert_eq!(headers, [fetched(7, &ONE.replace('1', "2")), fetched(4, ONE)]);
    assert!(session.fetch_headers(&[]).await.expect("asks nothing").is_empty());
    session.noop().await.expect("the session goes on");
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_whole_mail_or_another_part_is_not_taken_for_the_header() {
    let (mut session, server) = inbox(|mut peer| async move {
        let other = format!("* 1 FETCH (UID 4 BODY[] {{{n}}}\r\n{ONE} BODY[TEXT] {{{n}}}\r\n{ONE})\r\n", n = ONE.len());
        peer.answer("UID FETCH 4 (", &other, "OK FETCH completed.").await;
    })
    .await;
    assert!(session.fetch_headers(&[4]).await.expect("fetches").is_empty());
    server.await.expect("the script played");
}

#[tokio::test]
async fn headers_that_break_off_are_a_failure_and_never_a_short_success() {
    for (end, expected) in [
        ("{tag} NO FETCH failed\r\n", FailureClass::ProtocolError),
        ("{tag} BAD Command received in Invalid state.\r\n", FailureClass::ConnectionLost),
        ("* BYE Session invalidated - AccessTokenExpired\r\n", FailureClass::SessionExpired),
        // In the middle of a literal, and between two mails.
        ("* 2 FETCH (UID 7 BODY[HEADER] {100}\r\nMessage-ID: <2", FailureClass::ConnectionLost),
        ("", FailureClass::ConnectionLost),
    ] {
        let play = move |mut peer: Peer| async move {
            let tag = peer.command("UID FETCH 4,7 (UID BODY.PEEK[HEADER])").await;
            peer.send(&header_answer(1, 4, ONE)).await;
            peer.send(&end.replace("{tag}", &tag)).await;
        };
        let (mut session, server) = inbox(play).await;
        assert_eq!(class(session.fetch_headers(&[4, 7]).await), expected, "{end}");
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_flood_instead_of_a_header_is_refused() {
    // We hang up before it has said all of this, so it does not end in order either.
    let (mut session, _server) = inbox(|mut peer| async move {
        peer.command("UID FETCH").await;
        peer.send("* 1 FETCH (UID 4 BODY[HEADER] {500000000}\r\n").await;
        peer.send_bytes(&vec![b'x'; 8 * 1024 * 1024]).await;
        peer.line().await;
    })
    .await;
    assert_eq!(class(session.fetch_headers(&[4]).await), FailureClass::ProtocolError);
    assert!(!session.is_usable());
}
