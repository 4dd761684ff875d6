//! One SMTP session: STARTTLS, XOAUTH2, and every mail is taken, counted and forgotten.

use super::{Shared, Wire};
use anyhow::Result;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

pub(super) async fn session(stream: TcpStream, shared: &Shared) -> Result<()> {
    let mut plain = BufStream::new(stream);
    say(&mut plain, "220 sink.example ESMTP").await?;
    loop {
        let line = heard(&mut plain).await?;
        match line.split(' ').next().unwrap_or_default() {
            "EHLO" => say(&mut plain, "250-sink.example\r\n250 STARTTLS").await?,
            "STARTTLS" => {
                say(&mut plain, "220 go ahead").await?;
                break;
            }
            "QUIT" => return say(&mut plain, "221 bye").await,
            _ => say(&mut plain, "530 5.7.0 STARTTLS first").await?,
        }
    }
    secured(BufStream::new(shared.tls.accept(plain.into_inner()).await?), shared).await
}

async fn secured<S: Wire>(mut stream: BufStream<S>, shared: &Shared) -> Result<()> {
    loop {
        let line = heard(&mut stream).await?;
        match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => {
                let offered = "250-sink.example\r\n250-SIZE 157286400\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 AUTH XOAUTH2";
                say(&mut stream, offered).await?;
            }
            "AUTH" => {
                say(&mut stream, "334 ").await?;
                heard(&mut stream).await?;
                say(&mut stream, "235 2.7.0 ok").await?;
            }
            "DATA" => {
                say(&mut stream, "354 go ahead").await?;
                swallow(&mut stream).await?;
                shared.mailboxes.taken.fetch_add(1, Ordering::SeqCst);
                say(&mut stream, "250 2.0.0 taken").await?;
            }
            "QUIT" => return say(&mut stream, "221 2.0.0 bye").await,
            _ => say(&mut stream, "250 2.1.0 ok").await?,
        }
    }
}

async fn swallow<S: Wire>(stream: &mut BufStream<S>) -> Result<()> {
    let mut line = Vec::new();
    while line != b".\r\n" {
        line.clear();
        anyhow::ensure!(stream.read_until(b'\n', &mut line).await? > 0, "gone");
    }
    Ok(())
}

/// A line, in upper case.
async fn heard<S: Wire>(stream: &mut BufStream<S>) -> Result<String> {
    let mut line = String::new();
    anyhow::ensure!(stream.read_line(&mut line).await? > 0, "gone");
    Ok(line.trim_end().to_ascii_uppercase())
}

async fn say<S: Wire>(stream: &mut BufStream<S>, text: &str) -> Result<()> {
    stream.write_all(text.as_bytes()).await?;
    stream.write_all(b"\r\n").await?;
    Ok(stream.flush().await?)
}
