//! Mails as a helpdesk gets them, made from a seed: the same seed and number are the same bytes in every run and every process.
//!
//! A third plain, half with HTML of 5 to 60 kB beside the text, the rest with a file; a good third answers an earlier mail of the same
//! sender, with References. Never random beyond the seed, and never read from disk.

use base64::Engine;
use std::fmt::Write as _;

/// Which mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As they come.
    Mixed,
    /// The same, but none answers another.
    Apart,
    /// Plain and short: for filling a database.
    Small,
}

impl Kind {
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "mixed" => Some(Self::Mixed),
            "apart" => Some(Self::Apart),
            "small" => Some(Self::Small),
            _ => None,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Apart => "apart",
            Self::Small => "small",
        }
    }
}

/// People who write.
const SENDERS: u64 = 400;
/// How far back an answered mail is looked for.
const LOOKED_BACK: u64 = 60;
/// 2026-11-02 08:00:00 UTC; a mail every twenty seconds from there.
const BEGIN: i64 = 1_793_606_400;
const WORDS: &str = "order invoice delivery the a we you and our parcel please could account number late since waiting refund \
    would thank but not yet arrived address changed with from support team question about price yesterday morning again still \
    colour size wrong broken screen box missing part return label sent received payment card bank charged twice help soon \
    regards best kind problem machine error message window button nothing happens after update version license key customer";

/// The mail number `n`.
pub fn mail(seed: u64, kind: Kind, n: u64) -> Vec<u8> {
    let mut random = Random::of(seed, n);
    let answered = answered(seed, n).filter(|_| kind != Kind::Apart);
    let sender = sender(seed, n);
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut mail = String::with_capacity(8 * 1024);
    let subject = sentence(&mut Random::of(seed, root(seed, n)), &words, 5);
    let re = if answered.is_some() { "Re: " } else { "" };
    let _ = write!(
        mail,
        "Return-Path: <person{sender}@customer{}.example>\r\n\
         Received: from mx{}.customer.example (mx.customer.example [192.0.2.{}])\r\n\tby mail.contoso.example with ESMTPS id {:016x}\r\n\
         Authentication-Results: mail.contoso.example; dkim=pass header.d=customer.example; spf=pass\r\n\
         From: \"Person {sender}\" <person{sender}@customer{}.example>\r\nTo: Support <support@contoso.example>\r\n\
         Subject: {re}{subject}\r\nDate: {}\r\nMessage-ID: <{}>\r\n",
        sender % 40,
        n % 7,
        n % 250,
        random.next(),
        sender % 40,
        chrono::DateTime::from_timestamp(BEGIN + i64::try_from(n).unwrap_or(0) * 20, 0)
            .unwrap_or_default()
            .to_rfc2822(),
        message_id(seed, n),
    );
    if let Some(answered) = answered {
        let _ = write!(
            mail,
            "In-Reply-To: <{}>\r\nReferences: <{}>\r\n <{}>\r\n",
            message_id(seed, answered),
            message_id(seed, root(seed, n)),
            message_id(seed, answered)
        );
    }
    mail.push_str(
        "MIME-Version: 1.0\r\nX-Mailer: Microsoft Outlook 16.0\r\nX-MS-Has-Attach: no\r\nAccept-Language: en-GB\r\n",
    );
    let text_bytes = 200 + random.below(if kind == Kind::Small { 600 } else { 2_500 });
    let mut text = paragraphs(&mut random, &words, text_bytes);
    if answered.is_some() {
        text.push_str("\r\nOn Mon, 2 Nov 2026 at 09:00, Support <support@contoso.example> wrote:\r\n");
        for line in paragraphs(&mut random, &words, 400).lines() {
            let _ = write!(text, "> {line}\r\n");
        }
    }
    let shape = random.below(100);
    match (kind, shape) {
        (Kind::Small, _) | (Kind::Mixed | Kind::Apart, 0..35) => plain(&mut mail, &text),
        (Kind::Mixed | Kind::Apart, 35..88) => alternative(&mut mail, &mut random, &words, &text),
        (Kind::Mixed | Kind::Apart, _) => with_file(&mut mail, &mut random, &words, &text),
    }
    mail.into_bytes()
}

/// A mail of `bytes` bytes with one long file.
pub fn huge(seed: u64, bytes: usize) -> Vec<u8> {
    let mut random = Random::of(seed, u64::MAX);
    let mut mail = b"From: Person 0 <person0@customer0.example>\r\nTo: support@contoso.example\r\nSubject: A long file\r\n\
        Date: Mon, 02 Nov 2026 08:00:00 +0000\r\nMessage-ID: <huge@customer.example>\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n--b\r\n\
        Content-Type: application/zip; name=\"all.zip\"\r\nContent-Transfer-Encoding: base64\r\n\
        Content-Disposition: attachment; filename=\"all.zip\"\r\n\r\n"
        .to_vec();
    mail.reserve(bytes);
    while mail.len() + 80 < bytes {
        let line: [u8; 57] = std::array::from_fn(|_| random.next().to_le_bytes()[0]);
        mail.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(line).as_bytes());
        mail.extend_from_slice(b"\r\n");
    }
    mail.extend_from_slice(b"--b--\r\n");
    mail
}

fn message_id(seed: u64, n: u64) -> String {
    format!("{:016x}.{n}@mx.customer.example", Random::of(seed, n ^ 0x5555).next())
}

/// The earlier mail that this one answers: of the same person, so of the same thread.
fn answered(seed: u64, n: u64) -> Option<u64> {
    let mut random = Random::of(seed ^ 0xA11, n);
    (n > 0 && random.below(100) < 36).then(|| n - 1 - random.below(LOOKED_BACK.min(n)))
}

/// The mail that began the thread.
fn root(seed: u64, n: u64) -> u64 {
    let mut at = n;
    while let Some(before) = answered(seed, at) {
        at = before;
    }
    at
}

fn sender(seed: u64, n: u64) -> u64 {
    Random::of(seed ^ 0x5E4D, root(seed, n)).below(SENDERS)
}

fn plain(mail: &mut String, text: &str) {
    mail.push_str("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    mail.push_str(text);
}

fn alternative(mail: &mut String, random: &mut Random, words: &[&str], text: &str) {
    mail.push_str("Content-Type: multipart/alternative; boundary=\"_000_alt_\"\r\n\r\n--_000_alt_\r\n");
    plain(mail, text);
    mail.push_str("\r\n--_000_alt_\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
    // Most are short and some are very long.
    let most = if random.below(4) == 0 { 60_000 } else { 18_000 };
    let html_bytes = 5_000 + random.below(most - 5_000);
    html(mail, random, words, html_bytes);
    mail.push_str("\r\n--_000_alt_--\r\n");
}

fn with_file(mail: &mut String, random: &mut Random, words: &[&str], text: &str) {
    let (name, media_type) =
        if random.below(2) == 0 { ("invoice.pdf", "application/pdf") } else { ("photo.png", "image/png") };
    mail.push_str("Content-Type: multipart/mixed; boundary=\"_001_mix_\"\r\n\r\n--_001_mix_\r\n");
    alternative(mail, random, words, text);
    let _ = write!(
        mail,
        "\r\n--_001_mix_\r\nContent-Type: {media_type}; name=\"{name}\"\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    );
    let lines = (10_000 + random.below(110_000)) / 57;
    for _ in 0..lines {
        let line: [u8; 57] = std::array::from_fn(|_| random.next().to_le_bytes()[0]);
        mail.push_str(&base64::engine::general_purpose::STANDARD.encode(line));
        mail.push_str("\r\n");
    }
    mail.push_str("--_001_mix_--\r\n");
}

/// HTML as Outlook writes it, in quoted-printable.
fn html(mail: &mut String, random: &mut Random, words: &[&str], bytes: u64) {
    let end = mail.len() + usize::try_from(bytes).unwrap_or(0);
    mail.push_str(
        "<html xmlns:o=3D\"urn:schemas-microsoft-com:office:office\"><head>\r\n<meta http-equiv=3D\"Content-Type\" content=3D\"text/html; =\r\n\
         charset=3Dutf-8\"><style><!--\r\np.MsoNormal, li.MsoNormal, div.MsoNormal {margin:0cm; font-size:11.0pt; =\r\n\
         font-family:\"Calibri\",sans-serif;}\r\na:link {color:#0563C1; text-decoration:underline;}\r\n--></style></head>\r\n\
         <body lang=3D\"EN-GB\" link=3D\"#0563C1\" style=3D\"word-wrap:break-word\">\r\n<div class=3D\"WordSection1\">\r\n",
    );
    while mail.len() < end {
        let _ = write!(
            mail,
            "<p class=3D\"MsoNormal\"><span lang=3D\"EN-US\" style=3D\"font-size:10.5pt; =\r\nfont-family:&quot;Segoe UI&quot;\">{} =C3=A9 {}\
             <o:p></o:p></span></p>\r\n",
            sentence(random, words, 6),
            sentence(random, words, 5)
        );
        if random.below(6) == 0 {
            let _ = write!(
                mail,
                "<table border=3D\"0\" cellspacing=3D\"0\"><tr><td style=3D\"padding:0cm\">\r\n<a href=3D\"https://shop.example/{}\">{}</a></td></tr></table>\r\n",
                random.below(100_000),
                sentence(random, words, 3)
            );
        }
    }
    mail.push_str("</div></body></html>\r\n");
}

fn sentence(random: &mut Random, words: &[&str], count: u64) -> String {
    let mut text = String::new();
    for at in 0..count {
        if at > 0 {
            text.push(' ');
        }
        text.push_str(words[random.index(words.len())]);
    }
    text
}

fn paragraphs(random: &mut Random, words: &[&str], bytes: u64) -> String {
    let end = usize::try_from(bytes).unwrap_or(0);
    let mut text = String::with_capacity(end + 100);
    while text.len() < end {
        text.push_str(&sentence(random, words, 9));
        text.push_str(if random.below(5) == 0 { ".\r\n\r\n" } else { ".\r\n" });
    }
    text
}

/// SplitMix64: small, quick, and the same everywhere.
struct Random(u64);

impl Random {
    fn of(seed: u64, n: u64) -> Self {
        let mut random = Self(seed ^ n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::parse::parse;

    #[test]
    fn the_same_seed_makes_the_same_mails_and_they_are_read_as_they_were_meant() {
        let mut answers = 0;
        for n in 0..120 {
            let bytes = mail(7, Kind::Mixed, n);
            assert_eq!(bytes, mail(7, Kind::Mixed, n));
            let read = parse(&bytes, usize::MAX);
            assert_eq!(read.message_id.as_deref(), Some(message_id(7, n).as_str()));
            assert_eq!(read.defects, [], "mail {n}");
            answers += usize::from(!read.in_reply_to.is_empty());
        }
        assert!((20..70).contains(&answers), "{answers} of 120 answer another");
        assert_ne!(mail(8, Kind::Mixed, 5), mail(7, Kind::Mixed, 5));
    }
}
