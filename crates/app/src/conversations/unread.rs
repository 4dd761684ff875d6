//! How much is unread, for the badges beside inboxes, teams and labels.

use super::{ReadError, list};
use crate::App;
use crate::accounts::Member;
pub use store::UnreadCounts;

/// Open conversations that the member sees and in which something is unread.
pub async fn unread_counts(_app: &App, member: &Member) -> Result<UnreadCounts, ReadError> {
    Ok(member.scope.unread_counts(&list::viewer(member)).await?)
}
