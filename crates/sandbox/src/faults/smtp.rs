//! What Exchange's submission service does on a bad day (RFC 5321; Microsoft's documentation of SMTP errors).

use crate::tls::TlsFault;

/// A moment of an SMTP session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpPoint {
    /// Instead of the greeting.
    Connect,
    Ehlo,
    StartTls,
    Auth,
    Rset,
    MailFrom,
    Rcpt,
    /// The answer to the DATA command, where 354 would stand.
    Data,
    /// The answer to the final dot; the mail is not taken.
    EndOfData,
}

/// A fault of the submission server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmtpFault {
    /// This reply at this moment, `451 4.7.500 Server busy. Please try again later`; several lines with `\r\n`.
    Answer { at: SmtpPoint, reply: String },
    /// The connection ends at this moment without a reply.
    CloseAt(SmtpPoint),
    /// Silence from this moment on; the connection stays open.
    StallAt(SmtpPoint),
    /// Something is wrong with the TLS that follows STARTTLS. `Plaintext`: 220, and then the server goes on in the clear.
    Tls(TlsFault),
    /// Whenever and however the connection ends, TLS is not told (RFC 8446 §6.1 wants a close_notify).
    NoCloseNotify,
    /// STARTTLS is neither offered nor known.
    NoStartTls,
    /// XOAUTH2 is not offered.
    NoXoauth2,
    /// A base64 JSON challenge first, as Dovecot and Gmail do, then 535.
    AuthChallenged,
    /// Command lines longer than this are refused with 500, as Postfix does at 2048 octets: a token on the AUTH line.
    LineLimit(usize),
    /// This recipient is refused with this reply.
    RefuseRecipient { address: String, reply: String },
    /// A mail whose source has these words in it is refused with this reply to the final dot: the answer of a filter.
    RefuseMail { containing: String, reply: String },
    /// The connection ends after the final dot, before the reply. Either way the client cannot know.
    DropAfterDot { accepted: bool },
    /// Silence after the final dot.
    StallAfterDot { accepted: bool },
    /// The mail is taken although the reply is this one.
    AcceptedBut { reply: String },
    /// A second mail under a Message-ID is answered as if it were taken, and thrown away: Exchange's duplicate detection at delivery
    /// ("Duplicate message detection", Microsoft Learn), where submission did not refuse it.
    SwallowDuplicates,
    /// Whatever the user's setting: the Message-ID is replaced.
    RewriteMessageId,
    /// The final 250 without the new Message-ID in it.
    PlainAcceptance,
    /// A non-delivery report for the next accepted mail arrives in the sender's INBOX, and the mail does not.
    BounceLater { status: String, diagnostic: String, language: crate::config::NdrLanguage },
}

impl SmtpFault {
    fn at(at: SmtpPoint, reply: &str) -> Self {
        Self::Answer { at, reply: reply.into() }
    }

    /// 535 5.7.3, the answer to a bad token, a wrong scope and a wrong `user=` alike.
    pub fn authentication_unsuccessful() -> Self {
        Self::at(SmtpPoint::Auth, crate::smtp::AUTH_REFUSED)
    }

    /// 535 5.7.139: SMTP AUTH is switched off for the tenant; it hits OAuth too.
    pub fn smtp_auth_disabled_for_tenant() -> Self {
        Self::at(SmtpPoint::Auth, crate::smtp::AUTH_OFF_TENANT)
    }

    /// 535 5.7.139: the organisation's security defaults keep authenticated SMTP off.
    pub fn security_defaults() -> Self {
        Self::at(SmtpPoint::Auth, crate::smtp::SECURITY_DEFAULTS)
    }

    /// 432 4.3.2: more than three connections for the mailbox.
    pub fn concurrent_connections() -> Self {
        Self::at(SmtpPoint::Auth, crate::smtp::TOO_MANY_CONNECTIONS)
    }

    /// 550 5.7.60.
    pub fn not_allowed_to_send_as() -> Self {
        Self::at(SmtpPoint::MailFrom, crate::smtp::SEND_AS_DENIED)
    }

    /// 451 4.7.500: the server is busy.
    pub fn server_busy() -> Self {
        Self::at(SmtpPoint::EndOfData, "451 4.7.500 Server busy. Please try again later from [127.0.0.1]. (S77719)")
    }

    /// 452 4.3.1: no room now.
    pub fn insufficient_resources() -> Self {
        Self::at(SmtpPoint::MailFrom, "452 4.3.1 Insufficient system resources")
    }

    /// 554 5.2.2: the sender's mailbox is full, so the Sent copy cannot be kept.
    pub fn mailbox_full() -> Self {
        Self::at(
            SmtpPoint::EndOfData,
            "554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; \
             Failed to process message due to a permanent exception with message Cannot submit message.",
        )
    }

    /// 554 5.2.0: 10,000 recipients in a day.
    pub fn submission_quota() -> Self {
        Self::at(
            SmtpPoint::EndOfData,
            "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to \
             a permanent exception with message Cannot submit message.",
        )
    }

    /// 550 5.1.8: the mailbox is restricted for spam.
    pub fn bad_outbound_sender() -> Self {
        Self::at(SmtpPoint::EndOfData, "550 5.1.8 Access denied, bad outbound sender AS(42003)")
    }

    /// 550 5.1.1 for one recipient.
    pub fn recipient_unknown(address: &str) -> Self {
        Self::RefuseRecipient { address: address.into(), reply: "550 5.1.1 User unknown".into() }
    }
}
