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
        .unwrap_or_else(|| by_code(code, during));
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

/// Exchange's exceptions and sentences are more exact than its codes.
fn by_words(lower: &str, during: During) -> Option<FailureClass> {
    let has = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    Some(if has(&["duplicatedelivery"]) {
        FailureClass::AlreadySent
    } else if has(&["smtpclientauthentication is disabled", "smtp_auth_disabled"]) {
        FailureClass::SmtpAuthDisabled
    } else if has(&[
        "sendasdenied",
        "not allowed to send as",
        "does not have permissions to send as",
        "not owned by user",
    ]) {
        FailureClass::SenderNotAllowed
    } else if has(&[
        "submissionquotaexceeded",
        "submission quota exceeded",
        "daily limit for message recipients",
        "sending limit exceeded",
        "daily user sending",
    ]) {
        FailureClass::SendingQuotaExceeded
    } else if during != During::Recipient && has(&["quotaexceededexception", "mailbox full"]) {
        FailureClass::MailboxFull
    } else if has(&[
        "concurrent connections limit",
        "sender thread limit",
        "too many connections",
        "too many concurrent",
    ]) {
        FailureClass::TooManyConnections
    } else if has(&["recipient thread limit"]) {
        FailureClass::Throttled
    } else if has(&[
        "message size exceeds",
        "message too large",
        "message too big",
        "exceeds size limit",
        "size limit exceeded",
        "exceeds fixed limit",
    ]) {
        FailureClass::MessageTooLarge
    } else if has(&["bad outbound sender", "banned sender", "tenant has exceeded threshold"]) {
        FailureClass::SenderBlocked
    } else {
        return None;
    })
}

fn by_enhanced_code(enhanced: (u16, u16, u16), during: During, lower: &str) -> Option<FailureClass> {
    let authenticating = during == During::Authenticate;
    Some(match enhanced {
        (5, 7, 139) if lower.contains("disabled for the") => FailureClass::SmtpAuthDisabled,
        (5, 7, 3 | 8 | 30 | 139) if authenticating => FailureClass::SendingRefused,
        (5, 7, 57) => FailureClass::SendingRefused,
        (5, 7, 60) => FailureClass::SenderNotAllowed,
        (5, 2, 252) => FailureClass::SenderNotAllowed,
        (5, 1, 8) => FailureClass::SenderBlocked,
        (5, 7, 501..=503 | 508 | 509 | 511 | 705 | 708 | 750) => FailureClass::SenderBlocked,
        (5, 1, 90) | (5, 7, 233) => FailureClass::SendingQuotaExceeded,
        (_, 2, 121 | 122) => FailureClass::Throttled,
        (4, 3, 2) => FailureClass::ServerUnavailable,
        (4, 7, 66) => FailureClass::TlsUnavailable,
        (4, 7, 500..=699) => FailureClass::Throttled,
        (4, 7, 0) if authenticating => FailureClass::ServerUnavailable,
        (5, 3, 4) | (5, 2, 3) => FailureClass::MessageTooLarge,
        (5, 6, 11) | (5, 7, 512) => FailureClass::MessageUnbuildable,
        (5, 2, 2) if during != During::Recipient => FailureClass::MailboxFull,
        (5, 1, 1 | 2 | 3 | 6 | 10) | (5, 4, 1) | (5, 7, 1 | 124 | 133 | 134 | 136) if during == During::Recipient => {
            FailureClass::RecipientRefused
        }
        (5, 1, 7) => FailureClass::SenderNotAllowed,
        (5, 7, 1) if during == During::Mail => FailureClass::SenderNotAllowed,
        _ => return None,
    })
}

/// What the first digits alone say.
fn by_code(code: u16, during: During) -> FailureClass {
    match (during, code) {
        (_, ..400) => FailureClass::ProtocolError,
        (During::Authenticate, 400..500) => FailureClass::ServerUnavailable,
        (During::Authenticate, _) => FailureClass::SendingRefused,
        (_, 530 | 535) => FailureClass::SendingRefused,
        (_, 421) => FailureClass::ServerUnavailable,
        (During::Recipient, 552) => FailureClass::RecipientRefused,
        (_, 552) => FailureClass::MessageTooLarge,
        (_, 450..453 | 432) => FailureClass::Throttled,
        (_, 400..500) => FailureClass::ServerUnavailable,
        (During::Greeting, _) => FailureClass::ServerUnavailable,
        (During::Recipient, _) => FailureClass::RecipientRefused,
        (During::Mail | During::Content, _) => FailureClass::MessageRefused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchange_is_understood_by_its_enhanced_codes_and_words() {
        use FailureClass::*;
        for (during, code, text, class) in [
            (
                During::Authenticate,
                535,
                "5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]",
                SendingRefused,
            ),
            (
                During::Authenticate,
                535,
                "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.",
                SmtpAuthDisabled,
            ),
            (
                During::Authenticate,
                535,
                "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled",
                SmtpAuthDisabled,
            ),
            (
                During::Authenticate,
                535,
                "5.7.139 Authentication unsuccessful, the user credentials were incorrect.",
                SendingRefused,
            ),
            (During::Authenticate, 535, "5.7.8 Error: authentication failed:", SendingRefused),
            (
                During::Authenticate,
                454,
                "4.7.0 Temporary authentication failure: Connection lost to authentication server",
                ServerUnavailable,
            ),
            (During::Authenticate, 504, "5.5.4 Unrecognized authentication type", SendingRefused),
            (During::Mail, 530, "5.7.57 Client not authenticated to send mail.", SendingRefused),
            (
                During::Mail,
                550,
                "5.7.60 SMTP; Client does not have permissions to send as this sender",
                SenderNotAllowed,
            ),
            (
                During::Mail,
                432,
                "4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending",
                TooManyConnections,
            ),
            (
                During::Content,
                554,
                "5.2.252 SendAsDenied; a@x not allowed to send as b@x; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied",
                SenderNotAllowed,
            ),
            (
                During::Content,
                554,
                "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message",
                SendingQuotaExceeded,
            ),
            (
                During::Content,
                554,
                "5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded",
                MailboxFull,
            ),
            (
                During::Content,
                554,
                "5.6.0 STOREDRV.Submission.Exception:StoragePermanentException.MapiExceptionDuplicateDelivery; Failed",
                AlreadySent,
            ),
            (
                During::Content,
                550,
                "5.1.8 Access denied, bad outbound sender. AS(41) For more information",
                SenderBlocked,
            ),
            (During::Content, 550, "5.7.501 Service unavailable. Spam abuse detected from IP range.", SenderBlocked),
            (
                During::Content,
                550,
                "5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
                SendingQuotaExceeded,
            ),
            (During::Content, 451, "4.7.500 Server busy. Please try again later", Throttled),
            (
                During::Content,
                554,
                "5.6.11 Invalid characters (bare line feed characters) in message body",
                MessageUnbuildable,
            ),
            (During::Content, 552, "5.3.4 Message size exceeds fixed maximum message size", MessageTooLarge),
            (During::Greeting, 421, "4.7.66 TLS 1.0 and 1.1 are not supported. Please upgrade", TlsUnavailable),
            (During::Greeting, 554, "5.3.2 Service not available", ServerUnavailable),
            (During::Recipient, 550, "5.1.1 <x@y>: Recipient address rejected: User unknown", RecipientRefused),
            (During::Recipient, 450, "4.2.0 <x@y>: Recipient address rejected: Greylisted", Throttled),
            (During::Mail, 553, "5.7.1 <b@x>: Sender address rejected: not owned by user a@x", SenderNotAllowed),
            (During::Recipient, 552, "5.2.2 <x@y>: Mailbox full", RecipientRefused),
            (During::Content, 550, "no thanks", MessageRefused),
        ] {
            let failure = refused(during, code, text);
            assert_eq!(failure.class, class, "{text}");
            assert!(failure.server_said.is_some_and(|said| said.starts_with(&code.to_string())));
        }
    }

    #[test]
    fn a_wait_that_the_server_states_is_kept_unless_it_refuses_for_good() {
        let wait = |code, text| refused(During::Mail, code, text).retry_after_seconds;
        assert_eq!(wait(451, "4.7.0 Too many messages, please try again in 5 minutes"), Some(300));
        assert_eq!(wait(432, "4.3.2 Concurrent connections limit exceeded, retry after 20 seconds"), Some(20));
        assert_eq!(wait(421, "4.7.0 try again in 90 hours"), Some(6 * 3600));
        assert_eq!(wait(550, "5.7.1 refused, do not try again in 5 minutes"), None);
        assert_eq!(wait(451, "4.7.500 Server busy. Please try again later"), None);
        assert_eq!(
            wait(
                550,
                "5.1.90 Your message can't be sent because you've reached your daily limit for message recipients"
            ),
            Some(3600)
        );
    }

    #[test]
    fn a_rewritten_id_is_taken_from_exchange_only() {
        assert_eq!(
            rewritten_message_id("2.0.0 OK <AM0PR01MB1234567@AM0PR01MB1234.eurprd01.prod.outlook.com> [Hostname=AM0PR01MB1234.eurprd01.prod.outlook.com]").as_deref(),
            Some("AM0PR01MB1234567@AM0PR01MB1234.eurprd01.prod.outlook.com")
        );
        for other in [
            "2.0.0 Ok: queued as 4F2A91C2",
            "2.0.0 OK  1795000000 a1-20020a170906cb0100b008d3ed3a18besm1.2 - gsmtp",
            "2.0.0 OK queued <x@y.example>",
            "2.0.0 OK <evil@prod.outlook.com.example>",
            "2.0.0 OK <unfinished@x.prod.outlook.com",
            "OK",
            "",
        ] {
            assert_eq!(rewritten_message_id(other), None, "{other}");
        }
    }
}
