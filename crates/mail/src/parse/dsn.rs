//! Reads the machine's part of a report: which mail it is about, and what became of it (RFC 3464, RFC 5965).

use super::Report;
use super::attachment::media_type;
use super::headers::{ids_in, one_line};
use super::prepare::Prepared;
use mail_parser::{Message, MessagePart};

/// What a multipart/report says, and whether it tells of a failure.
pub(super) struct Read {
    pub report: Report,
    pub failed: bool,
}

/// `None` when the mail holds neither a delivery status nor a feedback report.
pub(super) fn read(message: &Message<'_>, prepared: &Prepared<'_>) -> Option<Read> {
    let mut read = Read { report: Report::default(), failed: false };
    let mut is_report = false;
    for part in message.parts.iter().take(100) {
        match media_type(part, prepared).as_str() {
            "message/delivery-status" | "message/global-delivery-status" => {
                is_report = true;
                delivery_status(&text_of(part, prepared), &mut read);
            }
            "message/feedback-report" => is_report = true,
            "message/rfc822" | "message/global" | "text/rfc822-headers" | "message/global-headers" => {
                original_ids(&text_of(part, prepared), &mut read.report.about);
            }
            _ => {}
        }
    }
    is_report.then_some(read)
}

fn text_of(part: &MessagePart<'_>, prepared: &Prepared<'_>) -> String {
    let bytes = part.contents();
    prepared.restored(String::from_utf8_lossy(&bytes[..bytes.len().min(64 * 1024)]).into_owned())
}

/// Fields of a block of headers, unfolded; ends at the first empty line when `one_block`.
fn fields(text: &str, one_block: bool) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            if one_block && !fields.is_empty() {
                break;
            }
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    fields
}

fn delivery_status(text: &str, read: &mut Read) {
    let mut recipient = None;
    for (name, value) in fields(text, false) {
        // `rfc822; someone@example.com`
        let untyped = || one_line(value.split_once(';').map_or(value.as_str(), |(_, v)| v), 500);
        match name.as_str() {
            "final-recipient" => recipient = Some(untyped()),
            "action" if value.eq_ignore_ascii_case("failed") => {
                read.failed = true;
                if let Some(recipient) = recipient.take().filter(|_| read.report.failed_recipients.len() < 100) {
                    read.report.failed_recipients.push(recipient);
                }
            }
            "status" if read.report.status.is_none() => {
                read.report.status = value.split_whitespace().next().map(str::to_owned);
            }
            "diagnostic-code" if read.report.diagnostic.is_none() => read.report.diagnostic = Some(untyped()),
            _ => {}
        }
    }
}

fn original_ids(text: &str, about: &mut Vec<String>) {
    for (name, value) in fields(text, true) {
        if matches!(name.as_str(), "message-id" | "x-microsoft-original-message-id") {
            for id in ids_in(&value) {
                if !about.contains(&id) {
                    about.push(id);
                }
            }
        }
    }
}
