//! Writing to and reading from the world's mailboxes, whichever mail servers the world has: the sandbox's, or Dovecot and Postfix.
//!
//! Stories that use only this can be told on both, which shows that the sandbox behaves as real servers do.

use crate::builders::message_id;
use crate::check::{self, Inbox, Numbered};
use crate::world::World;
use anyhow::{Context, Result};

/// What a worker says that found such deliveries (app::outbound::orphans).
const FORGOTTEN: &str = "deliveries were under way with no work owed for them";

/// A customer who exists in every world.
pub const ADA: &str = "ada@customer.example";

impl World {
    /// A mail arrives: from the internet where the servers are real, straight into the mailbox in the sandbox.
    pub async fn deliver(&self, to: &str, mail: &[u8]) -> Result<()> {
        match &self.mail {
            Some(real) => real.customer_writes(ADA, to, mail).await,
            None => {
                self.sandbox.deliver(to, mail);
                Ok(())
            }
        }
    }

    /// The mails in somebody's INBOX, oldest first.
    pub fn inbox_of(&self, who: &str) -> Result<Vec<Vec<u8>>> {
        match &self.mail {
            Some(real) => real.dovecot.inbox(who),
            None => {
                Ok(self.sandbox.mailbox(who).messages("INBOX").into_iter().map(|mail| mail.bytes.to_vec()).collect())
            }
        }
    }

    /// Waits until somebody's INBOX holds `count` mails; fails when there are more.
    pub async fn inbox_has(&mut self, who: &str, count: usize) -> Result<Vec<Vec<u8>>> {
        self.eventually(&format!("{who} has {count} mails"), async |w| Ok(w.inbox_of(who)?.len() >= count)).await?;
        let mails = self.inbox_of(who)?;
        anyhow::ensure!(mails.len() == count, "{who} has {} mails instead of {count}", mails.len());
        Ok(mails)
    }

    /// The server numbers a mailbox's INBOX anew: another UIDVALIDITY, other UIDs, and every session is over.
    pub async fn renumber(&mut self, who: &str) -> Result<()> {
        match &mut self.mail {
            Some(real) => real.dovecot.renumber(who),
            None => {
                let mailbox = self.sandbox.mailbox(who);
                let now = mailbox.folder("INBOX").map_or(1, |folder| folder.uidvalidity);
                mailbox.set_uidvalidity("INBOX", now + 17);
                self.sandbox.cut_mail_connections();
                Ok(())
            }
        }
    }

    /// An address whose mail the world's servers take, and then give back with a delivery report.
    pub fn unknown_address(&self) -> &'static str {
        match &self.mail {
            Some(_) => "nobody@nowhere.example",
            None => "nobody@contoso.example",
        }
    }

    /// The story wants this message handed to the server a second time after the server has taken it: once for each call.
    pub fn is_sent_again(&mut self, message_id: &str) {
        self.sent_again.push(message_id.to_owned());
    }

    /// Exchange refuses or swallows a second mail under one Message-ID, and so does the sandbox: no mailbox outside shows it.
    fn nothing_was_sent_again(&self) -> Result<()> {
        let mut wanted = self.sent_again.clone();
        for id in self.sandbox.handed_in_again() {
            let known = wanted.iter().position(|wanted| *wanted == id);
            let at = known.with_context(|| {
                format!("after the story: {id} was handed to the server a second time after the server had taken it")
            })?;
            wanted.swap_remove(at);
        }
        Ok(())
    }

    /// What must hold between mailboxes and database after every story: no cursor passed a mail over, nobody outside got one reply twice, and
    /// none was handed in twice.
    pub(crate) async fn check_mailboxes(&self) -> Result<()> {
        let connected = check::connected_mailboxes(self.database_url()).await?;
        for address in &connected {
            if let Some(inbox) = self.inbox_on_the_server(address)? {
                check::nothing_was_passed_over(self.database_url(), address, &inbox).await?;
            }
        }
        let everybody = match &self.mail {
            Some(real) => real.dovecot.users()?,
            None => self.sandbox.mailbox_addresses(),
        };
        for who in everybody.iter().filter(|who| !connected.contains(who)) {
            let mut ids: Vec<String> = self.inbox_of(who)?.iter().filter_map(|mail| message_id(mail)).collect();
            let count = ids.len();
            ids.sort_unstable();
            ids.dedup();
            anyhow::ensure!(ids.len() == count, "after the story: {who} has a mail twice");
        }
        self.nothing_was_sent_again()?;
        self.nothing_was_forgotten()
    }

    /// A worker looks for deliveries that nobody owes as soon as it starts, so that the database does not show for long that there were any.
    fn nothing_was_forgotten(&self) -> Result<()> {
        for entry in std::fs::read_dir(self.dir.path())?.flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                let said = std::fs::read_to_string(entry.path())?;
                let found = said.lines().find(|line| line.contains(FORGOTTEN));
                anyhow::ensure!(
                    found.is_none(),
                    "after the story: a worker found what was to be owed and was not: {found:?}"
                );
            }
        }
        Ok(())
    }

    /// `None`: nothing was ever delivered there.
    fn inbox_on_the_server(&self, who: &str) -> Result<Option<Inbox>> {
        if let Some(real) = &self.mail {
            return real.dovecot.numbers(who);
        }
        let mailbox = self.sandbox.mailbox(who);
        Ok(mailbox.folder("INBOX").map(|folder| Inbox {
            uidvalidity: i64::from(folder.uidvalidity),
            mails: mailbox.messages("INBOX").iter().map(numbered).collect(),
        }))
    }
}

fn numbered(mail: &sandbox::StoredMail) -> Numbered {
    Numbered { uid: i64::from(mail.uid), arrived_at: mail.internal_date }
}
