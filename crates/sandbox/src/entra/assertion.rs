//! `private_key_jwt`: an app proves itself with a JWT that its certificate's key has signed.
//!
//! Microsoft's documentation ("application authentication certificate credentials") says what must be in it: `x5t#S256` (or the older
//! `x5t`) names the certificate, `aud` is the token endpoint, `iss` and `sub` are the client id. That a `jti` is taken once is RFC 7523 §3.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::errors::EntraError;
use crate::apps::AppRegistration;
use crate::state::State;

/// The usual allowance for clocks that differ.
const SKEW_SECONDS: i64 = 300;
/// No assertion may hold for longer.
const LONGEST_SECONDS: i64 = 24 * 3600;

fn refused(code: u32, text: impl Into<String>) -> EntraError {
    EntraError::new("invalid_client", code, text)
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

pub(super) fn check(
    state: &State,
    app: &AppRegistration,
    segment: &str,
    kind: Option<&str>,
    assertion: &str,
) -> Result<(), EntraError> {
    if kind != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
        return Err(EntraError::missing_parameter("client_assertion_type"));
    }
    let malformed = || refused(50_027, "JWT token is invalid or malformed.");
    let parts: Vec<&str> = assertion.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { return Err(malformed()) };
    let (head, body) = (decoded(header).ok_or_else(malformed)?, decoded(claims).ok_or_else(malformed)?);
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
    let algorithm: &dyn VerificationAlgorithm = match head["alg"].as_str() {
        Some("PS256") => &RSA_PSS_2048_8192_SHA256,
        Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(refused(5_002_727, "Invalid JWT header algorithm specified.")),
    };
    let message = format!("{header}.{claims}");
    signed_by_a_certificate(state, app, &head, algorithm, message.as_bytes(), &signature)?;
    let own_id = |name: &str| body[name].as_str().is_some_and(|id| id.eq_ignore_ascii_case(&app.client_id));
    if !own_id("iss") || !own_id("sub") {
        let text = "Client assertion application identifier doesn't match 'client_id' parameter.";
        return Err(refused(700_021, text));
    }
    let endpoint = format!("{}/{segment}/oauth2/v2.0/token", state.login_url);
    if body["aud"].as_str() != Some(endpoint.as_str()) {
        return Err(refused(700_023, "Client assertion audience claim does not match Realm issuer."));
    }
    let now = state.clock.now();
    let time = |name: &str| body[name].as_i64();
    let in_time = time("exp").is_some_and(|exp| exp > now - SKEW_SECONDS && exp < now + LONGEST_SECONDS)
        && time("nbf").is_none_or(|nbf| nbf < now + SKEW_SECONDS);
    if !in_time {
        return Err(refused(700_024, "Client assertion is not within its valid time range."));
    }
    match body["jti"].as_str() {
        Some(jti) if !jti.is_empty() && state.takes_assertion(jti) => Ok(()),
        _ => Err(refused(700_027, "Client assertion failed signature validation: its 'jti' is missing or was used.")),
    }
}

/// One of the app's own, and valid today.
fn signed_by_a_certificate(
    state: &State,
    app: &AppRegistration,
    head: &Value,
    algorithm: &'static dyn VerificationAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), EntraError> {
    let named = |member: &str, how: &'static digest::Algorithm, der: &CertificateDer<'_>| {
        head[member].as_str() == Some(URL_SAFE_NO_PAD.encode(digest::digest(how, der)).as_str())
    };
    let found =
        app.certificates.iter().filter_map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok()).find(|der| {
            named("x5t#S256", &digest::SHA256, der) || named("x5t", &digest::SHA1_FOR_LEGACY_USE_ONLY, der)
        });
    let Some(der) = found else {
        let text = format!(
            "The certificate with identifier used to sign the client assertion is not registered on application '{}'.",
            app.client_id
        );
        return Err(refused(700_027, text));
    };
    let (_, certificate) = X509Certificate::from_der(&der)
        .map_err(|_| refused(700_027, "Client assertion contains an invalid signature."))?;
    let key = UnparsedPublicKey::new(algorithm, certificate.public_key().subject_public_key.data.as_ref());
    if key.verify(message, signature).is_err() {
        return Err(refused(700_027, "Client assertion contains an invalid signature."));
    }
    let validity = certificate.validity();
    let now = state.clock.now();
    if now < validity.not_before.timestamp() || now > validity.not_after.timestamp() {
        let text = "The provided certificate is not within its specified validity period.";
        return Err(refused(1_000_502, text));
    }
    Ok(())
}
