//! Mailboxes: folders of mails with the identity IMAP gives them, changed from three sides (SMTP, IMAP, the test).
//!
//! A mailbox knows no protocol. Whoever watches one is told that something changed and looks for himself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::ambient::Clock;

/// The name every IMAP server gives the folder that mail arrives in (RFC 3501 §5.1).
pub const INBOX: &str = "INBOX";

/// A mail as a folder keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMail {
    pub uid: u32,
    /// System flags with their backslash, `\Seen`.
    pub flags: Vec<String>,
    pub bytes: Arc<[u8]>,
    /// Seconds since 1970.
    pub internal_date: i64,
}

impl StoredMail {
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|held| held.eq_ignore_ascii_case(flag))
    }
}

/// A folder in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderInfo {
    pub name: String,
    pub uidvalidity: u32,
    pub uidnext: u32,
    pub exists: usize,
}

#[derive(Clone)]
pub(crate) struct Folder {
    pub(crate) name: String,
    pub(crate) uidvalidity: u32,
    pub(crate) uidnext: u32,
    pub(crate) mails: Vec<StoredMail>,
}

struct Inner {
    address: Mutex<String>,
    clock: Clock,
    folders: Mutex<Vec<Folder>>,
    changes: watch::Sender<u64>,
}

/// A handle on one mailbox; clones see the same mail.
#[derive(Clone)]
pub struct Mailbox {
    inner: Arc<Inner>,
}

impl Mailbox {
    pub(crate) fn new(address: &str, sent_folder: &str, clock: Clock) -> Self {
        // Exchange lists calendars and contacts among the mail folders; they hold nothing a mail client can use.
        let names = [
            INBOX,
            "Archive",
            "Calendar",
            "Contacts",
            "Deleted Items",
            "Drafts",
            "Journal",
            "Junk Email",
            "Notes",
            "Outbox",
            sent_folder,
            "Tasks",
        ];
        // UIDVALIDITY is a small number per folder at Exchange.
        let folders = (14u32..).zip(names).map(|(uidvalidity, name)| Folder::new(name, uidvalidity)).collect();
        let inner = Inner {
            address: Mutex::new(address.into()),
            clock,
            folders: Mutex::new(folders),
            changes: watch::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    pub fn address(&self) -> String {
        self.inner.address.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn folders(&self) -> Vec<FolderInfo> {
        self.lock().iter().map(Folder::info).collect()
    }

    pub fn folder(&self, name: &str) -> Option<FolderInfo> {
        self.lock().iter().find(|folder| folder.is_called(name)).map(Folder::info)
    }

    /// The mails of a folder in the order of their UIDs; empty when there is no such folder.
    pub fn messages(&self, folder: &str) -> Vec<StoredMail> {
        self.snapshot(folder).map(|folder| folder.mails).unwrap_or_default()
    }

    /// Puts a mail into a folder, making the folder when it is missing. Answers the UID.
    pub fn append(&self, folder: &str, bytes: &[u8]) -> u32 {
        self.append_with(folder, bytes, &[], None)
    }

    /// As [`Mailbox::append`], with flags and an arrival time of one's own.
    pub fn append_with(&self, folder: &str, bytes: &[u8], flags: &[&str], internal_date: Option<i64>) -> u32 {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let internal_date = internal_date.unwrap_or_else(|| self.inner.clock.now());
        self.change(|folders| {
            let folder = folder_or_new(folders, folder);
            let uid = folder.uidnext;
            folder.uidnext += 1;
            folder.mails.push(StoredMail { uid, flags, bytes: bytes.into(), internal_date });
            uid
        })
    }

    /// Puts a mail under a UID of one's choice; UIDNEXT moves past it. Replaces what had the UID.
    pub fn append_with_uid(&self, folder: &str, uid: u32, bytes: &[u8]) {
        let internal_date = self.inner.clock.now();
        self.change(|folders| {
            let folder = folder_or_new(folders, folder);
            folder.mails.retain(|mail| mail.uid != uid);
            folder.mails.push(StoredMail { uid, flags: Vec::new(), bytes: bytes.into(), internal_date });
            folder.mails.sort_by_key(|mail| mail.uid);
            folder.uidnext = folder.uidnext.max(uid + 1);
        });
    }

    /// Removes a mail for good. False when it was not there.
    pub fn expunge(&self, folder: &str, uid: u32) -> bool {
        self.change(|folders| {
            let Some(folder) = folders.iter_mut().find(|held| held.is_called(folder)) else { return false };
            let before = folder.mails.len();
            folder.mails.retain(|mail| mail.uid != uid);
            before != folder.mails.len()
        })
    }

    /// What a migration or a restore does: a new UIDVALIDITY, and the mails numbered anew from 1.
    pub fn set_uidvalidity(&self, folder: &str, uidvalidity: u32) {
        self.change(|folders| {
            let folder = folder_or_new(folders, folder);
            folder.uidvalidity = uidvalidity;
            for (uid, mail) in (1u32..).zip(&mut folder.mails) {
                mail.uid = uid;
            }
            folder.uidnext = folder.mails.last().map_or(1, |mail| mail.uid + 1);
        });
    }

    /// What a restore from a backup does where nobody thinks of a new UIDVALIDITY: what came later is gone, and its UIDs are given again.
    pub fn put_back(&self, folder: &str, last_uid: u32) {
        self.change(|folders| {
            let folder = folder_or_new(folders, folder);
            folder.mails.retain(|mail| mail.uid <= last_uid);
            folder.uidnext = last_uid + 1;
        });
    }

    /// A UIDNEXT of one's choice, whatever there is: a server that states it wrongly.
    pub fn set_uidnext(&self, folder: &str, uidnext: u32) {
        self.change(|folders| folder_or_new(folders, folder).uidnext = uidnext);
    }

    /// Replaces the flags of a mail. False when it was not there.
    pub fn set_flags(&self, folder: &str, uid: u32, flags: &[&str]) -> bool {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self.change(|folders| {
            let mail = folders
                .iter_mut()
                .find(|held| held.is_called(folder))
                .and_then(|folder| folder.mails.iter_mut().find(|mail| mail.uid == uid));
            mail.is_some_and(|mail| {
                mail.flags = flags;
                true
            })
        })
    }

    pub fn create_folder(&self, name: &str) {
        self.change(|folders| {
            folder_or_new(folders, name);
        });
    }

    /// False when there was none of that name. INBOX stays.
    pub fn remove_folder(&self, name: &str) -> bool {
        self.change(|folders| {
            let before = folders.len();
            folders.retain(|folder| folder.is_called(INBOX) || !folder.is_called(name));
            before != folders.len()
        })
    }

    /// Waits until the folder's mails satisfy `enough`, and answers them. The caller sets the limit in time.
    pub async fn wait_until(&self, folder: &str, enough: impl Fn(&[StoredMail]) -> bool) -> Vec<StoredMail> {
        let mut changes = self.watch();
        loop {
            changes.mark_unchanged();
            let mails = self.messages(folder);
            if enough(&mails) || changes.changed().await.is_err() {
                return mails;
            }
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    pub(crate) fn snapshot(&self, name: &str) -> Option<Folder> {
        self.lock().iter().find(|folder| folder.is_called(name)).cloned()
    }

    pub(crate) fn change<T>(&self, act: impl FnOnce(&mut Vec<Folder>) -> T) -> T {
        let result = act(&mut self.lock());
        self.inner.changes.send_modify(|version| *version += 1);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Folder>> {
        self.inner.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Folder {
    fn new(name: &str, uidvalidity: u32) -> Self {
        Self { name: name.into(), uidvalidity, uidnext: 1, mails: Vec::new() }
    }

    /// Mails lie in the order of their UIDs.
    pub(crate) fn mail(&self, uid: u32) -> Option<&StoredMail> {
        self.mails.binary_search_by_key(&uid, |mail| mail.uid).ok().map(|at| &self.mails[at])
    }

    /// INBOX is the same in any case (RFC 3501 §5.1); other names are not.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || (self.name.eq_ignore_ascii_case(INBOX) && name.eq_ignore_ascii_case(INBOX))
    }

    fn info(&self) -> FolderInfo {
        FolderInfo {
            name: self.name.clone(),
            uidvalidity: self.uidvalidity,
            uidnext: self.uidnext,
            exists: self.mails.len(),
        }
    }
}

fn folder_or_new<'a>(folders: &'a mut Vec<Folder>, name: &str) -> &'a mut Folder {
    let at = folders.iter().position(|folder| folder.is_called(name)).unwrap_or_else(|| {
        let uidvalidity = folders.iter().map(|folder| folder.uidvalidity).max().unwrap_or(13) + 1;
        folders.push(Folder::new(name, uidvalidity));
        folders.len() - 1
    });
    &mut folders[at]
}

/// All mailboxes of one sandbox by lower-case address, tenants' and customers'.
pub(crate) struct Mailboxes {
    clock: Clock,
    held: Mutex<HashMap<String, Mailbox>>,
}

impl Mailboxes {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, held: Mutex::default() }
    }

    pub(crate) fn get(&self, address: &str) -> Option<Mailbox> {
        self.lock().get(&address.to_ascii_lowercase()).cloned()
    }

    pub(crate) fn get_or_make(&self, address: &str, sent_folder: &str) -> Mailbox {
        let make = || Mailbox::new(address, sent_folder, self.clock.clone());
        self.lock().entry(address.to_ascii_lowercase()).or_insert_with(make).clone()
    }

    /// The same mailbox under another name: its folders, UIDs and watchers stay.
    pub(crate) fn rename(&self, from: &str, to: &str) {
        let mut held = self.lock();
        if let Some(mailbox) = held.remove(&from.to_ascii_lowercase()) {
            to.clone_into(&mut mailbox.inner.address.lock().unwrap_or_else(PoisonError::into_inner));
            held.insert(to.to_ascii_lowercase(), mailbox);
        }
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        let mut addresses: Vec<String> = self.lock().values().map(Mailbox::address).collect();
        addresses.sort();
        addresses
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Mailbox>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
