//! Every mail in /tests/mail, and what is made of each: the `.json` beside it says. Then the same mails broken in many ways.

use domain::Mailbox;
use mail::compose::html_to_text;
use mail::parse::{InboundEmail, fingerprint, parse};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

fn mails() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mail");
    let mut mails: Vec<_> = std::fs::read_dir(folder)
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "eml"))
        .map(|path| (path.clone(), std::fs::read(path).expect("a mail")))
        .collect();
    mails.sort();
    mails
}

/// What matters of a mail; what is empty is left out.
fn outcome(email: &InboundEmail) -> Value {
    let mailboxes = |list: &[Mailbox]| -> Value {
        list.iter()
            .map(|m| m.name.as_ref().map_or_else(|| m.address.to_string(), |name| format!("{name} <{}>", m.address)))
            .collect()
    };
    let mut fields = Map::new();
    for (name, value) in [
        ("message_id", json!(email.message_id)),
        ("original_message_id", json!(email.original_message_id)),
        ("in_reply_to", json!(email.in_reply_to)),
        ("references", json!(email.references)),
        ("from", mailboxes(&email.from)),
        ("reply_to", mailboxes(&email.reply_to)),
        ("to", mailboxes(&email.to)),
        ("cc", mailboxes(&email.cc)),
        ("bcc", mailboxes(&email.bcc)),
        ("original_sender", json!(email.original_sender.as_ref().map(|m| m.address.to_string()))),
        ("subject", json!(email.subject)),
        ("date", json!(email.date.map(domain::Timestamp::to_iso))),
        ("text", json!(email.text)),
        ("html", json!(email.html)),
        ("attachments", email.attachments.iter().map(|a| {
            json!({"file_name": a.file_name, "content_type": a.content_type, "content_id": a.content_id, "inline": a.inline, "bytes": String::from_utf8_lossy(&a.bytes[..a.bytes.len().min(60)]), "size": a.bytes.len()})
        }).collect()),
        ("kind", json!(email.kind.as_str())),
        ("auto_reply", json!(email.auto_reply.then_some(true))),
        ("answers_unwanted", json!(email.answers_unwanted.then_some(true))),
        ("report", json!(email.report.as_ref().map(|r| json!({"about": r.about, "failed_recipients": r.failed_recipients, "status": r.status, "diagnostic": r.diagnostic})))),
        ("thread_index", json!(email.thread_index)),
        ("content_type", json!(email.content_type)),
        ("defects", email.defects.iter().map(|d| format!("{d:?}")).collect()),
    ] {
        if !value.is_null() && value != json!([]) {
            fields.insert(name.to_owned(), value);
        }
    }
    Value::Object(fields)
}

#[test]
fn every_mail_of_the_corpus_is_read_as_its_json_says() {
    let mails = mails();
    assert!(mails.len() >= 30, "the corpus is there");
    let mut wrong = Vec::new();
    for (path, raw) in mails {
        let read = outcome(&parse(&raw, 1_000_000));
        let expected = std::fs::read_to_string(path.with_extension("json")).unwrap_or_default();
        if serde_json::from_str::<Value>(&expected).ok().as_ref() != Some(&read) {
            wrong.push(format!("{}\n{read:#}", path.with_extension("json").display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

#[test]
fn the_fingerprint_survives_what_exchange_does_to_a_mail() {
    let original = "Message-ID: <1@x>\r\nDate: Mon, 2 Nov 2026 11:00:00 +0100\r\nFrom: Ada <ada@x.example>\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello there, see https://x.example\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Hello <b>there</b>, it is 5&nbsp;o'clock</p>\r\n--b--\r\n";
    // Another boundary, order, encoding, text version, zone and wrapping.
    let rebuilt = "From: \"Ada\" <ADA@x.example>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID:\r\n\t<1@x>\r\nSubject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\nContent-Type: multipart/alternative; boundary=\"_000_\"\r\n\r\n--_000_\r\nContent-Type: text/plain\r\n\r\nHello there, see\r\nhttps://x.example <https://x.example/>\r\n--_000_\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<html><body><p class=3D\"MsoNormal\">Hello <b>there</b>,\r\nit is 5=C2=A0o'clock<o:p></o:p></p></body></html>\r\n--_000_--\r\n";
    let print = |mail: &str| {
        let email = parse(mail.as_bytes(), 100_000);
        fingerprint(&email, &html_to_text(email.html.as_deref().expect("HTML")))
    };
    assert_eq!(print(original), print(rebuilt));
    for (from, to) in [("5&nbsp;o", "6&nbsp;o"), ("11:00:00", "11:00:01"), ("<ada@", "<bob@"), ("Gr=C3", "Gx=C3")] {
        assert_ne!(print(original), print(&original.replace(from, to)), "{from} → {to}");
    }
}

#[test]
fn a_mail_over_the_limit_is_read_from_its_beginning() {
    let raw = format!(
        "Message-ID: <1@x>\r\nFrom: ada@x.example\r\nDate: Mon, 2 Nov 2026 11:00:00 +0100\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello.\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        "QUJD\r\n".repeat(10_000)
    );
    let whole = parse(raw.as_bytes(), 1_000_000);
    assert_eq!((whole.attachments[0].bytes.len(), whole.defects.len()), (30_000, 0));
    let cut = parse(raw.as_bytes(), 20_000);
    assert_eq!(cut.text.as_deref(), Some("Hello."));
    assert!(cut.defects.contains(&mail::parse::Defect::Truncated));
    assert_eq!(cut.message_id.as_deref(), Some("1@x"));
}

#[test]
fn mails_made_to_hurt_are_read_all_the_same() {
    let head = "From: ada@x.example\r\nMessage-ID: <1@x>\r\n";
    let nested = |kind: &str, n: usize| format!("{head}{}", format!("Content-Type: {kind}\r\n\r\n").repeat(n));
    let boundaries: String =
        (0..3_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n")).collect();
    let references: String = (0..50_000).map(|n| format!(" <{n}@x.example>\r\n")).collect();
    for mail in [
        nested("message/rfc822", 300_000),
        nested("Message/Global", 100_000),
        nested("message / rfc822", 100_000),
        nested("message/(c)rf(c)c822", 100_000),
        format!("{head}{}", "Content-Type : (c)\r\n message/rfc822\r\n\r\n".repeat(100_000)),
        nested("multipart/digest; boundary=x\r\n\r\n--x", 100_000),
        nested("message/rfc822\r\nContent-Transfer-Encoding: base64", 10_000),
        format!("{head}{boundaries}"),
        format!("{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", "--b\r\n\r\nx\r\n".repeat(100_000)),
        format!("{head}References:{references}\r\n\r\nx"),
        format!("{head}To: {}\r\n\r\nx", "a@b.example, ".repeat(30_000)),
        format!("{head}To: {}\r\n\r\nx", "(".repeat(100_000)),
        format!("{head}Subject: {}\r\n\r\nx", "=?utf-8?Q?a?= ".repeat(50_000)),
        format!("{head}{}\r\n\r\nx", "X: y\r\n".repeat(500_000)),
        format!("{head}Content-Type: text/html\r\n\r\n{}", "<div><a href='cid:".repeat(50_000)),
        format!("{head}Content-Type: text/plain; {}\r\n\r\nx", "a=b; ".repeat(100_000)),
        format!(
            "{head}Content-Type: application/x; {}\r\n\r\nx",
            (0..20_000).map(|n| format!("name*{n}=x; ")).collect::<String>()
        ),
    ] {
        let read = parse(mail.as_bytes(), 32 * 1024 * 1024);
        assert_eq!(read.from.len(), 1);
        assert!(read.references.len() <= 201 && read.to.len() <= 1_000 && read.attachments.len() <= 500);
    }
}

/// Whatever is done to a mail, it is read without a panic, and what was read holds nothing that the database or a header cannot.
fn holds(email: &InboundEmail) {
    for text in email.subject.iter().chain(&email.message_id).chain(&email.references) {
        assert!(!text.contains(['\0', '\r', '\n']), "{text:?}");
    }
    for body in [&email.text, &email.html].into_iter().flatten() {
        assert!(!body.contains('\0'));
    }
    for attachment in &email.attachments {
        assert!(!attachment.file_name.is_empty() && !attachment.file_name.contains(['/', '\\', '\0']));
        assert!(attachment.content_type.contains('/'));
    }
    fingerprint(email, email.text.as_deref().unwrap_or_default());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_the_corpus_panics(
        pick in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..6, any::<u8>()), 1..12),
        limit in 0_usize..5_000,
    ) {
        let mails = mails();
        let mut raw = mails[pick.index(mails.len())].1.clone();
        for (at, how, byte) in edits {
            if raw.is_empty() { break; }
            let at = at.index(raw.len());
            match how {
                0 => raw[at] = byte,
                1 => { raw.remove(at); }
                2 => raw.insert(at, byte),
                3 => raw.truncate(at),
                4 => { let tail = raw[at..].to_vec(); raw.extend(tail); }
                _ => { let end = (at + usize::from(byte)).min(raw.len()); raw.drain(at..end); }
            }
            raw.truncate(200_000);
        }
        holds(&parse(&raw, 1_000_000));
        holds(&parse(&raw, limit));
    }

    #[test]
    fn no_bytes_at_all_panic(raw in prop::collection::vec(any::<u8>(), 0..2_000)) {
        holds(&parse(&raw, 1_000_000));
        let text = String::from_utf8_lossy(&raw);
        mail::compose::html_to_text(&text);
        mail::compose::markdown_to_html(&text);
        mail::compose::markdown_to_text(&text);
        mail::compose::reply_subject(&text);
        mail::quote::split_reply(&text);
        mail::sanitize::sanitize(&text, &mail::sanitize::SanitizeOptions::default());
        mail::message_token::read(&text, &[b"key"]);
    }

    #[test]
    fn no_markup_at_all_panics_or_runs(pieces in prop::collection::vec(prop::sample::select(vec![
        "<", ">", "\"", "'", "=", "/", "<p ", "<img src=\"", "http://x/", "cid:a", "<a href=", "javascript:", "<!--", "-->", "<script>", "</script>",
        "<style>", "</style>", "<svg>", "&#", "&amp;", "x3c;", "ä", "\u{0}", "<head>", "style=\"", "url(", "]]>", "<![CDATA[", " onload=", "<table>", "<td>", "</",
    ]), 0..40)) {
        let html = pieces.concat();
        mail::compose::html_to_text(&html);
        let shown = mail::sanitize::sanitize(&html, &mail::sanitize::SanitizeOptions::default());
        prop_assert!(!shown.html.to_lowercase().contains("<script"));
        // What was cleaned once stays as it is.
        let again = mail::sanitize::sanitize(&shown.html, &mail::sanitize::SanitizeOptions::default());
        prop_assert!(!again.html.contains(" src=\"http"));
    }
}
