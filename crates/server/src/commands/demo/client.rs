//! A client of the public API, as anybody could write one: JSON over HTTP with the headers that sign-in handed out.

use anyhow::{Context, Result, bail};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, StatusCode, redirect};
use serde_json::Value;
use std::time::Duration;

pub struct ApiClient {
    http: Client,
    address: String,
    headers: HeaderMap,
}

impl ApiClient {
    pub fn new(address: &str) -> Result<Self> {
        let http = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .context("making an HTTP client")?;
        Ok(Self { http, address: address.to_owned(), headers: HeaderMap::new() })
    }

    /// Signs in with a password, and is signed in from then on.
    pub async fn sign_in(&mut self, email: &str, password: &str) -> Result<Value> {
        let body = serde_json::json!({"email": email, "password": password});
        let url = format!("{}/auth/sign_in", self.address);
        let answer = self.http.post(url).json(&body).send().await?;
        let status = answer.status();
        for name in ["access-token", "client", "uid"] {
            if let Some(value) = answer.headers().get(name) {
                self.headers.insert(HeaderName::from_static(name), value.clone());
            }
        }
        let text = answer.text().await?;
        if status != StatusCode::OK {
            bail!("POST /auth/sign_in answered {status}: {text}");
        }
        if self.headers.len() != 3 {
            bail!("POST /auth/sign_in handed out no session");
        }
        serde_json::from_str(&text).context("the answer to POST /auth/sign_in")
    }

    /// The same server with an API token instead of a session.
    pub fn with_token(&self, token: &str) -> Result<Self> {
        let mut value = HeaderValue::from_str(token).context("the API token")?;
        value.set_sensitive(true);
        let headers = HeaderMap::from_iter([(HeaderName::from_static("api_access_token"), value)]);
        Ok(Self { http: self.http.clone(), address: self.address.clone(), headers })
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let what = format!("{method} {path}");
        let mut request = self.http.request(method, format!("{}{path}", self.address)).headers(self.headers.clone());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.with_context(|| what.clone())?;
        let status = answer.status();
        let text = answer.text().await.with_context(|| what.clone())?;
        if !status.is_success() {
            bail!("{what} answered {status}: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("the answer to {what} is no JSON: {text}"))
    }
}
