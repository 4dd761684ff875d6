//! What leaves is well-formed, says what was asked, and cannot be made to say more.

use super::*;
use crate::parse::parse;
use domain::EmailAddress;

fn mailbox(name: &str, address: &str) -> Mailbox {
    Mailbox { name: Some(name.to_owned()), address: EmailAddress::parse(address).expect("an address") }
}

fn outgoing() -> Outgoing {
    Outgoing {
        from: mailbox("Ada from Acme", "support@acme.example"),
        reply_to: vec![],
        to: vec![mailbox("Bob", "bob@customer.example")],
        cc: vec![],
        bcc: vec![],
        subject: "Re: Invoice".to_owned(),
        message_id: "pr.abc@acme.example".to_owned(),
        in_reply_to: Some("1@customer.example".to_owned()),
        references: vec!["0@customer.example".to_owned(), "1@customer.example".to_owned()],
        date: Timestamp::from_seconds(1_795_000_000),
        markdown: "Dear Bob,\n\nit is **paid**.".to_owned(),
        html: None,
        attachments: vec![],
        auto_submitted: false,
    }
}

fn built(mail: &Outgoing) -> String {
    let bytes = compose(mail).expect("composes");
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' => assert!(at > 0 && bytes[at - 1] == b'\r', "bare line feed at {at}"),
            b'\r' => assert_eq!(bytes.get(at + 1), Some(&b'\n'), "bare carriage return at {at}"),
            _ => {}
        }
    }
    assert!(bytes.split(|b| *b == b'\n').all(|line| line.len() <= 999), "a line is too long");
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_reply_reads_back_as_it_was_written() {
    let mail = outgoing();
    let text = built(&mail);
    let read = parse(text.as_bytes(), 1_000_000);
    assert_eq!(read.message_id.as_deref(), Some("pr.abc@acme.example"));
    assert_eq!(read.in_reply_to, ["1@customer.example"]);
    assert_eq!(read.references, mail.references);
    assert_eq!(read.from, std::slice::from_ref(&mail.from));
    assert_eq!(read.to, mail.to);
    assert_eq!(read.date, Some(mail.date));
    assert_eq!(read.text.as_deref(), Some("Dear Bob,\n\nit is paid."));
    assert!(read.html.expect("html").contains("<strong>paid</strong>"));
    assert_eq!(read.content_type, "multipart/alternative");
    assert!(read.defects.is_empty(), "{:?}", read.defects);
    assert!(text.contains("MIME-Version: 1.0\r\n"));
    assert!(!text.contains("Auto-Submitted"));
}

#[test]
fn the_same_mail_is_the_same_bytes() {
    assert_eq!(built(&outgoing()), built(&outgoing()));
}

#[test]
fn bcc_is_in_no_header() {
    let mut mail = outgoing();
    mail.bcc = vec![mailbox("Hidden", "hidden@x.example")];
    assert!(!built(&mail).to_lowercase().contains("hidden"));
}

#[test]
fn nothing_a_person_types_can_begin_a_header() {
    let evil = "x\r\nBcc: evil@x.example\r\n\r\nbody";
    let mut mail = outgoing();
    mail.subject = evil.to_owned();
    mail.from.name = Some(evil.to_owned());
    mail.to[0].name = Some(evil.to_owned());
    mail.in_reply_to = Some(evil.to_owned());
    mail.references = vec![evil.to_owned(), "a@b".to_owned()];
    mail.attachments = vec![OutgoingAttachment {
        file_name: evil.to_owned(),
        content_type: evil.to_owned(),
        content_id: Some(evil.to_owned()),
        bytes: b"x".to_vec(),
    }];
    let read = parse(built(&mail).as_bytes(), 1_000_000);
    assert!(read.bcc.is_empty());
    assert_eq!(read.references, ["a@b"]);
    assert_eq!(read.attachments[0].content_type, "application/octet-stream");
    mail.message_id = evil.to_owned();
    assert_eq!(compose(&mail), Err(ComposeError::BadMessageId));
}

#[test]
fn an_address_that_was_stored_wrongly_does_not_leave() {
    let mut mail = outgoing();
    mail.to[0].address = serde_json::from_str("\"a@b.example>\\r\\nBcc: c@d.example\"").expect("decodes");
    assert_eq!(compose(&mail), Err(ComposeError::BadAddress));
}

#[test]
fn domains_go_out_in_ascii() {
    let mut mail = outgoing();
    mail.to = vec![mailbox("Jörg Müller", "joerg@müller.example")];
    let text = built(&mail);
    assert!(text.contains("<joerg@xn--mller-kva.example>") && text.is_ascii(), "{text}");
}

#[test]
fn files_and_inline_images_arrive_unchanged() {
    let mut mail = outgoing();
    mail.markdown = "see ![logo](cid:logo@x)".to_owned();
    let file = |name: &str, kind: &str, id: Option<&str>, bytes: &[u8]| OutgoingAttachment {
        file_name: name.to_owned(),
        content_type: kind.to_owned(),
        content_id: id.map(str::to_owned),
        bytes: bytes.to_vec(),
    };
    mail.attachments = vec![
        file("logo.png", "image/png", Some("logo@x"), b"\x89PNG\r\n\x1a\n"),
        file("Übersicht, März.csv", "text/csv", None, b"a\nb\r\nc\n.\n"),
        file("old.eml", "message/rfc822", None, b"Subject: x\n\n--\n"),
        file("empty.bin", "application/octet-stream", None, b""),
    ];
    let read = parse(built(&mail).as_bytes(), 1_000_000);
    assert_eq!(read.content_type, "multipart/mixed");
    let got: Vec<_> = read.attachments.iter().map(|a| (a.file_name.as_str(), a.inline, a.bytes.as_slice())).collect();
    assert_eq!(
        got,
        [
            ("logo.png", true, b"\x89PNG\r\n\x1a\n".as_slice()),
            ("Übersicht, März.csv", false, b"a\nb\r\nc\n.\n"),
            ("old.eml", false, b"Subject: x\n\n--\n"),
            ("empty.bin", false, b""),
        ]
    );
}

#[test]
fn automatic_mail_says_so() {
    let mut mail = outgoing();
    mail.auto_submitted = true;
    assert!(parse(built(&mail).as_bytes(), 1_000_000).auto_reply);
}

#[test]
fn re_stands_once() {
    for subject in ["Invoice", "Re: Invoice", "RE: re: Invoice", "AW: Re[2]: Invoice", "Sv:Invoice", "回复：Invoice"]
    {
        assert_eq!(reply_subject(subject), "Re: Invoice", "{subject}");
    }
    assert_eq!(reply_subject("Regarding: x"), "Re: Regarding: x");
    assert_eq!(reply_subject("x\r\nBcc: y"), "Re: x  Bcc: y");
    assert_eq!(reply_subject(""), "Re:");
}

#[test]
fn long_reference_lists_keep_the_first_and_the_newest() {
    let all: Vec<String> = (0..400).map(|n| format!("{n}-{}@x.example", "i".repeat(30))).collect();
    let kept = references_for(&all, Some("parent@x.example"));
    assert_eq!(kept.first(), all.first());
    assert_eq!(kept.last().map(String::as_str), Some("parent@x.example"));
    assert_eq!(kept[kept.len() - 2], all[399]);
    assert!(kept.iter().map(|id| id.len() + 4).sum::<usize>() <= MAX_REFERENCES_BYTES);
    assert_eq!(references_for(&["a@x".into(), "p@x".into()], Some("p@x")), ["a@x", "p@x"]);
    assert!(references_for(&[], None).is_empty());
    assert!(references_for(&["x".repeat(2000)], Some("p@x")) == ["p@x"]);
}
