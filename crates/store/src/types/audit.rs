//! Who acts in an account, for the log of what administrators did.

use domain::{TokenId, UserId};

/// A person, and how they came.
#[derive(Clone, Debug)]
pub struct Acting {
    pub user_id: UserId,
    /// The token or session they came with.
    pub token_id: Option<TokenId>,
    /// Where the request came from.
    pub remote_address: Option<String>,
    /// Under which the log has it.
    pub request_id: Option<String>,
}

impl Acting {
    /// Somebody who asked for something before, which is done now without them.
    pub const fn before(user_id: UserId) -> Self {
        Self { user_id, token_id: None, remote_address: None, request_id: None }
    }
}
