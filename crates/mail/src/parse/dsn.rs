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

/// Blocks of fields, unfolded; empty lines stand between them.
fn blocks(text: &str) -> Vec<Vec<(String, String)>> {
    let mut blocks = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            if !fields.is_empty() {
                blocks.push(std::mem::take(&mut fields));
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
    if !fields.is_empty() {
        blocks.push(fields);
    }
    blocks
}

/// One block about the report, then one for each recipient, whose fields come in any order (RFC 3464 §2.3). What is said of a recipient who
/// was refused counts before what is said of others.
fn delivery_status(text: &str, read: &mut Read) {
    let mut blocks = blocks(text);
    let field = |block: &[(String, String)], wanted: &str| {
        block.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
    };
    // `rfc822; someone@example.com`
    let untyped = |value: String| one_line(value.split_once(';').map_or(value.as_str(), |(_, v)| v), 500);
    let failed = |block: &[(String, String)]| field(block, "action").is_some_and(|a| a.eq_ignore_ascii_case("failed"));
    blocks.sort_by_key(|block| !failed(block));
    for block in &blocks {
        if failed(block) {
            read.failed = true;
            let recipient = field(block, "final-recipient").or_else(|| field(block, "original-recipient"));
            if let Some(recipient) = recipient.filter(|_| read.report.failed_recipients.len() < 100) {
                read.report.failed_recipients.push(untyped(recipient));
            }
        }
        let status = || field(block, "status").and_then(|v| v.split_whitespace().next().map(str::to_owned));
        read.report.status = read.report.status.take().or_else(status);
        read.report.diagnostic = read.report.diagnostic.take().or_else(|| field(block, "diagnostic-code").map(untyped));
    }
}

fn original_ids(text: &str, about: &mut Vec<String>) {
    // A header is one block; behind it stands what was written.
    for (name, value) in blocks(text).into_iter().next().unwrap_or_default() {
        if matches!(name.as_str(), "message-id" | "x-microsoft-original-message-id") {
            for id in ids_in(&value) {
                if !about.contains(&id) {
                    about.push(id);
                }
            }
        }
    }
}
