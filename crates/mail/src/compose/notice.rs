//! A mail of the installation's own: a text and the same as simple HTML. A machine wrote it, and says so.

use super::{ComposeError, address, body_of, one_line};
use domain::{Mailbox, Timestamp};
use mail_builder::MessageBuilder;
use mail_builder::headers::{date::Date, raw::Raw};

#[derive(Clone, Debug)]
pub struct Notice {
    pub from: Mailbox,
    pub to: Mailbox,
    pub subject: String,
    /// Without angle brackets.
    pub message_id: String,
    pub date: Timestamp,
    pub text: String,
    /// Ours, with whatever others wrote escaped.
    pub html: String,
}

pub fn notice(mail: &Notice) -> Result<Vec<u8>, ComposeError> {
    if !address::is_header_id(&mail.message_id) {
        return Err(ComposeError::BadMessageId);
    }
    let builder = MessageBuilder::new()
        .from(address::one(&mail.from)?)
        .header("To", address::list(std::slice::from_ref(&mail.to))?)
        .subject(one_line(&mail.subject))
        .message_id(mail.message_id.as_str())
        .date(Date::new(mail.date.seconds()))
        .header("MIME-Version", Raw::new("1.0"))
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header("X-Auto-Response-Suppress", Raw::new("All"));
    let bytes = builder.body(body_of(&mail.message_id, &mail.text, &mail.html)).write_to_vec();
    Ok(bytes.expect("writing into memory cannot fail"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::EmailAddress;

    #[test]
    fn a_name_or_subject_cannot_begin_another_header_and_a_machine_says_that_it_is_one() {
        let mailbox = |name: &str, address: &str| Mailbox {
            name: Some(name.to_owned()),
            address: EmailAddress::parse(address).expect("an address"),
        };
        let mail = Notice {
            from: mailbox("Desk\r\nBcc: eve@x.example", "desk@contoso.example"),
            to: mailbox("Ada\nX-Evil: 1", "ada@contoso.example"),
            subject: "You\r\nCc: eve@x.example".to_owned(),
            message_id: "1@desk.example".to_owned(),
            date: Timestamp::from_seconds(1_760_000_000),
            text: "first\n.\nlast".to_owned(),
            html: "<p>first</p>".to_owned(),
        };
        let text = String::from_utf8(notice(&mail).expect("a mail")).expect("ASCII");
        let (head, _) = text.split_once("\r\n\r\n").expect("a head");
        for line in head.lines() {
            for evil in ["Bcc:", "Cc:", "X-Evil:"] {
                assert!(!line.starts_with(evil), "{head}");
            }
        }
        assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
        let wrong = Notice { message_id: "1@x>\r\nBcc: a@b.example".to_owned(), ..mail };
        assert_eq!(notice(&wrong), Err(ComposeError::BadMessageId));
    }
}
