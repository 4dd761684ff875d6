//! Whoever a webhook leads to: an HTTP server that keeps what it was told, and answers as it is asked to.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Told {
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Told {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Kept {
    told: Vec<Told>,
    /// The statuses of the next answers; 200 when there is none.
    answers: VecDeque<u16>,
    /// What it says in each answer; "seen" when nothing was asked for.
    says: Option<String>,
}

pub struct Receiver {
    port: u16,
    kept: Arc<Mutex<Kept>>,
    _accepting: AbortOnDropHandle<()>,
}

impl Receiver {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let kept = Arc::<Mutex<Kept>>::default();
        let keeping = kept.clone();
        let accepting = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                tasks.spawn(serve(client, keeping.clone()));
                while tasks.try_join_next().is_some() {}
            }
        }));
        Ok(Self { port, kept, _accepting: accepting })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/told", self.port)
    }

    /// The next answers have these statuses, one after the other.
    pub fn answer(&self, statuses: &[u16]) {
        self.kept.lock().expect("nothing panics with it").answers.extend(statuses);
    }

    /// Every answer says this.
    pub fn say(&self, text: &str) {
        self.kept.lock().expect("nothing panics with it").says = Some(text.to_owned());
    }

    /// Everything that came, in order.
    pub fn told(&self) -> Vec<Told> {
        self.kept.lock().expect("nothing panics with it").told.clone()
    }

    /// The bodies of what came about this event.
    pub fn told_of(&self, event: &str) -> Vec<Value> {
        self.told().iter().map(Told::json).filter(|body| body["event"] == event).collect()
    }
}

async fn serve(mut client: TcpStream, kept: Arc<Mutex<Kept>>) {
    while let Ok(Some(told)) = read(&mut client).await {
        let (status, says) = {
            let mut kept = kept.lock().expect("nothing panics with it");
            kept.told.push(told);
            (kept.answers.pop_front().unwrap_or(200), kept.says.clone().unwrap_or_else(|| "seen".to_owned()))
        };
        let answer = format!("HTTP/1.1 {status} As Asked\r\ncontent-length: {}\r\n\r\n{says}", says.len());
        if client.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// `None`: the connection ended.
async fn read(client: &mut TcpStream) -> Result<Option<Told>> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec())?;
    let headers: Vec<(String, String)> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").context("a length")?.1.parse::<usize>()?;
    while bytes.len() < head + length {
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(Told { headers, body: bytes[head..head + length].to_vec() }))
}
