//! What is found, and how far the index is.

/// Chatwoot's page.
pub const FOUND_PER_PAGE: u32 = 15;

/// What one step of indexing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexStep {
    /// Everything that was there is in the index.
    Done,
    /// There is more.
    More,
    /// Another process was at it, or something is being deleted at this moment.
    NotNow,
}
