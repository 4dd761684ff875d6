//! Searching, and appending. UIDs only: sequence numbers move under one's hands. What may find very many is asked in `walk.rs`.

use super::answers::During;
use super::session::{SMALL_ANSWER, Session, Step, quoted};
use async_imap::imap_proto::{MailboxDatum, Response};
use domain::{Failure, FailureClass};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

impl Session {
    /// UIDs of mails with this Message-ID (without angle brackets).
    pub async fn search_message_id(&mut self, id: &str) -> Result<Vec<u32>, Failure> {
        self.search_header("Message-ID", &format!("<{id}>")).await
    }

    /// UIDs of mails whose header field contains this text. Only ASCII can be searched for: Exchange refuses any CHARSET.
    pub async fn search_header(&mut self, name: &str, text: &str) -> Result<Vec<u32>, Failure> {
        match (quoted(name), quoted(text)) {
            (Ok(name), Ok(text)) => self.search(&format!("HEADER {name} {text}")).await,
            // Such a field cannot be asked for, so nothing is found.
            _ => Ok(Vec::new()),
        }
    }

    pub(super) async fn search(&mut self, criteria: &str) -> Result<Vec<u32>, Failure> {
        let mut uids = Vec::new();
        self.command(&format!("UID SEARCH {criteria}"), During::Command, SMALL_ANSWER, |response| {
            if let Response::MailboxData(MailboxDatum::Search(found)) = response {
                uids.extend_from_slice(found);
            }
        })
        .await?;
        uids.sort_unstable();
        uids.dedup();
        Ok(uids)
    }

    /// Puts a mail into a folder, marked as read. A lost connection leaves it open whether it is there.
    pub async fn append(&mut self, folder: &str, mail: &[u8]) -> Result<(), Failure> {
        let name = quoted(folder)?;
        let mut asked = self.begin(&format!("APPEND {name} (\\Seen) {{{}}}", mail.len()), SMALL_ANSWER).await?;
        loop {
            match self.next(&asked, During::Folder, |_| {}).await? {
                Step::Consent => break,
                Step::Ended(_) => {
                    self.give_up();
                    return Err(
                        Failure::new(FailureClass::ProtocolError).detail("the server took a mail it had not seen")
                    );
                }
                Step::Other(_) => {}
            }
        }
        let for_sending = self.limits.command_timeout + self.limits.time_for(mail.len() as u64);
        let stream = self.inner.get_mut();
        let sending = async {
            stream.write_all(mail).await?;
            stream.write_all(b"\r\n").await?;
            stream.flush().await
        };
        let sent = timeout(for_sending, sending).await;
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.give_up();
                return Err(Failure::new(FailureClass::ConnectionLost).detail(error.to_string()));
            }
            Err(_) => {
                self.give_up();
                return Err(Failure::new(FailureClass::TimedOut));
            }
        }
        // What sending took is not the answer's fault.
        asked.bound = self.bound(self.limits.command_timeout);
        loop {
            if let Step::Ended(_) = self.next(&asked, During::Folder, |_| {}).await? {
                return Ok(());
            }
        }
    }
}
