//! Who takes part in a conversation: whoever was given it, was spoken to in it, or was added.

use super::{ReadError, list};
use crate::App;
use crate::accounts::Member;
use domain::conversation::mentions;
use domain::user::Agent;
use domain::{ConversationId, DisplayId, InboxId, Timestamp, UserId};
pub use store::People;
use store::{StoreError, Tx};

#[derive(Debug, thiserror::Error)]
pub enum ParticipantError {
    #[error("the conversation could not be found")]
    NotFound,
    /// No member of the account, or not of the inbox.
    #[error("somebody cannot see this inbox")]
    CannotSee,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for ParticipantError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::NotFound,
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

pub async fn participants(_app: &App, member: &Member, conversation: DisplayId) -> Result<Vec<Agent>, ReadError> {
    let id = list::seen(member, conversation).await?.id;
    Ok(member.scope.participants(id).await?)
}

/// All of them, as they are then.
pub async fn change_participants(
    _app: &App,
    member: &Member,
    conversation: DisplayId,
    users: &[UserId],
    how: People,
) -> Result<Vec<Agent>, ParticipantError> {
    let seen = list::seen(member, conversation).await?;
    let mut users = users.to_vec();
    users.sort_unstable();
    users.dedup();
    let mut tx = member.scope.begin().await?;
    tx.lock_conversation(seen.id).await?.ok_or(ParticipantError::NotFound)?;
    if how != People::Remove && tx.who_sees(seen.inbox_id, &users).await?.len() != users.len() {
        return Err(ParticipantError::CannotSee);
    }
    tx.change_participants(seen.id, &users, how).await?;
    tx.commit().await?;
    Ok(member.scope.participants(seen.id).await?)
}

/// Those to whom a note speaks and who may see it take part from now on, and find it among their mentions. Who they are.
pub(crate) async fn mention(
    tx: &mut Tx,
    conversation: ConversationId,
    inbox: InboxId,
    note: &str,
    at: Timestamp,
) -> Result<Vec<UserId>, StoreError> {
    let named: Vec<UserId> = mentions::mentioned(note).into_iter().collect();
    if named.is_empty() {
        return Ok(named);
    }
    let people = tx.who_sees(inbox, &named).await?;
    tx.record_mentions(conversation, &people, at).await?;
    tx.change_participants(conversation, &people, People::Add).await?;
    Ok(people)
}
