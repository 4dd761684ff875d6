//! A mail server that takes whatever it is given and keeps it: where the installation's own mails go in tests. It speaks enough of SMTP for one
//! sender, in the clear, on this machine.

use anyhow::{Context as _, Result};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Nobody waits longer for a mail.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mail as it was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    pub from: String,
    pub to: Vec<String>,
    pub bytes: Vec<u8>,
}

impl Taken {
    fn text(&self) -> String {
        mail::parse::parse(&self.bytes, self.bytes.len()).text.unwrap_or_default()
    }

    pub fn subject(&self) -> String {
        mail::parse::parse(&self.bytes, self.bytes.len()).subject.unwrap_or_default()
    }

    /// Its plain words.
    pub fn words(&self) -> String {
        self.text()
    }

    /// What stands in its link behind `reset_password_token=`.
    pub fn token(&self) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once("reset_password_token=")?;
        Some(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect())
    }
}

#[derive(Debug, Default)]
struct Inside {
    taken: Mutex<Vec<Taken>>,
    arrived: Notify,
    /// So many sessions are turned away yet.
    turn_away: AtomicU32,
    /// So many mails are refused for good yet.
    refuse: AtomicU32,
}

#[derive(Debug)]
pub struct PostOffice {
    pub addr: SocketAddr,
    inside: Arc<Inside>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for PostOffice {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl PostOffice {
    pub async fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let inside = Arc::<Inside>::default();
        let shared = Arc::clone(&inside);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inside = Arc::clone(&shared);
                tokio::spawn(async move { drop(serve(stream, &inside).await) });
            }
        });
        Ok(Self { addr, inside, serving })
    }

    /// Turns the next sessions away, as a server does that is having a bad day.
    pub fn turn_away(&self, sessions: u32) {
        self.inside.turn_away.store(sessions, Ordering::SeqCst);
    }

    /// Refuses the recipients of the next mails for good.
    pub fn refuse(&self, mails: u32) {
        self.inside.refuse.store(mails, Ordering::SeqCst);
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.inside.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Mail number `n`, from 0, once it is there.
    pub async fn mail(&self, n: usize) -> Result<Taken> {
        let waiting = async {
            loop {
                let arrived = self.inside.arrived.notified();
                if let Some(mail) = self.taken().get(n) {
                    return mail.clone();
                }
                arrived.await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.with_context(|| format!("mail {n} did not come"))
    }
}

/// Whether one more of these is due.
fn one_of(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

async fn serve(stream: TcpStream, inside: &Inside) -> Result<()> {
    let mut stream = BufReader::new(stream);
    if one_of(&inside.turn_away) {
        stream.get_mut().write_all(b"421 4.3.2 come again later\r\n").await?;
        return Ok(());
    }
    stream.get_mut().write_all(b"220 post office\r\n").await?;
    let mut taken = Taken { from: String::new(), to: Vec::new(), bytes: Vec::new() };
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let upper = line.to_ascii_uppercase();
        let address =
            || line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(a, _)| a).to_owned();
        let answer = if upper.starts_with("EHLO") {
            "250-post office\r\n250 8BITMIME\r\n"
        } else if upper.starts_with("MAIL FROM") {
            taken = Taken { from: address(), to: Vec::new(), bytes: Vec::new() };
            "250 2.1.0 ok\r\n"
        } else if upper.starts_with("RCPT TO") && one_of(&inside.refuse) {
            "550 5.1.1 no such user\r\n"
        } else if upper.starts_with("RCPT TO") {
            taken.to.push(address());
            "250 2.1.5 ok\r\n"
        } else if upper.starts_with("DATA") {
            stream.get_mut().write_all(b"354 go on\r\n").await?;
            loop {
                let mut bytes = Vec::new();
                stream.read_until(b'\n', &mut bytes).await?;
                if bytes.is_empty() || bytes == b".\r\n" {
                    break;
                }
                taken.bytes.extend_from_slice(bytes.strip_prefix(b".").unwrap_or(&bytes));
            }
            inside.taken.lock().unwrap_or_else(PoisonError::into_inner).push(taken.clone());
            inside.arrived.notify_waiters();
            "250 2.0.0 taken\r\n"
        } else if upper.starts_with("RSET") {
            "250 2.0.0 ok\r\n"
        } else if upper.starts_with("QUIT") {
            stream.get_mut().write_all(b"221 2.0.0 bye\r\n").await?;
            return Ok(());
        } else {
            "502 5.5.1 not here\r\n"
        };
        stream.get_mut().write_all(answer.as_bytes()).await?;
    }
}
