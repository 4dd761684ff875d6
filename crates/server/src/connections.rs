//! The connections of whoever calls: so many at a time, and none that only stands there.
//!
//! Each is an open file, and mailboxes and the database need theirs. Who comes when all places are taken waits in the system's line until one
//! ends; what is said on a connection is no concern of this file.

use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tracing::warn;

/// Connections of one process at the same time.
pub const MOST: usize = 4096;
/// One on which no byte came or went for so long is closed. No answer takes so long.
pub const IDLE: Duration = Duration::from_secs(120);
/// How long to wait when none can be taken: the system has no open file left, and asking at once would only keep a processor busy.
const REST: Duration = Duration::from_millis(100);

/// Takes connections as long as there are places.
pub struct Places<A> {
    inner: A,
    places: Arc<Semaphore>,
    idle: Duration,
}

impl<A> Places<A> {
    pub fn new(inner: A, most: usize, idle: Duration) -> Self {
        Self { inner, places: Arc::new(Semaphore::new(most)), idle }
    }
}

async fn a_place(places: Arc<Semaphore>) -> OwnedSemaphorePermit {
    if let Ok(place) = places.clone().try_acquire_owned() {
        return place;
    }
    warn!("all places for connections are taken; further ones wait");
    places.acquire_owned().await.expect("the semaphore is never closed")
}

impl<A: Acceptor> Acceptor for Places<A> {
    type Io = Kept<A::Io>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, poem::http::uri::Scheme)> {
        let place = a_place(self.places.clone()).await;
        loop {
            match self.inner.accept().await {
                Ok((io, local, remote, scheme)) => {
                    let idle = self.idle;
                    let kept = Kept { io, idle, until: Box::pin(tokio::time::sleep(idle)), _place: place };
                    return Ok((kept, local, remote, scheme));
                }
                Err(error) => {
                    warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
}

/// A connection that has a place.
pub struct Kept<Io> {
    io: Io,
    idle: Duration,
    until: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl<Io> Kept<Io> {
    fn something_moved(&mut self) {
        self.until.as_mut().reset(Instant::now() + self.idle);
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Kept<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_read(cx, buffer) {
            Poll::Ready(read) => {
                self.something_moved();
                Poll::Ready(read)
            }
            Poll::Pending => {
                ready!(self.until.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Kept<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.io).poll_write(cx, bytes) {
            Poll::Ready(written) => {
                self.something_moved();
                Poll::Ready(written)
            }
            Poll::Pending => {
                ready!(self.until.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::listener::{Listener, TcpListener};
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    const LONG: Duration = Duration::from_secs(3600);

    async fn places(most: usize, idle: Duration) -> (Places<impl Acceptor>, SocketAddr) {
        let inner = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a port");
        let addr = inner.local_addr().first().and_then(|addr| addr.as_socket_addr().copied()).expect("an address");
        (Places::new(inner, most, idle), addr)
    }

    #[expect(clippy::disallowed_methods, reason = "whoever calls is no part of the product")]
    async fn call(addr: SocketAddr) -> TcpStream {
        TcpStream::connect(addr).await.expect("a connection")
    }

    #[tokio::test]
    async fn who_comes_when_all_places_are_taken_waits_until_one_ends() {
        let (mut places, addr) = places(2, LONG).await;
        let _callers = (call(addr).await, call(addr).await, call(addr).await);
        let first = places.accept().await.expect("a place");
        let _second = places.accept().await.expect("a place");
        let waits = tokio::time::timeout(Duration::from_millis(200), places.accept()).await;
        assert!(waits.is_err(), "there are two places");
        drop(first);
        places.accept().await.expect("the place that is free");
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_moves_is_closed() {
        let (mut places, addr) = places(1, Duration::from_millis(50)).await;
        let mut caller = call(addr).await;
        caller.write_all(b"G").await.expect("sent");
        let (mut kept, ..) = places.accept().await.expect("a place");
        let mut bytes = Vec::new();
        let reading = tokio::time::timeout(Duration::from_secs(60), kept.read_to_end(&mut bytes)).await;
        let ended = reading.expect("it is closed long before").expect_err("it says no more");
        assert_eq!((ended.kind(), bytes.as_slice()), (io::ErrorKind::TimedOut, b"G".as_slice()));
    }
}
