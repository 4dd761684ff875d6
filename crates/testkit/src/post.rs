//! Writing to and reading from the world's mailboxes, whichever mail servers the world has: the sandbox's, or Dovecot and Postfix.
//!
//! Stories that use only this can be told on both, which shows that the sandbox behaves as real servers do.

use crate::world::World;
use anyhow::Result;

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
}
