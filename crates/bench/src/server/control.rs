//! The line on which the bench fills mailboxes and asks what came: a command a line, a number back.

use super::Shared;
use crate::corpus::{self, Kind};
use anyhow::{Context, Result, bail};
use std::sync::atomic::Ordering;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

pub(super) async fn session(stream: TcpStream, shared: &Shared) -> Result<()> {
    let mut stream = BufStream::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let answer = match obey(&line, shared) {
            Ok(number) => format!("{number}\n"),
            Err(error) => format!("{error}\n"),
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
        line.clear();
    }
    Ok(())
}

fn obey(line: &str, shared: &Shared) -> Result<u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Ok(match words[..] {
        ["fill", address, kind, from, count] => {
            let kind = Kind::parse(kind).context("a kind of mail")?;
            let (from, count): (u64, u64) = (from.parse()?, count.parse()?);
            let mails = (from..from + count).map(|n| corpus::mail(shared.seed, kind, n).into()).collect();
            shared.mailboxes.get(address).add(mails) as u64
        }
        ["huge", address, bytes] => {
            let mail = corpus::huge(shared.seed, bytes.parse()?);
            shared.mailboxes.get(address).add(vec![mail.into()]) as u64
        }
        ["idling"] => shared.mailboxes.idling.load(Ordering::SeqCst),
        ["taken"] => shared.mailboxes.taken.load(Ordering::SeqCst),
        _ => bail!("not understood"),
    })
}
