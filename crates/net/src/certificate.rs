//! When a server's certificate ends. Reads the few fields of X.509 (RFC 5280 §4.1) on the way there; whether the certificate is to be believed
//! has been decided before, by whoever spoke TLS.

/// As `2026-11-22T10:00:00Z`. `None`: this is no certificate.
pub(crate) fn ends_at(der: &[u8]) -> Option<String> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    // Version (optional), serial number, algorithm, issuer, and then how long it is valid.
    let (tag, _, after) = element(rest)?;
    let before_validity = if tag == VERSION { 4 } else { 3 };
    rest = if before_validity == 4 { after } else { rest };
    for _ in 0..3 {
        (_, _, rest) = element(rest)?;
    }
    let (_, validity, _) = element(rest)?;
    let (_, _, from_end) = element(validity)?;
    let (tag, end, _) = element(from_end)?;
    let text = std::str::from_utf8(end).ok()?;
    let digits = match tag {
        // UTCTime: years from 1950 to 2049.
        0x17 if text.len() == 13 => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        0x18 if text.len() == 15 => text.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| digits.get(from..to);
    let (date, time) = ((part(0, 4)?, part(4, 6)?, part(6, 8)?), (part(8, 10)?, part(10, 12)?, part(12, 14)?));
    Some(format!("{}-{}-{}T{}:{}:{}Z", date.0, date.1, date.2, time.0, time.1, time.2))
}

/// `[0]`, explicit.
const VERSION: u8 = 0xa0;

/// The tag, what it holds, and what comes after it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (bytes, rest) = rest.split_at_checked(count)?;
        (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    let (held, after) = rest.split_at_checked(length)?;
    Some((tag, held, after))
}

#[cfg(test)]
mod tests {
    use super::ends_at;

    fn wrapped(tag: u8, inner: &[u8]) -> Vec<u8> {
        let mut der = vec![tag, 0x82];
        der.extend(u16::try_from(inner.len()).expect("short").to_be_bytes());
        der.extend(inner);
        der
    }

    fn certificate(version: bool, end: (u8, &[u8])) -> Vec<u8> {
        let validity = [wrapped(0x17, b"250101000000Z"), wrapped(end.0, end.1)].concat();
        let mut fields = if version { wrapped(0xa0, &[2, 1, 2]) } else { Vec::new() };
        for field in [wrapped(2, &[1, 2, 3]), wrapped(0x30, &[6, 0]), wrapped(0x30, &[])] {
            fields.extend(field);
        }
        fields.extend(wrapped(0x30, &validity));
        wrapped(0x30, &wrapped(0x30, &fields))
    }

    #[test]
    fn the_end_is_read_in_both_spellings_and_rubbish_is_no_certificate() {
        let spoken = |version, tag, text: &[u8]| ends_at(&certificate(version, (tag, text)));
        assert_eq!(spoken(true, 0x17, b"261122100000Z").as_deref(), Some("2026-11-22T10:00:00Z"));
        assert_eq!(spoken(false, 0x18, b"20560102030405Z").as_deref(), Some("2056-01-02T03:04:05Z"));
        let whole = certificate(true, (0x17, b"261122100000Z"));
        for end in 0..whole.len() {
            assert_eq!(ends_at(&whole[..end]), None, "{end}");
        }
        assert_eq!(ends_at(b"\x30\x85\xff\xff\xff\xff\xff"), None);
    }
}
