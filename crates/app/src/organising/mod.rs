//! What agents sort and share their work with.
//!
//! - [`labels`], [`teams`]: administrators change them, everybody reads them.
//! - [`canned_responses`]: everybody changes them, as in Chatwoot.
//! - [`custom_filters`]: each for themself.

pub mod canned_responses;
pub mod custom_filters;
pub mod labels;
pub mod teams;

use crate::accounts::Member;
use crate::{App, Hint};
use domain::event::EventKind;
use serde_json::json;
use store::{StoreError, Tx};

/// As many there may be in one account, or of saved views for one person in it.
pub const MAX_LABELS: u32 = 1000;
pub const MAX_TEAMS: u32 = 500;
pub const MAX_CANNED_RESPONSES: u32 = 1000;
pub const MAX_CUSTOM_FILTERS: u32 = 100;

/// Why something of the sort is not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error("only administrators change this")]
    Forbidden,
    #[error("there is no such thing")]
    NotFound,
    /// What is in the field cannot be kept.
    #[error("{field}: {words}")]
    Invalid { field: &'static str, words: &'static str },
    /// Another one has it.
    #[error("{field} has already been taken")]
    Taken { field: &'static str },
    #[error("there are as many {what} as there may be: {limit}")]
    Full { what: &'static str, limit: u32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What clients keep a copy of.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Label,
    Team,
    CannedResponse,
}

/// Commits, and tells clients to ask anew for what they keep a copy of.
async fn commit(app: &App, member: &Member, mut tx: Tx, kept: Kept) -> Result<(), StoreError> {
    let key = match kept {
        Kept::Label => "label",
        Kept::Team => "team",
        Kept::CannedResponse => "canned_response",
    };
    let payload = json!({ "v": 1, "cache_keys": { key: app.now().micros().to_string() } });
    tx.append_event(EventKind::AccountCacheInvalidated, None, None, payload);
    tx.commit().await?;
    app.wake(Hint::Account(member.scope.account_id()));
    Ok(())
}

fn administers(member: &Member) -> Result<(), KeepError> {
    if member.may_manage_inboxes() { Ok(()) } else { Err(KeepError::Forbidden) }
}

/// What the store says of a name that must be there once, and of a list that has an end.
fn refused(error: StoreError, field: &'static str, limit: u32) -> KeepError {
    match error {
        StoreError::Conflict(_) => KeepError::Taken { field },
        StoreError::LimitReached(what) => KeepError::Full { what, limit },
        error => KeepError::Store(error),
    }
}

/// A text without what stands around it; an empty one is none.
fn described(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
