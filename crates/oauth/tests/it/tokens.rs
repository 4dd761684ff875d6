//! The URL the browser is sent to, and what is said at the token endpoint and made of its answers.

use crate::fake::{CLIENT_ID, CLIENT_SECRET, CONTOSO, Fake};
use domain::{Entropy, FailureClass, Secret};
use oauth::{AuthorizeRequest, PkceVerifier, Prompt, Resource, random_token};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const MAIL: &str = "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send";

#[derive(Debug)]
struct Counting;

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for (value, byte) in (0_u8..).zip(bytes) {
            *byte = value;
        }
    }
}

fn verifier() -> PkceVerifier {
    PkceVerifier::generate(&Counting)
}

fn answer() -> Value {
    json!({
        "token_type": "Bearer", "scope": format!("openid profile email {MAIL}"), "expires_in": 4384, "ext_expires_in": 4384,
        "access_token": "EwB".to_owned() + &"a".repeat(3000), "refresh_token": "1.AXkA".to_owned() + &"r".repeat(1800),
        "id_token": "a.b.c",
    })
}

fn form(fake: &Fake) -> BTreeMap<String, String> {
    fake.last_form().into_iter().collect()
}

#[tokio::test]
async fn the_browser_is_sent_with_pkce_nonce_and_every_scope() {
    let fake = Fake::common().await;
    let url = fake.microsoft("common").authorize_url(&AuthorizeRequest {
        state: "the-state".to_owned(),
        nonce: "the-nonce".to_owned(),
        pkce_verifier: verifier(),
        login_hint: Some("support@contoso.com".to_owned()),
        prompt: Prompt::default(),
        also: None,
        claims: None,
    });
    assert!(url.as_str().starts_with(&format!("{}/common/oauth2/v2.0/authorize?", fake.base)), "{url}");
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let expected = [
        ("client_id", CLIENT_ID),
        ("response_type", "code"),
        ("response_mode", "query"),
        ("redirect_uri", "https://desk.example/microsoft/callback"),
        ("scope", &format!("openid profile email offline_access {MAIL}")),
        ("state", "the-state"),
        ("nonce", "the-nonce"),
        ("prompt", "select_account"),
        ("login_hint", "support@contoso.com"),
        ("code_challenge_method", "S256"),
        ("code_challenge", &s256(verifier().secret().expose())),
    ];
    assert_eq!(query, expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
}

const GRAPH: &str = "https://graph.microsoft.com/Mail.Send https://graph.microsoft.com/Mail.ReadWrite";

#[tokio::test]
async fn sending_through_graph_is_consented_to_along_with_the_mailbox_and_fetched_by_itself() {
    let fake = Fake::common().await;
    let microsoft = fake.microsoft("common");
    let scope = |also| {
        let url = microsoft.authorize_url(&AuthorizeRequest {
            state: "s".to_owned(),
            nonce: "n".to_owned(),
            pkce_verifier: verifier(),
            login_hint: None,
            prompt: Prompt::default(),
            also,
            claims: None,
        });
        url.query_pairs().find(|(name, _)| name == "scope").map(|(_, value)| value.into_owned()).expect("a scope")
    };
    assert_eq!(scope(Some(Resource::Graph)), format!("openid profile email offline_access {MAIL} {GRAPH}"));
    assert!(
        scope(Some(Resource::GraphShared)).ends_with(
            "https://graph.microsoft.com/Mail.Send.Shared https://graph.microsoft.com/Mail.ReadWrite.Shared"
        )
    );
    // A code is redeemed for one resource, whatever was consented to.
    fake.token_answers(200, &[], &answer().to_string());
    microsoft.redeem("the-code", &verifier()).await.expect("redeemed");
    assert_eq!(form(&fake)["scope"], format!("openid profile email offline_access {MAIL}"));
    let mut graph = answer();
    graph["scope"] = json!(format!("openid profile email {GRAPH}"));
    fake.token_answers(200, &[], &graph.to_string());
    microsoft.refresh(&Secret::new("r"), Resource::Graph).await.expect("refreshed");
    assert_eq!(form(&fake)["scope"], format!("openid profile email offline_access {GRAPH}"));
}

#[tokio::test]
async fn graph_that_was_not_consented_to_is_no_word_about_the_mailbox() {
    let fake = Fake::common().await;
    let microsoft = fake.microsoft("common");
    let refused = |error: Value| {
        fake.token_answers(400, &[], &error.to_string());
        async { microsoft.refresh(&Secret::new("r"), Resource::Graph).await.expect_err("refused").class }
    };
    let work = json!({"error": "invalid_grant", "suberror": "consent_required", "error_codes": [65001],
        "error_description": "AADSTS65001: The user or administrator has not consented to use the application."});
    assert_eq!(refused(work.clone()).await, FailureClass::GraphConsentMissing);
    let personal = json!({"error": "invalid_grant", "error_codes": [70000],
        "error_description": "AADSTS70000: The request was denied because one or more scopes requested are unauthorized or expired. The user must first sign in and grant the client application access to the requested scope."});
    assert_eq!(refused(personal).await, FailureClass::GraphConsentMissing);
    let approval = json!({"error": "invalid_grant", "error_codes": [90094], "error_description": "AADSTS90094: Admin consent is required."});
    assert_eq!(refused(approval).await, FailureClass::GraphConsentMissing);
    // What is wrong with the permission as a whole stays what it is.
    let ended = json!({"error": "invalid_grant", "error_codes": [70000],
        "error_description": "AADSTS70000: The user could not be authenticated as the grant is expired. The user must sign in again."});
    assert_eq!(refused(ended).await, FailureClass::GrantExpired);
    let revoked = json!({"error": "invalid_grant", "error_codes": [50173], "error_description": "AADSTS50173: The provided grant has expired due to it being revoked."});
    assert_eq!(refused(revoked).await, FailureClass::GrantRevoked);
    fake.token_answers(400, &[], &work.to_string());
    let outlook = microsoft.refresh(&Secret::new("r"), Resource::Outlook).await.expect_err("refused");
    assert_eq!(outlook.class, FailureClass::ConsentRequired);
    let mut half = answer();
    half["scope"] = json!("https://graph.microsoft.com/Mail.ReadWrite");
    fake.token_answers(200, &[], &half.to_string());
    let half = microsoft.refresh(&Secret::new("r"), Resource::Graph).await.expect_err("too little");
    assert_eq!((half.class, half.detail.as_deref()), (FailureClass::GraphConsentMissing, Some("Mail.Send")));
}

fn s256(verifier: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
    base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, digest)
}

#[tokio::test]
async fn an_administrator_consents_for_a_tenant_and_never_at_common() {
    let fake = Fake::common().await;
    let shared = fake.microsoft("common").admin_consent_url("s", None);
    assert!(shared.as_str().starts_with(&format!("{}/organizations/v2.0/adminconsent?", fake.base)), "{shared}");
    let own = fake.microsoft(CONTOSO).admin_consent_url("s", None);
    assert!(own.path().starts_with(&format!("/{CONTOSO}/")), "{own}");
    let query: BTreeMap<String, String> = own.query_pairs().into_owned().collect();
    assert!(query["scope"].contains(MAIL) && query["state"] == "s" && query["client_id"] == CLIENT_ID);
}

#[tokio::test]
async fn a_code_is_redeemed_with_its_verifier_for_one_resource() {
    let fake = Fake::common().await;
    fake.token_answers(200, &[], &answer().to_string());
    let tokens = fake.microsoft("common").redeem("the-code", &verifier()).await.expect("redeemed");
    assert_eq!(tokens.expires_in, Duration::from_secs(4384));
    assert!(tokens.access_token.expose().len() > 3000);
    assert!(tokens.refresh_token.is_some());
    assert_eq!(tokens.id_token.as_deref(), Some("a.b.c"));
    assert_eq!(tokens.scope.len(), 5);
    let form = form(&fake);
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!(form["code"], "the-code");
    assert_eq!(form["code_verifier"], verifier().secret().expose());
    assert_eq!(form["redirect_uri"], "https://desk.example/microsoft/callback");
    assert_eq!(form["scope"], format!("openid profile email offline_access {MAIL}"));
    assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), (CLIENT_ID, CLIENT_SECRET));
}

#[tokio::test]
async fn a_refresh_names_its_scopes_and_takes_the_rotated_token() {
    let fake = Fake::common().await;
    fake.token_answers(200, &[], &answer().to_string());
    let old = Secret::new("old-refresh-token");
    let tokens = fake.microsoft("common").refresh(&old, Resource::Outlook).await.expect("refreshed");
    assert!(tokens.refresh_token.expect("rotated").expose().starts_with("1.AXkA"));
    let form = form(&fake);
    assert_eq!((form["grant_type"].as_str(), form["refresh_token"].as_str()), ("refresh_token", "old-refresh-token"));
    assert!(form["scope"].contains(MAIL) && form["scope"].contains("offline_access"));
    assert!(!form.contains_key("redirect_uri"));
}

#[tokio::test]
async fn an_answer_without_a_new_refresh_token_leaves_the_old_one() {
    let fake = Fake::common().await;
    for none in [Value::Null, json!("")] {
        let mut answer = answer();
        answer["refresh_token"] = none;
        fake.token_answers(200, &[], &answer.to_string());
        let tokens = fake.microsoft("common").refresh(&Secret::new("old"), Resource::Outlook).await.expect("refreshed");
        assert_eq!(tokens.refresh_token, None);
    }
}

async fn redeemed_with(change: impl FnOnce(&mut Value)) -> Result<oauth::TokenSet, domain::Failure> {
    let fake = Fake::common().await;
    let mut answer = answer();
    change(&mut answer);
    fake.token_answers(200, &[], &answer.to_string());
    fake.microsoft("common").redeem("the-code", &verifier()).await
}

#[tokio::test]
async fn a_sign_in_that_granted_too_little_is_refused() {
    let failure =
        redeemed_with(|a| a["scope"] = json!("openid profile https://outlook.office.com/IMAP.AccessAsUser.All"));
    let failure = failure.await.expect_err("refused");
    assert_eq!((failure.class, failure.detail.as_deref()), (FailureClass::ScopesMissing, Some("SMTP.Send")));
}

#[tokio::test]
async fn a_sign_in_without_a_refresh_token_could_not_stay_connected() {
    let failure = redeemed_with(|a| a["refresh_token"] = Value::Null).await.expect_err("refused");
    assert_eq!(failure.class, FailureClass::RefreshTokenMissing);
}

#[tokio::test]
async fn a_sign_in_without_an_id_token_is_nobodys() {
    let failure = redeemed_with(|a| a["id_token"] = Value::Null).await.expect_err("refused");
    assert_eq!((failure.class, failure.detail.as_deref()), (FailureClass::IdTokenInvalid, Some("missing")));
}

#[tokio::test]
async fn an_answer_that_names_no_scope_granted_what_was_asked_for() {
    assert!(redeemed_with(|a| drop(a.as_object_mut().expect("an object").remove("scope"))).await.is_ok());
}

#[tokio::test]
async fn a_refused_refresh_is_classified_and_repeats_no_secret() {
    let fake = Fake::common().await;
    let refused = json!({
        "error": "invalid_grant", "error_codes": [50173],
        "error_description": "AADSTS50173: The provided grant has expired due to it being revoked.\r\nTrace ID: t",
        "correlation_id": "fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7",
    });
    fake.token_answers(400, &[], &refused.to_string());
    let secret = "1.AXkA-very-secret-refresh-token";
    let failure = fake.microsoft("common").refresh(&Secret::new(secret), Resource::Outlook).await.expect_err("refused");
    assert_eq!(failure.class, FailureClass::GrantRevoked);
    assert_eq!(failure.correlation_id.as_deref(), Some("fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7"));
    let shown = format!("{failure:?} {failure}");
    assert!(!shown.contains(secret) && !shown.contains(CLIENT_SECRET));
}

#[tokio::test]
async fn a_throttled_refresh_waits_as_long_as_it_was_told() {
    let fake = Fake::common().await;
    let html = ("content-type", "text/html");
    fake.token_answers(429, &[("retry-after", "42"), html], "<html>Too many requests</html>");
    let failure = fake.microsoft("common").refresh(&Secret::new("r"), Resource::Outlook).await.expect_err("throttled");
    assert_eq!((failure.class, failure.retry_after_seconds), (FailureClass::SignInUnavailable, Some(42)));
    fake.token_answers(200, &[html], "<html>Maintenance</html>");
    let failure = fake.microsoft("common").refresh(&Secret::new("r"), Resource::Outlook).await.expect_err("no JSON");
    assert_eq!(failure.class, FailureClass::SignInUnavailable);
}

#[tokio::test]
async fn an_unreadable_answer_does_not_repeat_its_tokens() {
    let fake = Fake::common().await;
    fake.token_answers(200, &[], r#"{"access_token":"EwB-very-secret","token_type":7}"#);
    let failure = fake.microsoft("common").refresh(&Secret::new("r"), Resource::Outlook).await.expect_err("unreadable");
    assert_eq!(failure.class, FailureClass::SignInUnavailable);
    assert!(!format!("{failure:?}").contains("EwB-very-secret"), "{failure:?}");
}

#[tokio::test]
async fn an_unreachable_microsoft_asks_nobody_to_sign_in_again() {
    let mut fake = Fake::common().await;
    // A port that was free a moment ago and that nobody listens on.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    fake.base = format!("http://{closed}");
    let failure =
        fake.microsoft("common").refresh(&Secret::new("r"), Resource::Outlook).await.expect_err("nobody there");
    assert_eq!(failure.class, FailureClass::SignInUnavailable);
}

#[tokio::test]
async fn a_redirect_at_the_token_endpoint_is_not_followed() {
    let fake = Fake::common().await;
    fake.token_answers(307, &[("location", "/elsewhere")], "");
    let failure = fake.microsoft("common").refresh(&Secret::new("r"), Resource::Outlook).await.expect_err("refused");
    assert_eq!(failure.class, FailureClass::SignInUnavailable);
    assert_eq!(fake.asked("/elsewhere"), 0);
}

#[test]
fn a_verifier_comes_back_from_storage_only_when_it_can_be_one() {
    let made = verifier();
    assert_eq!(PkceVerifier::restore(made.secret().clone()), Some(made.clone()));
    for text in ["short".to_owned(), "x".repeat(129), " ".repeat(50)] {
        assert_eq!(PkceVerifier::restore(Secret::new(text)), None);
    }
    assert!(!format!("{made:?}").contains(made.secret().expose()));
    assert_eq!(random_token(&Counting, 16).len(), 22);
}
