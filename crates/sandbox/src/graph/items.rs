//! What Graph knows by an id: drafts, and what was sent of them.
//!
//! An item has two ids ("Get immutable identifiers for Outlook resources"): the ordinary one changes whenever the item moves, the immutable
//! one stays as long as it is in the mailbox. Either is understood; which one an answer shows is for the request's `Prefer` to say.

use std::sync::Mutex;

use crate::ambient::random_token;
use crate::mime::Part;
use crate::state::lock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Drafts,
    Sent,
}

impl Kept {
    /// The folder's well-known name, which is the same in every language.
    pub(super) fn is_called(self, name: &str) -> bool {
        matches!((self, name.to_ascii_lowercase().as_str()), (Self::Drafts, "drafts") | (Self::Sent, "sentitems"))
    }

    pub(super) fn folder_id(self) -> &'static str {
        match self {
            Self::Drafts => "AQMkADrafts",
            Self::Sent => "AQMkASentItems",
        }
    }
}

/// A file that was added after the draft was made.
#[derive(Clone, Debug)]
pub(crate) struct Added {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) content_id: Option<String>,
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(super) mailbox: String,
    pub(super) immutable: String,
    pub(super) ordinary: String,
    pub(super) kept: Kept,
    pub(super) mime: Vec<u8>,
    /// What was set as From; `None`: the mailbox's own address.
    pub(super) from: Option<String>,
    pub(super) added: Vec<Added>,
    /// Where IMAP shows it: folder and UID.
    pub(super) shown: Option<(String, u32)>,
}

impl Item {
    /// A draft of this mail, which IMAP does not show.
    pub(super) fn draft(mailbox: &str, mime: Vec<u8>) -> Self {
        Self {
            mailbox: mailbox.to_owned(),
            immutable: new_id(),
            ordinary: new_id(),
            kept: Kept::Drafts,
            mime,
            from: None,
            added: Vec::new(),
            shown: None,
        }
    }

    pub(super) fn message_id(&self) -> String {
        crate::mime::message_id(&self.mime).map(|id| format!("<{id}>")).unwrap_or_default()
    }

    pub(super) fn recipients(&self, field: &str) -> Vec<String> {
        let part = Part::parse(&self.mime);
        let listed = part.field(field).map(crate::mime::addresses).unwrap_or_default();
        listed.into_iter().map(|(_, address)| address).collect()
    }

    pub(super) fn id(&self, immutable: bool) -> &str {
        if immutable { &self.immutable } else { &self.ordinary }
    }
}

/// A file on its way, in pieces.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) session: String,
    pub(super) item: String,
    pub(super) file: Added,
    pub(super) size: usize,
}

#[derive(Default)]
pub(crate) struct Items {
    held: Mutex<Vec<Item>>,
    pub(super) uploads: Mutex<Vec<Upload>>,
}

pub(super) fn new_id() -> String {
    format!("AAMkAG{}AAA=", random_token(60))
}

impl Items {
    pub(super) fn add(&self, item: Item) {
        lock(&self.held).push(item);
    }

    /// An item of this mailbox by either id. Ids are case-sensitive.
    pub(super) fn get(&self, mailbox: &str, id: &str) -> Option<Item> {
        let held = lock(&self.held);
        held.iter().find(|item| item.mailbox == mailbox && (item.immutable == id || item.ordinary == id)).cloned()
    }

    pub(super) fn change<T>(&self, immutable: &str, change: impl FnOnce(&mut Item) -> T) -> Option<T> {
        lock(&self.held).iter_mut().find(|item| item.immutable == immutable).map(change)
    }

    pub(super) fn remove(&self, immutable: &str) {
        lock(&self.held).retain(|item| item.immutable != immutable);
    }

    pub(super) fn of(&self, mailbox: &str, kept: Kept) -> Vec<Item> {
        lock(&self.held).iter().filter(|item| item.mailbox == mailbox && item.kept == kept).cloned().collect()
    }
}
