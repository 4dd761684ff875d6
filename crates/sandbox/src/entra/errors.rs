//! (being built)
pub(crate) struct EntraError;
