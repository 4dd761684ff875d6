//! What an application proves itself with at the token endpoint: a client secret, or a certificate with its key.
//!
//! A certificate never leaves this process: what is sent is an assertion that its key has signed, good for one call and ten minutes.
//! "Microsoft identity platform application authentication certificate credentials" asks for PS256 and the SHA-256 thumbprint.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{Failure, FailureClass, Secret, Timestamp};
use ring::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    rand::{SecureRandom, SystemRandom},
    rsa::KeyPair,
    signature::RSA_PSS_SHA256,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use x509_parser::prelude::{FromDer, X509Certificate};

/// How long an assertion holds, and how far back it begins, for a clock that is a little ahead of Microsoft's.
const ASSERTION_LIVES: Duration = Duration::from_secs(9 * 60);
const ASSERTION_BEGAN: Duration = Duration::from_secs(60);
/// RFC 7523 §2.2.
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// One of an application's credentials.
#[derive(Clone)]
pub enum Credential {
    Secret(Secret),
    Certificate(ClientCertificate),
}

impl Credential {
    pub fn secret(value: impl Into<String>) -> Self {
        Self::Secret(Secret::new(value.into()))
    }

    /// By what its owner finds it in the list of the app registration: a secret's first three characters, a certificate's thumbprint.
    pub fn hint(&self) -> String {
        match self {
            // Of a shorter one, three characters would be too much.
            Self::Secret(secret) if secret.expose().len() >= 16 => secret.expose().chars().take(3).collect(),
            Self::Secret(_) => String::new(),
            Self::Certificate(certificate) => certificate.thumbprint().to_owned(),
        }
    }
}

/// Neither a secret nor a key.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret(_) => f.write_str("Secret(…)"),
            Self::Certificate(certificate) => certificate.fmt(f),
        }
    }
}

/// A certificate and its private key.
#[derive(Clone)]
pub struct ClientCertificate {
    key: Arc<KeyPair>,
    sha256: String,
    thumbprint: String,
    not_after: Timestamp,
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCertificate").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

/// What is wrong with a certificate or its key. It shows nothing of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("the certificate is not one in PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    #[error("the certificate cannot be read: it is damaged, or not X.509")]
    CertificateUnreadable,
    #[error("the private key is encrypted: give it without a passphrase (openssl pkcs8 -topk8 -nocrypt)")]
    KeyEncrypted,
    #[error("the private key is not one in PEM (-----BEGIN PRIVATE KEY-----, PKCS#8)")]
    NoKey,
    #[error("the private key is not an RSA key: Microsoft takes RSA only")]
    KeyNotRsa,
    #[error("the private key is too short or too long: RSA keys of 2048 to 4096 bits can be used")]
    KeySize,
    #[error("the private key cannot be read: it is damaged")]
    KeyUnreadable,
    #[error("the private key does not belong to the certificate")]
    KeyOfAnother,
}

impl ClientCertificate {
    /// Both in PEM. Of a chain the first certificate counts: that is the one whose key is used.
    pub fn from_pem(certificate: &str, private_key: &Secret) -> Result<Self, CertificateError> {
        let der =
            CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|_| CertificateError::NoCertificate)?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| CertificateError::CertificateUnreadable)?;
        let key = private_key_of(private_key.expose())?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.public().as_ref() {
            return Err(CertificateError::KeyOfAnother);
        }
        let thumbprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &der);
        Ok(Self {
            key: Arc::new(key),
            sha256: URL_SAFE_NO_PAD.encode(digest(&SHA256, &der)),
            thumbprint: thumbprint.as_ref().iter().map(|byte| format!("{byte:02X}")).collect(),
            not_after: Timestamp::from_seconds(parsed.validity().not_after.timestamp()),
        })
    }

    /// SHA-1 in hexadecimal, as the Entra admin centre lists certificates.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Proves once, to whoever is at `audience`, that we are `client_id`.
    pub(crate) fn assertion(&self, client_id: &str, audience: &str, now: Timestamp) -> Result<Secret, Failure> {
        let failed = |what: &str| Failure::new(FailureClass::Internal).detail(what);
        #[expect(clippy::disallowed_methods, reason = "ring takes the salt of a signature from here alone")]
        let random = SystemRandom::new();
        let mut id = [0; 16];
        random.fill(&mut id).map_err(|_| failed("no randomness for an assertion"))?;
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.sha256 });
        let claims = json!({
            "aud": audience, "iss": client_id, "sub": client_id, "jti": URL_SAFE_NO_PAD.encode(id), "iat": now.seconds(),
            "nbf": now.minus(ASSERTION_BEGAN).seconds(), "exp": now.plus(ASSERTION_LIVES).seconds(),
        });
        let encoded = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encoded(&header), encoded(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, &random, message.as_bytes(), &mut signature)
            .map_err(|_| failed("an assertion could not be signed"))?;
        Ok(Secret::new(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

fn private_key_of(pem: &str) -> Result<KeyPair, CertificateError> {
    if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") || pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(CertificateError::KeyEncrypted);
    }
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| CertificateError::NoKey)?;
    let read = match &der {
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(CertificateError::KeyNotRsa),
    };
    // ring says in one word why it takes a key or does not.
    read.map_err(|rejected| match rejected.to_string().as_str() {
        "TooSmall" | "TooLarge" => CertificateError::KeySize,
        "WrongAlgorithm" => CertificateError::KeyNotRsa,
        _ => CertificateError::KeyUnreadable,
    })
}
