//! Canned responses: answers that are kept for the next time. Everybody in the account changes them, as in Chatwoot.

use super::{KeepError, Kept, MAX_CANNED_RESPONSES, commit, refused};
use crate::App;
use crate::accounts::Member;
use domain::CannedResponseId;
use domain::organising::{CannedResponse, MAX_CANNED_CHARS, MAX_NAME_CHARS};
pub use store::CannedResponseChange;
use store::StoreError;

/// All, or those that hold the words.
pub async fn list(_app: &App, member: &Member, search: Option<&str>) -> Result<Vec<CannedResponse>, StoreError> {
    member.scope.canned_responses(search).await
}

pub async fn create(app: &App, member: &Member, short_code: &str, content: &str) -> Result<CannedResponse, KeepError> {
    let (short_code, content) = (code_of(short_code)?, content_of(content)?);
    let mut tx = member.scope.begin().await?;
    let made = tx.create_canned_response(&short_code, &content, MAX_CANNED_RESPONSES).await;
    let made = made.map_err(|error| refused(error, "short_code", MAX_CANNED_RESPONSES))?;
    commit(app, member, tx, Kept::CannedResponse).await?;
    Ok(made)
}

pub async fn update(
    app: &App,
    member: &Member,
    id: CannedResponseId,
    change: CannedResponseChange,
) -> Result<CannedResponse, KeepError> {
    let change = CannedResponseChange {
        short_code: change.short_code.as_deref().map(code_of).transpose()?,
        content: change.content.as_deref().map(content_of).transpose()?,
    };
    let mut tx = member.scope.begin().await?;
    let changed = tx.update_canned_response(id, &change).await;
    let changed = changed.map_err(|error| refused(error, "short_code", MAX_CANNED_RESPONSES))?;
    let changed = changed.ok_or(KeepError::NotFound)?;
    commit(app, member, tx, Kept::CannedResponse).await?;
    Ok(changed)
}

pub async fn delete(app: &App, member: &Member, id: CannedResponseId) -> Result<(), KeepError> {
    let mut tx = member.scope.begin().await?;
    if !tx.delete_canned_response(id).await? {
        return Err(KeepError::NotFound);
    }
    Ok(commit(app, member, tx, Kept::CannedResponse).await?)
}

fn code_of(text: &str) -> Result<String, KeepError> {
    let code = text.trim();
    if code.is_empty() || code.chars().count() > MAX_NAME_CHARS {
        return Err(KeepError::Invalid { field: "short_code", words: "Short code must have 1 to 255 characters" });
    }
    Ok(code.to_owned())
}

fn content_of(text: &str) -> Result<String, KeepError> {
    if text.trim().is_empty() || text.chars().count() > MAX_CANNED_CHARS {
        return Err(KeepError::Invalid { field: "content", words: "Content must have 1 to 20000 characters" });
    }
    Ok(text.to_owned())
}
