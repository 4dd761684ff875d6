//! What Exchange, Postfix and others say, and what is understood of it.

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
        (During::Mail, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender", SenderNotAllowed),
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
        (During::Content, 550, "5.1.8 Access denied, bad outbound sender. AS(41) For more information", SenderBlocked),
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
        (
            During::Content,
            552,
            "5.7.0 This message was blocked because its content presents a potential security issue.",
            MessageRefused,
        ),
        (During::Content, 552, "Too much mail data", MessageTooLarge),
        (During::Greeting, 421, "4.7.66 TLS 1.0 and 1.1 are not supported. Please upgrade", TlsUnavailable),
        (During::Greeting, 554, "5.3.2 Service not available", ServerUnavailable),
        (During::Recipient, 550, "5.1.1 <x@y>: Recipient address rejected: User unknown", RecipientRefused),
        (During::Recipient, 450, "4.2.0 <x@y>: Recipient address rejected: Greylisted", Throttled),
        (During::Mail, 553, "5.7.1 <b@x>: Sender address rejected: not owned by user a@x", SenderNotAllowed),
        (During::Recipient, 552, "5.2.2 <x@y>: Mailbox full", RecipientRefused),
        (During::Content, 550, "no thanks", MessageRefused),
        (During::Mail, 550, "5.7.30 Basic authentication is not supported for Client Submission.", SendingRefused),
        (
            During::Authenticate,
            535,
            "5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy.",
            SmtpAuthDisabled,
        ),
        (During::Content, 550, "5.7.502 Access denied, banned sender", SenderBlocked),
        (During::Content, 550, "5.7.503 Access denied, banned sender", SenderBlocked),
        (During::Content, 550, "5.7.705 Access denied, tenant has exceeded threshold", SenderBlocked),
        (
            During::Content,
            550,
            "5.7.708 Service unavailable. Access denied, traffic not accepted from this IP",
            SenderBlocked,
        ),
        (
            During::Content,
            550,
            "5.7.750 Service unavailable. Client blocked from sending from unregistered domains",
            SenderBlocked,
        ),
        (
            During::Content,
            550,
            "5.7.233 Your message can't be sent because your tenant exceeded its daily limit",
            SendingQuotaExceeded,
        ),
        (
            During::Content,
            550,
            "5.7.232 Your message can't be sent because your trial tenant has exceeded its daily limit",
            SendingQuotaExceeded,
        ),
        (During::Content, 550, "5.2.2 Submission quota exceeded", SendingQuotaExceeded),
        (During::Content, 554, "5.2.121 Recipient's per hour message receive limit exceeded", Throttled),
        (During::Content, 432, "4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", Throttled),
        (During::Content, 432, "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", TooManyConnections),
        (
            During::Content,
            554,
            "5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied",
            SenderNotAllowed,
        ),
        (
            During::Content,
            550,
            "5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant and include a valid From address",
            MessageUnbuildable,
        ),
        (During::Recipient, 550, "5.4.1 Recipient address rejected: Access denied.", RecipientRefused),
        (During::Recipient, 550, "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup", RecipientRefused),
        (During::Recipient, 550, "5.5.3 RESOLVER.ADR.RecipLimit; too many recipients", TooManyRecipients),
        (During::Recipient, 452, "4.5.3 Too many recipients", Throttled),
        (During::Greeting, 421, "4.3.2 Service not active", ServerUnavailable),
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
        wait(550, "5.1.90 Your message can't be sent because you've reached your daily limit for message recipients"),
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
