//! The one HTTP client: no redirect is followed, no proxy is used, every exchange has a time limit, and a body has a size limit.
//!
//! Never logs a URL's query, a header or a body: they carry codes and tokens.

use crate::{
    ConnectorConfig, NetError, Trust, policy,
    resolve::{Resolver, bare},
};
use bytes::Bytes;
use reqwest::{
    Method,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderMap, HeaderName, HeaderValue},
};
use std::{error::Error as StdError, net::IpAddr, sync::Arc, time::Duration};
use url::Url;

/// The longest that a server may ask us to wait; what it asks beyond that is read as this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// One request. Header values do not appear in its `Debug`.
#[derive(Clone)]
pub struct HttpRequest {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Of the answer's body no more is read; `None`: a longer one than the connector's limit is an error.
    pub read_bytes: Option<usize>,
    /// How long the whole exchange may take; `None`: as long as the connector says.
    pub time_limit: Option<Duration>,
}

impl HttpRequest {
    pub fn new(method: Method, url: Url, body: Vec<u8>) -> Self {
        Self { method, url, headers: Vec::new(), body, read_bytes: None, time_limit: None }
    }

    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url, Vec::new())
    }

    pub fn post(url: Url, content_type: &str, body: Vec<u8>) -> Self {
        Self::new(Method::POST, url, body).header("content-type", content_type)
    }

    /// For what takes its time, such as a large body over a slow line.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// For whoever wants to know that it was taken, and what the answer begins with.
    #[must_use]
    pub fn read_at_most(mut self, bytes: usize) -> Self {
        self.read_bytes = Some(bytes);
        self
    }

    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

/// What came back, whatever its status. Neither headers nor body appear in its `Debug`.
#[derive(Clone)]
pub struct HttpAnswer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl std::fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpAnswer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl HttpAnswer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// `Retry-After` in whole seconds, at most an hour. Its date form needs a clock and is not sent by the servers we speak to.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header("retry-after")?.trim().parse::<u64>().ok()?;
        Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
    }
}

#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    trust: Trust,
    plain_http: bool,
    body_limit_bytes: usize,
}

impl Http {
    pub(crate) fn new(
        config: &ConnectorConfig,
        resolver: Resolver,
        mut tls: rustls::ClientConfig,
        trust: Trust,
    ) -> Result<Self, NetError> {
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Asked { resolver, trust })
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("Postroom/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect_timeout)
            .timeout(config.http_timeout)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| NetError::Config(format!("the HTTP client cannot be built: {error}")))?;
        Ok(Self { client, trust, plain_http: config.plain_http, body_limit_bytes: config.http_body_limit_bytes })
    }

    pub async fn get(&self, url: &Url) -> Result<HttpAnswer, NetError> {
        self.send(HttpRequest::get(url.clone())).await
    }

    pub async fn post_form(&self, url: &Url, fields: &[(&str, &str)]) -> Result<HttpAnswer, NetError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(HttpRequest::post(url.clone(), "application/x-www-form-urlencoded", body.into_bytes())).await
    }

    pub async fn send(&self, request: HttpRequest) -> Result<HttpAnswer, NetError> {
        let host = self.may_ask(&request.url)?;
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        for (name, value) in &request.headers {
            let name = HeaderName::try_from(name.as_str())
                .map_err(|_| NetError::Config("a header's name is not one".to_owned()))?;
            let mut value = HeaderValue::try_from(value.as_str())
                .map_err(|_| NetError::Config(format!("the value of header {name} cannot be sent")))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        let mut asking = self.client.request(request.method, request.url).headers(headers).body(request.body);
        if let Some(limit) = request.time_limit {
            asking = asking.timeout(limit);
        }
        let mut answer = asking.send().await.map_err(|error| exchange_error(&host, &error))?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| exchange_error(&host, &error))? {
            if let Some(most) = request.read_bytes {
                body.extend_from_slice(&piece[..piece.len().min(most - body.len())]);
                if body.len() == most {
                    break;
                }
                continue;
            }
            if body.len() + piece.len() > self.body_limit_bytes {
                return Err(NetError::BodyTooLarge { host, limit_bytes: self.body_limit_bytes });
            }
            body.extend_from_slice(&piece);
        }
        Ok(HttpAnswer {
            status: answer.status().as_u16(),
            headers: std::mem::take(answer.headers_mut()),
            body: body.into(),
        })
    }

    /// The URL's host, when the URL may be asked at all. A host written as an address never reaches the resolver, so it is judged here.
    fn may_ask(&self, url: &Url) -> Result<String, NetError> {
        let host = url.host_str().ok_or_else(|| NetError::Config("a URL has no host".to_owned()))?.to_owned();
        match url.scheme() {
            "https" => {}
            "http" if self.plain_http => {}
            "http" => return Err(NetError::PlainHttp { host }),
            other => return Err(NetError::Config(format!("{other} is not a scheme that can be asked"))),
        }
        if let Ok(address) = bare(&host).parse::<IpAddr>()
            && !policy::may_contact(self.trust, address)
        {
            return Err(NetError::Forbidden { host, address });
        }
        Ok(host)
    }
}

/// Our resolver in reqwest's clothes: the addresses it hands over are the ones that are connected to.
struct Asked {
    resolver: Resolver,
    trust: Trust,
}

impl Resolve for Asked {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, trust) = (self.resolver.clone(), self.trust);
        Box::pin(async move {
            // Port 0 is replaced by the URL's.
            let found = resolver.resolve(name.as_str(), 0, trust).await.map_err(Arc::new)?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// reqwest wraps what happened several times; the innermost cause decides.
fn exchange_error(host: &str, error: &reqwest::Error) -> NetError {
    let host = host.to_owned();
    let mut reason = String::from("no reason given");
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(inner) = cause {
        if let Some(ours) = inner.downcast_ref::<Arc<NetError>>() {
            return NetError::clone(ours);
        }
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return NetError::of_tls(host, tls);
        }
        reason = inner.to_string();
        // An io::Error's own source() skips over its payload, which may be another io::Error.
        cause = match inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(payload) => Some(payload),
            None => inner.source(),
        };
    }
    if error.is_timeout() {
        NetError::TimedOut { host, during: if error.is_connect() { "connecting" } else { "answering" } }
    } else if error.is_connect() {
        NetError::Unreachable { host, reason }
    } else {
        NetError::ConnectionLost { host, reason }
    }
}
