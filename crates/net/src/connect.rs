//! Sockets and TLS: from an [`Endpoint`] to a stream that is connected, quick (NODELAY), kept alive, and whose name was verified.
//!
//! Never speaks a word of IMAP, SMTP or HTTP: STARTTLS is asked for by whoever knows the protocol, then [`Connector::upgrade`] follows.

use crate::slots::{Slot, Slots};
use crate::steps::{self, Steps};
use crate::{Http, NetError, certificate, resolve::Resolver, trust};
use domain::Failure;
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpSocket, task::JoinSet, time::timeout};
use tokio_rustls::TlsConnector;

pub use tokio::net::TcpStream;
pub type TlsStream<S = TcpStream> = tokio_rustls::client::TlsStream<S>;

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// With the first byte (993, 465).
    Implicit,
    /// After the protocol's STARTTLS (143, 587).
    StartTls,
    /// Never. For development on one machine only.
    None,
}

/// Who named the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Whoever runs this installation: the host may be anywhere.
    Operator,
    /// A tenant: the host must be on the public internet ([`crate::policy`]).
    Tenant,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A name or an address, without brackets.
    pub host: String,
    pub port: u16,
    pub tls: TlsMode,
    pub trust: Trust,
}

impl Endpoint {
    pub fn new(host: impl Into<String>, port: u16, tls: TlsMode) -> Self {
        Self { host: host.into(), port, tls, trust: Trust::Operator }
    }

    /// `host:port`, `1.2.3.4:port` or `[::1]:port`, as the operator writes it.
    pub fn parse(text: &str, tls: TlsMode) -> Result<Self, NetError> {
        let wrong = || NetError::Config(format!("{text:?} is not host:port"));
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').filter(|h| h.parse::<IpAddr>().is_ok()).ok_or_else(wrong)?,
            None => host,
        };
        let port = port.parse::<u16>().ok().filter(|p| *p != 0).ok_or_else(wrong)?;
        ServerName::try_from(host).map_err(|_| wrong())?;
        Ok(Self::new(host, port, tls))
    }

    /// The same server, named by a tenant.
    #[must_use]
    pub fn named_by_tenant(mut self) -> Self {
        self.trust = Trust::Tenant;
        self
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[derive(Clone, Debug)]
pub struct ConnectorConfig {
    /// Certificate authorities beside the compiled-in list, as PEM.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// For resolving and connecting, and again for the TLS handshake.
    pub connect_timeout: Duration,
    /// For a whole HTTP exchange.
    pub http_timeout: Duration,
    /// The largest HTTP body that is read.
    pub http_body_limit_bytes: usize,
    /// Whether `http://` URLs may be asked. Development only.
    pub plain_http: bool,
    /// Sessions with one mail server that may be open at a time ([`Connector::slot`]); `None`: as many as anybody wants.
    pub host_connections: Option<NonZeroU32>,
    /// How long a job waits for one of them. Mailboxes that wait for nothing but news give theirs up when they are asked, so it takes long only
    /// where all of them are at work.
    pub slot_timeout: Duration,
    /// Names answered from here instead of by the system's resolver (lower case).
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
}

impl Default for ConnectorConfig {
    fn default() -> Self {
        Self {
            extra_ca_pem: None,
            connect_timeout: Duration::from_secs(30),
            http_timeout: Duration::from_secs(30),
            http_body_limit_bytes: 1024 * 1024,
            plain_http: false,
            host_connections: None,
            slot_timeout: Duration::from_secs(20),
            hosts: BTreeMap::new(),
        }
    }
}

/// How long one address has before the next one is tried beside it (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

#[derive(Clone)]
pub struct Connector {
    resolver: Resolver,
    tls: TlsConnector,
    connect_timeout: Duration,
    http: Http,
    http_tenant: Http,
    slots: Arc<Slots>,
    slot_timeout: Duration,
    plain_http: bool,
    steps: Option<Steps>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("connect_timeout", &self.connect_timeout).finish_non_exhaustive()
    }
}

impl Connector {
    pub fn new(mut config: ConnectorConfig) -> Result<Self, NetError> {
        let resolver = Resolver::new(std::mem::take(&mut config.hosts), config.connect_timeout);
        let tls = trust::client_config(config.extra_ca_pem.as_deref())?;
        Ok(Self {
            http: Http::new(&config, resolver.clone(), tls.clone(), Trust::Operator)?,
            http_tenant: Http::new(&config, resolver.clone(), tls.clone(), Trust::Tenant)?,
            tls: TlsConnector::from(Arc::new(tls)),
            connect_timeout: config.connect_timeout,
            slots: Arc::new(Slots::new(config.host_connections)),
            slot_timeout: config.slot_timeout,
            plain_http: config.plain_http,
            steps: None,
            resolver,
        })
    }

    /// The right to one session with a mail server, for a mailbox that waits as long as it takes; whoever opens one holds it as long as that lasts.
    pub async fn slot(&self, endpoint: &Endpoint) -> Slot {
        self.slots.take(endpoint).await
    }

    /// The same for a job, which goes before mailboxes and does not wait for long.
    pub async fn slot_in_time(&self, endpoint: &Endpoint) -> Result<Slot, NetError> {
        self.slots.take_within(endpoint, self.slot_timeout).await
    }

    /// How long [`Self::slot_in_time`] waits at most.
    pub fn slot_timeout(&self) -> Duration {
        self.slot_timeout
    }

    /// The same way out, each step of which is written down.
    pub fn watched(&self) -> (Self, Steps) {
        let steps = Steps::default();
        (Self { steps: Some(steps.clone()), ..self.clone() }, steps)
    }

    /// Does the work; where somebody watches, as the step of this name.
    pub async fn step<T, E: Clone + Into<Failure>>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        // Both ways hold the work; boxed, it is there once.
        let work = Box::pin(work);
        match &self.steps {
            Some(steps) => steps.take(name, work).await,
            None => work.await,
        }
    }

    /// What the last step has found, where somebody watches.
    pub fn found(&self, what: &'static str, value: impl FnOnce() -> Option<String>) {
        if let Some((steps, value)) = self.steps.as_ref().and_then(|steps| Some((steps, value()?))) {
            steps.found(what, value);
        }
    }

    /// A plain connection: for STARTTLS, and for development.
    pub async fn tcp(&self, endpoint: &Endpoint) -> Result<TcpStream, NetError> {
        let host = &endpoint.host;
        let resolving = self.resolver.resolve(host, endpoint.port, endpoint.trust);
        let addresses = self.step("dns", resolving).await?;
        self.found("addresses", || Some(steps::shown(&addresses)));
        let connecting = async {
            let stream = timeout(self.connect_timeout, first_of(addresses))
                .await
                .map_err(|_| NetError::TimedOut { host: host.clone(), during: "connecting" })?
                .map_err(|error| NetError::Unreachable { host: host.clone(), reason: error.to_string() })?;
            settle(&stream).map_err(|error| NetError::Unreachable { host: host.clone(), reason: error.to_string() })?;
            Ok(stream)
        };
        let stream = self.step("tcp", connecting).await?;
        self.found("port", || Some(endpoint.port.to_string()));
        self.found("address", || stream.peer_addr().ok().map(|peer| steps::shown(&[peer])));
        Ok(stream)
    }

    /// A connection with TLS from the first byte.
    pub async fn tls(&self, endpoint: &Endpoint) -> Result<TlsStream, NetError> {
        let stream = self.tcp(endpoint).await?;
        let secured = self.step("tls", self.upgrade(&endpoint.host, stream)).await?;
        self.found_of_tls(&secured);
        Ok(secured)
    }

    /// What is known of a connection that was secured, where somebody watches.
    pub fn found_of_tls(&self, stream: &TlsStream) {
        let (_, session) = stream.get_ref();
        self.found("tls_version", || session.protocol_version().map(|version| format!("{version:?}")));
        self.found("certificate_expires", || certificate::ends_at(session.peer_certificates()?.first()?));
    }

    /// TLS over a connection that exists; the certificate must be for `host`.
    pub async fn upgrade(&self, host: &str, stream: TcpStream) -> Result<TlsStream, NetError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| NetError::Config(format!("{host:?} is not a host name")))?;
        let shaken = timeout(self.connect_timeout, self.tls.connect(name, stream))
            .await
            .map_err(|_| NetError::TimedOut { host: host.to_owned(), during: "starting TLS" })?;
        shaken.map_err(|error| handshake_error(host, &error))
    }

    /// The HTTP client for hosts that the operator or a provider's own documents name.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// Whether `http://` URLs may be asked at all.
    pub fn may_ask_plain_http(&self) -> bool {
        self.plain_http
    }

    /// The HTTP client for URLs that a tenant gave.
    pub fn http_for_tenants(&self) -> &Http {
        &self.http_tenant
    }
}

/// rustls hands its own errors over as `InvalidData`; what else happens in a handshake is the connection's fault.
fn handshake_error(host: &str, error: &std::io::Error) -> NetError {
    match error.get_ref().and_then(|payload| payload.downcast_ref::<rustls::Error>()) {
        Some(tls) => NetError::of_tls(host.to_owned(), tls),
        None => NetError::ConnectionLost { host: host.to_owned(), reason: error.to_string() },
    }
}

/// Small writes leave at once (a mail's last dot waits 40 ms otherwise), and a peer that vanished is noticed within about two minutes
/// even where nothing is being said, as in IDLE.
fn settle(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Connects to the addresses in turn, each with a head start over the next; the first connection wins and the others are dropped.
async fn first_of(addresses: Vec<SocketAddr>) -> std::io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut trying = JoinSet::new();
    let mut last_error = None;
    loop {
        if let Some(address) = waiting.next() {
            trying.spawn(connect(address));
        }
        let ended = if waiting.len() == 0 {
            trying.join_next().await
        } else {
            match timeout(HEAD_START, trying.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        };
        match ended {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => last_error = Some(error),
            Some(Err(error)) => last_error = Some(std::io::Error::other(error)),
            None => return Err(last_error.unwrap_or_else(|| std::io::Error::other("it has no address"))),
        }
    }
}

async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    socket.connect(address).await
}
