//! The way out, over real sockets on loopback: whose certificates are believed, who may be contacted, and what is never done unasked.

use domain::FailureClass;
use net::{Connector, ConnectorConfig, Endpoint, HttpRequest, NetError, TlsMode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use url::Url;

const NAME: &str = "mail.example";

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
        Self { issuer }
    }

    fn pem(&self) -> Vec<u8> {
        self.issuer.pem().into_bytes()
    }

    fn server(&self, name: &str) -> Arc<rustls::ServerConfig> {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("params");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate");
        Arc::new(config)
    }
}

/// A server that greets over TLS, then closes.
async fn greeter(config: Arc<rustls::ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _ = stream.write_all(b"* OK ready\r\n").await;
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    address
}

/// An HTTP server whose every answer is `answer(path)`, complete with status line; says how often it was asked.
async fn web(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    let asked = Arc::new(AtomicUsize::new(0));
    let (counted, answer) = (asked.clone(), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (counted, answer) = (counted.clone(), answer.clone());
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let head = String::from_utf8_lossy(&head).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default();
                let _ = stream.write_all(&answer(path)).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (base, asked)
}

fn config() -> ConnectorConfig {
    ConnectorConfig {
        plain_http: true,
        hosts: BTreeMap::from([(NAME.to_owned(), vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])]),
        ..ConnectorConfig::default()
    }
}

fn connector(config: ConnectorConfig) -> Connector {
    Connector::new(config).expect("a connector")
}

fn implicit(host: &str, port: u16) -> Endpoint {
    Endpoint::new(host, port, TlsMode::Implicit)
}

fn url(text: &str) -> Url {
    Url::parse(text).expect("a URL")
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_not_believed() {
    let address = greeter(Authority::new().server(NAME)).await;
    let error = connector(config()).tls(&implicit(NAME, address.port())).await.expect_err("refused");
    assert!(matches!(error, NetError::Tls { .. }), "{error:?}");
    assert_eq!(error.failure().class, FailureClass::TlsFailed);
}

#[tokio::test]
async fn a_server_of_the_operators_authority_is_believed() {
    let authority = Authority::new();
    let address = greeter(authority.server(NAME)).await;
    let connector = connector(ConnectorConfig { extra_ca_pem: Some(authority.pem()), ..config() });
    let mut stream = connector.tls(&implicit(NAME, address.port())).await.expect("believed");
    assert!(stream.get_ref().0.nodelay().expect("an option"));
    let mut greeting = String::new();
    stream.read_to_string(&mut greeting).await.expect("a greeting");
    assert_eq!(greeting, "* OK ready\r\n");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_believed() {
    let authority = Authority::new();
    let address = greeter(authority.server("other.example")).await;
    let connector = connector(ConnectorConfig { extra_ca_pem: Some(authority.pem()), ..config() });
    let error = connector.tls(&implicit(NAME, address.port())).await.expect_err("refused");
    assert_eq!(error.failure().class, FailureClass::TlsFailed, "{error:?}");
}

#[tokio::test]
async fn a_server_that_hangs_up_in_the_handshake_is_a_lost_connection_and_no_bad_certificate() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let error = connector(config()).tls(&implicit(NAME, port)).await.expect_err("hung up");
    assert_eq!(error.failure().class, FailureClass::ConnectionLost, "{error:?}");
}

#[tokio::test]
async fn http_over_tls_believes_the_same_authorities() {
    let authority = Authority::new();
    let address = greeter(authority.server(NAME)).await;
    let there = url(&format!("https://{NAME}:{}/", address.port()));
    let error = connector(config()).http().get(&there).await.expect_err("refused");
    assert!(matches!(error, NetError::Tls { .. }), "{error:?}");
    // The server speaks no HTTP, which is found out only after its certificate was believed.
    let believing = connector(ConnectorConfig { extra_ca_pem: Some(authority.pem()), ..config() });
    let error = believing.http().get(&there).await.expect_err("no HTTP");
    assert!(matches!(error, NetError::ConnectionLost { .. }), "{error:?}");
}

#[tokio::test]
async fn a_name_without_an_address_is_said_once() {
    let nowhere = "nowhere.example".to_owned();
    let connector = connector(ConnectorConfig { hosts: BTreeMap::from([(nowhere, Vec::new())]), ..config() });
    let there = Url::parse("http://nowhere.example/").expect("a URL");
    let error = connector.http().get(&there).await.expect_err("it has no address");
    assert_eq!(error.to_string(), "the name nowhere.example could not be resolved: it has no address");
}

#[test]
fn an_authority_file_without_a_certificate_is_refused_at_the_start() {
    for pem in [b"".as_slice(), b"not PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let config = ConnectorConfig { extra_ca_pem: Some(pem.to_vec()), ..config() };
        assert!(matches!(Connector::new(config), Err(NetError::Config(_))));
    }
}

#[tokio::test]
async fn a_host_that_a_tenant_named_may_not_be_on_our_own_network() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let connector = connector(config());
    for host in [NAME, "localhost", "127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        let endpoint = implicit(host, port).named_by_tenant();
        let error = connector.tcp(&endpoint).await.expect_err("refused");
        assert!(matches!(error, NetError::Forbidden { .. }), "{host}: {error:?}");
        let failure = error.failure();
        assert_eq!(failure.class, FailureClass::HostForbidden);
        assert_eq!(failure.detail.as_deref(), Some(host), "the address behind a name is not told");
    }
    assert!(connector.tcp(&implicit(NAME, port)).await.is_ok(), "the operator may");
}

#[tokio::test]
async fn a_url_that_a_tenant_gave_may_not_be_on_our_own_network() {
    let (base, asked) = web(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let port = url(&base).port().expect("a port");
    let connector = connector(config());
    for host in [NAME, "localhost", "127.0.0.1", "0x7f000001", "2130706433", "[::1]", "[::ffff:127.0.0.1]"] {
        let there = url(&format!("http://{host}:{port}/"));
        let error = connector.http_for_tenants().get(&there).await.expect_err("refused");
        assert!(matches!(error, NetError::Forbidden { .. }), "{host}: {error:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert_eq!(connector.http().get(&url(&base)).await.expect("allowed").status, 200);
}

/// Where a tenant's name may lead so that it is refused: each of these has been used to get at somebody's own network.
const NOT_OUTSIDE: &[&str] = &[
    "0.0.0.0",
    "127.0.0.1",
    "10.0.0.7",
    "172.16.3.4",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.7",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:7",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:7",
    "2002:a00:7::1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
];

#[tokio::test]
async fn a_tenants_name_that_leads_inside_is_refused_wherever_it_leads_and_whatever_stands_beside_it() {
    // A name is judged by all the addresses that it leads to in the end, so an alias (CNAME) of a name inside is that name.
    for inside in NOT_OUTSIDE {
        let inside: IpAddr = inside.parse().expect("an address");
        let outside = IpAddr::from([8, 8, 8, 8]);
        for addresses in [vec![inside], vec![outside, inside], vec![inside, outside]] {
            let hosts = BTreeMap::from([("alias.tenant.example".to_owned(), addresses)]);
            let connector = connector(ConnectorConfig { hosts, ..config() });
            let refused = connector.tcp(&implicit("alias.tenant.example", 993).named_by_tenant()).await;
            assert!(matches!(refused, Err(NetError::Forbidden { .. })), "{inside}: {refused:?}");
            let there = url("http://alias.tenant.example:8080/");
            let refused = connector.http_for_tenants().get(&there).await.expect_err("refused");
            assert!(matches!(refused, NetError::Forbidden { .. }), "{inside}: {refused:?}");
            assert!(!refused.failure().detail.unwrap_or_default().contains(&inside.to_string()), "{inside} is told");
        }
    }
}

#[tokio::test]
async fn a_name_is_resolved_once_for_a_connection_so_that_it_cannot_lead_elsewhere_after_it_was_judged() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (connector, steps) = connector(config()).watched();
    connector.tcp(&implicit(NAME, port)).await.expect("connected");
    let taken = steps.taken();
    assert_eq!(taken.iter().map(|step| step.name).collect::<Vec<_>>(), ["dns", "tcp"]);
    let judged = taken[0].found.iter().find(|(what, _)| *what == "addresses").expect("addresses");
    let reached = taken[1].found.iter().find(|(what, _)| *what == "address").expect("an address");
    assert_eq!(judged.1, reached.1);
}

#[tokio::test]
async fn a_step_that_is_stopped_in_the_middle_ran_out_of_time() {
    let deaf = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = deaf.local_addr().expect("bound").port();
    let (connector, steps) = connector(config()).watched();
    let stopped = tokio::time::timeout(Duration::from_millis(50), connector.tls(&implicit(NAME, port))).await;
    assert!(stopped.is_err(), "nobody answers");
    let taken = steps.taken();
    let last = taken.last().expect("a step");
    assert_eq!((last.name, last.failure.as_ref().map(|f| f.class)), ("tls", Some(FailureClass::TimedOut)));
    assert!(taken[..2].iter().all(|step| step.failure.is_none()));
}

#[tokio::test]
async fn the_next_address_is_tried_when_the_first_does_not_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    // 240.0.0.1 is routed nowhere, and nobody listens on 127.0.0.2.
    let addresses = ["240.0.0.1", "127.0.0.2", "127.0.0.1"].map(|a| a.parse().expect("an address")).to_vec();
    let connector = connector(ConnectorConfig { hosts: BTreeMap::from([(NAME.to_owned(), addresses)]), ..config() });
    let stream = connector.tcp(&implicit(NAME, port)).await.expect("connected");
    assert_eq!(stream.peer_addr().expect("connected").ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound").port();
    let error = connector(config()).tcp(&implicit(NAME, port)).await.expect_err("closed");
    assert_eq!(error.failure().class, FailureClass::Unreachable, "{error:?}");
    let error = connector(config()).http().get(&url(&format!("http://{NAME}:{port}/"))).await.expect_err("closed");
    assert_eq!(error.failure().class, FailureClass::Unreachable, "{error:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let short = Duration::from_millis(200);
    let connector = connector(ConnectorConfig { connect_timeout: short, http_timeout: short, ..config() });
    let error = connector.tls(&implicit(NAME, port)).await.expect_err("silent");
    assert_eq!(error.failure().class, FailureClass::TimedOut, "{error:?}");
    let error = connector.http().get(&url(&format!("http://{NAME}:{port}/"))).await.expect_err("silent");
    assert_eq!(error.failure().class, FailureClass::TimedOut, "{error:?}");
    drop(listener);
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_is_lost() {
    let (base, _) = web(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec()).await;
    let error = connector(config()).http().get(&url(&base)).await.expect_err("broken");
    assert_eq!(error.failure().class, FailureClass::ConnectionLost, "{error:?}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (base, asked) =
        web(|_| b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let answer = connector(config()).http().get(&url(&base)).await.expect("an answer");
    assert_eq!((answer.status, answer.header("location")), (302, Some("/elsewhere")));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit() {
    let (base, _) = web(|path| {
        let bytes = path[1..].parse::<usize>().expect("a length");
        // Without a length, as from a server that wants us to read for ever.
        [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".as_slice(), &vec![b'x'; bytes]].concat()
    })
    .await;
    let connector = connector(ConnectorConfig { http_body_limit_bytes: 1000, ..config() });
    let of = |bytes: usize| url(&format!("{base}/{bytes}"));
    assert_eq!(connector.http().get(&of(1000)).await.expect("fits").body.len(), 1000);
    let error = connector.http().get(&of(1001)).await.expect_err("too large");
    assert!(matches!(error, NetError::BodyTooLarge { limit_bytes: 1000, .. }), "{error:?}");
}

#[tokio::test]
async fn plain_http_needs_permission() {
    let (base, asked) = web(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let connector = connector(ConnectorConfig { plain_http: false, ..config() });
    let error = connector.http().get(&url(&base)).await.expect_err("refused");
    assert!(matches!(error, NetError::PlainHttp { .. }), "{error:?}");
    assert!(connector.http().get(&url("ftp://mail.example/")).await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_stated_wait_is_read_and_capped() {
    let (base, _) = web(|path| {
        format!("HTTP/1.1 429 Slow\r\nretry-after: {}\r\ncontent-length: 0\r\n\r\n", &path[1..]).into_bytes()
    })
    .await;
    let connector = connector(config());
    for (stated, read) in [("17", Some(17)), ("86400", Some(3600)), ("Wed,21Oct", None), ("-1", None)] {
        let answer = connector.http().get(&url(&format!("{base}/{stated}"))).await.expect("429");
        assert_eq!(answer.retry_after().map(|wait| wait.as_secs()), read, "{stated}");
    }
}

#[tokio::test]
async fn what_is_sent_and_received_does_not_show_in_debug() {
    let request = HttpRequest::get(url("https://h/?code=s3cret")).header("authorization", "s3cret");
    assert!(!format!("{request:?}").contains("s3cret"));
    let (base, _) = web(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ns3cret".to_vec()).await;
    let answer = connector(config()).http().get(&url(&base)).await.expect("an answer");
    assert_eq!(&answer.body[..], b"s3cret");
    assert!(!format!("{answer:?}").contains("s3cret"));
}

#[test]
fn an_endpoint_is_written_as_host_and_port() {
    let read = |text| Endpoint::parse(text, TlsMode::Implicit);
    let imap = read("outlook.office365.com:993").expect("an endpoint");
    assert_eq!((imap.host.as_str(), imap.port), ("outlook.office365.com", 993));
    assert_eq!(imap.to_string(), "outlook.office365.com:993");
    assert_eq!(read("[::1]:143").expect("an endpoint").to_string(), "[::1]:143");
    assert_eq!(read("127.0.0.1:143").expect("an endpoint").host, "127.0.0.1");
    for text in ["", "host", "host:", "host:0", "host:99999", ":993", "https://host:993", "a b:993", "[host]:993"] {
        assert!(matches!(read(text), Err(NetError::Config(_))), "{text}");
    }
}
