//! A reply with everything that one may have, and what everybody must have got of it.

use crate::desk::{ADA, Desk};
use app::outbound::{Draft, UploadedFile};
use domain::Mailbox;
use sandbox::{Event, INBOX};

const GRACE: &str = "grace@customer.example";
const LINUS: &str = "linus@elsewhere.example";
const HTML: &str = "<p>hello, <strong>here</strong> it is</p>";
/// Every byte there is, so that none is changed on the way unnoticed.
const EVERY_BYTE: std::ops::RangeInclusive<u8> = 0..=255;

/// A reply with everything that one may have: To Ada, Cc Grace, Bcc Linus, HTML of its own, and a file.
pub fn everything() -> Draft {
    Draft {
        content: "hello, here it is".to_owned(),
        html: Some(HTML.to_owned()),
        cc: Some(vec![GRACE.to_owned()]),
        bcc: Some(vec![LINUS.to_owned()]),
        attachments: vec![UploadedFile {
            file_name: "a.bin".to_owned(),
            content_type: "application/octet-stream".to_owned(),
            bytes: EVERY_BYTE.collect(),
        }],
        ..Draft::default()
    }
}

/// All three got [`everything`], once, in one sending and as it was written; and nobody reads there that Linus did.
pub fn everything_arrived(desk: &Desk) {
    let mut accepted = desk.sandbox.events().into_iter().filter_map(|event| match event {
        Event::SmtpAccepted { to, .. } => Some(to),
        _ => None,
    });
    assert_eq!(accepted.next_back().expect("a sending"), [ADA, GRACE, LINUS], "the envelope");
    for address in [ADA, GRACE, LINUS] {
        let mails = desk.sandbox.mailbox(address).messages(INBOX);
        assert_eq!(mails.len(), 1, "{address}");
        assert!(!String::from_utf8_lossy(&mails[0].bytes).contains(LINUS));
        let got = ::mail::parse::parse(&mails[0].bytes, usize::MAX);
        let people = |list: &[Mailbox]| list.iter().map(|m| m.address.to_string()).collect::<Vec<_>>();
        assert_eq!((people(&got.to), people(&got.cc)), (vec![ADA.to_owned()], vec![GRACE.to_owned()]));
        assert_eq!(got.text.as_deref().map(str::trim), Some("hello, here it is"));
        assert_eq!(got.html.as_deref().map(str::trim), Some(HTML));
        let [file] = got.attachments.as_slice() else { panic!("{} files", got.attachments.len()) };
        assert_eq!((file.file_name.as_str(), file.bytes.as_slice()), ("a.bin", &*EVERY_BYTE.collect::<Vec<u8>>()));
    }
}
