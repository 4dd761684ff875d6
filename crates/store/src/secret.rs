//! Sealing of secrets.
use domain::Secret;
/// The keys that seal secrets: the first seals, all open.
#[derive(Clone)]
pub struct KeyRing {
    pub(crate) keys: Vec<(String, [u8; 32])>,
}
impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(…)")
    }
}
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct KeyRingError(pub String);
impl KeyRing {
    /// `kid:base64,kid2:base64`; the first seals. A bare base64 key is the key `default`.
    pub fn parse(_text: &Secret) -> Result<Self, KeyRingError> {
        todo!()
    }
}
