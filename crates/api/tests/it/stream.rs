//! A client of `GET …/events` that reads as a browser does.

use crate::world::{Answer, World};
use futures_util::StreamExt as _;
use poem::Endpoint as _;
use poem::http::{Method, StatusCode};
use serde_json::Value;
use std::time::Duration;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// What is open, and what of it was not looked at yet.
pub struct Stream {
    bytes: std::pin::Pin<Box<dyn futures_util::Stream<Item = Vec<u8>> + Send>>,
    text: String,
    pub headers: poem::http::HeaderMap,
}

/// One block of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    pub event: String,
    pub id: Option<i64>,
    pub data: Value,
    pub comment: String,
    pub retry: Option<u64>,
}

impl World {
    /// Opens a stream, or is refused.
    pub async fn try_follow(&self, headers: &[(&str, &str)], query: &str) -> Result<Stream, Answer> {
        let request = self.request(Method::GET, &format!("~/events{query}"), headers, ());
        let mut response = self.routes.get_response(request).await;
        let headers = response.headers().clone();
        if response.status() != StatusCode::OK {
            let text = response.take_body().into_string().await.unwrap_or_default();
            return Err(Answer { status: response.status(), headers, text });
        }
        let bytes = response.take_body().into_bytes_stream();
        let bytes = Box::pin(bytes.map(|bytes| bytes.expect("bytes").to_vec()));
        Ok(Stream { bytes, text: String::new(), headers })
    }

    pub async fn follow_as(&self, token: &str, query: &str) -> Stream {
        let stream = self.try_follow(&[("api_access_token", token)], query).await;
        stream.unwrap_or_else(|answer| panic!("{}: {}", answer.status, answer.text))
    }

    /// As our administrator.
    pub async fn follow(&self, query: &str) -> Stream {
        self.follow_as(self.ours.access_token.expose(), query).await
    }
}

impl Stream {
    /// The next block. `None`: the stream has ended.
    pub async fn try_next(&mut self) -> Option<Told> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let told = parsed(block);
                self.text = rest.to_owned();
                return Some(told);
            }
            let next = tokio::time::timeout(LONG, self.bytes.next()).await.expect("something within a minute");
            self.text.push_str(&String::from_utf8(next?).expect("UTF-8"));
        }
    }

    /// The next event that is kept; comments are passed over, and what passes.
    pub async fn next(&mut self) -> Told {
        loop {
            let told = self.try_next().await.expect("the stream goes on");
            if !told.event.is_empty() && told.id.is_some() {
                return told;
            }
        }
    }

    /// The next of this name.
    pub async fn named(&mut self, name: &str) -> Told {
        loop {
            let told = self.try_next().await.expect("the stream goes on");
            if told.event == name {
                return told;
            }
        }
    }

    /// Nothing but comments and what passes until it ends.
    pub async fn ends(&mut self) {
        while let Some(told) = self.try_next().await {
            assert!(told.event.is_empty() || told.id.is_none(), "{told:?}");
        }
    }

    /// The names and ids of what comes until an event that `is_last`.
    pub async fn until(&mut self, is_last: impl Fn(&Told) -> bool) -> Vec<Told> {
        let mut all = Vec::new();
        loop {
            let told = self.next().await;
            let end = is_last(&told);
            all.push(told);
            if end {
                return all;
            }
        }
    }
}

fn parsed(block: &str) -> Told {
    let mut told = Told::default();
    for line in block.lines() {
        let (name, value) = line.split_once(':').expect("a field");
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => told.comment = value.to_owned(),
            "event" => told.event = value.to_owned(),
            "id" => told.id = value.parse().ok(),
            "data" => told.data = serde_json::from_str(value).expect("JSON"),
            "retry" => told.retry = value.parse().ok(),
            other => panic!("a field that nobody knows: {other}"),
        }
    }
    told
}
