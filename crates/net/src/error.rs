//! What can go wrong on the way out, and which class of failure that is. Never holds a URL's query, a header or a body.

use domain::{Failure, FailureClass};
use std::net::IpAddr;

#[derive(Clone, Debug, thiserror::Error)]
pub enum NetError {
    /// The settings themselves cannot work: an endpoint that is no endpoint, a certificate file that holds none.
    #[error("{0}")]
    Config(String),
    /// Plain http where it was not allowed.
    #[error("plain http is not allowed here (host {host})")]
    PlainHttp { host: String },
    #[error("the name {host} could not be resolved: {reason}")]
    Unresolved { host: String, reason: String },
    /// A tenant gave a host that resolves to an address of ours or of nobody.
    #[error("the host {host} resolves to {address}, which may not be contacted")]
    Forbidden { host: String, address: IpAddr },
    #[error("{host} could not be reached: {reason}")]
    Unreachable { host: String, reason: String },
    #[error("{host} did not answer in time while {during}")]
    TimedOut { host: String, during: &'static str },
    /// The certificate is not one to be believed.
    #[error("TLS with {host} failed: {reason}")]
    Tls { host: String, reason: String },
    /// What came is no TLS, or none that can be spoken.
    #[error("{host} does not speak TLS: {reason}")]
    NoTls { host: String, reason: String },
    #[error("the connection to {host} was lost: {reason}")]
    ConnectionLost { host: String, reason: String },
    #[error("all {most} connections that are allowed to {host} are in use")]
    NoSlot { host: String, most: u32 },
    #[error("the answer of {host} is larger than {limit_bytes} bytes")]
    BodyTooLarge { host: String, limit_bytes: usize },
}

impl NetError {
    pub fn failure(&self) -> Failure {
        let said = self.to_string();
        match self {
            Self::Config(_) => Failure::new(FailureClass::Internal).detail(said),
            Self::PlainHttp { .. } => Failure::new(FailureClass::AppMisconfigured).detail(said),
            Self::Unresolved { .. } | Self::Unreachable { .. } => Failure::new(FailureClass::Unreachable).detail(said),
            // The address is left out: what a name resolves to inside our network is not for the person who typed the name.
            Self::Forbidden { host, .. } => Failure::new(FailureClass::HostForbidden).detail(host.clone()),
            Self::TimedOut { .. } => Failure::new(FailureClass::TimedOut).detail(said),
            Self::Tls { .. } => Failure::new(FailureClass::TlsFailed).detail(said),
            Self::NoTls { .. } => Failure::new(FailureClass::TlsUnavailable).detail(said),
            Self::ConnectionLost { .. } => Failure::new(FailureClass::ConnectionLost).detail(said),
            Self::NoSlot { .. } => Failure::new(FailureClass::HostBusy).detail(said),
            Self::BodyTooLarge { .. } => Failure::new(FailureClass::ProtocolError).detail(said),
        }
    }
}

impl NetError {
    pub(crate) fn of_tls(host: String, error: &rustls::Error) -> Self {
        let reason = error.to_string();
        match error {
            rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Self::Tls { host, reason },
            _ => Self::NoTls { host, reason },
        }
    }
}

impl From<NetError> for Failure {
    fn from(error: NetError) -> Self {
        error.failure()
    }
}
