//! Which certificate authorities are believed: Mozilla's list as compiled in, and the operator's own from `EXTRA_CA_FILE`.
//!
//! There is no way to believe everybody: neither here nor anywhere else can verification be switched off.

use crate::NetError;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::sync::Arc;

pub(crate) fn client_config(extra_ca_pem: Option<&[u8]>) -> Result<ClientConfig, NetError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra_ca_pem {
        let mut count = 0_usize;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate
                .map_err(|e| NetError::Config(format!("the extra certificate authorities are not PEM: {e}")))?;
            roots
                .add(certificate)
                .map_err(|e| NetError::Config(format!("an extra certificate authority cannot be used: {e}")))?;
            count += 1;
        }
        if count == 0 {
            return Err(NetError::Config("the extra certificate authorities hold no certificate".to_owned()));
        }
    }
    // The provider is named here, so that no process-wide default has to be installed before the first connection.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| NetError::Config(format!("TLS cannot be set up: {e}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
