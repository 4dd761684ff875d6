//! A long mail that comes in parts from a server that leaves some out, or sends more than it was asked for.

mod support;

use mail::imap::Batch;
use support::Peer;
use support::imap::inbox;

const PART: usize = 256 * 1024;

fn long_mail() -> Batch {
    Batch { uids: vec![6], claimed_bytes: 3_000_000, in_parts: true, ..Batch::default() }
}

async fn part(peer: &mut Peer, offset: usize, bytes: usize) {
    let part = "x".repeat(bytes);
    let command = format!("UID FETCH 6 (UID INTERNALDATE BODY.PEEK[]<{offset}.{PART}>)");
    peer.answer(&command, &format!("* 3 FETCH (UID 6 BODY[]<{offset}> {{{bytes}}}\r\n{part})\r\n"), "OK done").await;
}

/// OK, and no answer for the mail.
async fn left_out(peer: &mut Peer, offset: usize) {
    peer.answer(&format!("UID FETCH 6 (UID INTERNALDATE BODY.PEEK[]<{offset}."), "", "OK done").await;
}

async fn size(peer: &mut Peer, bytes: usize) {
    let answer = format!("* 3 FETCH (UID 6 RFC822.SIZE {bytes})\r\n");
    peer.answer("UID FETCH 6 (UID RFC822.SIZE INTERNALDATE)", &answer, "OK done").await;
}

#[tokio::test]
async fn a_part_that_is_left_out_in_the_middle_is_no_end() {
    let (mut session, server) = inbox(|mut peer| async move {
        part(&mut peer, 0, PART).await;
        left_out(&mut peer, PART).await;
        size(&mut peer, PART * 10).await;
        // Asked again, it comes whole.
        part(&mut peer, 0, PART).await;
        part(&mut peer, PART, PART).await;
        part(&mut peer, PART * 2, 0).await;
    })
    .await;
    let fetched = session.fetch_batch(&long_mail()).await.expect("fetches");
    assert!(fetched.is_empty(), "{} bytes are not the mail", fetched[0].bytes.len());
    let fetched = session.fetch_batch(&long_mail()).await.expect("fetches");
    assert_eq!((fetched[0].bytes.len(), fetched[0].truncated), (PART * 2, false));
    server.await.expect("the script played");
}

#[tokio::test]
async fn an_answer_that_is_left_out_behind_the_last_part_is_the_end() {
    // The mail ends about where it was to end by the server's own estimate.
    for claimed in [PART * 2, PART * 2 + PART / 2] {
        let (mut session, server) = inbox(move |mut peer| async move {
            part(&mut peer, 0, PART).await;
            part(&mut peer, PART, PART).await;
            left_out(&mut peer, PART * 2).await;
            size(&mut peer, claimed).await;
        })
        .await;
        let fetched = session.fetch_batch(&long_mail()).await.expect("fetches");
        assert_eq!(fetched.first().map(|mail| mail.bytes.len()), Some(PART * 2), "{claimed}");
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_part_that_is_shorter_than_asked_for_is_the_last_where_nothing_more_was_announced() {
    for last in [1, PART - 1, 0] {
        let (mut session, server) = inbox(move |mut peer| async move {
            part(&mut peer, 0, PART).await;
            part(&mut peer, PART, last).await;
            peer.answer("NOOP", "", "OK done").await;
        })
        .await;
        let batch = Batch { claimed_bytes: (PART + last) as u64, ..long_mail() };
        let fetched = session.fetch_batch(&batch).await.expect("fetches");
        assert_eq!((fetched[0].bytes.len(), fetched[0].truncated), (PART + last, false));
        session.noop().await.expect("nothing more was asked for");
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_part_that_is_cut_off_in_the_middle_of_a_mail_loses_nothing_of_it() {
    let (mut session, server) = inbox(|mut peer| async move {
        part(&mut peer, 0, PART).await;
        part(&mut peer, PART, 1_000).await;
        part(&mut peer, PART + 1_000, PART).await;
        part(&mut peer, PART * 2 + 1_000, 0).await;
    })
    .await;
    let fetched = session.fetch_batch(&long_mail()).await.expect("fetches");
    assert_eq!((fetched[0].bytes.len(), fetched[0].truncated), (PART * 2 + 1_000, false));
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_mail_that_is_shorter_than_announced_ends_where_nothing_is_answered_any_more() {
    for end in ["", "* 3 FETCH (UID 6 BODY[]<263144> NIL)\r\n"] {
        let (mut session, server) = inbox(move |mut peer| async move {
            part(&mut peer, 0, PART).await;
            part(&mut peer, PART, 1_000).await;
            let rest = format!("UID FETCH 6 (UID INTERNALDATE BODY.PEEK[]<{}.", PART + 1_000);
            peer.answer(&rest, end, "OK done").await;
        })
        .await;
        let fetched = session.fetch_batch(&long_mail()).await.expect("fetches");
        assert_eq!(fetched.first().map(|mail| mail.bytes.len()), Some(PART + 1_000), "{end:?}");
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_short_mail_that_comes_without_its_place_when_asked_for_a_part_is_whole() {
    let (mut session, server) = inbox(|mut peer| async move {
        let mail = "x".repeat(1_000);
        let answer = format!("* 3 FETCH (UID 6 BODY[] {{1000}}\r\n{mail})\r\n");
        peer.answer("UID FETCH 6 (UID INTERNALDATE BODY.PEEK[]<0.", &answer, "OK done").await;
        peer.answer("NOOP", "", "OK done").await;
    })
    .await;
    let fetched = session.fetch_batch(&long_mail()).await.expect("fetches");
    assert_eq!((fetched[0].bytes.len(), fetched[0].truncated), (1_000, false));
    session.noop().await.expect("nothing more was asked for");
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_server_that_sends_the_whole_mail_when_asked_for_a_part_is_taken_at_its_word() {
    let (mut session, server) = inbox(|mut peer| async move {
        let mail: String = (0..PART * 2 + 7).map(|n| if n < PART { 'a' } else { 'b' }).collect();
        let answer = format!("* 3 FETCH (UID 6 BODY[] {{{}}}\r\n{mail})\r\n", mail.len());
        peer.answer("UID FETCH 6 (UID INTERNALDATE BODY.PEEK[]<0.", &answer, "OK done").await;
        peer.answer("NOOP", "", "OK done").await;
    })
    .await;
    let fetched = session.fetch_batch(&long_mail()).await.expect("fetches");
    assert_eq!((fetched[0].bytes.len(), fetched[0].truncated), (PART * 2 + 7, false));
    assert!(fetched[0].bytes.ends_with(b"bbb"));
    session.noop().await.expect("nothing more was asked for");
    server.await.expect("the script played");
}
