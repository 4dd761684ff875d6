//! A conversation is deleted with all that is in it. What is left are hashes by which its mails are known when a server hands them out again.

use super::{ReadError, change, list, snapshot};
use crate::accounts::Member;
use crate::{App, Hint};
use domain::DisplayId;
use domain::event::EventKind;
use store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    #[error("only administrators delete conversations")]
    Forbidden,
    #[error("the conversation could not be found")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for DeleteError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::NotFound,
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

pub async fn delete(app: &App, member: &Member, conversation: DisplayId) -> Result<(), DeleteError> {
    let seen = list::seen(member, conversation).await?;
    if !member.may_manage_inboxes() {
        return Err(DeleteError::Forbidden);
    }
    let mut tx = member.scope.begin().await?;
    let view = change::lock(&mut tx, seen.id).await?;
    if !tx.delete_conversation(seen.id).await? {
        return Err(DeleteError::NotFound);
    }
    tx.append_event(EventKind::ConversationDeleted, Some(seen.inbox_id), Some(seen.id), snapshot::conversation(&view));
    tx.commit().await?;
    app.wake(Hint::Account(member.scope.account_id()));
    Ok(())
}
