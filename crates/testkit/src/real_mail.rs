//! Dovecot and Postfix together, as a tenant's mail servers: XOAUTH2 with tokens of the local Microsoft, and a way to write as a
//! customer through plain SMTP.

use crate::dovecot::Dovecot;
use crate::postfix::Postfix;
use crate::tls::TestTls;
use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

pub struct RealMail {
    pub postfix: Postfix,
    pub dovecot: Dovecot,
    pub ca_pem: String,
    _dir: TempDir,
}

impl RealMail {
    /// `issuer` and `keys` say whose access tokens Dovecot believes. Both domains of the stories are delivered here.
    pub fn start(issuer: &str, keys: &[(String, String)]) -> Result<Self> {
        // Unix sockets have short names: not below a long TMPDIR.
        let dir = tempfile::Builder::new().prefix("pr").tempdir_in("/tmp")?;
        crate::process::run(std::process::Command::new("chmod").arg("755").arg(dir.path()))?;
        let tls = TestTls::new()?;
        let dovecot = Dovecot::start(&dir.path().join("dovecot"), &tls, issuer, keys)?;
        let postfix = Postfix::start(&dir.path().join("postfix"), &dovecot, &["contoso.example", "customer.example"])?;
        Ok(Self { postfix, dovecot, ca_pem: tls.ca_pem, _dir: dir })
    }

    pub fn logs(&self) -> String {
        format!("--- dovecot\n{}\n--- postfix\n{}", self.dovecot.log(), self.postfix.log())
    }

    /// Sends a mail as the internet would: no sign-in, to an address that is delivered here.
    #[expect(clippy::disallowed_methods, reason = "the customer's own socket")]
    pub async fn customer_writes(&self, from: &str, to: &str, mail: &[u8]) -> Result<()> {
        let mut stream = BufStream::new(TcpStream::connect(("127.0.0.1", self.postfix.smtp_port)).await?);
        answer(&mut stream, "220").await?;
        for (line, expected) in [
            ("EHLO customer.example".to_owned(), "250"),
            (format!("MAIL FROM:<{from}>"), "250"),
            (format!("RCPT TO:<{to}>"), "250"),
            ("DATA".to_owned(), "354"),
        ] {
            stream.write_all(format!("{line}\r\n").as_bytes()).await?;
            stream.flush().await?;
            answer(&mut stream, expected).await.with_context(|| line.clone())?;
        }
        let text = String::from_utf8_lossy(mail).replace("\r\n.", "\r\n..");
        stream.write_all(format!("{}\r\n.\r\n", text.trim_end()).as_bytes()).await?;
        stream.flush().await?;
        answer(&mut stream, "250").await?;
        Ok(())
    }
}

async fn answer(stream: &mut BufStream<TcpStream>, expected: &str) -> Result<()> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            bail!("the server closed the connection");
        }
        if !line.starts_with(expected) {
            bail!("{expected} expected: {line}");
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}
