//! The connection, plain and then encrypted: lines and counted octets in, replies out.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, ReadBuf,
};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::tls::TlsFault;

/// No command line is longer, a token of 4 KB in base64 included.
const LONGEST_LINE: usize = 64 * 1024;

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

pub(super) struct Wire {
    /// `None` only while STARTTLS exchanges one stream for the other.
    stream: Option<BufReader<Stream>>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: Some(BufReader::with_capacity(64 * 1024, Stream::Plain(stream))) }
    }

    fn stream(&mut self) -> std::io::Result<&mut BufReader<Stream>> {
        self.stream.as_mut().ok_or_else(|| std::io::ErrorKind::NotConnected.into())
    }

    /// Sends a reply; one of several lines has them separated by `\r\n`.
    pub(super) async fn reply(&mut self, text: &str) -> std::io::Result<()> {
        let stream = self.stream()?;
        stream.write_all(format!("{text}\r\n").as_bytes()).await?;
        stream.flush().await
    }

    /// A line without its end. `None` at the end of the connection.
    pub(super) async fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut line = Vec::new();
        let mut limited = self.stream()?.take(LONGEST_LINE as u64);
        if limited.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// What has come, without the end of a line. `None` at the end of the connection.
    pub(super) async fn whatever_came(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let stream = self.stream()?;
        let came = stream.fill_buf().await?;
        let (count, bytes) = (came.len(), came.trim_ascii_end().to_vec());
        stream.consume(count);
        Ok((count > 0).then_some(bytes))
    }

    /// A line of a mail as it came, with its end.
    pub(super) async fn data_line(&mut self, into: &mut Vec<u8>) -> std::io::Result<usize> {
        self.stream()?.read_until(b'\n', into).await
    }

    pub(super) async fn octets(&mut self, count: usize) -> std::io::Result<Vec<u8>> {
        let mut octets = vec![0; count];
        self.stream()?.read_exact(&mut octets).await?;
        Ok(octets)
    }

    /// STARTTLS. What was sent in clear behind the command is thrown away (RFC 3207 §6).
    pub(super) async fn encrypt(&mut self, fault: Option<TlsFault>) -> std::io::Result<()> {
        let plain = match self.stream.take().map(BufReader::into_inner) {
            Some(Stream::Plain(plain)) => plain,
            Some(Stream::Tls(_)) | None => return Err(std::io::ErrorKind::InvalidInput.into()),
        };
        let encrypted = crate::tls::acceptor(fault).accept(plain).await?;
        self.stream = Some(BufReader::with_capacity(64 * 1024, Stream::Tls(Box::new(encrypted))));
        Ok(())
    }

    pub(super) async fn close(&mut self) {
        // The client may be gone already; there is nobody to tell.
        if let Ok(stream) = self.stream() {
            let _ = stream.shutdown().await;
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
