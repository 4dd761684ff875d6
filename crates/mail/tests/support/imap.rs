//! IMAP sessions over a scripted server.

use super::{Peer, USER, connector, serve, token};
use domain::{Failure, FailureClass};
use mail::imap::{Batch, ImapLogin, Limits, Session};
use tokio::task::JoinHandle;

pub async fn open_with<F>(
    limits: Limits,
    play: impl FnOnce(Peer) -> F + Send + 'static,
) -> (Result<Session, Failure>, JoinHandle<()>)
where
    F: Future<Output = ()> + Send,
{
    let (endpoint, server) = serve(play).await;
    let login = ImapLogin { endpoint, user: USER.to_owned(), token: token() };
    (Session::open_with(&connector(), &login, limits).await, server)
}

pub async fn open<F>(play: impl FnOnce(Peer) -> F + Send + 'static) -> (Result<Session, Failure>, JoinHandle<()>)
where
    F: Future<Output = ()> + Send,
{
    open_with(Limits::default(), play).await
}

/// A session with INBOX open, and a server that then plays.
pub async fn inbox<F>(play: impl FnOnce(Peer) -> F + Send + 'static) -> (Session, JoinHandle<()>)
where
    F: Future<Output = ()> + Send,
{
    inbox_with(Limits::default(), play).await
}

pub async fn inbox_with<F>(limits: Limits, play: impl FnOnce(Peer) -> F + Send + 'static) -> (Session, JoinHandle<()>)
where
    F: Future<Output = ()> + Send,
{
    let (session, server) = open_with(limits, |mut peer| async move {
        peer.imap_inbox().await;
        play(peer).await;
    })
    .await;
    let mut session = session.expect("signs in");
    let status = session.examine("INBOX").await.expect("opens");
    assert_eq!((status.uidvalidity, status.uidnext, status.exists), (14, Some(9), 3));
    (session, server)
}

pub fn fetch_answer(seq: u32, uid: u32, mail: &str) -> String {
    format!(
        "* {seq} FETCH (INTERNALDATE \"07-Nov-2026 10:02:03 +0100\" BODY[] {{{}}}\r\n{mail} UID {uid})\r\n",
        mail.len()
    )
}

pub fn whole(uids: &[u32]) -> Batch {
    Batch { uids: uids.to_vec(), claimed_bytes: 1_000, ..Batch::default() }
}

pub fn class<T: std::fmt::Debug>(result: Result<T, Failure>) -> FailureClass {
    result.expect_err("must fail").class
}
