//! A customer's mail as an ordinary mail program writes it.

use chrono::DateTime;

use crate::ambient::{hex, random_bytes};
use crate::mime::{encode_header, encode_lines};

/// What the form holds.
#[derive(Debug, Default)]
pub(super) struct Letter {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) text: String,
    /// With its angle brackets.
    pub(super) in_reply_to: Option<String>,
    pub(super) references: String,
    /// What is answered, already introduced ("On … wrote:").
    pub(super) quote: String,
    pub(super) files: Vec<File>,
}

#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) bytes: Vec<u8>,
}

pub(super) fn is_address(text: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>,;\"()".contains(c);
    text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
        && text.chars().all(plain)
}

pub(super) fn raw(letter: &Letter, now: i64) -> Vec<u8> {
    let domain = letter.from.rsplit('@').next().unwrap_or("customer.example");
    let date = DateTime::from_timestamp(now, 0).unwrap_or_default().to_rfc2822();
    let mut head = format!(
        "From: {}\r\nTo: {}\r\nSubject: {}\r\nDate: {date}\r\nMessage-ID: <{}@{domain}>\r\n",
        mailbox(&letter.from),
        letter.to,
        encode_header(&letter.subject),
        hex(&random_bytes(16)),
    );
    // Header values came through a form; no line break may start a field of its own.
    if let Some(parent) = &letter.in_reply_to {
        head.push_str(&format!("In-Reply-To: {}\r\n", one_line(parent)));
        let references = one_line(&letter.references);
        let chain = if references.contains(parent.as_str()) { references } else { format!("{references} {parent}") };
        head.push_str(&format!("References: {}\r\n", chain.split_whitespace().collect::<Vec<_>>().join("\r\n ")));
    }
    head.push_str("MIME-Version: 1.0\r\nUser-Agent: Postroom sandbox\r\n");
    let mut text = letter.text.replace("\r\n", "\n");
    if !letter.quote.is_empty() {
        text.push_str("\n\n");
        text.push_str(&letter.quote.replace("\r\n", "\n"));
    }
    let body = encode_lines(text.replace('\n', "\r\n").as_bytes());
    let text_head = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    if letter.files.is_empty() {
        return format!("{head}{text_head}{body}").into_bytes();
    }
    let boundary = hex(&random_bytes(12));
    let mut mail = format!(
        "{head}Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n{text_head}{body}"
    );
    for file in &letter.files {
        let name = one_line(&file.name).replace(['"', '\\'], "_");
        let name = encode_header(&name);
        mail.push_str(&format!(
            "--{boundary}\r\nContent-Type: {}; name=\"{name}\"\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}",
            one_line(&file.content_type),
            encode_lines(&file.bytes)
        ));
    }
    mail.push_str(&format!("--{boundary}--\r\n"));
    mail.into_bytes()
}

/// `ada.lovelace@…` writes as "Ada Lovelace".
fn mailbox(address: &str) -> String {
    let local = address.split('@').next().unwrap_or_default();
    let words: Vec<String> = local
        .split(['.', '_', '-', '+'])
        .filter(|word| !word.is_empty())
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        })
        .collect();
    format!("{} <{address}>", encode_header(&words.join(" ")))
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
