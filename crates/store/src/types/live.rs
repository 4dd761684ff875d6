//! Events as readers get them, and who reads.

use crate::Visibility;
use domain::{InboxId, TokenId, UserId};
use std::collections::{HashMap, HashSet};

/// One event of an account. Its text is the snapshot that was written with it, perhaps by another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Counts per account, from 1 and without a gap.
    pub seq: i64,
    /// Perhaps one that only a newer version knows.
    pub kind: String,
    /// Whose members alone may know; `None`: everybody in the account.
    pub inbox: Option<InboxId>,
    /// Whom alone it concerns.
    pub user: Option<UserId>,
    pub payload: String,
}

/// Somebody who follows an account's events, and the credential they came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Watcher {
    pub user: UserId,
    pub token: TokenId,
}

/// What those who follow an account may see, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Audience {
    pub(crate) asked: HashSet<Watcher>,
    pub(crate) sees: HashMap<Watcher, Visibility>,
}

/// What is known of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Nobody asked about them.
    Unknown,
    /// The account is closed to them: they were removed, signed out, or it is suspended.
    Gone,
    Sees(&'a Visibility),
}

impl Audience {
    pub fn of(&self, watcher: &Watcher) -> Standing<'_> {
        match self.sees.get(watcher) {
            Some(visibility) => Standing::Sees(visibility),
            None if self.asked.contains(watcher) => Standing::Gone,
            None => Standing::Unknown,
        }
    }
}
