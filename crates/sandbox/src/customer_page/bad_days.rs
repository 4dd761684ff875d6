//! What can be made to go wrong while one looks at the page: a few of the [`crate::Fault`]s, by name.
//!
//! For whoever tries out the demonstration, and for stories that see a program from outside. Tests in the same process arm any fault by themselves.

use crate::faults::{Fault, Faults, ImapFault, SmtpFault, TokenFault};

pub(super) struct BadDay {
    pub name: &'static str,
    pub words: &'static str,
}

pub(super) const BAD_DAYS: [BadDay; 5] = [
    BadDay { name: "refused", words: "Every mail is refused: a filter takes it for spam" },
    BadDay { name: "busy", words: "The mail server is busy and asks to come back later" },
    BadDay { name: "lost_answer", words: "The answer to a mail is lost, once: nobody knows whether it left" },
    BadDay { name: "sending_off", words: "An administrator switched sending by SMTP off" },
    BadDay { name: "password_changed", words: "The mailbox's owner changed their password" },
];

/// `false`: there is no such day.
pub(super) fn begin(faults: &Faults, name: &str) -> bool {
    match name {
        "refused" => faults.always(SmtpFault::RefuseMail {
            containing: "Subject:".into(),
            reply: "554 5.7.1 Message rejected as spam by Content Filtering.".into(),
        }),
        "busy" => faults.always(SmtpFault::server_busy()),
        "lost_answer" => faults.once(SmtpFault::DropAfterDot { accepted: true }),
        "sending_off" => faults.always(SmtpFault::smtp_auth_disabled_for_tenant()),
        // The session that waits for mail ends, and nothing opens another.
        "password_changed" => {
            faults.always(TokenFault::grant_revoked());
            faults.always(Fault::from(ImapFault::AuthenticateFailed));
            faults.once(ImapFault::AccessTokenExpired);
        }
        _ => return false,
    }
    true
}
