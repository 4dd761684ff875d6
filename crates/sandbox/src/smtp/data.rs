//! DATA and BDAT: the octets of a mail, and what the client hears after the last one.

use super::session::{Flow, LARGEST_MAIL, OVER, Session};
use super::submission::{Handed, submit};
use crate::faults::{SmtpFault, SmtpPoint};
use crate::journal::Event;

impl Session {
    pub(super) async fn data(&mut self) -> Flow {
        if let Some(flow) = self.fault_at(SmtpPoint::Data).await? {
            return Ok(flow);
        }
        if self.recipients.is_empty() {
            return self.reply("503 5.5.2 Need rcpt command").await;
        }
        self.wire.reply("354 Start mail input; end with <CRLF>.<CRLF>").await?;
        let mut mail = Vec::new();
        let mut bare_linefeeds = false;
        // A dot ends the mail, and is doubled, only at the beginning of a line that follows CRLF (RFC 5321 §4.5.2).
        let mut at_line_start = true;
        loop {
            let start = mail.len();
            if self.wire.data_line(&mut mail).await? == 0 {
                return OVER;
            }
            if at_line_start && &mail[start..] == b".\r\n" {
                mail.truncate(start);
                break;
            }
            if at_line_start && mail[start] == b'.' {
                mail.remove(start);
            }
            at_line_start = mail.ends_with(b"\r\n");
            bare_linefeeds |= mail.ends_with(b"\n") && !at_line_start;
            if mail.len() > LARGEST_MAIL {
                self.wire.reply("552 5.3.4 Message size exceeds fixed maximum message size").await?;
                return OVER;
            }
        }
        self.take_mail(mail, bare_linefeeds).await
    }

    /// RFC 3030: counted octets, in which bare line feeds are nobody's business.
    pub(super) async fn bdat(&mut self, rest: &str) -> Flow {
        let mut words = rest.split_whitespace();
        let Some(count) = words.next().and_then(|count| count.parse::<usize>().ok()) else {
            return self.reply("501 5.5.4 Invalid arguments").await;
        };
        let last = words.next().is_some_and(|word| word.eq_ignore_ascii_case("LAST"));
        if count > LARGEST_MAIL || self.chunks.len() + count > LARGEST_MAIL {
            self.wire.reply("552 5.3.4 Message size exceeds fixed maximum message size").await?;
            return OVER;
        }
        let octets = self.wire.octets(count).await?;
        if self.recipients.is_empty() {
            return self.reply("503 5.5.2 Need rcpt command").await;
        }
        self.chunks.extend(octets);
        if !last {
            return self.reply(&format!("250 2.6.0 CHUNK received OK, {count} octets")).await;
        }
        let mail = std::mem::take(&mut self.chunks);
        self.take_mail(mail, false).await
    }

    async fn take_mail(&mut self, mail: Vec<u8>, bare_linefeeds: bool) -> Flow {
        let (Some(account), Some(from)) = (self.account(), self.from.clone()) else { return OVER };
        let recipients = self.recipients.clone();
        // Until its answer is written.
        let _handing = self.handing.take();
        self.reset();
        if let Some(flow) = self.fault_at(SmtpPoint::EndOfData).await? {
            return Ok(flow);
        }
        let source = String::from_utf8_lossy(&mail).into_owned();
        let refusal = self.take(|fault| match fault {
            SmtpFault::RefuseMail { containing, reply } if source.contains(containing) => Some(reply.clone()),
            _ => None,
        });
        if let Some(reply) = refusal {
            return self.reply(&reply).await;
        }
        self.slow_down(&account.address).await;
        let behind_dot = self.take(|fault| match fault {
            SmtpFault::DropAfterDot { .. } | SmtpFault::StallAfterDot { .. } => Some(fault.clone()),
            _ => None,
        });
        let not_accepted = SmtpFault::DropAfterDot { accepted: false };
        let lost = behind_dot == Some(not_accepted) || behind_dot == Some(SmtpFault::StallAfterDot { accepted: false });
        let reply = if lost {
            String::new()
        } else {
            let handed = Handed { user: &account, from: &from, recipients: &recipients, mail: &mail, bare_linefeeds };
            submit(&self.state, &handed)
        };
        match behind_dot {
            Some(SmtpFault::StallAfterDot { .. }) => return self.stall().await,
            Some(_) => return OVER,
            None => {}
        }
        let but =
            self.take(|fault| if let SmtpFault::AcceptedBut { reply } = fault { Some(reply.clone()) } else { None });
        self.reply(&but.unwrap_or(reply)).await
    }

    /// More than so many mails a minute are delayed, not refused.
    async fn slow_down(&self, user: &str) {
        let Some(per_minute) = self.state.config.submissions_per_minute else { return };
        while let Some(wait) = self.state.submissions.wait(user, per_minute) {
            tokio::time::sleep(wait).await;
        }
    }
}

/// For the journal of refusals.
pub(super) fn refused(from: &str, reply: &str) -> Event {
    Event::SmtpRefused { from: from.to_owned(), reply: reply.to_owned() }
}
