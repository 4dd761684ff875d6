//! Files in a mail. Attached mails, calendar invitations and winmail.dat are files like any other.

use super::body::is_broken_multipart;
use super::headers::one_line;
use super::prepare::Prepared;
use super::{Defect, InboundAttachment, charset};
use domain::message::attachment::safe_file_name;
use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders, PartType};

/// More than this nobody opens; the mail's bytes are kept anyway.
const MAX_ATTACHMENTS: usize = 500;

pub(super) fn attachments(
    message: &mut Message<'_>,
    prepared: &Prepared<'_>,
    shown_cids: &[String],
    defects: &mut Vec<Defect>,
) -> Vec<InboundAttachment> {
    let mut found = Vec::new();
    let mut inlined = shown_cids.to_vec();
    let root_is_broken = is_broken_multipart(message);
    for id in std::mem::take(&mut message.attachments) {
        let Some(part) = message.parts.get_mut(id as usize) else { continue };
        if matches!(part.body, PartType::Multipart(_)) || (id == 0 && root_is_broken) {
            continue;
        }
        if found.len() == MAX_ATTACHMENTS {
            defects.push(Defect::TooManyParts);
            break;
        }
        if part.is_encoding_problem && !defects.contains(&Defect::BrokenEncoding) {
            defects.push(Defect::BrokenEncoding);
        }
        found.push(attachment(part, prepared, found.len() + 1, &mut inlined));
    }
    found
}

fn attachment(
    part: &mut MessagePart<'_>,
    prepared: &Prepared<'_>,
    number: usize,
    inlined: &mut Vec<String>,
) -> InboundAttachment {
    let content_type = media_type(part, prepared);
    // What was decoded is taken as it is: a file may be most of a long mail.
    let taken = match &mut part.body {
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => Some(std::mem::take(bytes).into_owned()),
        PartType::Text(_) | PartType::Html(_) | PartType::Message(_) | PartType::Multipart(_) => None,
    };
    let part = &*part;
    let mut bytes = match &part.body {
        // Text files keep the bytes they came with, not our reading of them.
        PartType::Text(text) | PartType::Html(text) => match charset::transfer_decoded(part, &prepared.bytes) {
            Some(bytes) if part.is_encoding_problem => charset::lenient_base64(part, &bytes),
            Some(bytes) => bytes.into_owned(),
            None => text.as_bytes().to_vec(),
        },
        PartType::Binary(_) | PartType::InlineBinary(_) => taken.unwrap_or_default(),
        PartType::Message(_) | PartType::Multipart(_) => part.contents().to_vec(),
    };
    prepared.restore(&mut bytes);
    let content_id =
        part.content_id().map(|id| one_line(id, 500).trim_matches(['<', '>']).to_owned()).filter(|id| !id.is_empty());
    // An image is inline when the page shows it, whatever its disposition says: Exchange calls inline images attachments, and Apple Mail
    // calls images inline that no page refers to. The second part with the same id is not the one that is shown.
    let shown = content_id.as_deref().and_then(|id| inlined.iter().position(|cid| cid.eq_ignore_ascii_case(id)));
    let inline = shown.is_some() && content_type.starts_with("image/");
    if let (true, Some(at)) = (inline, shown) {
        inlined.swap_remove(at);
    }
    let claimed = part.attachment_name().map(decoded_name).unwrap_or_default();
    let file_name = named(&claimed, &content_type, &bytes, number);
    InboundAttachment { file_name, content_type, content_id, inline, bytes }
}

/// `type/subtype`, lower case; `application/octet-stream` when the part does not say.
pub(super) fn media_type(part: &MessagePart<'_>, prepared: &Prepared<'_>) -> String {
    let Some(declared) = part.content_type() else {
        return if part.is_text() { "text/plain" } else { "application/octet-stream" }.to_owned();
    };
    let token = |t: &str| -> String {
        t.chars().filter(|c| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(*c)).take(100).collect()
    };
    let (main, sub) = (token(declared.ctype()), token(declared.subtype().unwrap_or_default()));
    if main.is_empty() || sub.is_empty() {
        return "application/octet-stream".to_owned();
    }
    prepared.restored(format!("{main}/{sub}").to_ascii_lowercase())
}

/// Some mailers put RFC 2047 encoded words into parameters, where they do not belong.
fn decoded_name(name: &str) -> String {
    if !name.contains("=?") {
        return name.to_owned();
    }
    let field = format!("Subject: {}\r\n\r\n", name.replace(['\r', '\n'], " "));
    let decoded = MessageParser::new().header_text("Subject").parse_headers(field.as_bytes());
    decoded.and_then(|m| m.subject().map(str::to_owned)).unwrap_or_else(|| name.to_owned())
}

fn named(claimed: &str, content_type: &str, bytes: &[u8], number: usize) -> String {
    let is_mail = matches!(content_type, "message/rfc822" | "message/global");
    let claimed =
        if is_mail && claimed.trim().is_empty() { subject_of(bytes).unwrap_or_default() } else { claimed.to_owned() };
    let extension = extension_of(content_type);
    let name = safe_file_name(&claimed.replace(['\r', '\n'], " "), &format!("attachment-{number}.{extension}"));
    if is_mail && !name.to_ascii_lowercase().ends_with(".eml") {
        return safe_file_name(&format!("{name}.eml"), "mail.eml");
    }
    name
}

fn subject_of(mail: &[u8]) -> Option<String> {
    let head = &mail[..mail.len().min(64 * 1024)];
    let parsed = MessageParser::default().parse_headers(head)?;
    // A slash in a subject is no path.
    parsed.subject().map(|s| one_line(&s.replace(['/', '\\'], "-"), 80)).filter(|s| !s.is_empty())
}

fn extension_of(content_type: &str) -> &'static str {
    match content_type {
        "message/rfc822" | "message/global" => "eml",
        "text/calendar" => "ics",
        "text/html" => "html",
        "text/csv" => "csv",
        "text/vcard" | "text/x-vcard" => "vcf",
        "text/rfc822-headers" | "message/delivery-status" | "message/feedback-report" => "txt",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "application/json" => "json",
        "application/ms-tnef" | "application/vnd.ms-tnef" => "dat",
        "application/pgp-signature" => "asc",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => "p7s",
        "image/jpeg" | "image/jpg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/svg+xml" => "svg",
        "audio/mpeg" => "mp3",
        "audio/ogg" => "ogg",
        "audio/wav" | "audio/x-wav" => "wav",
        "video/mp4" => "mp4",
        other if other.starts_with("text/") => "txt",
        _ => "bin",
    }
}
