//! One installation with two accounts, and a way to send it requests.

use app::accounts::{CreatedAccount, NewAccount, create_account};
use app::system::{SystemClock, SystemEntropy};
use app::{App, AppParts, Environment, Hint, Settings, TlsMode, Wake};
use domain::{Clock, Secret, Timestamp};
use oauth::{Credential, Microsoft, MicrosoftSettings};
use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderMap, Method, StatusCode};
use poem::{Body, Endpoint as _, Request, Response};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use store::{KeyRing, Store, StoreConfig};
use url::Url;

#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(&self, _hint: Hint) {}
}

/// Goes on when a test says so.
#[derive(Debug)]
struct StillClock(AtomicI64);

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

pub struct World {
    pub routes: BoxEndpoint<'static, Response>,
    pub app: App,
    /// Contoso, whose administrator is `admin@contoso.example`.
    pub ours: CreatedAccount,
    /// Another tenant.
    pub theirs: CreatedAccount,
    _data: tempfile::TempDir,
}

pub const PASSWORD: &str = "correct horse battery";

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl World {
    pub async fn new() -> Self {
        Self::under("http://desk.example:3000/").await
    }

    pub async fn under(frontend_url: &str) -> Self {
        // Who walks over all operations calls more often than anybody does in a minute.
        Self::with(frontend_url, Arc::new(SystemClock), |settings| settings.calls_per_minute = 1_000_000).await
    }

    /// Where time stands still, so that no minute ends.
    pub async fn in_one_minute(change: impl FnOnce(&mut Settings)) -> Self {
        Self::where_time_passes(change).await.0
    }

    /// Where time stands still but for what the second part makes pass, in seconds.
    pub async fn where_time_passes(change: impl FnOnce(&mut Settings)) -> (Self, impl Fn(i64)) {
        let clock = Arc::new(StillClock(AtomicI64::new(SystemClock.now().seconds())));
        let world = Self::with("http://desk.example:3000/", clock.clone(), change).await;
        (world, move |seconds| {
            clock.0.fetch_add(seconds, Ordering::SeqCst);
        })
    }

    async fn with(frontend_url: &str, clock: Arc<dyn Clock>, change: impl FnOnce(&mut Settings)) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let entropy = Arc::new(SystemEntropy::new());
        let store = Store::connect(StoreConfig {
            url: format!("sqlite://{}", data.path().join("postroom.db").display()),
            data_dir: data.path().to_owned(),
            keys: KeyRing::parse(&Secret::new("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")).expect("keys"),
            max_connections: 4,
            clock: clock.clone(),
            entropy: entropy.clone(),
            kill_at: None,
        })
        .await
        .expect("a store");
        store.migrate().await.expect("a schema");
        let connector = net::Connector::new(net::ConnectorConfig::default()).expect("a connector");
        let frontend_url = Url::parse(frontend_url).expect("a URL");
        let microsoft = MicrosoftSettings {
            // Nothing listens there: these tests go no further than being sent to it.
            login_url: Url::parse("http://127.0.0.1:9/").expect("a URL"),
            graph_url: None,
            authority: "common".into(),
            client_id: "client".into(),
            credentials: vec![Credential::secret("secret")],
            redirect_uri: frontend_url.join("/microsoft/callback").expect("a URL"),
            production: false,
        };
        let microsoft = Microsoft::new(microsoft, connector.clone(), clock.clone()).expect("settings");
        let mut settings = Settings::new(
            Environment::Development,
            frontend_url,
            net::Endpoint::new("imap.example", 993, TlsMode::Implicit),
            net::Endpoint::new("smtp.example", 587, TlsMode::StartTls),
        );
        change(&mut settings);
        let app = App::new(AppParts {
            store,
            clock,
            entropy,
            connector,
            microsoft: Some(microsoft),
            settings,
            wake: Arc::new(Nobody),
            shared_counts: None,
        });
        let ours = account(&app, "Contoso", "admin@contoso.example").await;
        let theirs = account(&app, "Fabrikam", "admin@fabrikam.example").await;
        let routes = api::routes(api::ApiConfig::new(app.clone()));
        Self { routes, app, ours, theirs, _data: data }
    }

    /// `~` in a path stands for our account.
    pub fn path(&self, path: &str) -> String {
        path.replacen('~', &format!("/api/v1/accounts/{}", self.ours.account_id), 1)
    }

    pub fn request(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request {
        let mut request =
            Request::builder().method(method).uri(self.path(path).parse().expect("a path")).body(body.into());
        for (name, value) in headers {
            request.headers_mut().append(
                poem::http::HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                value.parse().expect("a value"),
            );
        }
        request
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut response = self.routes.get_response(self.request(method, path, headers, body)).await;
        let text = response.take_body().into_string().await.unwrap_or_default();
        Answer { status: response.status(), headers: response.headers().clone(), text }
    }

    /// As our administrator.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[("api_access_token", self.ours.access_token.expose())], ()).await
    }

    /// As our administrator.
    pub async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.json_as(self.ours.access_token.expose(), method, path, body).await
    }

    pub async fn json_as(&self, token: &str, method: Method, path: &str, body: &Value) -> Answer {
        let headers = [("api_access_token", token), ("content-type", "application/json")];
        self.send(method, path, &headers, body.to_string()).await
    }

    /// A token of our administrator's that opens every account of theirs, as no token of `account create` does.
    pub async fn everywhere(&self) -> String {
        let signed_in = self.sign_in("admin@contoso.example", &[]).await;
        let own = |name: &'static str| (name, signed_in.header(name));
        let headers = [own("access-token"), own("client"), own("uid"), ("content-type", "application/json")];
        let made = self.send(Method::POST, "/api/v1/profile/access_tokens", &headers, "{}").await;
        made.json()["access_token"].as_str().expect("shown once").to_owned()
    }

    pub async fn sign_in(&self, email: &str, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        let body = serde_json::json!({"email": email, "password": PASSWORD});
        self.send(Method::POST, "/auth/sign_in", &all, body.to_string()).await
    }
}

async fn account(app: &App, name: &str, admin_email: &str) -> CreatedAccount {
    let new = NewAccount {
        name: name.into(),
        admin_email: admin_email.into(),
        admin_name: None,
        admin_password: Secret::new(PASSWORD),
    };
    create_account(app, new).await.expect("an account")
}

/// Holds every refusal to the one body.
pub fn assert_refusal(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    let body = answer.json();
    let words = body["error"].as_str().or(body["message"].as_str()).expect("error or message");
    assert!(!words.is_empty());
    // Programs with an API token get none (refusals.rs).
    assert!(body["errors"].is_null() || body["errors"] == serde_json::json!([words]), "{body}");
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["message"].is_string(), body["attributes"].is_array(), "{body}");
    assert_eq!(body["request_id"].as_str(), Some(answer.header("x-request-id")), "{body}");
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    for leak in ["sqlx", "sea_orm", "panicked", "crates/", "poem", "param0", "SELECT"] {
        assert!(!answer.text.contains(leak), "{leak}: {}", answer.text);
    }
}
