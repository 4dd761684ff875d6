//! App registrations: secrets that expire, certificates, and apps of one tenant.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PSS_SHA256;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sandbox::{AppRegistration, CONTOSO, FABRIKAM, Sandbox, TestCertificate};
use serde_json::{Value, json};

use crate::support::*;

/// 2026-11-22.
const NOW: i64 = 1_795_305_600;
const APP: &str = "11111111-2222-4333-8444-555555555555";

async fn with(app: AppRegistration) -> Sandbox {
    let config = sandbox::SandboxConfig { clock: Some(std::sync::Arc::new(|| NOW)), ..Default::default() };
    let sandbox = Sandbox::start(config).await.expect("the sandbox starts");
    sandbox.register_app(app);
    sandbox
}

async fn asked(sandbox: &Sandbox, segment: &str, pairs: &[(&str, &str)]) -> (u16, u64) {
    let mut form = vec![("client_id", APP), ("grant_type", "authorization_code"), ("code", "made-up")];
    form.extend([("redirect_uri", REDIRECT), ("code_verifier", VERIFIER), ("scope", MAIL_SCOPE)]);
    form.extend(pairs);
    let answer = post_form(&format!("{}/{segment}/oauth2/v2.0/token", sandbox.login_url()), &form).await;
    (answer.status, answer.json()["error_codes"][0].as_u64().expect("a number"))
}

/// The client was taken, and the code was not.
const TAKEN: (u16, u64) = (400, 9_002_313);

#[tokio::test]
async fn an_app_may_have_two_secrets_and_one_that_has_expired_says_so() {
    let sandbox = with(AppRegistration::new(APP).secret("first").secret("second")).await;
    for secret in ["first", "second"] {
        assert_eq!(asked(&sandbox, "common", &[("client_secret", secret)]).await, TAKEN);
    }
    assert_eq!(asked(&sandbox, "common", &[("client_secret", sandbox.client_secret())]).await, (401, 7_000_215));
    sandbox.update_app(APP, |app| app.secrets[0].expires_at = Some(NOW));
    assert_eq!(asked(&sandbox, "common", &[("client_secret", "first")]).await, (401, 7_000_222));
    assert_eq!(asked(&sandbox, "common", &[("client_secret", "second")]).await, TAKEN);
}

fn assertion(with: &TestCertificate, header: &Value, claims: &Value) -> String {
    let key = PrivatePkcs8KeyDer::from_pem_slice(with.private_key.as_bytes()).expect("PEM");
    let key = KeyPair::from_pkcs8(key.secret_pkcs8_der()).expect("a key");
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut signature = vec![0; key.public().modulus_len()];
    #[expect(clippy::disallowed_methods, reason = "the test plays an app of its own")]
    let random = SystemRandom::new();
    key.sign(&RSA_PSS_SHA256, &random, message.as_bytes(), &mut signature).expect("signed");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_certificate_is_proved_by_a_jwt_that_is_right_in_every_part_and_used_once() {
    let own = TestCertificate::make(2048, NOW, (1, 365));
    let other = TestCertificate::make(2048, NOW, (1, 365));
    let sandbox = with(AppRegistration::new(APP).certificate(&own.certificate)).await;
    let thumbprint = |of: &TestCertificate| {
        let der = CertificateDer::from_pem_slice(of.certificate.as_bytes()).expect("PEM");
        URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, &der))
    };
    let endpoint = format!("{}/common/oauth2/v2.0/token", sandbox.login_url());
    let head = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint(&own)});
    let body = |jti: &str| json!({"aud": endpoint, "iss": APP, "sub": APP, "jti": jti, "nbf": NOW, "exp": NOW + 600});
    let changed = |member: &str, value: Value| {
        let mut changed = body(member);
        changed[member] = value;
        changed
    };
    let send = async |assertion: String| {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        asked(&sandbox, "common", &[("client_assertion_type", kind), ("client_assertion", &assertion)]).await
    };
    assert_eq!(send(assertion(&own, &head, &body("once"))).await, TAKEN);
    assert_eq!(send(assertion(&own, &head, &body("once"))).await, (401, 700_027), "used before");
    assert_eq!(send(assertion(&other, &head, &body("a"))).await, (401, 700_027), "another key");
    let theirs = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint(&other)});
    assert_eq!(send(assertion(&other, &theirs, &body("b"))).await, (401, 700_027), "not registered");
    let none = json!({"alg": "none", "x5t#S256": thumbprint(&own)});
    assert_eq!(send(assertion(&own, &none, &body("c"))).await, (401, 5_002_727));
    for (member, value, code) in [
        ("aud", json!("https://login.microsoftonline.com/common/oauth2/v2.0/token"), 700_023),
        ("iss", json!("somebody else"), 700_021),
        ("sub", json!("somebody else"), 700_021),
        ("exp", json!(NOW - 600), 700_024),
        ("nbf", json!(NOW + 600), 700_024),
        ("jti", Value::Null, 700_027),
    ] {
        assert_eq!(send(assertion(&own, &head, &changed(member, value))).await, (401, code), "{member}");
    }
    let expired = TestCertificate::make(2048, NOW, (30, -1));
    sandbox.update_app(APP, |app| app.certificates.push(expired.certificate.clone()));
    let head = json!({"alg": "PS256", "x5t#S256": thumbprint(&expired)});
    assert_eq!(send(assertion(&expired, &head, &body("d"))).await, (401, 1_000_502));
}

#[tokio::test]
async fn an_app_of_one_tenant_is_unknown_everywhere_else() {
    let sandbox = with(AppRegistration::new(APP).secret("s").for_tenant(CONTOSO)).await;
    let secret = [("client_secret", "s")];
    assert_eq!(asked(&sandbox, CONTOSO, &secret).await, TAKEN);
    assert_eq!(asked(&sandbox, "contoso.example", &secret).await, TAKEN);
    assert_eq!(asked(&sandbox, "common", &secret).await, (400, 50_194));
    assert_eq!(asked(&sandbox, FABRIKAM, &secret).await, (400, 700_016));
    let page = get(&authorize_url(&sandbox, "common", &[("client_id", APP)])).await;
    assert!(page.status == 400 && page.body.contains("50194"), "{}", page.body);
    let page = get(&authorize_url(&sandbox, CONTOSO, &[("client_id", APP)])).await;
    assert_eq!(page.status, 200);
}

#[tokio::test]
async fn what_one_app_was_given_is_nothing_to_another() {
    let sandbox = with(AppRegistration::new(APP).secret("s")).await;
    let refused = |answer: Http| (answer.status, text(&answer.json(), "suberror").to_owned());
    let code = code_for(&sandbox, SUPPORT).await;
    let theirs = [("client_id", APP), ("client_secret", "s"), ("code", &code)];
    assert_eq!(refused(token(&sandbox, &theirs).await), (400, "client_mismatch".to_owned()));
    let tokens = token(&sandbox, &[("code", &code)]).await.json();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token"))];
    let theirs = [refresh.as_slice(), &[("client_id", APP), ("client_secret", "s")]].concat();
    assert_eq!(refused(token(&sandbox, &theirs).await), (400, "client_mismatch".to_owned()));
    assert_eq!(token(&sandbox, &refresh).await.status, 200);
}
