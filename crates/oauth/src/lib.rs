//! Signing in at Microsoft: where to send the browser, what its answer is worth, and how tokens stay fresh.
//!
//! - [`provider`]: the settings, the closed list of Microsoft's login hosts, and [`Microsoft`], which everything else hangs on.
//! - [`authorize`]: the URL the browser is sent to, and its secrets. [`exchange`] and [`refresh`]: codes and refresh tokens become tokens.
//! - [`discovery`] and [`jwks`]: the provider's own documents, cached. [`id_token`]: whether an answer can be trusted; [`claims`]: what it says.
//! - [`Credential`]: what an application proves itself with, a secret or a certificate; where it has two, the second stands in for the first.
//! - [`errors`]: what each of the provider's errors means, as a [`domain::Failure`].
//!
//! This crate never stores anything, never touches a mailbox, and never writes a token, code or secret into an error, a log or `Debug`.

mod cache;
mod call;
mod client_auth;
mod credential;
mod crypto;

pub mod authorize;
pub mod claims;
pub mod discovery;
pub mod errors;
pub mod exchange;
pub mod id_token;
pub mod jwks;
mod probe;
pub mod provider;
pub mod refresh;

pub use authorize::{AuthorizeRequest, PkceVerifier, Prompt, random_token};
pub use claims::{Claims, Identity};
pub use client_auth::{CredentialRefusal, CredentialState};
pub use credential::{CertificateError, ClientCertificate, Credential};
pub use errors::{classify_token_error, error_from_callback};
pub use exchange::{Resource, TokenSet};
pub use provider::{
    Authorities, Authority, CONSUMERS_TENANT, Cloud, Microsoft, MicrosoftSettings, SettingsError, cloud_of, is_graph,
};
