//! Small clients: HTTP, IMAP and SMTP in raw bytes, and the steps most tests begin with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use sandbox::{Sandbox, SandboxConfig};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub const REDIRECT: &str = "http://127.0.0.1:3000/microsoft/callback";
pub const SUPPORT: &str = "support@contoso.example";
pub const PERSONAL: &str = "corner.shop@outlook.example";
pub const MAIL_SCOPE: &str = "openid profile email offline_access https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send";
pub const VERIFIER: &str = "a-verifier-of-more-than-forty-three-characters-0123";
pub const NONCE: &str = "the-nonce";

pub async fn start() -> Sandbox {
    Sandbox::start(SandboxConfig::default()).await.expect("the sandbox starts")
}

/// Nothing here waits longer than this.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("it happens within ten seconds")
}

#[expect(clippy::disallowed_methods, reason = "these tests speak to the sandbox over sockets of their own")]
pub async fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

// ---- HTTP

#[derive(Debug)]
pub struct Http {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Http {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

pub async fn http(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Http {
    let parsed = url::Url::parse(url).unwrap();
    let port = parsed.port().unwrap();
    let mut stream = connect(format!("127.0.0.1:{port}").parse().unwrap()).await;
    let target = parsed.query().map_or(parsed.path().to_owned(), |query| format!("{}?{query}", parsed.path()));
    let extra: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "{method} {target} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    soon(stream.read_to_end(&mut bytes)).await.unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap_or(0);
    let headers = lines
        .filter_map(|line| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned())))
        .collect();
    Http { status, headers, body: body.to_owned() }
}

pub async fn get(url: &str) -> Http {
    http("GET", url, &[], "").await
}

pub fn encoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub async fn post_form(url: &str, pairs: &[(&str, &str)]) -> Http {
    http("POST", url, &[("Content-Type", "application/x-www-form-urlencoded")], &encoded(pairs)).await
}

// ---- sign-in

pub fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()).as_ref())
}

/// The authorize URL of a well-behaved app, with replacements; an empty value leaves a parameter out.
pub fn authorize_url(sandbox: &Sandbox, tenant: &str, replaced: &[(&str, &str)]) -> String {
    let challenge = s256(VERIFIER);
    let mut pairs = vec![
        ("client_id", sandbox.client_id()),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("response_mode", "query"),
        ("scope", MAIL_SCOPE),
        ("state", "the-state"),
        ("nonce", NONCE),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in replaced {
        pairs.retain(|(held, _)| held != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    format!("{}/{tenant}/oauth2/v2.0/authorize?{}", sandbox.login_url(), encoded(&pairs))
}

pub fn parameter(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(held, _)| held == name).map(|(_, value)| value.into_owned())
}

pub async fn code_for(sandbox: &Sandbox, user: &str) -> String {
    let back = soon(sandbox.sign_in(&authorize_url(sandbox, "common", &[]), user)).await.expect("the sign-in succeeds");
    parameter(&back, "code").expect("a code comes back")
}

pub async fn token(sandbox: &Sandbox, replaced: &[(&str, &str)]) -> Http {
    let mut pairs = vec![
        ("client_id", sandbox.client_id()),
        ("client_secret", sandbox.client_secret()),
        ("redirect_uri", REDIRECT),
        ("scope", MAIL_SCOPE),
        ("code_verifier", VERIFIER),
        ("grant_type", "authorization_code"),
    ];
    for (name, value) in replaced {
        pairs.retain(|(held, _)| held != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    post_form(&format!("{}/common/oauth2/v2.0/token", sandbox.login_url()), &pairs).await
}

/// Signs somebody in and redeems the code.
pub async fn tokens_for(sandbox: &Sandbox, user: &str) -> Value {
    let code = code_for(sandbox, user).await;
    let answer = token(sandbox, &[("code", &code)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

pub fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_else(|| panic!("{name} is a string in {json}"))
}

pub fn xoauth2(user: &str, token: &str) -> String {
    STANDARD.encode(format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}"))
}

// ---- TLS

pub async fn tls(sandbox: &Sandbox, stream: TcpStream) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(sandbox.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("the certificate holds for localhost")
}

// ---- IMAP

pub struct Imap {
    pub stream: BufReader<TlsStream<TcpStream>>,
    tag: u32,
}

impl Imap {
    pub async fn open(sandbox: &Sandbox) -> (Self, String) {
        let stream = tls(sandbox, connect(sandbox.imap_addr()).await).await;
        let mut imap = Self { stream: BufReader::new(stream), tag: 0 };
        let greeting = imap.line().await;
        (imap, greeting)
    }

    /// Signed in, with the initial response on the line.
    pub async fn signed_in(sandbox: &Sandbox, user: &str) -> Self {
        let (mut imap, _) = Self::open(sandbox).await;
        let token = sandbox.mint_access_token(user).unwrap();
        let answer = imap.run(&format!("AUTHENTICATE XOAUTH2 {}", xoauth2(user, &token))).await;
        assert!(answer.last().unwrap().ends_with("OK AUTHENTICATE completed."), "{answer:?}");
        imap
    }

    pub async fn with_inbox(sandbox: &Sandbox, user: &str) -> Self {
        let mut imap = Self::signed_in(sandbox, user).await;
        let answer = imap.run("EXAMINE INBOX").await;
        assert!(answer.last().unwrap().contains("OK [READ-ONLY]"), "{answer:?}");
        imap
    }

    /// A line without its end; empty at the end of the connection.
    pub async fn line(&mut self) -> String {
        let mut line = Vec::new();
        soon(self.stream.read_until(b'\n', &mut line)).await.unwrap_or(0);
        String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()
    }

    pub async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub fn next_tag(&mut self) -> String {
        self.tag += 1;
        format!("a{}", self.tag)
    }

    /// Sends a command and collects the lines up to the tagged one, or to the end of the connection. A literal is put
    /// into its line as it is.
    pub async fn run(&mut self, command: &str) -> Vec<String> {
        let tag = self.next_tag();
        self.send(&format!("{tag} {command}\r\n")).await;
        self.answer(&tag).await
    }

    pub async fn answer(&mut self, tag: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = self.line().await;
            if line.is_empty() {
                return lines;
            }
            while let Some(octets) = literal_of(&line) {
                let mut literal = vec![0; octets];
                if soon(self.stream.read_exact(&mut literal)).await.is_err() {
                    lines.push(line);
                    return lines;
                }
                line.push_str(&String::from_utf8_lossy(&literal));
                line.push_str(&self.line().await);
            }
            let done = line.starts_with(&format!("{tag} "));
            lines.push(line);
            if done {
                return lines;
            }
        }
    }
}

fn literal_of(line: &str) -> Option<usize> {
    line.strip_suffix('}')?.rsplit_once('{')?.1.parse().ok()
}

// ---- SMTP

pub struct Smtp<S> {
    pub stream: BufReader<S>,
}

impl Smtp<TcpStream> {
    pub async fn plain(sandbox: &Sandbox) -> (Self, String) {
        let mut smtp = Self { stream: BufReader::new(connect(sandbox.smtp_addr()).await) };
        let greeting = smtp.reply().await;
        (smtp, greeting)
    }

    pub async fn start_tls(mut self, sandbox: &Sandbox) -> Smtp<TlsStream<TcpStream>> {
        assert_eq!(self.run("STARTTLS").await, "220 2.0.0 SMTP server ready");
        let stream = tls(sandbox, self.stream.into_inner()).await;
        let mut smtp = Smtp { stream: BufReader::new(stream) };
        smtp.run("EHLO test.example").await;
        smtp
    }
}

impl Smtp<TlsStream<TcpStream>> {
    pub async fn encrypted(sandbox: &Sandbox) -> Self {
        let (mut smtp, _) = Smtp::plain(sandbox).await;
        smtp.run("EHLO test.example").await;
        smtp.start_tls(sandbox).await
    }

    pub async fn signed_in(sandbox: &Sandbox, user: &str) -> Self {
        let mut smtp = Self::encrypted(sandbox).await;
        let reply = smtp.auth(sandbox, user).await;
        assert_eq!(reply, "235 2.7.0 Authentication successful");
        smtp
    }

    /// The two-step form.
    pub async fn auth(&mut self, sandbox: &Sandbox, user: &str) -> String {
        let token = sandbox.mint_access_token(user).unwrap();
        assert_eq!(self.run("AUTH XOAUTH2").await, "334 ");
        self.run(&xoauth2(user, &token)).await
    }

    /// The whole transaction; answers the last reply.
    pub async fn mail(&mut self, from: &str, to: &str, data: &str) -> String {
        assert_eq!(self.run(&format!("MAIL FROM:<{from}>")).await, "250 2.1.0 Sender OK");
        assert_eq!(self.run(&format!("RCPT TO:<{to}>")).await, "250 2.1.5 Recipient OK");
        assert!(self.run("DATA").await.starts_with("354 "));
        self.run(&format!("{data}\r\n.")).await
    }
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Smtp<S> {
    /// The lines of a reply, joined; empty at the end of the connection.
    pub async fn reply(&mut self) -> String {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            let read = soon(self.stream.read_until(b'\n', &mut line)).await.unwrap_or(0);
            let line = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            let more = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line);
            if read == 0 || !more {
                return lines.join("\n");
            }
        }
    }

    pub async fn run(&mut self, command: &str) -> String {
        self.stream.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
        self.reply().await
    }
}

pub fn mail(from: &str, to: &str, subject: &str, id: &str) -> String {
    format!("From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{id}>\r\n\r\nHello.\r\n")
}
