//! App registrations: a client id, what the app may prove itself with, and whose accounts it is for.
//!
//! It holds; what a wrong credential is answered with is the token endpoint's.

use crate::ambient::random_guid;
use crate::directory::Audience;
use crate::entra::errors::EntraError;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256};
use rsa::pkcs8::EncodePrivateKey as _;

/// An app as its owner has registered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRegistration {
    pub client_id: String,
    pub secrets: Vec<AppSecret>,
    /// Certificates in PEM, without their keys.
    pub certificates: Vec<String>,
    /// The one tenant whose accounts may sign in; `None`: those of any organisation, and personal ones.
    pub single_tenant: Option<String>,
    /// Microsoft or its owner has switched it off for everybody.
    pub disabled: bool,
    /// Tenants in which "Enabled for users to sign in?" is No.
    pub disabled_in: Vec<String>,
    /// Its manifest asks for the optional claims of id_tokens that Microsoft leaves out otherwise.
    pub optional_claims: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppSecret {
    pub value: String,
    /// Seconds since 1970, by the sandbox's clock.
    pub expires_at: Option<i64>,
}

impl AppRegistration {
    pub fn new(client_id: &str) -> Self {
        Self {
            client_id: client_id.into(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            single_tenant: None,
            disabled: false,
            disabled_in: Vec::new(),
            optional_claims: true,
        }
    }

    /// With a client id that nobody else has.
    pub fn any() -> Self {
        Self::new(&random_guid())
    }

    #[must_use]
    pub fn secret(mut self, value: &str) -> Self {
        self.secrets.push(AppSecret { value: value.into(), expires_at: None });
        self
    }

    #[must_use]
    pub fn certificate(mut self, pem: &str) -> Self {
        self.certificates.push(pem.into());
        self
    }

    /// Accounts of this tenant only.
    #[must_use]
    pub fn for_tenant(mut self, tid: &str) -> Self {
        self.single_tenant = Some(tid.into());
        self
    }

    /// A single-tenant app is known in its own tenant only, and nowhere at the shared addresses.
    pub(crate) fn admits(&self, audience: &Audience, segment: &str) -> Result<(), EntraError> {
        if self.disabled {
            return Err(EntraError::application_disabled(&self.client_id));
        }
        let Some(own) = &self.single_tenant else { return Ok(()) };
        match audience {
            Audience::One(tid) if tid == own => Ok(()),
            Audience::One(_) => Err(EntraError::unknown_application(&self.client_id)),
            Audience::Everybody | Audience::Work | Audience::Personal => {
                let text = format!(
                    "Application '{}'(Postroom) is not configured as a multi-tenant application. Usage of the /{segment} \
                     endpoint is not supported for such apps created after '10/15/2018'. Use a tenant-specific endpoint \
                     or configure the application to be multi-tenant.",
                    self.client_id
                );
                Err(EntraError::new("invalid_request", 50_194, text))
            }
        }
    }
}

/// A certificate with its key, both in PEM, for whoever plays the app.
#[derive(Clone, Debug)]
pub struct TestCertificate {
    pub certificate: String,
    pub private_key: String,
}

impl TestCertificate {
    /// RSA of so many bits, valid from so many days ago until so many days from now, which is in seconds since 1970.
    pub fn make(bits: usize, now: i64, valid_days: (i64, i64)) -> Self {
        let private = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).expect("an RSA key can be made");
        let pkcs8 = private.to_pkcs8_der().expect("a private key can be written as PKCS#8");
        let der = rustls_pki_types::PrivatePkcs8KeyDer::from(pkcs8.as_bytes());
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256).expect("an RSA key signs");
        let mut parameters = CertificateParams::new(Vec::new()).expect("no names are valid names");
        parameters.distinguished_name.push(DnType::CommonName, "Postroom");
        let day = |days: i64| {
            let at = chrono::DateTime::from_timestamp(now + days * 86_400, 0).unwrap_or_default();
            use chrono::Datelike as _;
            let part = |number: u32| u8::try_from(number).expect("months and days are small");
            rcgen::date_time_ymd(at.year(), part(at.month()), part(at.day()))
        };
        parameters.not_before = day(-valid_days.0);
        parameters.not_after = day(valid_days.1);
        Self {
            certificate: parameters.self_signed(&key).expect("it signs itself").pem(),
            private_key: key.serialize_pem(),
        }
    }
}
