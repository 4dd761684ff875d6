//! A client of the public API, as anybody outside would write one.

use crate::given_out;
use anyhow::{Context, Result, bail};
use serde_json::Value;

#[derive(Clone)]
pub struct ApiClient {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What the API said.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub text: String,
    /// Seconds.
    pub retry_after: Option<u64>,
}

/// An HTTP client that follows nothing by itself.
pub(crate) fn plain_client() -> reqwest::Client {
    // reqwest asks for a provider even where no TLS is spoken; the second call finds the first one's.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .expect("a plain client can be built")
}

impl ApiClient {
    pub fn new(base: impl Into<String>, token: Option<&str>) -> Self {
        Self {
            http: plain_client(),
            base: base.into().trim_end_matches('/').to_owned(),
            token: token.map(str::to_owned),
        }
    }

    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        given_out::note(&self.base, token.unwrap_or_default());
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.header("api_access_token", token),
            None => request,
        }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        let (client, request) = request.build_split();
        let request = request?;
        let body = request.body().and_then(reqwest::Body::as_bytes).and_then(|body| serde_json::from_slice(body).ok());
        given_out::note_json(&self.base, &body.unwrap_or(Value::Null));
        let answer = client.execute(request).await?;
        given_out::note_headers(&self.base, answer.headers());
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        given_out::note_json(&self.base, &body);
        Ok(Answer { status, body, text, retry_after })
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let request = self.request(method, path);
        self.send(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// GET that must succeed.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call("GET", path, None).await?.ok().with_context(|| format!("GET {path}"))
    }

    /// POST that must succeed.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call("POST", path, Some(body)).await?.ok().with_context(|| format!("POST {path}"))
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.call("PATCH", path, Some(body)).await?.ok().with_context(|| format!("PATCH {path}"))
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.call("PUT", path, Some(body)).await?.ok().with_context(|| format!("PUT {path}"))
    }

    pub async fn delete(&self, path: &str) -> Result<Value> {
        self.call("DELETE", path, None).await?.ok().with_context(|| format!("DELETE {path}"))
    }
}

impl Answer {
    pub fn ok(self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            bail!("{}: {}", self.status, self.text);
        }
        Ok(self.body)
    }
}
