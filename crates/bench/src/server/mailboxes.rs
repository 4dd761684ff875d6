//! Mailboxes: an INBOX each, made when somebody asks for it. Knows no protocol.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// A mail; its UID is its place in the mailbox, counted from 1.
pub(super) type Mail = Arc<[u8]>;

pub(super) struct Mailbox {
    mails: Mutex<Vec<Mail>>,
    /// How many there are.
    pub(super) count: watch::Sender<usize>,
}

impl Mailbox {
    /// All at once: whoever idles is told once.
    pub(super) fn add(&self, more: Vec<Mail>) -> usize {
        let mut mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        mails.extend(more);
        let count = mails.len();
        drop(mails);
        self.count.send_replace(count);
        count
    }

    pub(super) fn get(&self, uid: usize) -> Option<Mail> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).get(uid.checked_sub(1)?).cloned()
    }

    pub(super) fn len(&self) -> usize {
        *self.count.borrow()
    }
}

#[derive(Default)]
pub(super) struct Mailboxes {
    by_address: Mutex<HashMap<String, Arc<Mailbox>>>,
    pub(super) idling: AtomicU64,
    pub(super) taken: AtomicU64,
}

impl Mailboxes {
    pub(super) fn get(&self, address: &str) -> Arc<Mailbox> {
        let mut held = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Mailbox { mails: Mutex::default(), count: watch::Sender::new(0) });
        held.entry(address.to_ascii_lowercase()).or_insert_with(make).clone()
    }
}

/// Counts whoever waits, as long as this is held.
pub(super) struct Idling<'m>(&'m AtomicU64);

impl<'m> Idling<'m> {
    pub(super) fn begin(mailboxes: &'m Mailboxes) -> Self {
        mailboxes.idling.fetch_add(1, Ordering::SeqCst);
        Self(&mailboxes.idling)
    }
}

impl Drop for Idling<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
