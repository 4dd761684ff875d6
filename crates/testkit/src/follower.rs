//! A client that follows an account's events as a browser does: when its stream ends it comes back, perhaps to another process, and names
//! the last event it has seen.

use crate::client::ApiClient;
use anyhow::{Context, Result};
use serde_json::Value;
use std::time::Duration;

/// Something is said every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);
const COME_BACK_AFTER: Duration = Duration::from_millis(50);

pub struct Follower {
    apis: Vec<ApiClient>,
    path: String,
    headers: Vec<(String, String)>,
    last: Option<i64>,
    stream: Option<(reqwest::Response, String)>,
    /// How often it has connected.
    pub connected: usize,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub event: String,
    /// Absent for what passes.
    pub id: Option<i64>,
    pub data: Value,
}

impl Follower {
    /// Asks the first of them, then the next ones by turns.
    pub fn new(apis: &[ApiClient], account: i64) -> Self {
        let path = format!("/api/v1/accounts/{account}/events");
        Self { apis: apis.to_vec(), path, headers: Vec::new(), last: None, stream: None, connected: 0 }
    }

    /// Sent with every request.
    #[must_use]
    pub fn with_headers(mut self, headers: Vec<(String, String)>) -> Self {
        self.headers = headers;
        self
    }

    /// The next event that is kept, however often the stream must be taken up for it.
    pub async fn next(&mut self) -> Result<Told> {
        loop {
            let told = self.next_of_any().await?;
            if told.id.is_some() {
                return Ok(told);
            }
        }
    }

    /// The next of this name with such data.
    pub async fn named(&mut self, name: &str, is_it: impl Fn(&Value) -> bool) -> Result<Told> {
        loop {
            let told = self.next_of_any().await?;
            if told.event == name && is_it(&told.data) {
                return Ok(told);
            }
        }
    }

    async fn next_of_any(&mut self) -> Result<Told> {
        loop {
            if let Some(told) = self.told()? {
                return Ok(told);
            }
            let Some((response, text)) = &mut self.stream else {
                self.connect().await?;
                continue;
            };
            match tokio::time::timeout(SILENCE, response.chunk()).await.context("nothing is said any more")? {
                Ok(Some(bytes)) => text.push_str(std::str::from_utf8(&bytes).context("UTF-8 in pieces")?),
                // It has ended, or the process has.
                Ok(None) | Err(_) => self.stream = None,
            }
        }
    }

    /// What is told until the stream ends, and the status with which it is then refused.
    pub async fn until_refused(&mut self) -> Result<(Vec<Told>, u16)> {
        let mut all = Vec::new();
        loop {
            all.extend(self.told()?.filter(|told| told.id.is_some()));
            if let Some((response, text)) = &mut self.stream {
                match tokio::time::timeout(SILENCE, response.chunk()).await.context("nothing is said any more")? {
                    Ok(Some(bytes)) => text.push_str(std::str::from_utf8(&bytes)?),
                    Ok(None) | Err(_) => self.stream = None,
                }
                continue;
            }
            let status = self.ask().await?.status().as_u16();
            anyhow::ensure!(status != 200, "it may go on");
            return Ok((all, status));
        }
    }

    fn told(&mut self) -> Result<Option<Told>> {
        let Some((_, text)) = &mut self.stream else { return Ok(None) };
        while let Some((block, rest)) = text.split_once("\n\n") {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let (event, id, data) = (field("event: "), field("id: "), field("data: "));
            *text = rest.to_owned();
            if let Some(id) = &id {
                self.last = Some(id.parse()?);
            }
            if let (Some(event), Some(data)) = (event, data) {
                let id = id.map(|id| id.parse()).transpose()?;
                return Ok(Some(Told { event, id, data: serde_json::from_str(&data)? }));
            }
        }
        Ok(None)
    }

    async fn connect(&mut self) -> Result<()> {
        match self.ask().await {
            Ok(response) if response.status().as_u16() == 200 => {
                self.stream = Some((response, String::new()));
                self.connected += 1;
                Ok(())
            }
            Ok(response) if response.status().as_u16() != 503 => anyhow::bail!("{}", response.status()),
            // It is about to end, or is not there: the next one.
            Ok(_) | Err(_) => {
                self.apis.rotate_left(1);
                tokio::time::sleep(COME_BACK_AFTER).await;
                Ok(())
            }
        }
    }

    async fn ask(&self) -> Result<reqwest::Response> {
        let mut request = self.apis[0].request("GET", &self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(last) = self.last {
            request = request.header("Last-Event-ID", last);
        }
        Ok(request.send().await?)
    }
}
