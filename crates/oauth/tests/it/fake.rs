//! A stand-in that serves a discovery document, keys and a token endpoint, says what it was asked, and can be told to misbehave.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{Clock, Timestamp};
use net::{Connector, ConnectorConfig};
use oauth::{Credential, Microsoft, MicrosoftSettings};
use rsa::{
    RsaPrivateKey,
    pkcs1v15::SigningKey,
    sha2::Sha256,
    signature::{SignatureEncoding, Signer},
    traits::PublicKeyParts,
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

pub const CLIENT_ID: &str = "6cb04018-a3f5-46a7-b995-940c78f5aef3";
pub const CLIENT_SECRET: &str = "s3cret~value";
pub const CONTOSO: &str = "3338040d-6c67-4c5b-b112-36a304b66dad";
pub const FABRIKAM: &str = "7777040d-6c67-4c5b-b112-36a304b66dad";
pub const CONSUMERS: &str = oauth::CONSUMERS_TENANT;
pub const NONCE: &str = "n-0S6_WzA2Mj";
/// 2026-11-21.
pub const NOW: i64 = 1_795_219_200;

/// Two keys for the whole process: making one takes longer than every test together.
pub fn rsa_key(which: usize) -> &'static RsaPrivateKey {
    static KEYS: OnceLock<Vec<RsaPrivateKey>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let make = || RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("a key");
        vec![make(), make()]
    });
    &keys[which]
}

#[derive(Debug)]
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).expect("small"), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Default)]
struct State {
    discovery: Option<Value>,
    keys: Vec<Value>,
    keys_status: u16,
    token: (u16, Vec<(&'static str, String)>, String),
    /// Client secrets that are not taken, each with what is answered.
    refused: Vec<(String, String)>,
    asked: Vec<String>,
    forms: Vec<Vec<(String, String)>>,
}

pub struct Fake {
    pub base: String,
    pub clock: Arc<HandClock>,
    state: Arc<Mutex<State>>,
}

impl Fake {
    /// Serves the discovery document of `authority`, with a template issuer for the shared authorities and `issuer_tenant`'s otherwise.
    pub async fn start(authority: &str, issuer_tenant: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let discovery = json!({
            "issuer": format!("{base}/{issuer_tenant}/v2.0"),
            "authorization_endpoint": format!("{base}/{authority}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/{authority}/oauth2/v2.0/token"),
            "jwks_uri": format!("{base}/{authority}/discovery/v2.0/keys"),
            "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
            "id_token_signing_alg_values_supported": ["RS256"],
            "cloud_instance_name": "microsoftonline.com",
        });
        let state = Arc::new(Mutex::new(State {
            discovery: Some(discovery),
            keys_status: 200,
            token: (200, Vec::new(), String::new()),
            ..State::default()
        }));
        let serving = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, serving.clone()));
            }
        });
        let fake = Self { base, clock: Arc::new(HandClock(AtomicI64::new(NOW * 1_000_000))), state };
        let template = fake.issuer("{tenantid}");
        fake.publish(vec![
            fake.jwk("work", 0, Some(&template)),
            fake.jwk("personal", 1, Some(&fake.issuer(CONSUMERS))),
        ]);
        fake
    }

    pub async fn common() -> Self {
        Self::start("common", "{tenantid}").await
    }

    pub fn issuer(&self, tenant: &str) -> String {
        format!("{}/{tenant}/v2.0", self.base)
    }

    pub fn microsoft(&self, authority: &str) -> Microsoft {
        self.microsoft_with(authority, vec![Credential::secret(CLIENT_SECRET)])
    }

    pub fn microsoft_with(&self, authority: &str, credentials: Vec<Credential>) -> Microsoft {
        let settings = MicrosoftSettings {
            login_url: Url::parse(&self.base).expect("a URL"),
            graph_url: None,
            authority: authority.to_owned(),
            client_id: CLIENT_ID.to_owned(),
            credentials,
            redirect_uri: Url::parse("https://desk.example/microsoft/callback").expect("a URL"),
            production: false,
        };
        let config = ConnectorConfig { plain_http: true, ..ConnectorConfig::default() };
        Microsoft::new(settings, Connector::new(config).expect("a connector"), self.clock.clone()).expect("settings")
    }

    pub fn jwk(&self, kid: &str, which: usize, issuer: Option<&str>) -> Value {
        let key = rsa_key(which);
        let mut jwk = json!({
            "kty": "RSA", "use": "sig", "kid": kid, "x5t": kid, "x5c": ["MIIC…"],
            "n": URL_SAFE_NO_PAD.encode(key.n().to_bytes_be()), "e": URL_SAFE_NO_PAD.encode(key.e().to_bytes_be()),
        });
        if let Some(issuer) = issuer {
            jwk["issuer"] = json!(issuer);
        }
        jwk
    }

    /// Also publishes what a real list may hold beside RSA keys.
    pub fn publish(&self, mut keys: Vec<Value>) {
        keys.push(json!({ "kty": "EC", "kid": "ec", "crv": "P-256", "x": "AA", "y": "AA" }));
        keys.push(json!({ "kty": "something-new" }));
        self.state.lock().expect("state").keys = keys;
    }

    pub fn keys_fail_with(&self, status: u16) {
        self.state.lock().expect("state").keys_status = status;
    }

    pub fn change_discovery(&self, change: impl FnOnce(&mut Value)) {
        change(self.state.lock().expect("state").discovery.as_mut().expect("served"));
    }

    pub fn token_answers(&self, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.state.lock().expect("state").token = (status, headers, body.to_owned());
    }

    /// This client secret is answered with an `invalid_client` of this number, until `None` is said of it.
    pub fn refuses(&self, secret: &str, code: Option<u32>) {
        let mut state = self.state.lock().expect("state");
        state.refused.retain(|(held, _)| held != secret);
        if let Some(code) = code {
            let said = json!({
                "error": "invalid_client", "error_codes": [code], "error_description": format!("AADSTS{code}: No."),
                "correlation_id": "fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7",
            });
            state.refused.push((secret.to_owned(), said.to_string()));
        }
    }

    pub fn forms(&self) -> Vec<Vec<(String, String)>> {
        self.state.lock().expect("state").forms.clone()
    }

    /// How often a path ending so was asked for.
    pub fn asked(&self, ending: &str) -> usize {
        self.state.lock().expect("state").asked.iter().filter(|path| path.ends_with(ending)).count()
    }

    pub fn last_form(&self) -> Vec<(String, String)> {
        self.state.lock().expect("state").forms.last().cloned().expect("a form was posted")
    }

    /// The claims of a work account, as Microsoft writes them.
    pub fn claims(&self) -> Value {
        json!({
            "aud": CLIENT_ID, "iss": self.issuer(CONTOSO), "iat": NOW - 5, "nbf": NOW - 5, "exp": NOW + 3900,
            "aio": "AWQAm/8ZAAAA", "acct": 0, "email": "support@contoso.com", "name": "Contoso Support", "nonce": NONCE,
            "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "preferred_username": "support@contoso.com",
            "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", "tid": CONTOSO, "uti": "fqiBqXLPj0eQa82S-IYFAA", "ver": "2.0",
            "xms_edov": true,
        })
    }
}

pub fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// `header.payload.signature` by the key `which`.
pub fn sign(header: &str, payload: &str, which: usize) -> String {
    let signed = format!("{header}.{payload}");
    let signature = SigningKey::<Sha256>::new(rsa_key(which).clone()).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

pub fn token(kid: &str, which: usize, claims: &Value) -> String {
    sign(&encode(&json!({ "typ": "JWT", "alg": "RS256", "kid": kid })), &encode(claims), which)
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut received = Vec::new();
    let (head, body_start) = loop {
        if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(end) = received.windows(4).position(|w| w == b"\r\n\r\n") {
            break (String::from_utf8_lossy(&received[..end]).into_owned(), end + 4);
        }
    };
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    while received.len() < body_start + length {
        if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
    let (status, headers, body) = {
        let mut state = state.lock().expect("state");
        state.asked.push(path.clone());
        if path.ends_with("/openid-configuration") {
            (200, Vec::new(), state.discovery.clone().unwrap_or_default().to_string())
        } else if path.ends_with("/keys") {
            (state.keys_status, Vec::new(), json!({ "keys": state.keys }).to_string())
        } else if path.ends_with("/token") {
            let form: Vec<(String, String)> =
                url::form_urlencoded::parse(&received[body_start..]).into_owned().collect();
            let secret = form.iter().find(|(name, _)| name == "client_secret").map(|(_, value)| value);
            let refused = state.refused.iter().find(|(held, _)| Some(held) == secret);
            let answer = refused.map_or_else(|| state.token.clone(), |(_, body)| (401, Vec::new(), body.clone()));
            state.forms.push(form);
            answer
        } else {
            (404, Vec::new(), String::new())
        }
    };
    let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        text.push_str("content-type: application/json; charset=utf-8\r\n");
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let _ = stream.write_all(format!("{text}\r\n{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
}
