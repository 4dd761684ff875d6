//! Signing keys: RSA keys made once in a process, and per sandbox the choice of which are published and which signs.
//!
//! As at Microsoft (documentation, "Signing key rollover"): at least two valid keys at all times, their order means
//! nothing, and each carries the issuer it may sign for, a template or a concrete one.

use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding as _, Signer as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};

use crate::directory::PERSONAL_TENANT;
use crate::faults::KeysFault;
use crate::state::lock;

/// A tenant that none of the sandbox's users is in; one published key belongs to it.
pub(crate) const ANOTHER_TENANT: &str = "0d8f7f44-9a6b-4e0e-8f55-1c2b9e3a7d61";

/// One RSA key with everything that is published of it.
pub(crate) struct KeyMaterial {
    pub(crate) kid: String,
    signing: SigningKey<Sha256>,
    n: String,
    e: String,
    x5c: String,
    public_pem: String,
}

impl KeyMaterial {
    fn make() -> Self {
        let mut random = rsa::rand_core::OsRng;
        let private = RsaPrivateKey::new(&mut random, 2048).expect("a 2048 bit key can be made");
        let public = RsaPublicKey::from(&private);
        let certificate = certificate_of(&private);
        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate);
        Self {
            kid: URL_SAFE_NO_PAD.encode(thumbprint.as_ref()),
            n: URL_SAFE_NO_PAD.encode(public.n().to_bytes_be()),
            e: URL_SAFE_NO_PAD.encode(public.e().to_bytes_be()),
            x5c: STANDARD.encode(certificate),
            public_pem: public.to_public_key_pem(LineEnding::LF).expect("a public key can be written as PEM"),
            signing: SigningKey::new(private),
        }
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 over the bytes.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.signing.sign(message).to_vec()
    }

    /// What an HS256 forger would use as the secret.
    pub(crate) fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// v2.0 key members (Microsoft's documentation, access tokens): no `alg`, `x5t` equal to `kid`, an `issuer`.
    fn jwk(&self, issuer: &str) -> Value {
        json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid, "n": self.n, "e": self.e,
            "x5c": [self.x5c], "issuer": issuer, "cloud_instance_name": "microsoftonline.com",
        })
    }
}

fn certificate_of(private: &RsaPrivateKey) -> Vec<u8> {
    let pkcs8 = private.to_pkcs8_der().expect("a private key can be written as PKCS#8");
    let der = rustls_pki_types::PrivatePkcs8KeyDer::from(pkcs8.as_bytes());
    let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256).expect("an RSA key signs");
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).expect("no names are valid names");
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "accounts.accesscontrol.windows.net");
    parameters.self_signed(&key).expect("a certificate can be signed with its own key").der().to_vec()
}

/// The keys of the process, in the order they were first needed. A hundred sandboxes share them.
static POOL: [OnceLock<Arc<KeyMaterial>>; 8] = [const { OnceLock::new() }; 8];

fn pooled(at: usize) -> Arc<KeyMaterial> {
    Arc::clone(POOL[at % POOL.len()].get_or_init(|| Arc::new(KeyMaterial::make())))
}

const WORK_FIRST: usize = 0;
const WORK_SECOND: usize = 1;
const PERSONAL: usize = 2;
const FOREIGN: usize = 3;
const UNPUBLISHED: usize = 4;
const FIRST_SPARE: usize = 5;

/// Makes the keys every sandbox publishes, two at a time.
pub(crate) fn prepare() {
    std::thread::scope(|scope| {
        for at in [WORK_FIRST, WORK_SECOND, PERSONAL, FOREIGN] {
            scope.spawn(move || pooled(at));
        }
    });
}

/// The keys of one sandbox.
pub(crate) struct Keys {
    /// Positions in the pool; the last one signs for organisations.
    work: Mutex<Vec<usize>>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self { work: Mutex::new(vec![WORK_SECOND, WORK_FIRST]) }
    }

    /// Publishes one more key and signs with it.
    pub(crate) fn rotate(&self) {
        let mut work = lock(&self.work);
        let next = (FIRST_SPARE..POOL.len()).find(|at| !work.contains(at)).unwrap_or(FIRST_SPARE);
        work.retain(|held| *held != next);
        work.push(next);
    }

    /// Leaves only the newest key of the organisations, beside the personal one and the foreign one.
    pub(crate) fn retire_old(&self) {
        let mut work = lock(&self.work);
        let newest = work.len().saturating_sub(1);
        work.drain(..newest);
    }

    /// The key that signs for an account.
    pub(crate) fn signer(&self, personal: bool) -> Arc<KeyMaterial> {
        let newest = lock(&self.work).last().copied().unwrap_or(WORK_FIRST);
        pooled(if personal { PERSONAL } else { newest })
    }

    /// Key id and public key (PEM) of every key that signs for organisations.
    pub(crate) fn public_keys(&self) -> Vec<(String, String)> {
        lock(&self.work).iter().map(|at| pooled(*at)).map(|key| (key.kid.clone(), key.public_pem.clone())).collect()
    }

    /// A published key whose `issuer` is another tenant's.
    pub(crate) fn foreign(&self) -> Arc<KeyMaterial> {
        pooled(FOREIGN)
    }

    /// A key that nobody publishes.
    pub(crate) fn unpublished(&self) -> Arc<KeyMaterial> {
        pooled(UNPUBLISHED)
    }

    /// The JSON Web Key Set. `issuer` makes an issuer of a tenant id, or the template of `{tenantid}`.
    pub(crate) fn key_set(&self, issuer: impl Fn(&str) -> String, fault: Option<KeysFault>) -> Value {
        if fault == Some(KeysFault::Empty) {
            return json!({"keys": []});
        }
        let template = issuer("{tenantid}");
        let mut keys: Vec<Value> = lock(&self.work).iter().map(|at| pooled(*at).jwk(&template)).collect();
        keys.push(pooled(PERSONAL).jwk(&issuer(PERSONAL_TENANT)));
        keys.push(pooled(FOREIGN).jwk(&issuer(ANOTHER_TENANT)));
        if fault == Some(KeysFault::Strange) {
            keys.insert(0, json!({"kty": "XYZ", "use": "sig", "kid": "of-a-type-nobody-knows"}));
            keys.insert(1, json!({"kty": "EC", "crv": "P-256", "kid": "no-coordinates"}));
            let mut without_issuer = pooled(UNPUBLISHED).jwk("");
            if let Some(members) = without_issuer.as_object_mut() {
                members.remove("issuer");
            }
            keys.push(without_issuer);
        }
        json!({ "keys": keys })
    }
}
