//! What Exchange does with a mail that was handed in: checks who sends as whom, may replace the Message-ID, keeps a
//! copy in the Sent folder, refuses the same mail a second time, and delivers.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::data::refused;
use super::{HOST, ndr};
use crate::ambient::{hex, random_bytes};
use crate::config::UnknownRecipients;
use crate::directory::TenantUser;
use crate::faults::SmtpFault;
use crate::journal::Event;
use crate::mailbox::INBOX;
use crate::mime::{Part, first_address};
use crate::state::{State, lock};

/// What was submitted by whom, for duplicates and for the pace.
#[derive(Default)]
pub(crate) struct Submissions {
    seen: Mutex<HashSet<(String, String)>>,
    /// Message-IDs that came once more after a mail under them was taken.
    again: Mutex<Vec<String>>,
    recent: Mutex<HashMap<String, VecDeque<Instant>>>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Submissions {
    /// How long to wait before the next mail of a user; `None` (and the mail is counted) when it may go now.
    pub(super) fn wait(&self, user: &str, per_minute: u32) -> Option<Duration> {
        let now = Instant::now();
        let mut recent = lock(&self.recent);
        let sent = recent.entry(user.to_ascii_lowercase()).or_default();
        while sent.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            sent.pop_front();
        }
        if let Some(first) = sent.front()
            && sent.len() >= per_minute as usize
        {
            return Some(MINUTE.saturating_sub(now.duration_since(*first)));
        }
        sent.push_back(now);
        None
    }

    /// `false`: a mail under this id was taken before.
    pub(crate) fn first_time(&self, user: &str, message_id: &str) -> bool {
        let is_first = lock(&self.seen).insert((user.to_ascii_lowercase(), message_id.to_owned()));
        if !is_first {
            lock(&self.again).push(message_id.to_owned());
        }
        is_first
    }

    pub(crate) fn again(&self) -> Vec<String> {
        lock(&self.again).clone()
    }
}

/// A mail as it was handed in.
pub(crate) struct Handed<'a> {
    pub(crate) user: &'a TenantUser,
    pub(crate) from: &'a str,
    pub(crate) recipients: &'a [String],
    pub(crate) mail: &'a [u8],
    pub(crate) bare_linefeeds: bool,
}

/// Takes or refuses the mail, and answers the reply.
pub(super) fn submit(state: &State, handed: &Handed<'_>) -> String {
    if let Some(refusal) = objection(handed) {
        state.journal.note(refused(handed.from, &refusal));
        return refusal;
    }
    let user = handed.user;
    let take = |wanted: &SmtpFault| {
        state.faults.take_smtp(Some(&user.address), |fault| (fault == wanted).then_some(())).is_some()
    };
    let original = crate::mime::message_id(handed.mail);
    if let Some(id) = &original
        && !state.submissions.first_time(&user.address, id)
    {
        if take(&SmtpFault::SwallowDuplicates) {
            return format!("250 2.0.0 OK <{id}> [Hostname={HOST}]");
        }
        let refusal = "554 5.2.0 STOREDRV.Submission.Exception:StoragePermanentException.MapiExceptionDuplicateDelivery; \
                       Failed to process message due to a permanent exception with message Cannot submit message.";
        state.journal.note(refused(handed.from, refusal));
        return refusal.to_owned();
    }
    let rewrites = original.is_none() || take(&SmtpFault::RewriteMessageId) || user.rewrites_message_id;
    let (stored_id, stored) = if rewrites {
        let new = outlook_message_id();
        let replaced = with_message_id(handed.mail, &new, original.as_deref());
        (new, replaced)
    } else {
        (original.clone().unwrap_or_default(), handed.mail.to_vec())
    };
    state.journal.note(Event::SmtpAccepted {
        from: handed.from.to_owned(),
        to: handed.recipients.to_vec(),
        message_id: original.unwrap_or_default(),
        stored_message_id: stored_id.clone(),
    });
    let mailbox = state.mailbox_of(&user.address);
    if user.keeps_sent_copy {
        mailbox.append_with(&user.sent_folder, &stored, &["\\Seen"], None);
    }
    // The copy is the one's who signed in; whoever was sent as has one only where that is switched on (Set-Mailbox, Microsoft Learn).
    let author = Part::parse(handed.mail).field("From").and_then(first_address);
    let sent_as = author.and_then(|author| state.directory().recipient(&author).cloned());
    if let Some(sent_as) = sent_as.filter(|other| other.keeps_sent_as_copy && other.oid != user.oid) {
        state.mailbox_of(&sent_as.address).append_with(&sent_as.sent_folder, &stored, &["\\Seen"], None);
    }
    deliver(state, handed, &stored);
    if take(&SmtpFault::PlainAcceptance) {
        return "250 2.0.0 OK".to_owned();
    }
    format!("250 2.0.0 OK <{stored_id}> [Hostname={HOST}]")
}

fn objection(handed: &Handed<'_>) -> Option<String> {
    if handed.bare_linefeeds {
        return Some(
            "550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds, which cannot be sent via DATA"
                .into(),
        );
    }
    let part = Part::parse(handed.mail);
    let Some(author) = part.field("From").and_then(first_address) else {
        return Some("550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant".into());
    };
    if handed.user.may_send_as(&author) {
        return None;
    }
    Some(format!(
        "554 5.2.252 SendAsDenied; {} not allowed to send as {author}; STOREDRV.Submission.Exception:\
         SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception with \
         message Cannot submit message.",
        handed.user.address
    ))
}

/// `XX1PR01MB0000…@XX1PR01MB0000.namprd01.prod.outlook.com`.
pub(crate) fn outlook_message_id() -> String {
    let unique = hex(&random_bytes(16)).to_ascii_uppercase();
    format!("SBX1PR01MB0001{unique}@SBX1PR01MB0001.namprd01.prod.outlook.com")
}

/// Replaces the Message-ID; the one the client chose survives in a field of its own.
pub(crate) fn with_message_id(mail: &[u8], new: &str, original: Option<&str>) -> Vec<u8> {
    let mut replaced = format!("Message-ID:\r\n <{new}>\r\n").into_bytes();
    if let Some(original) = original {
        replaced.extend(format!("X-Microsoft-Original-Message-ID: <{original}>\r\n").bytes());
    }
    replaced.extend(without_field(mail, "Message-ID"));
    replaced
}

pub(crate) fn without_field(mail: &[u8], name: &str) -> Vec<u8> {
    let part = Part::parse(mail);
    let mut kept = Vec::with_capacity(mail.len());
    let mut skipping = false;
    for line in part.header.split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let field = line.split(|byte| *byte == b':').next().unwrap_or_default();
            skipping = String::from_utf8_lossy(field).trim().eq_ignore_ascii_case(name);
        }
        if !skipping {
            kept.extend_from_slice(line);
        }
    }
    kept.extend_from_slice(&mail[part.header.len()..]);
    kept
}

/// Brings a mail that was taken to its recipients. Reports of failure go to the sender's own mailbox.
pub(crate) fn deliver(state: &State, handed: &Handed<'_>, stored: &[u8]) {
    let bounce = state.faults.take_smtp(Some(&handed.user.address), |fault| match fault {
        SmtpFault::BounceLater { status, diagnostic, language } => {
            Some((status.clone(), diagnostic.clone(), *language))
        }
        _ => None,
    });
    let report = |recipient: &str, status: &str, diagnostic: &str, language| {
        let bounced = ndr::Bounced { sender: &handed.user.address, recipient, status, diagnostic, mail: stored };
        let report = ndr::report(&bounced, language, state.clock.now());
        state.mailbox_of(&handed.user.address).append(INBOX, &report);
    };
    if let Some((status, diagnostic, language)) = bounce {
        for recipient in handed.recipients {
            report(recipient, &status, &diagnostic, language);
        }
        return;
    }
    let now = chrono::DateTime::from_timestamp(state.clock.now(), 0).unwrap_or_default().to_rfc2822();
    // Everybody gets the same bytes, and nobody sees who else was written to in secret.
    let mut delivered =
        format!("Return-Path: <{}>\r\nReceived: from {HOST} by {HOST}\r\n with HTTPS; {now}\r\n", handed.from)
            .into_bytes();
    delivered.extend(without_field(stored, "Bcc"));
    for recipient in handed.recipients {
        let diagnostic = "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup";
        if state.is_known(recipient) {
            state.mailbox_of(recipient).append(INBOX, &delivered);
            continue;
        }
        let domain = recipient.rsplit('@').next().unwrap_or_default();
        let owned = state.directory().owns_domain(domain);
        match state.config.unknown_recipients {
            UnknownRecipients::Bounce(language) => report(recipient, "5.1.10", diagnostic, language),
            _ if owned => report(recipient, "5.1.10", diagnostic, crate::config::NdrLanguage::English),
            UnknownRecipients::BecomeCustomers | UnknownRecipients::Refuse => {
                state.mailbox_of(recipient).append(INBOX, &delivered);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mail_over_the_minutes_count_waits_and_other_users_do_not() {
        let submissions = Submissions::default();
        assert_eq!(submissions.wait("a@x", 2), None);
        assert_eq!(submissions.wait("A@x", 2), None);
        assert!(submissions.wait("a@x", 2).is_some_and(|wait| wait > Duration::from_secs(50) && wait <= MINUTE));
        assert_eq!(submissions.wait("b@x", 2), None);
    }
}
