//! The authority and the certificate of the two mail servers, made once in a process.
//!
//! The certificate is an end-entity one (CA:FALSE) with subject alternative names, as rustls demands of a server.

use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

struct Material {
    ca_pem: String,
    acceptor: TlsAcceptor,
}

static MATERIAL: OnceLock<Material> = OnceLock::new();

pub(crate) fn prepare() {
    material();
}

pub(crate) fn ca_pem() -> &'static str {
    &material().ca_pem
}

pub(crate) fn acceptor() -> TlsAcceptor {
    material().acceptor.clone()
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

    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into(), "::1".into()])?;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    server.is_ca = IsCa::ExplicitNoCa;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = server.signed_by(&key, &issuer)?;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone(), ca_certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )?;
    Ok(Material { ca_pem: ca_certificate.pem(), acceptor: TlsAcceptor::from(Arc::new(tls)) })
}
