//! A composed mail as Graph takes it: its recipients in its headers, and no longer than one request may be.
//!
//! Pure. Graph reads who gets a mail from To, Cc and Bcc, where SMTP is told apart from the mail; and a request holds 4 MB, so large files
//! travel by themselves and are put back into the draft ("Attach large files to Outlook messages").

use crate::compose::address::wire_address;
use crate::smtp::crlf_lines;
use domain::{EmailAddress, Failure, FailureClass};
use mail_parser::{MessageParser, MimeHeaders, PartType};
use memchr::memmem;

/// What a mail may have beside its base64 in a request of 4 MB.
pub(super) const MOST_BYTES: usize = 2_900_000;

/// Who gets a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addressed {
    /// `None`: everybody whom To and Cc of the mail name. Else these alone, and the headers name no others.
    pub only: Option<(Vec<EmailAddress>, Vec<EmailAddress>)>,
    /// In the header as it is handed in; the server takes it out.
    pub bcc: Vec<EmailAddress>,
}

/// A file that travels by itself.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) content_type: String,
    /// The HTML shows it under this id.
    pub(super) content_id: Option<String>,
    pub(super) bytes: Vec<u8>,
}

/// The mail with its recipients, and the files that do not fit into it.
pub(super) fn prepared(mail: &[u8], to: &Addressed) -> Result<(Vec<u8>, Vec<File>), Failure> {
    let mail = with_recipients(&crlf_lines(mail), to)?;
    without_large_files(mail, MOST_BYTES)
}

fn with_recipients(mail: &[u8], to: &Addressed) -> Result<Vec<u8>, Failure> {
    let end = memmem::find(mail, b"\r\n\r\n").map_or(mail.len(), |at| at + 2);
    let (header, body) = mail.split_at(end);
    let replaced = |name: &[u8]| {
        name.eq_ignore_ascii_case(b"bcc")
            || to.only.is_some() && (name.eq_ignore_ascii_case(b"to") || name.eq_ignore_ascii_case(b"cc"))
    };
    let mut out = Vec::with_capacity(mail.len() + 256);
    let mut skipping = false;
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            skipping = replaced(name.trim_ascii());
        }
        if !skipping {
            out.extend_from_slice(line);
        }
    }
    let (only_to, only_cc) = to.only.clone().unwrap_or_default();
    for (name, addresses) in [("To", &only_to), ("Cc", &only_cc), ("Bcc", &to.bcc)] {
        if addresses.is_empty() {
            continue;
        }
        let unsendable = || Failure::new(FailureClass::RecipientRefused).said("not an address");
        let listed: Option<Vec<String>> =
            addresses.iter().map(|address| Some(format!("<{}>", wire_address(address)?))).collect();
        out.extend(format!("{name}: {}\r\n", listed.ok_or_else(unsendable)?.join(",\r\n ")).bytes());
    }
    out.extend_from_slice(body);
    Ok(out)
}

/// A part's place in the mail, from the line that begins it to the one that begins the next.
struct Place {
    begin: usize,
    end: usize,
    file: usize,
}

/// The largest files are taken out until the rest fits.
fn without_large_files(mail: Vec<u8>, most: usize) -> Result<(Vec<u8>, Vec<File>), Failure> {
    if mail.len() <= most {
        return Ok((mail, Vec::new()));
    }
    let too_large = || {
        let detail = "without its files it is larger than Microsoft Graph takes in one request";
        Failure::new(FailureClass::MessageTooLarge).detail(detail)
    };
    let parsed = MessageParser::default().parse(&mail).ok_or_else(too_large)?;
    let mut places: Vec<Place> = Vec::new();
    for (at, part) in parsed.parts.iter().enumerate() {
        let is_file = part.content_disposition().is_some() && !matches!(part.body, PartType::Multipart(_));
        if is_file && let Some(place) = place_of(&mail, part.offset_header as usize, part.offset_body as usize, at) {
            places.push(place);
        }
    }
    places.sort_by_key(|place| std::cmp::Reverse(place.end - place.begin));
    let mut left = mail.len();
    let mut taken: Vec<Place> = Vec::new();
    for place in places {
        if left <= most {
            break;
        }
        left -= place.end - place.begin;
        taken.push(place);
    }
    if left > most {
        return Err(too_large());
    }
    // In the order in which they stand, for whoever reads the mail.
    taken.sort_by_key(|place| place.begin);
    let mut rest = Vec::with_capacity(left);
    let (mut files, mut from) = (Vec::new(), 0);
    for place in &taken {
        rest.extend_from_slice(&mail[from..place.begin]);
        from = place.end;
        let part = &parsed.parts[place.file];
        let kind = part.content_type();
        let content_type = kind.map_or_else(
            || "application/octet-stream".to_owned(),
            |kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("octet-stream")),
        );
        let inline = part.content_disposition().is_some_and(mail_parser::ContentType::is_inline);
        files.push(File {
            name: part.attachment_name().unwrap_or("attachment.bin").to_owned(),
            content_type,
            content_id: part.content_id().filter(|_| inline).map(str::to_owned),
            bytes: part.contents().to_vec(),
        });
    }
    rest.extend_from_slice(&mail[from..]);
    Ok((rest, files))
}

/// `None`: it is no part of a multipart, or nothing follows it.
fn place_of(mail: &[u8], header: usize, body: usize, file: usize) -> Option<Place> {
    let before = mail.get(..header)?.strip_suffix(b"\r\n")?;
    let begin = before.iter().rposition(|byte| *byte == b'\n')? + 1;
    let delimiter = before.get(begin..).filter(|line| line.starts_with(b"--"))?;
    let next = [b"\r\n", delimiter].concat();
    // An empty body ends where its header does.
    let from = body.checked_sub(2)?;
    let end = from + memmem::find(mail.get(from..)?, &next)? + 2;
    Some(Place { begin, end, file })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::{Outgoing, OutgoingAttachment, compose};
    use domain::{Mailbox, Timestamp};

    fn address(text: &str) -> EmailAddress {
        EmailAddress::parse(text).expect("an address")
    }

    fn mail(files: &[(&str, usize, Option<&str>)], html: Option<&str>) -> Vec<u8> {
        let file = |(name, size, id): &(&str, usize, Option<&str>)| OutgoingAttachment {
            file_name: (*name).to_owned(),
            content_type: if id.is_some() { "image/png" } else { "application/pdf" }.to_owned(),
            content_id: id.map(str::to_owned),
            bytes: (0..=250).cycle().take(*size).collect(),
        };
        let outgoing = Outgoing {
            from: Mailbox { name: Some("Desk".to_owned()), address: address("desk@contoso.example") },
            reply_to: Vec::new(),
            to: vec![Mailbox { name: Some("Ada".to_owned()), address: address("ada@customer.example") }],
            cc: vec![Mailbox::bare(address("grace@customer.example"))],
            bcc: Vec::new(),
            subject: "Files".to_owned(),
            message_id: "one@contoso.example".to_owned(),
            in_reply_to: None,
            references: Vec::new(),
            date: Timestamp::from_seconds(1_760_000_000),
            markdown: "Hello".to_owned(),
            html: html.map(str::to_owned),
            attachments: files.iter().map(file).collect(),
            auto_submitted: false,
        };
        compose(&outgoing).expect("a mail")
    }

    fn header(mail: &[u8]) -> String {
        let text = String::from_utf8_lossy(mail);
        text.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ")
    }

    #[test]
    fn a_mail_that_fits_keeps_its_bytes_and_gets_its_bcc() {
        let small = mail(&[("a.pdf", 1_000, None)], None);
        let (same, files) = prepared(&small, &Addressed::default()).expect("fits");
        assert!(same == small && files.is_empty());
        let bcc = Addressed { only: None, bcc: vec![address("b@x.example"), address("ü@bücher.example")] };
        let (with, _) = prepared(&small, &bcc).expect("fits");
        assert!(header(&with).contains("Bcc: <b@x.example>, <ü@xn--bcher-kva.example>"), "{}", header(&with));
        assert!(header(&with).contains("Ada") && with.len() > small.len());
    }

    #[test]
    fn a_mail_for_some_of_its_people_names_no_others() {
        let only = Some((Vec::new(), vec![address("grace@customer.example")]));
        let (some, _) = prepared(&mail(&[], None), &Addressed { only, bcc: Vec::new() }).expect("fits");
        let header = header(&some);
        assert!(
            !header.contains("ada@") && !header.contains("\r\nTo:") && header.contains("Cc: <grace@customer.example>"),
            "{header}"
        );
    }

    #[test]
    fn the_largest_files_travel_by_themselves_and_the_rest_is_a_whole_mail() {
        let html = "<p>See <img src=\"cid:pic@x\"></p>";
        let large =
            mail(&[("a.pdf", 30_000, None), ("big.pdf", 90_000, None), ("pic.png", 60_000, Some("pic@x"))], Some(html));
        let (rest, files) = without_large_files(large.clone(), 100_000).expect("fits");
        assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["pic.png", "big.pdf"]);
        assert_eq!((files[0].content_id.as_deref(), files[1].content_id.as_deref()), (Some("pic@x"), None));
        assert_eq!((files[0].content_type.as_str(), files[0].bytes.len()), ("image/png", 60_000));
        assert_eq!(files[1].bytes, (0..=250).cycle().take(90_000).collect::<Vec<u8>>());
        let parsed = MessageParser::default().parse(&rest).expect("a mail");
        assert!(parsed.body_html(0).is_some_and(|html| html.contains("cid:pic@x")));
        assert!(parsed.body_text(0).is_some());
        assert_eq!(parsed.attachments().filter_map(|part| part.attachment_name()).collect::<Vec<_>>(), ["a.pdf"]);
        assert!(rest.len() + files.iter().map(|f| f.bytes.len()).sum::<usize>() < large.len());
        let (none_left, all) = without_large_files(large, 3_000).expect("fits");
        assert_eq!(all.len(), 3);
        assert!(MessageParser::default().parse(&none_left).is_some_and(|mail| mail.attachment_count() == 0));
    }

    #[test]
    fn a_text_that_is_too_long_by_itself_is_refused_in_words() {
        let refused = without_large_files(mail(&[("a.pdf", 30_000, None)], None), 100).err().expect("refused");
        assert_eq!(refused.class, FailureClass::MessageTooLarge);
        assert!(refused.detail.is_some_and(|detail| detail.contains("Microsoft Graph")));
    }
}
