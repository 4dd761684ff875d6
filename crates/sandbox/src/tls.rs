//! The authority and the certificate of the two mail servers, made once in a process.
//!
//! The certificate is an end-entity one (CA:FALSE) with subject alternative names, as rustls demands of a server.

use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// What may be wrong with the TLS of a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate was good until the end of 2020.
    ExpiredCertificate,
    /// The certificate is another host's.
    OtherHost,
    /// The certificate is signed by nobody who is believed.
    SelfSigned,
    /// The connection ends in the handshake.
    CutHandshake,
    /// The server speaks in the clear where TLS is expected.
    Plaintext,
}

struct Material {
    ca_pem: String,
    acceptor: TlsAcceptor,
    expired: TlsAcceptor,
    other_host: TlsAcceptor,
    self_signed: TlsAcceptor,
}

static MATERIAL: OnceLock<Material> = OnceLock::new();

pub(crate) fn prepare() {
    material();
}

pub(crate) fn ca_pem() -> &'static str {
    &material().ca_pem
}

/// The good one, or one with a certificate that is not to be believed.
pub(crate) fn acceptor(fault: Option<TlsFault>) -> TlsAcceptor {
    let material = material();
    let acceptor = match fault {
        Some(TlsFault::ExpiredCertificate) => &material.expired,
        Some(TlsFault::OtherHost) => &material.other_host,
        Some(TlsFault::SelfSigned) => &material.self_signed,
        Some(TlsFault::CutHandshake | TlsFault::Plaintext) | None => &material.acceptor,
    };
    acceptor.clone()
}

fn material() -> &'static Material {
    MATERIAL.get_or_init(|| make().expect("certificates can be made from fixed parameters"))
}

fn make() -> Result<Material, Box<dyn std::error::Error>> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name.push(DnType::CommonName, "Postroom sandbox authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_certificate = ca.self_signed(&ca_key)?;
    let issuer = Issuer::new(ca, ca_key);

    let signed = |params: CertificateParams| -> Result<TlsAcceptor, Box<dyn std::error::Error>> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        acceptor_with(vec![certificate.der().clone(), ca_certificate.der().clone()], &key)
    };
    let own_key = KeyPair::generate()?;
    let own = here()?.self_signed(&own_key)?;
    let mut expired = here()?;
    expired.not_before = rcgen::date_time_ymd(2020, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2020, 12, 31);
    Ok(Material {
        acceptor: signed(here()?)?,
        expired: signed(expired)?,
        other_host: signed(server(vec!["elsewhere.example".into()])?)?,
        self_signed: acceptor_with(vec![own.der().clone()], &own_key)?,
        ca_pem: ca_certificate.pem(),
    })
}

fn here() -> Result<CertificateParams, rcgen::Error> {
    server(vec!["localhost".into(), "127.0.0.1".into(), "::1".into()])
}

fn server(names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut server = CertificateParams::new(names)?;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    server.is_ca = IsCa::ExplicitNoCa;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(server)
}

fn acceptor_with(
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
) -> Result<TlsAcceptor, Box<dyn std::error::Error>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))?;
    Ok(TlsAcceptor::from(Arc::new(tls)))
}
