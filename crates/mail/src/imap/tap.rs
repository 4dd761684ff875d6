//! A stream that is watched: how much may still come, whether anything came, and the server's last words.

use super::gauge::{Gauge, TooMuch};
use super::session::{Allowance, mails_of};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What a session runs over: TLS, or a plain connection in development.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug> Wire for T {}

const LAST_WORDS_BYTES: usize = 1024;

pub(super) struct Tap {
    inner: Box<dyn Wire>,
    /// Bytes the server may still send for the current command.
    allowance: Allowance,
    gauge: Gauge,
    refused: Option<TooMuch>,
    /// Shared with whoever watches that it grows.
    received: Arc<AtomicU64>,
    /// When something came last, or when it began.
    heard_at: Instant,
    last_words: Vec<u8>,
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tap").field("received", &self.received()).finish_non_exhaustive()
    }
}

impl Tap {
    pub fn new(inner: Box<dyn Wire>) -> Self {
        let gauge = Gauge::new();
        Self {
            inner,
            allowance: mails_of(u64::MAX),
            gauge,
            refused: None,
            received: Arc::default(),
            heard_at: Instant::now(),
            last_words: Vec::new(),
        }
    }

    pub fn allow(&mut self, allowance: Allowance) {
        self.allowance = allowance;
    }

    /// Why nothing more is read, if that is so: nothing of what broke the bounds has been kept.
    pub fn refused(&self) -> Option<TooMuch> {
        self.refused
    }

    /// Bytes received since the beginning.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub fn quiet_for(&self) -> Duration {
        self.heard_at.elapsed()
    }

    /// The same count, for somebody who watches while the session is used.
    pub fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// The last lines received, oldest first, without what was cut off at the beginning.
    pub fn last_lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.last_words)
            .lines()
            .map(|l| l.trim().to_owned())
            .filter(|l| !l.is_empty())
            .collect()
    }

    /// What came before is no longer of interest: nothing said about an earlier command explains this one.
    pub fn forget(&mut self) {
        self.last_words.clear();
    }
}

impl AsyncRead for Tap {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let tap = &mut *self;
        let before = buf.filled().len();
        ready!(Pin::new(&mut tap.inner).poll_read(cx, buf))?;
        let new = &buf.filled()[before..];
        let count = new.len() as u64;
        tap.received.fetch_add(count, Ordering::Relaxed);
        if count > 0 {
            tap.heard_at = Instant::now();
        }
        let within = if count > tap.allowance.bytes {
            Err(TooMuch::Bytes)
        } else {
            tap.gauge.take(new, tap.allowance.bytes.min(tap.allowance.literal))
        };
        if let Err(refused) = within {
            tap.refused = Some(refused);
            return Poll::Ready(Err(io::Error::other("more than is taken")));
        }
        tap.allowance.bytes -= count;
        let tail = &new[new.len().saturating_sub(LAST_WORDS_BYTES)..];
        let excess = (tap.last_words.len() + tail.len()).saturating_sub(LAST_WORDS_BYTES);
        tap.last_words.drain(..excess);
        tap.last_words.extend_from_slice(tail);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
