//! The connections of whoever calls: so many at a time, not all of them for one address, and none that only stands there.
//!
//! Each is an open file, and mailboxes and the database need theirs. Who comes when all places are taken waits in the system's line until one
//! ends. Of what is said on a connection only the end of a request's head concerns this file: who says theirs byte by byte keeps no place.

mod head;

use app::calls::{Address, TrustedProxies};
use head::Head;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tracing::warn;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections of one process at the same time.
    pub most: usize,
    /// Those of one address that is no proxy which was named. Its further ones are closed at once.
    pub of_one_address: usize,
    /// One on which no byte came or went for so long is closed. No answer takes so long.
    pub idle: Duration,
    /// So long may pass until a request's head is there, from the beginning of the connection or from the head's first byte.
    pub head: Duration,
}

/// An address has a quarter of them.
pub const fn bounds(most: u32) -> Bounds {
    let most = most as usize;
    Bounds { most, of_one_address: most / 4, idle: Duration::from_secs(120), head: Duration::from_secs(30) }
}

/// How long to wait when none can be taken: the system has no open file left, and asking at once would only keep a processor busy.
const REST: Duration = Duration::from_millis(100);

/// Takes connections as long as there are places.
pub struct Places<A> {
    inner: A,
    bounds: Bounds,
    trusted: TrustedProxies,
    places: Arc<Semaphore>,
    addresses: Addresses,
    full: Episode,
}

impl<A> Places<A> {
    /// Who comes through a proxy of `trusted` has no address of their own here.
    pub fn new(inner: A, bounds: Bounds, trusted: TrustedProxies) -> Self {
        Self {
            inner,
            bounds,
            trusted,
            places: Arc::new(Semaphore::new(bounds.most)),
            addresses: Addresses::default(),
            full: Episode::default(),
        }
    }

    async fn a_place(&mut self) -> OwnedSemaphorePermit {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            // Not at the first place that is free: while it is crowded one comes and one goes.
            if self.places.available_permits() >= self.bounds.most / 10 {
                self.full.is_over();
            }
            return place;
        }
        if self.full.begins() {
            warn!("all places for connections are taken; further ones wait");
        }
        self.places.clone().acquire_owned().await.expect("the semaphore is never closed")
    }

    /// `Err`: the address has all it may have.
    fn admitted(&self, peer: Option<IpAddr>) -> Result<Option<AtAddress>, ()> {
        let Some(peer) = peer.filter(|peer| !self.trusted.contains(*peer)) else { return Ok(None) };
        self.addresses.take(peer.into(), self.bounds.of_one_address).map(Some).map_err(|is_new| {
            if is_new {
                warn!(address = %peer, "an address has all the connections it may have; its further ones are closed");
            }
        })
    }
}

/// Something that is said once, however long it goes on.
#[derive(Debug, Default)]
struct Episode {
    was_said: bool,
}

impl Episode {
    /// Whether it is to be said.
    fn begins(&mut self) -> bool {
        !std::mem::replace(&mut self.was_said, true)
    }

    fn is_over(&mut self) {
        self.was_said = false;
    }
}

/// The connections of each address.
#[derive(Clone, Default)]
struct Addresses(Arc<Mutex<HashMap<Address, AtOne>>>);

#[derive(Default)]
struct AtOne {
    connections: usize,
    too_many: Episode,
}

/// One connection of an address.
struct AtAddress {
    address: Address,
    most: usize,
    of: Addresses,
}

impl Addresses {
    /// `Err`: it has as many, and whether that is to be said.
    fn take(&self, address: Address, most: usize) -> Result<AtAddress, bool> {
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at_one = addresses.entry(address).or_default();
        if at_one.connections >= most {
            return Err(at_one.too_many.begins());
        }
        at_one.connections += 1;
        Ok(AtAddress { address, most, of: self.clone() })
    }
}

impl Drop for AtAddress {
    fn drop(&mut self) {
        let mut addresses = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at_one) = addresses.get_mut(&self.address) else { return };
        at_one.connections -= 1;
        if at_one.connections <= self.most / 2 {
            at_one.too_many.is_over();
        }
        if at_one.connections == 0 {
            addresses.remove(&self.address);
        }
    }
}

impl<A: Acceptor> Acceptor for Places<A> {
    type Io = Kept<A::Io>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, poem::http::uri::Scheme)> {
        let place = self.a_place().await;
        loop {
            match self.inner.accept().await {
                Ok((io, local, remote, scheme)) => {
                    let peer = remote.as_socket_addr().map(SocketAddr::ip);
                    if let Ok(at_address) = self.admitted(peer) {
                        return Ok((Kept::new(io, self.bounds, place, at_address), local, remote, scheme));
                    }
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
    head: Head,
    until: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
    _at_address: Option<AtAddress>,
}

impl<Io> Kept<Io> {
    fn new(io: Io, bounds: Bounds, place: OwnedSemaphorePermit, at_address: Option<AtAddress>) -> Self {
        let now = Instant::now();
        let head = Head::begins(now, bounds.head);
        let until = Box::pin(tokio::time::sleep_until(deadline(&head, bounds.idle, now)));
        Self { io, idle: bounds.idle, head, until, _place: place, _at_address: at_address }
    }

    fn something_moved(&mut self, now: Instant) {
        let until = deadline(&self.head, self.idle, now);
        self.until.as_mut().reset(until);
    }
}

/// When it is closed unless something moves before.
fn deadline(head: &Head, idle: Duration, now: Instant) -> Instant {
    let idle = now + idle;
    head.until().map_or(idle, |until| until.min(idle))
}

impl<Io: AsyncRead + Unpin> AsyncRead for Kept<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.io).poll_read(cx, buffer) {
            Poll::Ready(read) => {
                let now = Instant::now();
                self.head.read(buffer.filled().get(before..).unwrap_or_default(), now);
                self.something_moved(now);
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
                self.head.wrote(bytes);
                self.something_moved(Instant::now());
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

    async fn places(most: usize, change: impl FnOnce(&mut Bounds)) -> (Places<impl Acceptor>, SocketAddr) {
        let mut bounds = Bounds { most, of_one_address: most, idle: LONG, head: LONG };
        change(&mut bounds);
        let inner = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a port");
        let addr = inner.local_addr().first().and_then(|addr| addr.as_socket_addr().copied()).expect("an address");
        (Places::new(inner, bounds, TrustedProxies::default()), addr)
    }

    #[expect(clippy::disallowed_methods, reason = "whoever calls is no part of the product")]
    async fn call(addr: SocketAddr) -> TcpStream {
        TcpStream::connect(addr).await.expect("a connection")
    }

    #[tokio::test]
    async fn who_comes_when_all_places_are_taken_waits_until_one_ends() {
        let (mut places, addr) = places(2, |_| {}).await;
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
        let (mut places, addr) = places(1, |bounds| bounds.idle = Duration::from_millis(50)).await;
        let mut caller = call(addr).await;
        caller.write_all(b"G").await.expect("sent");
        let (mut kept, ..) = places.accept().await.expect("a place");
        let mut bytes = Vec::new();
        let reading = tokio::time::timeout(Duration::from_secs(60), kept.read_to_end(&mut bytes)).await;
        let ended = reading.expect("it is closed long before").expect_err("it says no more");
        assert_eq!((ended.kind(), bytes.as_slice()), (io::ErrorKind::TimedOut, b"G".as_slice()));
    }

    #[tokio::test]
    async fn a_head_that_comes_byte_by_byte_keeps_no_place() {
        let (mut places, addr) = places(1, |bounds| bounds.head = Duration::from_secs(2)).await;
        for greeting in ["", "GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n"] {
            let mut caller = call(addr).await;
            let (mut kept, ..) = places.accept().await.expect("a place");
            if !greeting.is_empty() {
                // One whole request, with its answer, buys no place for ever.
                caller.write_all(greeting.as_bytes()).await.expect("sent");
                kept.read_exact(&mut vec![0; greeting.len()]).await.expect("a request");
                kept.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("an answer");
            }
            let dripping = tokio::spawn(async move {
                while caller.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
            let reading = tokio::time::timeout(Duration::from_secs(60), kept.read_to_end(&mut Vec::new())).await;
            let ended = reading.expect("it is closed long before").expect_err("its time is over");
            assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
            drop(kept);
            dripping.await.expect("it ends with the connection");
        }
    }

    #[tokio::test]
    async fn a_long_body_and_a_pause_between_requests_are_no_head() {
        let (mut places, addr) = places(1, |bounds| bounds.head = Duration::from_secs(1)).await;
        let mut caller = call(addr).await;
        let (mut kept, ..) = places.accept().await.expect("a place");
        let request = b"POST / HTTP/1.1\r\nhost: a\r\n\r\n";
        let mut said = vec![0; request.len()];
        for _ in 0..2 {
            caller.write_all(request).await.expect("sent");
            kept.read_exact(&mut said).await.expect("a head");
            for answer in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
                kept.write_all(answer.as_bytes()).await.expect("an answer");
                let waits = tokio::time::timeout(Duration::from_millis(1500), kept.read_u8()).await;
                assert!(waits.is_err(), "it is not closed: {waits:?}");
            }
        }
    }

    #[tokio::test]
    async fn one_address_has_a_part_of_the_places_unless_it_is_a_proxy_that_was_named() {
        let (mut places, addr) = places(8, |bounds| bounds.of_one_address = 2).await;
        let mut callers = [call(addr).await, call(addr).await, call(addr).await];
        let first = places.accept().await.expect("a place");
        let second = places.accept().await.expect("a place");
        let waits = tokio::time::timeout(Duration::from_millis(200), places.accept()).await;
        assert!(waits.is_err(), "the third is closed");
        assert_eq!(callers[2].read(&mut [0]).await.unwrap_or(0), 0, "and is told so");
        drop(first);
        callers[2] = call(addr).await;
        let third = places.accept().await.expect("the place that is free");
        assert_eq!(places.addresses.0.lock().expect("not poisoned").len(), 1);
        drop((second, third));
        assert!(places.addresses.0.lock().expect("not poisoned").is_empty(), "who is gone is forgotten");

        let mut kept = Vec::new();
        places.trusted = TrustedProxies::parse("127.0.0.1").expect("an address");
        let _callers = [call(addr).await, call(addr).await, call(addr).await];
        for _ in 0..3 {
            kept.push(places.accept().await.expect("a place"));
        }
    }

    #[tokio::test]
    async fn that_all_places_are_taken_is_said_once_until_there_is_room_again() {
        let (mut places, addr) = places(20, |_| {}).await;
        let mut kept = Vec::new();
        for _ in 0..20 {
            let _caller = call(addr).await;
            kept.push(places.accept().await.expect("a place"));
        }
        for _ in 0..3 {
            let _caller = call(addr).await;
            let waits = tokio::time::timeout(Duration::from_millis(20), places.accept()).await;
            assert!(waits.is_err() && places.full.was_said);
            kept.pop();
            kept.push(places.accept().await.expect("the place that is free"));
            assert!(!places.full.begins(), "it is the same episode");
        }
        kept.truncate(10);
        let _caller = call(addr).await;
        kept.push(places.accept().await.expect("a place"));
        assert!(places.full.begins(), "that one is over");
    }
}
