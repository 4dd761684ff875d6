//! One IMAP session: what the product says to a server, and IDLE.

use super::fetch::{self, Uids};
use super::mailboxes::{Idling, Mailbox};
use super::{Shared, Wire};
use anyhow::{Context, Result};
use base64::Engine;
use std::fmt::Write as _;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};

const CAPABILITIES: &str = "IMAP4rev1 AUTH=XOAUTH2 SASL-IR IDLE UIDPLUS";

pub(super) async fn session<S: Wire>(stream: S, shared: &Shared) -> Result<()> {
    // Small: there are thousands of sessions, and a mail is written past the buffer.
    let mut stream = BufStream::with_capacity(1024, 4096, stream);
    stream.write_all(b"* OK ready\r\n").await?;
    stream.flush().await?;
    let mut mailbox: Option<Arc<Mailbox>> = None;
    // How many mails the client was told of: news between two commands is told with the next answer, or when IDLE begins.
    let mut told = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let (tag, command) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
        let upper = command.to_ascii_uppercase();
        let mut said = String::new();
        match upper.split(' ').next().unwrap_or_default() {
            "CAPABILITY" => said.push_str(&format!("* CAPABILITY {CAPABILITIES}\r\n")),
            "AUTHENTICATE" => {
                let answer = command.rsplit(' ').next().unwrap_or_default();
                mailbox = Some(shared.mailboxes.get(&user_of(answer)?));
            }
            "EXAMINE" | "SELECT" => {
                let count = mailbox.as_ref().map_or(0, |mailbox| mailbox.len());
                told = count;
                let _ = write!(
                    said,
                    "* {count} EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen)\r\n* OK [UIDVALIDITY 14] ok\r\n* OK [UIDNEXT {}] ok\r\n",
                    count + 1
                );
            }
            "LIST" => said.push_str("* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\Sent) \"/\" \"Sent Items\"\r\n"),
            "UID" if upper.starts_with("UID SEARCH ") => {
                let mailbox = mailbox.as_deref().context("signed in")?;
                said = search(&upper["UID SEARCH ".len()..], mailbox);
            }
            "UID" if upper.starts_with("UID FETCH ") => {
                let mailbox = mailbox.as_deref().context("signed in")?;
                fetch::answer(&mut stream, mailbox, &upper["UID FETCH ".len()..]).await?;
            }
            "IDLE" => {
                let mailbox = mailbox.clone().context("signed in")?;
                idle(&mut stream, shared, &mailbox, &mut told).await?;
            }
            "LOGOUT" => {
                stream.write_all(format!("* BYE\r\n{tag} OK\r\n").as_bytes()).await?;
                stream.flush().await?;
                return Ok(());
            }
            _ => {}
        }
        if let Some(count) = mailbox.as_ref().map(|mailbox| mailbox.len()).filter(|count| *count > told) {
            told = count;
            let _ = write!(said, "* {count} EXISTS\r\n");
        }
        let _ = write!(said, "{tag} OK done\r\n");
        stream.write_all(said.as_bytes()).await?;
        stream.flush().await?;
    }
}

/// `user=…^Aauth=Bearer …^A^A`; the token is believed.
fn user_of(answer: &str) -> Result<String> {
    let clear = base64::engine::general_purpose::STANDARD.decode(answer)?;
    let clear = String::from_utf8_lossy(&clear).into_owned();
    Ok(clear.split('\u{1}').next().and_then(|f| f.strip_prefix("user=")).context("user=")?.to_owned())
}

/// `UID n:*`, or anything else, which finds everything but headers.
fn search(criteria: &str, mailbox: &Mailbox) -> String {
    let last = mailbox.len();
    let uids = match criteria.strip_prefix("UID ") {
        Some(set) => Uids::parse(set, last),
        None if criteria.starts_with("HEADER") => Uids::default(),
        None => Uids::parse("1:*", last),
    };
    let mut said = "* SEARCH".to_owned();
    for uid in uids.iter() {
        let _ = write!(said, " {uid}");
    }
    said.push_str("\r\n");
    said
}

async fn idle<S: Wire>(
    stream: &mut BufStream<S>,
    shared: &Shared,
    mailbox: &Arc<Mailbox>,
    told: &mut usize,
) -> Result<()> {
    let mut count = mailbox.count.subscribe();
    stream.write_all(b"+ idling\r\n").await?;
    let _idling = Idling::begin(&shared.mailboxes);
    let mut line = Vec::new();
    loop {
        let now = *count.borrow_and_update();
        if now > *told {
            *told = now;
            stream.write_all(format!("* {now} EXISTS\r\n").as_bytes()).await?;
        }
        stream.flush().await?;
        tokio::select! {
            // Cancelled, it leaves what it read in `line`.
            read = stream.read_until(b'\n', &mut line) => {
                anyhow::ensure!(read? > 0, "gone");
                return Ok(());
            }
            changed = count.changed() => changed?,
        }
    }
}
