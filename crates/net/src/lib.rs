//! The only way out: every byte that leaves the process for another host goes through a [`Connector`].
//!
//! In this order: [`resolve`] a name to all its addresses, ask [`policy`] about each of them, [`connect`] to one that was asked about
//! (the name is never resolved a second time), and speak TLS with the name verified. Sessions with mail servers hold a slot of their host
//! meanwhile ([`slots`]). Whoever wants to know which step of the way fails watches it ([`steps`]). [`http`] is the one HTTP client, on the same path.
//!
//! This crate never follows a redirect, never uses a proxy, never reads the environment, and never skips a certificate check.

mod certificate;
pub mod connect;
pub mod error;
pub mod http;
pub mod policy;
pub mod resolve;
mod slots;
pub mod steps;
mod trust;

pub use connect::{Connector, ConnectorConfig, Endpoint, TcpStream, TlsMode, TlsStream, Trust};
pub use error::NetError;
pub use http::{Http, HttpAnswer, HttpRequest};
pub use reqwest::Method;
pub use reqwest::header::HeaderMap;
pub use slots::Slot;
pub use steps::{Step, Steps};
