//! Folders with very many mails are asked about a window at a time, and no mail is passed over.

mod support;

use domain::Timestamp;
use mail::imap::UidWalk;
use std::collections::BTreeSet;
use support::Peer;
use support::imap::inbox;

/// Answers searches over these UIDs until NOOP; what was asked is kept short.
async fn searched(mut peer: Peer, uids: BTreeSet<u32>, announced: u32) -> Vec<String> {
    let mut asked = Vec::new();
    peer.answer("NOOP", &format!("* {announced} EXISTS\r\n"), "OK done").await;
    loop {
        let (tag, command) = peer.command_line("").await;
        let Some(keys) = command.strip_prefix("UID SEARCH UID ") else {
            peer.send(&format!("{tag} OK done\r\n")).await;
            return asked;
        };
        let range = keys.split(' ').next().expect("a range");
        let top = *uids.last().expect("mails");
        let number = |text: &str| if text == "*" { top } else { text.parse().expect("a number") };
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        let found: Vec<String> =
            uids.range(number(first)..=number(last).max(number(first))).map(u32::to_string).collect();
        let line = format!("* SEARCH {}\r\n", found.join(" "));
        assert!(line.len() < 200_000, "{} bytes to {command}", line.len());
        peer.send(&format!("{line}{tag} OK done\r\n")).await;
        asked.push(keys.to_owned());
    }
}

#[tokio::test]
async fn a_folder_of_100_000_mails_is_walked_in_windows_without_a_gap() {
    // Dense, then nothing for a while, then one of many.
    let uids: BTreeSet<u32> = (1..=60_000).chain((400_000..600_000).step_by(5)).collect();
    let there = uids.clone();
    let (asked, hear) = tokio::sync::oneshot::channel();
    let (mut session, server) = inbox(|peer| async move {
        let _ = asked.send(searched(peer, there, 100_000).await);
    })
    .await;
    session.noop().await.expect("hears how many there are");
    let mut walk = UidWalk::after(10);
    let mut found = Vec::new();
    while let Some(some) = session.walk(&mut walk).await.expect("searches") {
        assert!(!some.is_empty() && some.len() <= 16_000);
        found.extend(some);
    }
    let wanted: Vec<u32> = uids.range(11..).copied().collect();
    assert_eq!(found.len(), wanted.len());
    assert!(found == wanted, "in order, and each once");
    // All is known now: what comes later is few, and asked for at once.
    assert!(session.uids_after(599_995).await.expect("searches").is_empty());
    // From further down it is not.
    assert_eq!(session.uids_after(400_000).await.expect("searches").len(), 39_999);
    session.noop().await.expect("done");
    let asked = hear.await.expect("played");
    assert!(asked.len() < 300, "{} searches", asked.len());
    assert!(asked.contains(&"599996:*".to_owned()), "{:?}", &asked[asked.len() - 60..]);
    assert!(!asked.contains(&"400001:*".to_owned()));
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_walk_keeps_to_its_days_and_its_end() {
    let uids: BTreeSet<u32> = (1..=10_000).collect();
    let (asked, hear) = tokio::sync::oneshot::channel();
    let (mut session, server) = inbox(|peer| async move {
        let _ = asked.send(searched(peer, uids, 10_000).await);
    })
    .await;
    session.noop().await.expect("hears how many there are");
    let mut walk = UidWalk::after(4_000).since(Timestamp::from_seconds(1_794_042_123)).below(7_001);
    let mut found = Vec::new();
    while let Some(some) = session.walk(&mut walk).await.expect("searches") {
        found.extend(some);
    }
    assert_eq!((found.first(), found.last(), found.len()), (Some(&4_001), Some(&7_000), 3_000));
    session.noop().await.expect("done");
    let asked = hear.await.expect("played");
    assert_eq!(asked, ["*", "4001:6000 SINCE 7-Nov-2026", "6001:7000 SINCE 7-Nov-2026"]);
    server.await.expect("the script played");
}

#[tokio::test]
async fn only_those_that_were_asked_about_are_among_them() {
    let (mut session, server) = inbox(|mut peer| async move {
        peer.answer("UID SEARCH UID 3:4,9", "* SEARCH 4 9 77\r\n", "OK done").await;
    })
    .await;
    assert_eq!(session.uids_among(&[9, 3, 4]).await.expect("searches"), [4, 9]);
    assert!(session.uids_among(&[]).await.expect("asks nothing").is_empty());
    server.await.expect("the script played");
}
