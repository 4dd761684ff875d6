//! The connection: whole commands in, answers out. It knows the grammar of lines and no command.

use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::args::{Arg, Gatherer, announced_literal};

/// `Set-ImapSettings -MaxCommandSize`: 10,240 bytes. Literals of APPEND do not count.
const MAX_COMMAND: usize = 10_240;
/// A mail of 150 MB is the largest Exchange takes.
const MAX_LITERAL: usize = 157_286_400;

/// What came from the client.
#[derive(Debug)]
pub(super) enum Incoming {
    Command {
        tag: String,
        verb: String,
        args: Vec<Arg>,
    },
    /// Too long, or not to be understood.
    Bad {
        tag: String,
        reason: &'static str,
    },
    End,
}

pub(super) struct Wire {
    stream: BufReader<TlsStream<TcpStream>>,
    line: Vec<u8>,
    /// Bytes come one by one, so far apart.
    apart: Option<Duration>,
}

/// A line, or why there is none.
pub(super) enum Line {
    Text(String),
    TooLong(String),
    End,
}

impl Wire {
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self { stream: BufReader::with_capacity(64 * 1024, stream), line: Vec::new(), apart: None }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if let Some(apart) = self.apart {
            for byte in bytes {
                self.stream.write_all(&[*byte]).await?;
                self.stream.flush().await?;
                tokio::time::sleep(apart).await;
            }
            return Ok(());
        }
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// From now on.
    pub(super) fn dribble(&mut self, apart: Duration) {
        self.apart = Some(apart);
    }

    pub(super) async fn line(&mut self, text: &str) -> std::io::Result<()> {
        self.send(format!("{text}\r\n").as_bytes()).await
    }

    pub(super) async fn close(&mut self) {
        // The client may be gone already; there is nobody to tell.
        let _ = self.stream.shutdown().await;
    }

    /// Reads to the end of a line. Nothing is lost when it is dropped half way, so that IDLE can wait for two things.
    pub(super) async fn read_line(&mut self, limit: usize) -> std::io::Result<Line> {
        loop {
            let available = self.stream.fill_buf().await?;
            if available.is_empty() {
                return Ok(Line::End);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |at| at + 1);
            // What is too long is read to its end and forgotten, but for its beginning, where the tag is.
            if self.line.len() <= limit {
                self.line.extend_from_slice(&available[..taken]);
            }
            self.stream.consume(taken);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end_matches(['\r', '\n']).to_owned();
                return Ok(if line.len() > limit { Line::TooLong(text) } else { Line::Text(text) });
            }
        }
    }

    /// Reads one command with its literals.
    pub(super) async fn command(&mut self) -> std::io::Result<Incoming> {
        let first = match self.read_line(MAX_COMMAND).await? {
            Line::Text(line) => line,
            Line::TooLong(line) => {
                let tag = line.split(' ').next().unwrap_or("*").chars().take(64).collect();
                return Ok(Incoming::Bad { tag, reason: "Command Argument Error. 11" });
            }
            Line::End => return Ok(Incoming::End),
        };
        let (tag, rest) = first.split_once(' ').map_or((first.as_str(), ""), |(tag, rest)| (tag, rest));
        let tag = tag.to_owned();
        let bad = |reason| Ok(Incoming::Bad { tag: tag.clone(), reason });
        if tag.is_empty() || rest.is_empty() {
            return bad("Command received in Invalid state.");
        }
        let mut gathered = Gatherer::default();
        let mut piece = rest.to_owned();
        let mut size = first.len();
        while let Some((octets, open, waits)) = announced_literal(&piece) {
            if gathered.text(&piece[..open]).is_err() || octets > MAX_LITERAL {
                return bad("Command Argument Error. 12");
            }
            if waits {
                self.line("+ Ready for additional command text.").await?;
            }
            let mut literal = vec![0; octets];
            self.stream.read_exact(&mut literal).await?;
            gathered.literal(literal);
            piece = match self.read_line(MAX_COMMAND).await? {
                Line::Text(line) => line,
                Line::TooLong(_) => return bad("Command Argument Error. 11"),
                Line::End => return Ok(Incoming::End),
            };
            size += piece.len();
            if size > MAX_COMMAND {
                return bad("Command Argument Error. 11");
            }
        }
        if gathered.text(&piece).is_err() {
            return bad("Command Argument Error. 12");
        }
        let Ok(args) = gathered.finish() else { return bad("Command Argument Error. 12") };
        let mut args = args.into_iter();
        let Some(mut verb) = args.next().and_then(|arg| arg.text()).map(|verb| verb.to_ascii_uppercase()) else {
            return bad("Command Argument Error. 12");
        };
        if verb == "UID" {
            let Some(second) = args.next().and_then(|arg| arg.text()) else { return bad("Command Argument Error. 12") };
            verb = format!("UID {}", second.to_ascii_uppercase());
        }
        Ok(Incoming::Command { tag, verb, args: args.collect() })
    }
}
