//! IMAP as Exchange speaks it on a bad day; each fault is met exactly as it was armed.

use std::time::Duration;

use sandbox::{INBOX, ImapFault, Sandbox};
use tokio::io::AsyncReadExt as _;

use crate::support::*;

async fn with_mails(count: u32) -> (Sandbox, Imap) {
    let sandbox = start().await;
    for number in 1..=count {
        let raw =
            mail("ada@customer.example", SUPPORT, &format!("Mail {number}"), &format!("m{number}@customer.example"));
        sandbox.deliver(SUPPORT, raw.as_bytes());
    }
    let imap = Imap::with_inbox(&sandbox, SUPPORT).await;
    (sandbox, imap)
}

const FETCH: &str = "UID FETCH 1:* (UID BODY.PEEK[])";

#[tokio::test]
async fn sign_in_faults() {
    let sandbox = start().await;
    let token = sandbox.mint_access_token(SUPPORT).unwrap();
    let command = format!("AUTHENTICATE XOAUTH2 {}", xoauth2(SUPPORT, &token));
    sandbox.faults().once(ImapFault::AuthenticateFailed);
    let (mut imap, _) = Imap::open(&sandbox).await;
    assert_eq!(imap.run(&command).await, ["a1 NO AUTHENTICATE failed."]);
    sandbox.faults().once(ImapFault::AuthenticateChallenged);
    imap.send(&format!("b {command}\r\n")).await;
    assert!(imap.line().await.starts_with("+ eyJzdGF0dXMi"));
    imap.send("\r\n").await;
    assert_eq!(imap.line().await, "b NO AUTHENTICATE failed.");
    sandbox.faults().once_for(SUPPORT, ImapFault::AuthenticatedNotConnected);
    imap.run(&command).await;
    assert_eq!(imap.run("SELECT INBOX").await, ["a3 BAD User is authenticated but not connected."]);
    sandbox.faults().once(ImapFault::GreetingBye);
    let (_, greeting) = Imap::open(&sandbox).await;
    assert_eq!(greeting, "* BYE Server shutting down");
}

#[tokio::test]
async fn throttling_states_its_time_and_may_close() {
    let (sandbox, mut imap) = with_mails(0).await;
    sandbox.faults().once(ImapFault::Throttled { milliseconds: 299_961, tagged_no: false, close: false });
    let text = "Request is throttled. Suggested Backoff Time: 299961 milliseconds";
    assert_eq!(imap.run("NOOP").await, [format!("a3 BAD {text}")]);
    sandbox.faults().once(ImapFault::Throttled { milliseconds: 299_961, tagged_no: true, close: true });
    assert_eq!(imap.run("UID SEARCH ALL").await, [format!("a4 NO {text}")]);
    assert_eq!(imap.line().await, "* BYE Connection closed. 14");
}

#[tokio::test]
async fn a_backend_that_fails_says_so_without_tag_or_star() {
    let (sandbox, mut imap) = with_mails(1).await;
    sandbox.faults().once(ImapFault::ServerUnavailable);
    assert_eq!(imap.run("UID SEARCH ALL").await, ["Server Unavailable. 15"]);
    assert_eq!(imap.line().await, "");
}

#[tokio::test]
async fn an_expired_token_is_told_in_idle_at_the_moment_the_fault_is_armed() {
    let (sandbox, mut imap) = with_mails(0).await;
    imap.send("i IDLE\r\n").await;
    imap.line().await;
    sandbox.faults().once(ImapFault::AccessTokenExpired);
    assert_eq!(imap.line().await, "* BYE Session invalidated - AccessTokenExpired");
}

#[tokio::test]
async fn any_command_can_be_answered_closed_or_preceded_by_garbage() {
    let (sandbox, mut imap) = with_mails(1).await;
    let verb = || "SEARCH".to_owned();
    sandbox.faults().once(ImapFault::Answer { verb: verb(), text: "NO Server error.".into() });
    assert_eq!(imap.run("UID SEARCH ALL").await, ["a3 NO Server error."]);
    sandbox.faults().once(ImapFault::GarbageAt { verb: verb(), line: "HTTP/1.1 502 Bad Gateway".into() });
    assert_eq!(imap.run("UID SEARCH ALL").await[..2], ["HTTP/1.1 502 Bad Gateway", "* SEARCH 1"]);
    sandbox.faults().once(ImapFault::ByeAt { verb: "NOOP".into(), text: "Server shutting down".into() });
    assert_eq!(imap.run("NOOP").await, ["* BYE Server shutting down"]);
    let mut imap = Imap::with_inbox(&sandbox, SUPPORT).await;
    sandbox.faults().once(ImapFault::CloseAt { verb: verb() });
    assert!(imap.run("UID SEARCH ALL").await.is_empty());
}

#[tokio::test]
async fn a_fetch_breaks_off_between_mails_with_no_bad_or_nothing() {
    let (sandbox, mut imap) = with_mails(3).await;
    sandbox.faults().once(ImapFault::FetchNoAfter { messages: 1 });
    let lines = imap.run(FETCH).await;
    assert_eq!((lines.len(), lines[1].as_str()), (2, "a3 NO Server error."));
    sandbox.faults().once(ImapFault::FetchBadAfter { messages: 2 });
    let lines = imap.run(FETCH).await;
    assert_eq!((lines.len(), lines[2].as_str()), (3, "a4 BAD Command Argument Error. 11"));
    sandbox.faults().once(ImapFault::FetchEofBetween { after_messages: 2 });
    let lines = imap.run(FETCH).await;
    assert_eq!(lines.len(), 2, "two whole mails, no tagged answer: {lines:?}");
}

#[tokio::test]
async fn a_fetch_breaks_off_in_the_middle_of_a_literal() {
    let (sandbox, mut imap) = with_mails(3).await;
    sandbox.faults().once(ImapFault::FetchEofInLiteral { after_messages: 1 });
    imap.send(&format!("x {FETCH}\r\n")).await;
    let mut bytes = Vec::new();
    // The server ends without closing TLS in order, or in order; either way there is no more.
    let _ = soon(imap.stream.read_to_end(&mut bytes)).await;
    let got = String::from_utf8_lossy(&bytes);
    assert_eq!(got.matches(" FETCH (").count(), 2);
    let second = got.split("* 2 FETCH").nth(1).unwrap();
    let announced: usize = second.split(['{', '}']).nth(1).unwrap().parse().unwrap();
    let literal = second.split_once("}\r\n").unwrap().1;
    assert!(!literal.is_empty() && literal.len() < announced, "{} of {announced}", literal.len());
}

#[tokio::test]
async fn a_stalled_literal_leaves_the_connection_open_and_silent() {
    let (sandbox, mut imap) = with_mails(1).await;
    sandbox.faults().once(ImapFault::FetchStallInLiteral { after_messages: 0 });
    imap.send(&format!("x {FETCH}\r\n")).await;
    let mut bytes = vec![0; 8192];
    let first = soon(imap.stream.read(&mut bytes)).await.unwrap();
    assert!(first > 0);
    let more = tokio::time::timeout(Duration::from_millis(150), async {
        while soon(imap.stream.read(&mut bytes)).await.unwrap() > 0 {}
    });
    assert!(more.await.is_err(), "neither bytes nor an end");
    sandbox.cut_mail_connections();
    assert_eq!(soon(imap.stream.read(&mut bytes)).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_dribbling_server_sends_all_of_it_byte_by_byte() {
    let (sandbox, mut imap) = with_mails(1).await;
    sandbox.faults().once(ImapFault::Dribble { apart: Duration::from_micros(1) });
    imap.send(&format!("x {FETCH}\r\n")).await;
    let (mut bytes, mut whole, mut reads) = (vec![0; 8192], Vec::new(), 0);
    while !whole.ends_with(b"completed.\r\n") {
        let count = soon(imap.stream.read(&mut bytes)).await.unwrap();
        assert!(count > 0, "it goes on to the end");
        whole.extend_from_slice(&bytes[..count]);
        reads += 1;
    }
    assert!(whole.len() > 100 && reads > 20, "{} bytes in {reads} pieces", whole.len());
}

#[tokio::test]
async fn a_mail_may_be_left_out_and_who_asks_for_it_hears_nothing_of_it() {
    let (sandbox, mut imap) = with_mails(2).await;
    sandbox.faults().once(ImapFault::LeftOutThenNoSearch { every: Duration::from_millis(1) });
    assert_eq!(imap.run("UID SEARCH ALL").await[0], "* SEARCH 1 2");
    assert_eq!(imap.run(FETCH).await.iter().filter(|line| line.contains(" FETCH (")).count(), 1);
    imap.send("x UID SEARCH UID 2\r\n").await;
    for _ in 0..20 {
        assert_eq!(imap.line().await, "* OK Still here");
    }
}

#[tokio::test]
async fn answers_may_be_missing_shuffled_doubled_and_of_a_wrong_size() {
    let (sandbox, mut imap) = with_mails(4).await;
    let uids = |lines: &[String]| -> Vec<u32> {
        let uid = |line: &String| line.split("UID ").nth(1)?.split([' ', ')']).next()?.parse().ok();
        lines.iter().filter_map(uid).collect()
    };
    sandbox.faults().once(ImapFault::MissingInFetch { uid: 2 });
    let lines = imap.run(FETCH).await;
    assert_eq!(uids(&lines), [1, 3, 4]);
    assert_eq!(lines.last().unwrap(), "a3 OK FETCH completed.");
    sandbox.faults().once(ImapFault::FetchShuffled);
    let shuffled = uids(&imap.run(FETCH).await);
    assert_ne!(shuffled, [1, 2, 3, 4]);
    assert_eq!(shuffled.iter().sum::<u32>(), 10);
    sandbox.faults().once(ImapFault::FetchUnsolicited);
    let doubled = imap.run(FETCH).await;
    assert_eq!(uids(&doubled).len(), 8);
    assert!(doubled.iter().any(|line| line == "* 1 FETCH (FLAGS (\\Flagged))"));
    let size = mail("ada@customer.example", SUPPORT, "Mail 1", "m1@customer.example").len();
    sandbox.faults().once(ImapFault::WrongSize { by: 1000 });
    assert!(imap.run("UID FETCH 1 RFC822.SIZE").await[0].contains(&format!("RFC822.SIZE {}", size + 1000)));
    sandbox.faults().once(ImapFault::EmptySearch);
    assert_eq!(imap.run("UID SEARCH ALL").await[0], "* SEARCH");
    sandbox.faults().once(ImapFault::EmptyList);
    assert_eq!(imap.run("LIST \"\" *").await.len(), 1);
    sandbox.faults().once(ImapFault::PhantomFolder { name: "Ghost".into() });
    assert_eq!(imap.run("LIST \"\" *").await[0], "* LIST (\\HasNoChildren) \"/\" Ghost");
    assert!(imap.run("EXAMINE Ghost").await[0].contains(" NO "));
    imap.run("EXAMINE INBOX").await;
    sandbox.faults().once(ImapFault::NoUidNext);
    assert!(!imap.run("EXAMINE INBOX").await.iter().any(|line| line.contains("UIDNEXT")));
}

#[tokio::test]
async fn a_new_uidvalidity_renumbers_the_folder_and_ends_its_sessions() {
    let (sandbox, mut imap) = with_mails(3).await;
    sandbox.mailbox(SUPPORT).expunge(INBOX, 1);
    sandbox.mailbox(SUPPORT).set_uidvalidity(INBOX, 99);
    assert_eq!(imap.run("UID SEARCH ALL").await, ["* BYE Server shutting down"]);
    let mut imap = Imap::with_inbox(&sandbox, SUPPORT).await;
    let lines = imap.run("EXAMINE INBOX").await;
    assert!(lines.iter().any(|line| line.contains("[UIDVALIDITY 99]")));
    assert_eq!(imap.run("UID SEARCH ALL").await[0], "* SEARCH 1 2");
}

#[tokio::test]
async fn a_silent_idle_says_nothing_of_the_mail_and_noop_does() {
    let (sandbox, mut imap) = with_mails(0).await;
    sandbox.faults().once(ImapFault::SilentIdle);
    imap.send("i IDLE\r\n").await;
    imap.line().await;
    sandbox.deliver(SUPPORT, b"Subject: unseen\r\n\r\n");
    soon(async {
        while sandbox.faults().fired().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    imap.send("DONE\r\n").await;
    assert_eq!(imap.line().await, "* 1 EXISTS", "told with the answer to DONE, not before");
}
