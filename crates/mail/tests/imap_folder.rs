//! Searching, planning, long mails, waiting and appending, against a server that breaks off, floods and falls silent.

mod support;

use domain::{FailureClass, Timestamp};
use mail::imap::{Batch, IdleEnd, Limits};
use std::future::pending;
use std::time::Duration;
use support::Peer;
use support::imap::{class, inbox, inbox_with, open, whole};

#[tokio::test]
async fn a_search_or_noop_that_breaks_off_is_a_failure() {
    for (end, expected) in [
        ("{tag} NO SEARCH failed\r\n", FailureClass::ProtocolError),
        ("{tag} BAD Command received in Invalid state.\r\n", FailureClass::ConnectionLost),
        ("* SEARCH 1 2\r\n", FailureClass::ConnectionLost),
    ] {
        let play = move |mut peer: Peer| async move {
            let tag = peer.command("").await;
            peer.send(&end.replace("{tag}", &tag)).await;
        };
        let (mut session, server) = inbox(play).await;
        assert_eq!(class(session.uids_after(3).await), expected);
        server.await.expect("the script played");
        let (mut session, server) = inbox(play).await;
        assert_eq!(class(session.noop().await), expected);
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn searches_ask_for_uids_and_leave_out_what_was_not_asked_for() {
    let (mut session, server) = inbox(|mut peer| async move {
        // `n:*` always finds the newest.
        peer.answer("UID SEARCH UID 9:*", "* SEARCH 8\r\n", "OK SEARCH completed.").await;
        peer.answer("UID SEARCH UID 5:*", "* SEARCH 8 6 6\r\n* SEARCH 7 \r\n", "OK SEARCH completed.").await;
        peer.answer("UID SEARCH UID 1:* SINCE 7-Nov-2026", "* SEARCH\r\n", "OK SEARCH completed.").await;
        peer.answer("UID SEARCH HEADER \"Message-ID\" \"<a\\\"b@x>\"", "* SEARCH 3\r\n", "OK SEARCH completed.").await;
    })
    .await;
    assert!(session.uids_after(8).await.expect("searches").is_empty());
    assert_eq!(session.uids_after(4).await.expect("searches"), [6, 7, 8]);
    assert!(session.uids_since(Timestamp::from_seconds(1_794_042_123)).await.expect("searches").is_empty());
    assert_eq!(session.search_message_id("a\"b@x").await.expect("searches"), [3]);
    assert!(session.search_message_id("a@x\r\nA1 LOGOUT").await.expect("asks nothing").is_empty());
    assert!(session.uids_after(u32::MAX).await.expect("asks nothing").is_empty());
    server.await.expect("the script played");
}

#[tokio::test]
async fn long_uid_sets_are_split_below_the_servers_limit() {
    let (mut session, server) = inbox(|mut peer| async move {
        let mut seen = 0;
        while seen < 5_000 {
            let (tag, command) = peer.command_line("UID FETCH").await;
            assert!(tag.len() + 1 + command.len() + 2 <= 10_240, "{} bytes", command.len());
            let set = command.split(' ').nth(2).expect("a set").to_owned();
            let answers: String =
                set.split(',').map(|uid| format!("* 1 FETCH (RFC822.SIZE 100 UID {uid})\r\n")).collect();
            seen += set.split(',').count();
            peer.send(&format!("{answers}{tag} OK FETCH completed.\r\n")).await;
        }
    })
    .await;
    let uids: Vec<u32> = (1..=5_000).map(|n| n * 2 + 1_000_000).collect();
    let batches = session.plan(&uids).await.expect("plans");
    let planned: Vec<u32> = batches.iter().flat_map(|b| b.uids.clone()).collect();
    assert_eq!(planned, uids);
    assert!(batches.iter().all(|b| b.uids.len() <= 250 && !b.in_parts));
    server.await.expect("the script played");
}

#[tokio::test]
async fn batches_are_bounded_by_bytes_and_a_long_mail_is_alone() {
    let (mut session, server) = inbox(|mut peer| async move {
        let mb = 1024 * 1024;
        let sizes: String = [(4, mb), (5, mb), (6, 30 * mb), (7, mb), (8, 2 * mb)]
            .iter()
            .map(|(uid, size)| format!("* {uid} FETCH (UID {uid} RFC822.SIZE {size})\r\n"))
            .collect();
        // 9 has vanished.
        peer.answer("UID FETCH 4:9 (UID RFC822.SIZE INTERNALDATE)", &sizes, "OK done").await;
    })
    .await;
    let plan = session.plan(&[4, 5, 6, 7, 8, 9]).await.expect("plans");
    let plan: Vec<_> = plan.iter().map(|b| (b.uids.clone(), b.in_parts)).collect();
    assert_eq!(plan, [(vec![4, 5], false), (vec![6], true), (vec![7, 8], false)]);
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_long_mail_is_fetched_in_parts_until_there_are_no_more_whatever_its_size_claims() {
    const PART: usize = 256 * 1024;
    let mail: String = (0..PART * 2 + 1000).map(|n| char::from(b'a' + u8::try_from(n % 26).expect("small"))).collect();
    let source = mail.clone();
    let (mut session, server) = inbox(move |mut peer| async move {
        for offset in [0, PART, PART * 2, PART * 2 + 1000] {
            let end = (offset + PART).min(source.len());
            let part = &source[offset..end];
            let tag = peer.command(&format!("UID FETCH 6 (UID INTERNALDATE BODY.PEEK[]<{offset}.{PART}>)")).await;
            peer.send(&format!("* 3 FETCH (UID 6 BODY[]<{offset}> {{{}}}\r\n{part})\r\n{tag} OK done\r\n", part.len()))
                .await;
        }
    })
    .await;
    let batch = Batch { uids: vec![6], claimed_bytes: 3_000_000, in_parts: true, ..Batch::default() };
    let fetched = session.fetch_batch(&batch).await.expect("fetches");
    assert_eq!((fetched.len(), fetched[0].bytes == mail.as_bytes(), fetched[0].truncated), (1, true, false));
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_mail_that_vanishes_between_its_parts_is_absent() {
    const PART: usize = 256 * 1024;
    let (mut session, server) = inbox(|mut peer| async move {
        let part = "x".repeat(PART);
        peer.answer("UID FETCH 6", &format!("* 3 FETCH (UID 6 BODY[]<0> {{{PART}}}\r\n{part})\r\n"), "OK done").await;
        peer.answer("UID FETCH 6", "", "OK done").await;
        peer.answer("UID FETCH 6 (UID RFC822.SIZE INTERNALDATE)", "", "OK done").await;
    })
    .await;
    let batch = Batch { uids: vec![6], claimed_bytes: 3_000_000, in_parts: true, ..Batch::default() };
    assert!(session.fetch_batch(&batch).await.expect("fetches").is_empty());
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_mail_without_end_is_cut_and_a_flood_is_refused() {
    const PART: usize = 256 * 1024;
    let limits = Limits { max_mail_bytes: PART + 10, ..Limits::default() };
    let (mut session, server) = inbox_with(limits.clone(), |mut peer| async move {
        for offset in [0, PART] {
            let part = "x".repeat(PART);
            peer.answer(
                "UID FETCH 6",
                &format!("* 3 FETCH (UID 6 BODY[]<{offset}> {{{PART}}}\r\n{part})\r\n"),
                "OK done",
            )
            .await;
        }
    })
    .await;
    let batch = Batch { uids: vec![6], claimed_bytes: 3_000_000, in_parts: true, ..Batch::default() };
    let fetched = session.fetch_batch(&batch).await.expect("fetches");
    assert_eq!((fetched[0].bytes.len(), fetched[0].truncated), (PART + 10, true));
    server.await.expect("the script played");

    let (mut session, server) = inbox_with(limits, |mut peer| async move {
        peer.command("UID FETCH").await;
        peer.send("* 1 FETCH (UID 4 BODY[] {500000000}\r\n").await;
        let flood = vec![b'x'; 1024 * 1024];
        peer.send_bytes(&flood).await;
    })
    .await;
    let failure = session.fetch_batch(&whole(&[4])).await.expect_err("refused");
    assert_eq!(failure.class, FailureClass::ProtocolError);
    assert!(!session.is_usable());
    server.await.expect("the script played");
}

#[tokio::test]
async fn silence_is_a_failure() {
    let limits = Limits { silence: Duration::from_millis(200), ..Limits::default() };
    let (mut session, server) = inbox_with(limits, |mut peer| async move {
        peer.command("UID SEARCH").await;
        peer.send("* SEARCH 1").await;
        assert_eq!(peer.line().await, "");
    })
    .await;
    assert_eq!(class(session.uids_after(0).await), FailureClass::TimedOut);
    drop(session);
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_folder_that_is_missing_leaves_the_session_usable() {
    let (session, server) = open(|mut peer| async move {
        peer.imap_sign_in().await;
        peer.answer("EXAMINE \"Gone \\\"quoted\\\"\"", "", "NO [NONEXISTENT] Unknown Mailbox").await;
        peer.answer("EXAMINE \"Odd\"", "* 1 EXISTS\r\n", "OK done").await;
        peer.answer("NOOP", "", "OK done").await;
    })
    .await;
    let mut session = session.expect("signs in");
    assert_eq!(class(session.examine("Gone \"quoted\"").await), FailureClass::FolderMissing);
    assert_eq!(class(session.examine("a\r\nA9 DELETE INBOX").await), FailureClass::FolderMissing);
    // Without UIDVALIDITY no UID means anything.
    assert_eq!(class(session.examine("Odd").await), FailureClass::ProtocolError);
    session.noop().await.expect("still usable");
    server.await.expect("the script played");
}

#[tokio::test]
async fn folders_are_listed_and_sent_is_found() {
    let (session, server) = open(|mut peer| async move {
        peer.imap_sign_in().await;
        let folders = "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\Noselect) \"/\" \"Public\"\r\n* LIST (\\HasNoChildren) \"/\" \"&AMk-l&AOk-ments envoy&AOk-s\"\r\n";
        peer.answer("LIST \"\" \"*\"", folders, "OK done").await;
        peer.answer("LIST \"\" \"*\"", "", "NO [SERVERBUG] not now").await;
    })
    .await;
    let mut session = session.expect("signs in");
    let sent = session.sent_folder().await.expect("lists").expect("found");
    assert_eq!((sent.name.as_str(), sent.display_name.as_str()), ("&AMk-l&AOk-ments envoy&AOk-s", "Éléments envoyés"));
    assert_eq!(class(session.list().await), FailureClass::ServerUnavailable);
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_list_of_folders_without_inbox_is_not_believed() {
    let lists = ["", "* LIST (\\Noselect) \"/\" INBOX\r\n", "* LIST () \"/\" \"Sent Items\"\r\n"];
    let (session, server) = open(move |mut peer| async move {
        peer.imap_sign_in().await;
        for list in lists {
            peer.answer("LIST \"\" \"*\"", list, "OK done").await;
        }
        peer.answer("LIST \"\" \"*\"", "* LIST () \"/\" inbox\r\n", "OK done").await;
    })
    .await;
    let mut session = session.expect("signs in");
    for list in lists {
        assert_eq!(class(session.sent_folder().await), FailureClass::ProtocolError, "{list}");
    }
    assert_eq!(session.sent_folder().await.expect("the session goes on"), None);
    server.await.expect("the script played");
}

#[tokio::test]
async fn idle_ends_with_news_with_time_or_when_told() {
    let (mut session, server) = inbox(|mut peer| async move {
        for news in ["* OK Still here\r\n* 4 EXISTS\r\n", "", ""] {
            let tag = peer.command("IDLE").await;
            peer.send("+ IDLE accepted, awaiting DONE command.\r\n").await;
            peer.send(news).await;
            assert_eq!(peer.line().await, "DONE");
            peer.send(&format!("{tag} OK IDLE completed.\r\n")).await;
        }
        // Growth seen by the way is news for the next IDLE, which then need not begin.
        peer.answer("UID SEARCH", "* SEARCH\r\n* 5 EXISTS\r\n", "OK done").await;
    })
    .await;
    let long = Duration::from_secs(60);
    assert_eq!(session.idle(long, pending()).await.expect("idles"), IdleEnd::Changed);
    assert_eq!(session.idle(Duration::from_millis(50), pending()).await.expect("idles"), IdleEnd::TimedOut);
    assert_eq!(session.idle(long, async {}).await.expect("idles"), IdleEnd::Stopped);
    session.uids_after(8).await.expect("searches");
    assert_eq!(session.idle(long, pending()).await.expect("idles"), IdleEnd::Changed);
    server.await.expect("the script played");
}

#[tokio::test]
async fn idle_that_breaks_off_says_why() {
    for (says, expected) in [
        ("+ idling\r\n* BYE Session invalidated - AccessTokenExpired\r\n", FailureClass::SessionExpired),
        ("+ idling\r\n", FailureClass::ConnectionLost),
        ("+ idling\r\nServer Unavailable. 15\r\n", FailureClass::ServerUnavailable),
        ("{tag} BAD Request is throttled. Suggested Backoff Time: 2000 milliseconds\r\n", FailureClass::Throttled),
        ("+ idling\r\n{tag} OK IDLE completed.\r\n", FailureClass::ProtocolError),
    ] {
        let (mut session, server) = inbox(move |mut peer| async move {
            let tag = peer.command("IDLE").await;
            peer.send(&says.replace("{tag}", &tag)).await;
        })
        .await;
        assert_eq!(class(session.idle(Duration::from_secs(60), pending()).await), expected, "{says}");
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_server_that_refuses_idle_is_polled_from_then_on_in_the_same_session() {
    for refusal in ["NO not now", "BAD Command Error. 12"] {
        let (mut session, server) = inbox(move |mut peer| async move {
            let tag = peer.command("IDLE").await;
            peer.send(&format!("{tag} {refusal}\r\n")).await;
            peer.answer("NOOP", "* 4 EXISTS\r\n", "OK done").await;
        })
        .await;
        let long = Duration::from_secs(60);
        assert_eq!(session.idle(long, pending()).await.expect("goes on"), IdleEnd::TimedOut, "{refusal}");
        assert!(!session.can_idle(), "{refusal}");
        assert_eq!(session.idle(Duration::from_millis(10), pending()).await.expect("waits"), IdleEnd::Changed);
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_server_without_idle_is_asked_once_at_the_end() {
    let (session, server) = open(|mut peer| async move {
        peer.imap_sign_in_offering("IMAP4rev1 SASL-IR").await;
        peer.answer("NOOP", "* 1 EXISTS\r\n", "OK done").await;
    })
    .await;
    let mut session = session.expect("signs in");
    assert_eq!(session.idle(Duration::from_millis(10), pending()).await.expect("waits"), IdleEnd::Changed);
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_mail_is_appended_after_the_server_agreed() {
    let (session, server) = open(|mut peer| async move {
        peer.imap_sign_in().await;
        let (tag, command) = peer.command_line("APPEND").await;
        assert_eq!(command, "APPEND \"Sent Items\" (\\Seen) {7}");
        peer.send("+ Ready for additional command text.\r\n").await;
        assert_eq!(peer.bytes(9).await, b"a\r\nb\r\nc\r\n");
        peer.send(&format!("{tag} OK [APPENDUID 14 22] APPEND completed.\r\n")).await;
        peer.answer("APPEND \"None\"", "", "NO [TRYCREATE] no such folder").await;
        peer.answer("NOOP", "", "OK done").await;
    })
    .await;
    let mut session = session.expect("signs in");
    session.append("Sent Items", b"a\r\nb\r\nc").await.expect("appends");
    assert_eq!(class(session.append("None", b"x").await), FailureClass::FolderMissing);
    session.noop().await.expect("still usable");
    server.await.expect("the script played");
}
