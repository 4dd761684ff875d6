//! What a submission server said → what it means. Each line has its entry in docs/COMPATIBILITY.md.
//!
//! Pure. Decided by the enhanced status code (RFC 3463) and the words, because Exchange's three-digit codes vary; the basic code only
//! decides what nothing else did.

use crate::stated_wait::stated_wait;
use domain::{Failure, FailureClass};
use std::time::Duration;

/// What the reply was to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    /// Greeting, EHLO, STARTTLS.
    Greeting,
    Authenticate,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Recipient,
    /// DATA and what follows.
    Content,
}

/// The window of Exchange's daily limits is rolling; trying again sooner is of no use.
const QUOTA_WAIT: Duration = Duration::from_secs(3600);
/// Nobody waits longer for a server's words alone.
const MOST_STATED_WAIT: Duration = Duration::from_secs(6 * 3600);

/// A reply of 4xx or 5xx, or one of 3xx where nothing more was to be asked for.
pub fn refused(during: During, code: u16, text: &str) -> Failure {
    let lower = text.to_ascii_lowercase();
    let enhanced = enhanced_code(text);
    let class = by_words(&lower, during)
        .or_else(|| enhanced.and_then(|e| by_enhanced_code(e, during, &lower)))
        .unwrap_or_else(|| by_code(code, enhanced, during));
    let failure = Failure::new(class).said(format!("{code} {text}"));
    let stated = stated_wait(text).filter(|_| (400..500).contains(&code)).map(|wait| wait.min(MOST_STATED_WAIT));
    match (class, stated) {
        (FailureClass::SendingQuotaExceeded, stated) => failure.after(stated.unwrap_or_default().max(QUOTA_WAIT)),
        (_, Some(wait)) => failure.after(wait),
        (_, None) => failure,
    }
}

/// A refusal of a recipient that is not about the recipient.
pub(super) fn concerns_all(class: FailureClass) -> bool {
    matches!(
        class,
        FailureClass::SenderNotAllowed
            | FailureClass::SenderBlocked
            | FailureClass::SendingRefused
            | FailureClass::SmtpAuthDisabled
            | FailureClass::SendingQuotaExceeded
            | FailureClass::TooManyConnections
            | FailureClass::MessageTooLarge
    )
}

/// The new Message-ID in `250 2.0.0 OK <XX1PR01MB0000@XX1PR01MB0000.prod.outlook.com> [Hostname=…]`. Only Exchange's form is believed: other
/// servers put queue names there (`Ok: queued as 4F2A`), and an id of the sender's would be mapped wrongly.
pub fn rewritten_message_id(text: &str) -> Option<String> {
    let rest = text.trim().strip_prefix("2.0.0 ").unwrap_or(text.trim());
    let rest = rest.strip_prefix("OK ").or_else(|| rest.strip_prefix("Ok "))?;
    let (id, _) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    let (local, domain) = id.split_once('@')?;
    let plausible = !local.is_empty()
        && id.len() <= 250
        && id.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'@') || b == b'@');
    (plausible && domain.to_ascii_lowercase().ends_with(".prod.outlook.com")).then(|| id.to_owned())
}

/// `5.7.139` as numbers.
fn enhanced_code(text: &str) -> Option<(u16, u16, u16)> {
    let word = text.split_whitespace().next()?;
    let mut numbers = word.split('.').map(|n| n.parse::<u16>().ok());
    let code = (numbers.next()??, numbers.next()??, numbers.next()??);
    (numbers.next().is_none() && matches!(code.0, 2 | 4 | 5)).then_some(code)
}

/// Where a row applies.
#[derive(Clone, Copy)]
enum When {
    Always,
    Only(During),
    Except(During),
}

impl When {
    fn is(self, during: During) -> bool {
        match self {
            Self::Always => true,
            Self::Only(one) => during == one,
            Self::Except(one) => during != one,
        }
    }
}

/// Exchange's exceptions and sentences are more exact than its codes. The first row with one of these words decides.
const WORDS: &[(&[&str], When, FailureClass)] = &[
    (&["duplicatedelivery"], When::Always, FailureClass::AlreadySent),
    // An organisation's security defaults keep the mailbox out until an administrator acts, however often it is tried.
    (
        &["smtpclientauthentication is disabled", "smtp_auth_disabled", "security defaults policy"],
        When::Always,
        FailureClass::SmtpAuthDisabled,
    ),
    (
        &["sendasdenied", "not allowed to send as", "does not have permissions to send as", "not owned by user"],
        When::Always,
        FailureClass::SenderNotAllowed,
    ),
    (
        &[
            "submissionquotaexceeded",
            "submission quota exceeded",
            "daily limit for message recipients",
            "sending limit exceeded",
            "daily user sending",
            "tenant external recipient rate limit",
        ],
        When::Always,
        FailureClass::SendingQuotaExceeded,
    ),
    (&["quotaexceededexception", "mailbox full"], When::Except(During::Recipient), FailureClass::MailboxFull),
    (
        &["concurrent connections limit", "sender thread limit", "too many connections", "too many concurrent"],
        When::Always,
        FailureClass::TooManyConnections,
    ),
    (&["recipient thread limit"], When::Always, FailureClass::Throttled),
    (
        &[
            "message size exceeds",
            "message too large",
            "message too big",
            "exceeds size limit",
            "size limit exceeded",
            "exceeds fixed limit",
        ],
        When::Always,
        FailureClass::MessageTooLarge,
    ),
    (
        &["bad outbound sender", "banned sender", "tenant has exceeded threshold", "banned from sending"],
        When::Always,
        FailureClass::SenderBlocked,
    ),
];

fn by_words(lower: &str, during: During) -> Option<FailureClass> {
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    WORDS.iter().find(|(words, when, _)| when.is(during) && says(words)).map(|(_, _, class)| *class)
}

/// `None` stands for any number; the last two numbers bound the detail.
type Code = (Option<u16>, u16, u16, u16);

const fn exactly(class: u16, subject: u16, detail: u16) -> Code {
    (Some(class), subject, detail, detail)
}

/// The first row with this code decides.
const CODES: &[(&[Code], When, FailureClass)] = &[
    (
        &[exactly(5, 7, 3), exactly(5, 7, 8), exactly(5, 7, 139)],
        When::Only(During::Authenticate),
        FailureClass::SendingRefused,
    ),
    // Not signed in, or by a way that has ended: a sign-in mends both.
    (&[exactly(5, 7, 57), exactly(5, 7, 30)], When::Always, FailureClass::SendingRefused),
    (&[exactly(5, 7, 60), exactly(5, 2, 252), exactly(5, 1, 7)], When::Always, FailureClass::SenderNotAllowed),
    (
        &[
            exactly(5, 1, 8),
            (Some(5), 7, 501, 503),
            (Some(5), 7, 508, 509),
            exactly(5, 7, 511),
            exactly(5, 7, 705),
            exactly(5, 7, 708),
            exactly(5, 7, 750),
        ],
        When::Always,
        FailureClass::SenderBlocked,
    ),
    // A mailbox's recipients of a day, and a tenant's outside itself (of a trial tenant the former).
    (&[exactly(5, 1, 90), (Some(5), 7, 232, 233)], When::Always, FailureClass::SendingQuotaExceeded),
    (&[(None, 2, 121, 122)], When::Always, FailureClass::Throttled),
    (&[exactly(4, 3, 2)], When::Always, FailureClass::ServerUnavailable),
    (&[exactly(4, 7, 66)], When::Always, FailureClass::TlsUnavailable),
    (&[(Some(4), 7, 500, 699)], When::Always, FailureClass::Throttled),
    (&[exactly(4, 7, 0)], When::Only(During::Authenticate), FailureClass::ServerUnavailable),
    (&[exactly(5, 3, 4), exactly(5, 2, 3)], When::Always, FailureClass::MessageTooLarge),
    (&[exactly(5, 5, 3)], When::Always, FailureClass::TooManyRecipients),
    (&[exactly(5, 6, 11), exactly(5, 7, 512)], When::Always, FailureClass::MessageUnbuildable),
    (&[exactly(5, 2, 2)], When::Except(During::Recipient), FailureClass::MailboxFull),
    (
        &[
            (Some(5), 1, 1, 3),
            exactly(5, 1, 6),
            exactly(5, 1, 10),
            exactly(5, 4, 1),
            exactly(5, 7, 1),
            exactly(5, 7, 124),
            (Some(5), 7, 133, 134),
            exactly(5, 7, 136),
        ],
        When::Only(During::Recipient),
        FailureClass::RecipientRefused,
    ),
    (&[exactly(5, 7, 1)], When::Only(During::Mail), FailureClass::SenderNotAllowed),
];

fn by_enhanced_code(enhanced: (u16, u16, u16), during: During, lower: &str) -> Option<FailureClass> {
    if enhanced == (5, 7, 139) && lower.contains("disabled for the") {
        return Some(FailureClass::SmtpAuthDisabled);
    }
    let is = |(class, subject, first, last): &Code| {
        class.is_none_or(|class| class == enhanced.0)
            && *subject == enhanced.1
            && (*first..=*last).contains(&enhanced.2)
    };
    CODES.iter().find(|(codes, when, _)| when.is(during) && codes.iter().any(is)).map(|(_, _, class)| *class)
}

/// What the first digits say where the enhanced code is none that is known.
fn by_code(code: u16, enhanced: Option<(u16, u16, u16)>, during: During) -> FailureClass {
    // X.7.X is about policy (RFC 3463 §3.8): a mail whose file is not liked is not too large.
    let is_policy = enhanced.is_some_and(|(_, subject, _)| subject == 7);
    match (during, code) {
        (_, ..400) => FailureClass::ProtocolError,
        (During::Authenticate, 400..500) => FailureClass::ServerUnavailable,
        (During::Authenticate, _) => FailureClass::SendingRefused,
        (_, 530 | 535) => FailureClass::SendingRefused,
        (_, 421) => FailureClass::ServerUnavailable,
        (During::Recipient, 552) => FailureClass::RecipientRefused,
        (_, 552) if !is_policy => FailureClass::MessageTooLarge,
        (_, 450..453 | 432) => FailureClass::Throttled,
        (_, 400..500) => FailureClass::ServerUnavailable,
        (During::Greeting, _) => FailureClass::ServerUnavailable,
        (During::Recipient, _) => FailureClass::RecipientRefused,
        (During::Mail | During::Content, _) => FailureClass::MessageRefused,
    }
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
