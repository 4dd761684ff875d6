//! A server that says what the test tells it to, over a real socket. One connection, then it is done.

#![expect(dead_code, reason = "each test binary uses its own part")]

pub mod imap;
pub mod smtp;

use domain::Secret;
use net::{Connector, ConnectorConfig, Endpoint, TlsMode, Trust};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub const USER: &str = "support@acme.example";

pub fn connector() -> Connector {
    Connector::new(ConnectorConfig::default()).expect("a connector")
}

/// As long as a real one: 3 kB.
pub fn token() -> Secret {
    Secret::new(format!("eyJ0{}", "x".repeat(3_000)))
}

/// Runs `play` on the first connection. Await the handle at the end: it carries the script's own assertions.
pub async fn serve<F>(play: impl FnOnce(Peer) -> F + Send + 'static) -> (Endpoint, JoinHandle<()>)
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let handle = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        play(Peer { stream: BufReader::new(stream) }).await;
    });
    (Endpoint { host: "127.0.0.1".to_owned(), port, tls: TlsMode::None, trust: Trust::Operator }, handle)
}

pub struct Peer {
    stream: BufReader<TcpStream>,
}

impl Peer {
    pub async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).await.expect("the client listens");
    }

    /// Whether the client is still there to be told.
    pub async fn try_send(&mut self, text: &str) -> bool {
        self.stream.get_mut().write_all(text.as_bytes()).await.is_ok()
    }

    /// Says the same again and again, until the client has gone.
    pub async fn chatter(&mut self, text: &str, every: Duration) {
        let mut beat = tokio::time::interval(every);
        while self.try_send(text).await {
            beat.tick().await;
        }
    }

    /// The client's next line without its end; empty when it has gone.
    pub async fn line(&mut self) -> String {
        let mut line = Vec::new();
        let _ = self.stream.read_until(b'\n', &mut line).await;
        let line = String::from_utf8_lossy(&line).into_owned();
        line.trim_end_matches("\r\n").to_owned()
    }

    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).await.expect("as many bytes as announced");
        bytes
    }

    // IMAP

    /// The next command, which must begin like that; its tag.
    pub async fn command(&mut self, begins: &str) -> String {
        self.command_line(begins).await.0
    }

    pub async fn command_line(&mut self, begins: &str) -> (String, String) {
        let line = self.line().await;
        let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
        assert!(command.starts_with(begins), "expected {begins}, heard {line:?}");
        (tag.to_owned(), command.to_owned())
    }

    /// Hears a command, says `untagged` and then the tagged `end`.
    pub async fn answer(&mut self, begins: &str, untagged: &str, end: &str) {
        let tag = self.command(begins).await;
        self.send(&format!("{untagged}{tag} {end}\r\n")).await;
    }

    /// Exchange's greeting, capabilities and sign-in.
    pub async fn imap_sign_in(&mut self) {
        self.imap_sign_in_offering(
            "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+",
        )
        .await;
    }

    pub async fn imap_sign_in_offering(&mut self, capabilities: &str) {
        self.send("* OK The Microsoft Exchange IMAP4 service is ready. [QQBN]\r\n").await;
        self.answer("CAPABILITY", &format!("* CAPABILITY {capabilities}\r\n"), "OK CAPABILITY completed.").await;
        self.answer("AUTHENTICATE XOAUTH2 dXNlcj", "", "OK AUTHENTICATE completed.").await;
        self.answer("CAPABILITY", &format!("* CAPABILITY {capabilities}\r\n"), "OK CAPABILITY completed.").await;
    }

    pub async fn imap_inbox(&mut self) {
        self.imap_sign_in().await;
        self.answer(
            "EXAMINE \"INBOX\"",
            "* 3 EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen)\r\n* OK [PERMANENTFLAGS ()] No permanent flags\r\n* OK [UIDVALIDITY 14] UIDVALIDITY value\r\n* OK [UIDNEXT 9] The next unique identifier value\r\n",
            "OK [READ-ONLY] EXAMINE completed.",
        )
        .await;
    }

    // SMTP

    /// Hears a command that begins like that and replies.
    pub async fn reply(&mut self, begins: &str, reply: &str) -> String {
        let line = self.line().await;
        assert!(line.starts_with(begins), "expected {begins}, heard {line:?}");
        self.send(&format!("{reply}\r\n")).await;
        line
    }

    pub async fn smtp_sign_in(&mut self) {
        self.smtp_hello("250-SIZE 157286400\r\n250-PIPELINING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-AUTH LOGIN XOAUTH2\r\n250-8BITMIME\r\n250-CHUNKING\r\n250 SMTPUTF8").await;
        self.reply("AUTH XOAUTH2", "334 ").await;
        self.reply("dXNlcj", "235 2.7.0 Authentication successful").await;
    }

    pub async fn smtp_hello(&mut self, extensions: &str) {
        self.send(
            "220 AM0PR.outlook.office365.com Microsoft ESMTP MAIL Service ready at Sat, 21 Nov 2026 10:00:00 +0000\r\n",
        )
        .await;
        self.reply("EHLO [127.0.0.1]", &format!("250-AM0PR.outlook.office365.com Hello [127.0.0.1]\r\n{extensions}"))
            .await;
    }

    /// MAIL and RCPT of the usual two, and DATA up to its 354.
    pub async fn smtp_begin(&mut self) {
        self.reply("MAIL FROM:<support@acme.example> SIZE=", "250 2.1.0 Sender OK").await;
        self.reply("RCPT TO:<bob@customer.example>", "250 2.1.5 Recipient OK").await;
        self.reply("RCPT TO:<eve@customer.example>", "250 2.1.5 Recipient OK").await;
        self.reply("DATA", "354 Start mail input; end with <CRLF>.<CRLF>").await;
    }

    /// The lines up to the final dot.
    pub async fn smtp_content(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            if line == "." {
                return lines;
            }
            assert!(lines.len() < 1_000, "the mail does not end");
            lines.push(line);
        }
    }
}
