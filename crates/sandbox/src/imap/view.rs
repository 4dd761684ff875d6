//! What a session believes of its folder: the numbering it was told, and what it must be told next.
//!
//! Message sequence numbers change only when the client is told so (RFC 3501 §7.4.1), hence a list of its own.

use super::session::Session;
use crate::faults::ImapFault;
use crate::mailbox::{Folder, StoredMail};

pub(super) struct View {
    pub(super) folder: String,
    pub(super) uidvalidity: u32,
    pub(super) read_only: bool,
    /// Known mails in order; position plus one is the sequence number.
    pub(super) known: Vec<Known>,
}

pub(super) struct Known {
    pub(super) uid: u32,
    pub(super) flags: Vec<String>,
}

impl View {
    pub(super) fn new(folder: &Folder, read_only: bool) -> Self {
        Self {
            folder: folder.name.clone(),
            uidvalidity: folder.uidvalidity,
            read_only,
            known: folder.mails.iter().map(known).collect(),
        }
    }

    pub(super) fn largest_uid(&self) -> u32 {
        self.known.last().map_or(0, |known| known.uid)
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.known.len()).unwrap_or(u32::MAX)
    }

    /// `(sequence number, UID)` of all known mails.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        (1u32..).zip(self.known.iter().map(|known| known.uid))
    }

    pub(super) fn remember_flags(&mut self, uid: u32, flags: &[String]) {
        if let Some(known) = self.known.iter_mut().find(|known| known.uid == uid) {
            known.flags = flags.to_vec();
        }
    }

    /// Mails that came since; true when there are any.
    fn add_arrivals(&mut self, folder: &Folder) -> bool {
        let before = self.known.len();
        let largest = self.largest_uid();
        self.known.extend(folder.mails.iter().filter(|mail| mail.uid > largest).map(known));
        before != self.known.len()
    }

    /// The lines for what vanished and for flags that others changed.
    fn departures(&mut self, folder: &Folder) -> Vec<String> {
        let mut lines = Vec::new();
        let mut at = 0;
        while at < self.known.len() {
            let held = folder.mails.iter().find(|mail| mail.uid == self.known[at].uid);
            match held {
                // Each removal renumbers what follows at once, so the same position is looked at again.
                None => {
                    self.known.remove(at);
                    lines.push(format!("* {} EXPUNGE", at + 1));
                }
                Some(mail) => {
                    if mail.flags != self.known[at].flags {
                        self.known[at].flags.clone_from(&mail.flags);
                        lines.push(format!("* {} FETCH (FLAGS ({}))", at + 1, mail.flags.join(" ")));
                    }
                    at += 1;
                }
            }
        }
        lines
    }
}

fn known(mail: &StoredMail) -> Known {
    Known { uid: mail.uid, flags: mail.flags.clone() }
}

impl Session {
    /// The folder as it is now.
    pub(super) fn folder_now(&self) -> Option<Folder> {
        let view = self.view.as_ref()?;
        self.mailbox.as_ref()?.snapshot(&view.folder).filter(|folder| folder.uidvalidity == view.uidvalidity)
    }

    /// Tells of mails that arrived; may be done at any time.
    pub(super) async fn arrivals(&mut self) -> std::io::Result<()> {
        let Some(folder) = self.folder_now() else { return Ok(()) };
        let Some(view) = &mut self.view else { return Ok(()) };
        if view.add_arrivals(&folder) {
            let count = view.known.len();
            self.wire.line(&format!("* {count} EXISTS\r\n* 1 RECENT")).await?;
        }
        Ok(())
    }

    /// Tells of everything that changed. Not during FETCH, STORE and SEARCH by sequence number (RFC 3501 §7.4.1).
    pub(super) async fn report(&mut self) -> std::io::Result<()> {
        if self.moved_away() {
            return self.wire.line("* BYE Server shutting down").await;
        }
        let Some(folder) = self.folder_now() else { return Ok(()) };
        let Some(view) = &mut self.view else { return Ok(()) };
        let lines = view.departures(&folder);
        for line in lines {
            self.wire.line(&line).await?;
        }
        self.arrivals().await
    }

    /// As [`Session::report`], unless a fault keeps the server silent.
    pub(super) async fn report_in_idle(&mut self) -> std::io::Result<()> {
        let arrived = match (self.folder_now(), &self.view) {
            (Some(folder), Some(view)) => folder.mails.last().is_some_and(|mail| mail.uid > view.largest_uid()),
            _ => false,
        };
        if arrived && self.take(|fault| (*fault == ImapFault::SilentIdle).then_some(())).is_some() {
            return Ok(());
        }
        self.report().await
    }
}
