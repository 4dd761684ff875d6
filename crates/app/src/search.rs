//! Looking for what was said and for whom, and filling the index that is asked.
//!
//! What a member finds is what they see: messages and conversations of their inboxes, and the account's contacts. The index follows what
//! happens by some seconds; nobody who stores a mail waits for it.

use crate::App;
use crate::accounts::Member;
use crate::conversations::ReadError;
use domain::AccountId;
use domain::contact::Contact;
use domain::inbox::Inbox;
use domain::message::Message;
use store::{
    AccountScope, AssigneeFilter, ContactFilter, ContactSortField, ConversationFilter, ConversationSort,
    ConversationView, IndexStep, StoreError, Viewer,
};
use tracing::{debug, warn};

pub use store::FOUND_PER_PAGE;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub q: &'a str,
    /// From 1.
    pub page: u32,
}

pub async fn messages(_app: &App, member: &Member, asked: Asked<'_>) -> Result<Vec<Message>, ReadError> {
    Ok(member.scope.search_messages(&member.visibility, asked.q, asked.page).await?)
}

impl Asked<'_> {
    /// Who asks for nothing finds nothing, where a list would show everything.
    pub fn is_empty(&self) -> bool {
        self.q.trim().is_empty()
    }
}

/// Of every status, the one where something happened last first.
pub async fn conversations(_app: &App, member: &Member, asked: Asked<'_>) -> Result<Vec<ConversationView>, ReadError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let viewer = Viewer { visibility: member.visibility.clone(), user_id: member.agent.user.id };
    let filter = ConversationFilter {
        status: None,
        assignee: AssigneeFilter::All,
        q: Some(asked.q.to_owned()),
        sort: ConversationSort::LastActivityDesc,
        page: asked.page,
        ..ConversationFilter::default()
    };
    Ok(member.scope.search_conversations(&viewer, &filter).await?)
}

/// Whoever wrote last first.
pub async fn contacts(_app: &App, member: &Member, asked: Asked<'_>) -> Result<Vec<Contact>, ReadError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let filter = ContactFilter {
        q: Some(asked.q.to_owned()),
        sort: ContactSortField::LastActivityAt,
        descending: true,
        page: asked.page,
        ..ContactFilter::default()
    };
    Ok(member.scope.contacts(&filter).await?.0)
}

/// Of those that the member sees, for naming where something was found.
pub async fn inboxes(_app: &App, member: &Member) -> Result<Vec<Inbox>, ReadError> {
    Ok(member.scope.inboxes(&member.visibility).await?)
}

/// Accounts of one round. The next round goes on with the others.
const ACCOUNTS_AT_ONCE: u32 = 50;

/// One step for each account that has something to be indexed, so that none waits for another's past. `false`: there was nothing to do, or
/// nothing can be done at this moment.
pub async fn index_some(app: &App) -> Result<bool, StoreError> {
    let index = app.store().search_index();
    let (mut after, mut moved) = (AccountId(0), false);
    loop {
        let behind = index.behind(after, ACCOUNTS_AT_ONCE).await?;
        let Some(last) = behind.last() else { return Ok(moved) };
        after = last.account_id();
        for account in &behind {
            moved |= index_one(account).await?;
        }
    }
}

/// One account whose rows cannot be indexed keeps no other from being found.
async fn index_one(account: &AccountScope) -> Result<bool, StoreError> {
    match account.index_some().await {
        Ok(step) => {
            debug!(account.id = %account.account_id(), ?step, "indexed");
            Ok(step == IndexStep::More)
        }
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            warn!(account.id = %account.account_id(), %error, "an account could not be indexed; trying again");
            Ok(false)
        }
    }
}
