//! Servers that lie about lengths, never end a line, or say what nobody asked for: a failure in words, and never our memory.

mod support;

use domain::FailureClass;
use mail::imap::{Batch, Limits};
use support::Peer;
use support::imap::{class, fetch_answer, inbox, inbox_with, whole};

const PART: usize = 256 * 1024;
const MB: usize = 1024 * 1024;

/// The most that this process ever had in memory.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<usize>().ok()).expect("a number") * 1024
}

/// Says it piece by piece until the client goes away.
async fn without_end(peer: &mut Peer, begin: &str, piece: &str) {
    if peer.try_send(begin).await {
        while peer.try_send(piece).await {}
    }
}

#[tokio::test]
async fn a_line_without_end_is_given_up_soon() {
    for (begin, piece) in [
        ("* OK ", "still talking "),
        ("* SEARCH", " 1234567"),
        ("* LIST () \"/\" \"", "INBOX/"),
        ("", "x"),
        ("* 1 FETCH (UID 4 FLAGS (", "\\Seen "),
        ("* 1 FETCH (UID 4 BODY[] ", "{0}\r\n "),
    ] {
        let piece = piece.repeat(2_000);
        let (mut session, server) = inbox(move |mut peer| async move {
            peer.command("UID FETCH").await;
            without_end(&mut peer, begin, &piece).await;
        })
        .await;
        let failure = session.fetch_batch(&whole(&[4])).await.expect_err("refused");
        assert_eq!(failure.class, FailureClass::ProtocolError, "{begin}: {failure:?}");
        // Soon, and not only when it was more than the whole command may bring. What nobody can read is given up sooner still.
        let words = (!begin.contains("BODY[]")).then_some("the server sent a line that does not end");
        assert_eq!(failure.detail.as_deref(), words, "{begin}");
        assert!(!session.is_usable());
        drop(session);
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_literal_is_refused_when_it_is_announced_and_no_room_is_made_for_it() {
    // The library behind us would make room for up to 512 MB at the announcement.
    for announced in ["500000000", "4294967295", "99999999999999999999"] {
        let (mut session, server) = inbox(move |mut peer| async move {
            peer.command("UID FETCH").await;
            peer.send(&format!("* 1 FETCH (UID 4 BODY[] {{{announced}}}\r\nx")).await;
            assert_eq!(peer.line().await, "", "the client goes away without waiting for the rest");
        })
        .await;
        let failure = session.fetch_batch(&whole(&[4])).await.expect_err("refused");
        assert_eq!(failure.class, FailureClass::ProtocolError);
        let words = failure.detail.expect("words");
        assert!(words.contains("announced") && words.contains("more than was asked for"), "{words}");
        assert!(session.overran() && !session.is_usable());
        drop(session);
        server.await.expect("the script played");
    }
    assert!(peak_bytes() < 300 * MB, "{} bytes", peak_bytes());
}

#[tokio::test]
async fn lists_within_lists_do_not_overflow_the_stack() {
    let (mut session, server) = inbox(|mut peer| async move {
        peer.command("UID FETCH").await;
        peer.try_send(&format!("* 1 FETCH (UID 4 BODYSTRUCTURE {}", "(".repeat(200_000))).await;
        peer.line().await;
    })
    .await;
    let failure = session.fetch_batch(&whole(&[4])).await.expect_err("refused");
    assert_eq!(failure.class, FailureClass::ProtocolError);
    assert!(failure.detail.expect("words").contains("lists within lists"));
    drop(session);
    server.await.expect("the script played");
}

#[tokio::test]
async fn what_nobody_asked_for_is_passed_over_and_is_bounded() {
    let (mut session, server) = inbox(|mut peer| async move {
        let tag = peer.command("UID FETCH").await;
        for n in 0..50 {
            let others: String = (0..100).map(|m| fetch_answer(1, 1_000 + n * 100 + m, "not asked for")).collect();
            peer.send(&format!("{others}{}", "* OK by the way\r\n* 3 EXISTS\r\n* FLAGS (\\Seen)\r\n".repeat(40))).await;
        }
        peer.send(&format!("{}{tag} OK done\r\n", fetch_answer(1, 4, "four"))).await;
    })
    .await;
    let mails = session.fetch_batch(&whole(&[4])).await.expect("what was asked for came too");
    assert_eq!(mails.iter().map(|m| (m.uid, m.bytes.as_ref())).collect::<Vec<_>>(), [(4, b"four".as_slice())]);
    server.await.expect("the script played");

    // Without end it is too much.
    let (mut session, server) = inbox(|mut peer| async move {
        peer.command("UID FETCH").await;
        let others: String = (0..1_000).map(|m| fetch_answer(1, 1_000 + m, "not asked for")).collect();
        without_end(&mut peer, "", &others).await;
    })
    .await;
    assert_eq!(class(session.fetch_batch(&whole(&[4])).await), FailureClass::ProtocolError);
    drop(session);
    server.await.expect("the script played");
}

/// The server sends so many bytes of a mail in parts, until the client asks for no more.
async fn in_parts(peer: &mut Peer, parts: usize) {
    let part = "x".repeat(PART);
    for n in 0..parts {
        let begins = format!("UID FETCH 6 (UID INTERNALDATE BODY.PEEK[]<{}.", n * PART);
        let answer = format!("* 3 FETCH (UID 6 BODY[]<{}> {{{PART}}}\r\n{part})\r\n", n * PART);
        peer.answer(&begins, &answer, "OK done").await;
    }
}

#[tokio::test]
async fn a_mail_that_is_much_longer_than_announced_comes_only_where_there_is_room_for_any_length() {
    let announced = 300_000;
    let (mut session, server) = inbox(|mut peer| async move {
        in_parts(&mut peer, 3).await;
        peer.answer("NOOP", "", "OK done").await;
        in_parts(&mut peer, 8).await;
        peer.answer("UID FETCH 6", "* 3 FETCH (UID 6 BODY[]<2097152> {0}\r\n)\r\n", "OK done").await;
    })
    .await;
    let batch = Batch { uids: vec![6], claimed_bytes: announced, in_parts: true, ..Batch::default() };
    let failure = session.fetch_batch(&batch).await.expect_err("there is room for twice as much and no more");
    assert_eq!(failure.class, FailureClass::ProtocolError);
    assert!(failure.detail.expect("words").contains("300000 were announced"));
    assert!(session.overran() && session.is_usable(), "between two parts nothing is out of step");
    session.noop().await.expect("it goes on");
    let mails = session.fetch_batch(&Batch { at_any_length: true, ..batch }).await.expect("comes");
    assert_eq!((mails[0].bytes.len(), mails[0].truncated), (8 * PART, false));
    server.await.expect("the script played");
}

/// What follows each part: less than may be said beside a mail.
const CHATTER: usize = 40_000 * "* OK Still here\r\n".len();

/// Parts of a mail, each followed by chatter, until the client goes away; how many bytes it was told.
async fn chatting_between_parts(peer: &mut Peer) -> usize {
    let (part, chatter) = ("x".repeat(PART), "* OK Still here\r\n".repeat(40_000));
    for n in 0.. {
        let line = peer.line().await;
        let Some((tag, _)) = line.split_once(' ') else { return n * (PART + CHATTER) };
        let answer =
            format!("* 3 FETCH (UID 6 BODY[]<{}> {{{PART}}}\r\n{part})\r\n{chatter}{tag} OK done\r\n", n * PART);
        if !peer.try_send(&answer).await {
            return n * (PART + CHATTER);
        }
    }
    unreachable!("it counts for ever")
}

#[tokio::test]
async fn what_is_said_between_the_parts_of_a_mail_is_bounded_as_a_whole() {
    for (at_any_length, announced, most) in [(false, 4_000_000, 9_100_000), (true, 10, 6 * MB)] {
        let limits = Limits { max_mail_bytes: if at_any_length { 4 * MB } else { 160 * MB }, ..Limits::default() };
        let (told, heard) = tokio::sync::oneshot::channel();
        let (mut session, server) = inbox_with(limits, |mut peer| async move {
            let _ = told.send(chatting_between_parts(&mut peer).await);
        })
        .await;
        let batch =
            Batch { uids: vec![6], claimed_bytes: announced, in_parts: true, at_any_length, ..Batch::default() };
        let failure = session.fetch_batch(&batch).await.expect_err("too much beside the mail");
        assert_eq!(failure.class, FailureClass::ProtocolError);
        assert_eq!(failure.detail.as_deref(), Some("the server sent more than it had announced"));
        drop(session);
        let told = heard.await.expect("told");
        // As many parts as there may be bytes of mail would be three times that.
        assert!(told <= most + PART + CHATTER, "{told} bytes");
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_literal_beyond_the_fetch_limit_is_refused_even_where_any_length_is_taken() {
    let limits = Limits { max_mail_bytes: MB, ..Limits::default() };
    let (mut session, server) = inbox_with(limits, |mut peer| async move {
        peer.command("UID FETCH 6").await;
        peer.send(&format!("* 3 FETCH (UID 6 BODY[] {{{}}}\r\n", 20 * MB)).await;
        peer.line().await;
    })
    .await;
    let batch = Batch { uids: vec![6], claimed_bytes: 10, at_any_length: true, ..Batch::default() };
    assert_eq!(class(session.fetch_batch(&batch).await), FailureClass::ProtocolError);
    drop(session);
    server.await.expect("the script played");
}
