//! How long an answer may take: a server that talks without end is not waited for, and a long mail on a slow line is.

mod support;

use domain::{Failure, FailureClass};
use mail::imap::{Limits, Session};
use std::time::Duration;
use support::Peer;
use support::imap::{inbox_with, whole};

const STILL_HERE: &str = "* OK Still here\r\n";
const OFTEN: Duration = Duration::from_millis(10);
/// Longer than any of these commands may take.
const NEVER: Duration = Duration::from_secs(20);

/// Silence is never reached by whoever speaks often.
fn limits() -> Limits {
    Limits { silence: Duration::from_secs(5), command_timeout: Duration::from_millis(300), ..Limits::default() }
}

/// Runs `ask` against a server that plays `play`: it must end, and end the session.
async fn given_up<F, T>(
    limits: Limits,
    play: impl FnOnce(Peer) -> F + Send + 'static,
    ask: impl AsyncFnOnce(&mut Session) -> Result<T, Failure>,
) where
    F: Future<Output = ()> + Send,
    T: std::fmt::Debug,
{
    let (mut session, server) = inbox_with(limits, play).await;
    let ended = tokio::time::timeout(NEVER, ask(&mut session)).await.expect("the command is given up");
    assert_eq!(ended.expect_err("no success").class, FailureClass::TimedOut);
    assert!(!session.is_usable());
    drop(session);
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_command_is_given_up_in_time_however_much_the_server_talks() {
    let play = |mut peer: Peer| async move {
        peer.command("UID SEARCH").await;
        peer.chatter(STILL_HERE, OFTEN).await;
    };
    given_up(limits(), play, async |session| session.uids_after(0).await).await;
    // Without a pause there is no moment in which a clock could ring, and such a flood must not buy its own time.
    let limits = Limits { slowest_bytes_per_second: 1 << 30, ..limits() };
    let play = |mut peer: Peer| async move {
        peer.command("NOOP").await;
        peer.chatter(&STILL_HERE.repeat(100), Duration::from_millis(1)).await;
    };
    given_up(limits, play, async |session| session.noop().await).await;
}

#[tokio::test]
async fn an_append_is_given_up_in_time_before_and_after_the_mail() {
    for consents in [false, true] {
        let play = move |mut peer: Peer| async move {
            peer.command("APPEND").await;
            if consents {
                peer.send("+ go on\r\n").await;
            }
            peer.chatter(STILL_HERE, OFTEN).await;
        };
        given_up(limits(), play, async |session| session.append("Sent", b"mail").await).await;
    }
}

#[tokio::test]
async fn idle_is_given_up_in_time_where_it_does_not_begin_or_does_not_end() {
    for consents in [false, true] {
        let play = move |mut peer: Peer| async move {
            peer.command("IDLE").await;
            if consents {
                peer.send("+ idling\r\n").await;
            }
            peer.chatter(STILL_HERE, OFTEN).await;
        };
        let limits = Limits { silence: Duration::from_millis(300), ..Limits::default() };
        given_up(limits, play, async |session| session.idle(Duration::from_millis(20), std::future::pending()).await)
            .await;
    }
}

/// A mail of 20 kB that takes half a second.
async fn slow_mail(mut peer: Peer) {
    let tag = peer.command("UID FETCH").await;
    peer.send("* 1 FETCH (UID 4 BODY[] {20000}\r\n").await;
    let mut beat = tokio::time::interval(Duration::from_millis(25));
    for _ in 0..20 {
        beat.tick().await;
        if !peer.try_send(&"x".repeat(1000)).await {
            return;
        }
    }
    peer.try_send(&format!(")\r\n{tag} OK done\r\n")).await;
}

#[tokio::test]
async fn a_long_mail_has_time_for_its_bytes_beyond_the_commands_own() {
    let limits =
        Limits { command_timeout: Duration::from_millis(200), slowest_bytes_per_second: 10_000, ..Limits::default() };
    let (mut session, server) = inbox_with(limits, slow_mail).await;
    let mails = session.fetch_batch(&whole(&[4])).await.expect("it came, if slowly");
    assert_eq!(mails[0].bytes.len(), 20_000);
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_mail_that_only_trickles_is_given_up_in_the_middle() {
    let limits = Limits {
        command_timeout: Duration::from_millis(200),
        slowest_bytes_per_second: 10_000_000,
        ..Limits::default()
    };
    given_up(limits, slow_mail, async |session| session.fetch_batch(&whole(&[4])).await).await;
}
