//! What an application proves itself with: two secrets while one is replaced, and certificates with their keys.

use crate::fake::{CLIENT_ID, Fake, NOW, rsa_key};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{Entropy, Failure, FailureClass, Secret};
use oauth::{CertificateError, ClientCertificate, Credential, CredentialState, Resource};
use rsa::{
    RsaPrivateKey, RsaPublicKey,
    pkcs8::{EncodePrivateKey, LineEnding},
    pss::{Signature, VerifyingKey},
    sha2::{Digest, Sha256},
    signature::Verifier,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const OLD: &str = "the-old-secret-of-the-app";
const NEW: &str = "the-new-secret-of-the-app";

#[derive(Debug)]
struct Counting;

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for (value, byte) in (0_u8..=255).cycle().zip(bytes) {
            *byte = value;
        }
    }
}

fn granted(fake: &Fake) {
    let answer = json!({
        "token_type": "Bearer", "expires_in": 3600, "access_token": "EwBfresh",
        "scope": "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send",
    });
    fake.token_answers(200, &[], &answer.to_string());
}

async fn refreshed(microsoft: &oauth::Microsoft) -> Result<oauth::TokenSet, Failure> {
    microsoft.refresh(&Secret::new("a refresh token"), Resource::Outlook).await
}

fn secrets_sent(fake: &Fake) -> Vec<String> {
    let of = |form: Vec<(String, String)>| form.into_iter().find(|(name, _)| name == "client_secret").map(|(_, v)| v);
    fake.forms().into_iter().filter_map(of).collect()
}

fn two(fake: &Fake) -> oauth::Microsoft {
    fake.microsoft_with("common", vec![Credential::secret(OLD), Credential::secret(NEW)])
}

#[tokio::test]
async fn the_second_credential_stands_in_for_the_first_in_the_same_call() {
    for code in [7_000_215, 7_000_222, 700_027, 700_024, 7_000_214, 1_000_502, 7_000_274, 7_000_277] {
        let fake = Fake::common().await;
        granted(&fake);
        let microsoft = two(&fake);
        fake.refuses(OLD, Some(code));
        assert_eq!(refreshed(&microsoft).await.expect("a token").access_token.expose(), "EwBfresh");
        assert_eq!(secrets_sent(&fake), [OLD, NEW], "{code}");
        let states = microsoft.credential_states();
        let CredentialState::Refused(first) = &states[0] else { panic!("{states:?}") };
        assert_eq!(first.failure.detail.as_deref(), Some(format!("invalid_client AADSTS{code}").as_str()));
        assert!(first.failure.correlation_id.is_some() && states[1] == CredentialState::Works);
    }
}

#[tokio::test]
async fn a_credential_that_was_refused_a_moment_ago_is_not_asked_first_and_is_forgiven_when_it_works() {
    let fake = Fake::common().await;
    granted(&fake);
    let microsoft = two(&fake);
    fake.refuses(OLD, Some(7_000_222));
    for _ in 0..3 {
        refreshed(&microsoft).await.expect("a token");
    }
    assert_eq!(secrets_sent(&fake), [OLD, NEW, NEW, NEW], "one refusal, not one for each mailbox");
    fake.refuses(OLD, None);
    fake.clock.advance(Duration::from_secs(301));
    refreshed(&microsoft).await.expect("a token");
    assert_eq!(secrets_sent(&fake).last().map(String::as_str), Some(OLD), "the first comes first again");
    assert_eq!(microsoft.credential_states(), [CredentialState::Works, CredentialState::Works]);
}

#[tokio::test]
async fn where_no_credential_is_taken_the_answer_is_about_the_first_however_often_it_is_asked() {
    let fake = Fake::common().await;
    let microsoft = two(&fake);
    fake.refuses(OLD, Some(7_000_222));
    fake.refuses(NEW, Some(7_000_215));
    for _ in 0..2 {
        assert_eq!(refreshed(&microsoft).await.expect_err("refused").class, FailureClass::AppCredentialExpired);
    }
    let states = microsoft.credential_states();
    let class = |index: usize| match &states[index] {
        CredentialState::Refused(refusal) => Some(refusal.failure.class),
        CredentialState::Untried | CredentialState::Works => None,
    };
    assert_eq!(class(0), Some(FailureClass::AppCredentialExpired));
    assert_eq!(class(1), Some(FailureClass::AppCredentialRefused));
}

#[tokio::test]
async fn a_refused_grant_or_a_bad_day_is_no_reason_to_try_the_second_credential() {
    let fake = Fake::common().await;
    let microsoft = two(&fake);
    for (status, body) in [
        (400, r#"{"error":"invalid_grant","error_codes":[50173],"error_description":"AADSTS50173: Revoked."}"#),
        (503, "<html>"),
        (400, r#"{"error":"unauthorized_client","error_codes":[700016],"error_description":"AADSTS700016: No app."}"#),
    ] {
        fake.token_answers(status, &[], body);
        refreshed(&microsoft).await.expect_err("refused");
    }
    assert_eq!(secrets_sent(&fake), [OLD, OLD, OLD]);
}

#[tokio::test]
async fn a_probe_tells_a_wrong_secret_from_a_code_that_nobody_was_given() {
    let fake = Fake::common().await;
    let microsoft = two(&fake);
    let made_up = r#"{"error":"invalid_grant","error_codes":[70000],"error_description":"AADSTS70000: Not valid."}"#;
    fake.token_answers(400, &[], made_up);
    fake.refuses(NEW, Some(7_000_215));
    microsoft.probe_documents().await.expect("published");
    let said = microsoft.probe_credentials(&Counting).await.expect("asked");
    assert_eq!(said[0], Ok(()));
    assert_eq!(said[1].as_ref().expect_err("refused").class, FailureClass::AppCredentialRefused);
    fake.token_answers(503, &[], "<html>");
    let said = microsoft.probe_credentials(&Counting).await.expect("asked");
    assert_eq!(said[0].as_ref().expect_err("unknown").class, FailureClass::SignInUnavailable, "neither yes nor no");
}

/// Microsoft may take a code apart before it looks at the secret: what it says of the code then is no word about the secret.
#[tokio::test]
async fn a_made_up_code_that_is_not_read_and_a_bad_day_leave_it_open_whether_a_credential_is_taken() {
    let fake = Fake::common().await;
    let microsoft = fake.microsoft("common");
    for (status, error, number, class) in [
        (400, "invalid_grant", 9_002_313, FailureClass::RequestMalformed),
        (400, "invalid_request", 9_002_313, FailureClass::RequestMalformed),
        (400, "invalid_request", 900_144, FailureClass::RequestMalformed),
        (400, "invalid_grant", 50_196, FailureClass::ClientLoop),
        (400, "invalid_grant", 90_033, FailureClass::SignInUnavailable),
    ] {
        let body =
            format!(r#"{{"error":"{error}","error_codes":[{number}],"error_description":"AADSTS{number}: Words."}}"#);
        fake.token_answers(status, &[], &body);
        let said = microsoft.probe_credentials(&Counting).await.expect("asked");
        assert_eq!(said[0].as_ref().expect_err("unknown").class, class, "{body}");
        assert_eq!(microsoft.credential_states(), [CredentialState::Untried], "{body}");
        assert!(microsoft.probe_application(&Counting).await.is_err(), "nor whether it knows the app: {body}");
    }
}

fn pem_of(key: &RsaPrivateKey) -> String {
    key.to_pkcs8_pem(LineEnding::LF).expect("PEM").to_string()
}

/// Valid until 2030.
fn certificate_of(key: &RsaPrivateKey) -> (String, Vec<u8>) {
    let key = rcgen::KeyPair::from_pem_and_sign_algo(&pem_of(key), &rcgen::PKCS_RSA_SHA256).expect("a key that signs");
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    parameters.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let made = parameters.self_signed(&key).expect("a certificate");
    (made.pem(), made.der().to_vec())
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

#[tokio::test]
async fn a_certificates_key_signs_a_new_assertion_for_each_call() {
    let fake = Fake::common().await;
    granted(&fake);
    let (certificate, der) = certificate_of(rsa_key(0));
    let read =
        ClientCertificate::from_pem(&certificate, &Secret::new(pem_of(rsa_key(0)))).expect("they belong together");
    assert_eq!(read.not_after().seconds(), 1_893_456_000);
    assert_eq!(read.thumbprint().len(), 40);
    let microsoft = fake.microsoft_with("common", vec![Credential::Certificate(read)]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        refreshed(&microsoft).await.expect("a token");
        let form: BTreeMap<String, String> = fake.last_form().into_iter().collect();
        assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        assert_eq!((form["client_id"].as_str(), form.contains_key("client_secret")), (CLIENT_ID, false));
        let parts: Vec<&str> = form["client_assertion"].split('.').collect();
        let (header, claims) = (decoded(parts[0]), decoded(parts[1]));
        assert_eq!(header["alg"], "PS256");
        assert_eq!(header["x5t#S256"], URL_SAFE_NO_PAD.encode(Sha256::digest(&der)));
        assert_eq!(claims["aud"], format!("{}/common/oauth2/v2.0/token", fake.base));
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!(CLIENT_ID), &json!(CLIENT_ID)));
        let (begins, ends) = (claims["nbf"].as_i64().expect("nbf"), claims["exp"].as_i64().expect("exp"));
        assert!(begins <= NOW && ends > NOW && ends - begins <= 600, "{claims}");
        let signature = Signature::try_from(URL_SAFE_NO_PAD.decode(parts[2]).expect("base64url").as_slice());
        let key = VerifyingKey::<Sha256>::new(RsaPublicKey::from(rsa_key(0)));
        key.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &signature.expect("a signature")).expect("signed");
        ids.push(claims["jti"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_certificate_and_a_key_that_cannot_be_used_say_why_and_show_nothing() {
    let (certificate, _) = certificate_of(rsa_key(0));
    let small = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).expect("a key");
    let elliptic = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    let good = pem_of(rsa_key(0));
    let damaged = good.replace("\nMII", "\nMIA");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIF\n-----END ENCRYPTED PRIVATE KEY-----\n".to_owned();
    let cases = [
        (certificate.as_str(), pem_of(rsa_key(1)), CertificateError::KeyOfAnother),
        (certificate.as_str(), pem_of(&small), CertificateError::KeySize),
        (certificate.as_str(), elliptic, CertificateError::KeyNotRsa),
        (certificate.as_str(), encrypted, CertificateError::KeyEncrypted),
        (certificate.as_str(), "a password?".to_owned(), CertificateError::NoKey),
        (certificate.as_str(), certificate.clone(), CertificateError::NoKey),
        (certificate.as_str(), damaged, CertificateError::KeyUnreadable),
        ("nothing", good.clone(), CertificateError::NoCertificate),
        (
            "-----BEGIN CERTIFICATE-----\nMIIF\n-----END CERTIFICATE-----\n",
            good.clone(),
            CertificateError::CertificateUnreadable,
        ),
    ];
    for (certificate, key, expected) in cases {
        let refused = ClientCertificate::from_pem(certificate, &Secret::new(key)).expect_err("refused");
        assert_eq!(refused, expected);
    }
    let read = ClientCertificate::from_pem(&certificate, &Secret::new(good)).expect("a certificate");
    assert!(format!("{:?}", Credential::Certificate(read)).len() < 120);
    assert_eq!(format!("{:?}", Credential::secret(OLD)), "Secret(…)");
    assert_eq!((Credential::secret(OLD).hint().as_str(), Credential::secret("short").hint().as_str()), ("the", ""));
}
