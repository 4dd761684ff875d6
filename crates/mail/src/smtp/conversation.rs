//! Lines out, replies in. Knows no command's meaning.

use domain::{Failure, FailureClass};
use lettre::transport::smtp::response::Response;
use std::fmt::Display;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;

/// What a session runs over.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug> Wire for T {}

/// RFC 5321 §4.5.3.1.5 says 512 bytes; servers write essays.
const MAX_LINE_BYTES: usize = 8 * 1024;
const MAX_REPLY_LINES: usize = 200;

/// A server's reply, whatever it says.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub code: u16,
    pub lines: Vec<String>,
}

impl Reply {
    /// Done as asked. A reply of 3xx asks for more, which only AUTH and DATA may.
    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The words on one line, without the code.
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// As the server said it.
    pub fn said(&self) -> String {
        format!("{} {}", self.code, self.text())
    }
}

#[derive(Debug)]
pub(super) struct Conversation<S> {
    stream: BufReader<S>,
}

impl<S: Wire> Conversation<S> {
    pub fn over(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// The stream back, for TLS; `None` when the server has said more than it was asked (RFC 3207 §5: somebody may have slipped
    /// commands in).
    pub fn into_stream(self) -> Option<S> {
        self.stream.buffer().is_empty().then(|| self.stream.into_inner())
    }

    /// Sends a command (with its line end) and reads the reply.
    pub async fn ask(&mut self, command: impl Display, limit: Duration) -> Result<Reply, Failure> {
        self.write(command.to_string().as_bytes(), limit).await?;
        self.reply(limit).await
    }

    pub async fn write(&mut self, bytes: &[u8], limit: Duration) -> Result<(), Failure> {
        let stream = self.stream.get_mut();
        let writing = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        match timeout(limit, writing).await {
            Ok(result) => result.map_err(|e| lost(&e)),
            Err(_) => Err(Failure::new(FailureClass::TimedOut)),
        }
    }

    pub async fn reply(&mut self, limit: Duration) -> Result<Reply, Failure> {
        timeout(limit, self.read_reply()).await.unwrap_or_else(|_| Err(Failure::new(FailureClass::TimedOut)))
    }

    async fn read_reply(&mut self) -> Result<Reply, Failure> {
        let mut received = String::new();
        for _ in 0..MAX_REPLY_LINES {
            let line = self.line().await?;
            let code_ends = line.as_bytes().get(3).copied();
            received.push_str(&line);
            // The parser wants a separator even before an empty text.
            if line.len() == 3 {
                received.push(' ');
            }
            received.push_str("\r\n");
            if code_ends != Some(b'-') {
                let odd = |_| Failure::new(FailureClass::ProtocolError).said(&received);
                let response: Response = received.parse().map_err(odd)?;
                return Ok(Reply {
                    code: response.code().into(),
                    lines: response.message().map(str::to_owned).collect(),
                });
            }
        }
        Err(Failure::new(FailureClass::ProtocolError).detail("the reply does not end"))
    }

    /// One line without its end; what is not UTF-8 is made legible.
    async fn line(&mut self) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        let mut limited = (&mut self.stream).take(MAX_LINE_BYTES as u64);
        limited.read_until(b'\n', &mut bytes).await.map_err(|e| lost(&e))?;
        if bytes.last() != Some(&b'\n') {
            return Err(if bytes.len() >= MAX_LINE_BYTES {
                Failure::new(FailureClass::ProtocolError).detail("a line of the reply is too long")
            } else {
                Failure::new(FailureClass::ConnectionLost)
            });
        }
        let line = String::from_utf8_lossy(&bytes);
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

fn lost(error: &std::io::Error) -> Failure {
    Failure::new(FailureClass::ConnectionLost).detail(error.to_string())
}
