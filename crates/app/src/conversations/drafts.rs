//! What somebody has begun to write in a conversation, kept for them alone until they send it or throw it away.

use super::{ReadError, list};
use crate::App;
use crate::accounts::Member;
use domain::DisplayId;
use store::StoreError;
pub use store::{DraftRecipients, SavedDraft};

/// The longest list of recipients, as JSON.
const MAX_RECIPIENTS_BYTES: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    #[error("the conversation could not be found")]
    NotFound,
    #[error("the recipients are too long")]
    RecipientsTooLong,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for DraftError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::NotFound,
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

pub async fn draft(_app: &App, member: &Member, conversation: DisplayId) -> Result<Option<SavedDraft>, ReadError> {
    let id = list::seen(member, conversation).await?.id;
    Ok(member.scope.draft(id, member.agent.user.id).await?)
}

/// In the place of the one that was. One with nothing in it is none.
pub async fn keep_draft(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    message: String,
    private: bool,
    recipients: DraftRecipients,
) -> Result<(), DraftError> {
    let id = list::seen(member, conversation).await?.id;
    let bytes: usize = [&recipients.to, &recipients.cc, &recipients.bcc].into_iter().flatten().map(String::len).sum();
    if bytes > MAX_RECIPIENTS_BYTES {
        return Err(DraftError::RecipientsTooLong);
    }
    let user = member.agent.user.id;
    let mut tx = member.scope.begin().await?;
    if message.is_empty() && recipients == DraftRecipients::default() {
        tx.forget_draft(id, user).await?;
    } else {
        let draft = SavedDraft { message, private, recipients, updated_at: app.now() };
        match tx.keep_draft(id, user, &draft).await {
            // The conversation was deleted meanwhile.
            Err(StoreError::Conflict(_)) => return Err(DraftError::NotFound),
            kept => kept?,
        }
    }
    tx.commit().await?;
    Ok(())
}

pub async fn forget_draft(_app: &App, member: &Member, conversation: DisplayId) -> Result<(), ReadError> {
    let id = list::seen(member, conversation).await?.id;
    let mut tx = member.scope.begin().await?;
    tx.forget_draft(id, member.agent.user.id).await?;
    tx.commit().await?;
    Ok(())
}
