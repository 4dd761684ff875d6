//! Non-delivery reports as Exchange writes them: in the mailbox's language, with the delivery status of RFC 3464 and the
//! header of the mail that could not be delivered.

use chrono::DateTime;

use crate::ambient::{hex, random_bytes};
use crate::config::NdrLanguage;
use crate::mime::{Part, encode_header, encode_lines};

use super::HOST;

pub(super) struct Bounced<'a> {
    pub(super) sender: &'a str,
    pub(super) recipient: &'a str,
    pub(super) status: &'a str,
    pub(super) diagnostic: &'a str,
    /// As it was stored, with the Message-ID that counts.
    pub(super) mail: &'a [u8],
}

fn words(language: NdrLanguage) -> (&'static str, &'static str) {
    match language {
        NdrLanguage::English => ("Undeliverable", "Your message couldn't be delivered to"),
        NdrLanguage::Estonian => ("Kohaletoimetamatu", "Teie s\u{f5}numit ei saanud kohale toimetada adressaadile"),
        NdrLanguage::German => ("Unzustellbar", "Ihre Nachricht konnte nicht zugestellt werden an"),
    }
}

pub(super) fn report(bounced: &Bounced<'_>, language: NdrLanguage, now: i64) -> Vec<u8> {
    let original = Part::parse(bounced.mail);
    let subject = original.text_field("Subject").unwrap_or_default();
    let id = original.field("Message-ID").unwrap_or_default();
    let date = DateTime::from_timestamp(now, 0).unwrap_or_default().to_rfc2822();
    let (undeliverable, sentence) = words(language);
    let boundary = format!("_{}_", hex(&random_bytes(12)));
    let domain = bounced.sender.rsplit('@').next().unwrap_or("contoso.example");
    let text = format!("{sentence} {}.\r\n\r\n{}\r\n", bounced.recipient, bounced.diagnostic);
    let html = format!(
        "<html><body><p><b>{sentence} {}.</b></p><p>{}</p></body></html>",
        bounced.recipient, bounced.diagnostic
    );
    let header = String::from_utf8_lossy(original.header);
    format!(
        "From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@{domain}>\r\n\
         To: <{sender}>\r\n\
         Date: {date}\r\n\
         Subject: {subject_line}\r\n\
         Message-ID:\r\n <{unique}@{HOST}>\r\n\
         In-Reply-To: {id}\r\n\
         References: {id}\r\n\
         Thread-Topic: {topic}\r\n\
         Auto-Submitted: auto-replied\r\n\
         X-MS-Exchange-Message-Is-Ndr:\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\nContent-Type: multipart/alternative; boundary=\"{boundary}alt\"\r\n\r\n\
         --{boundary}alt\r\nContent-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}\
         --{boundary}alt\r\nContent-Type: text/html; charset=\"utf-8\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{html}\
         --{boundary}alt--\r\n\r\n\
         --{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns;{HOST}\r\nReceived-From-MTA: dns;{HOST}\r\nArrival-Date: {date}\r\n\r\n\
         Final-Recipient: rfc822;{recipient}\r\nAction: failed\r\nStatus: {status}\r\n\
         Diagnostic-Code: smtp;{diagnostic}\r\nX-Display-Name: {recipient}\r\n\r\n\
         --{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n{header}\r\n\
         --{boundary}--\r\n",
        sender = bounced.sender,
        subject_line = encode_header(&format!("{undeliverable}: {subject}")),
        unique = hex(&random_bytes(16)),
        topic = encode_header(&subject),
        text = encode_lines(text.as_bytes()),
        html = encode_lines(html.as_bytes()),
        recipient = bounced.recipient,
        status = bounced.status,
        diagnostic = bounced.diagnostic,
    )
    .into_bytes()
}
