//! E-mail addresses: written one way, compared another.
//!
//! The written form is kept for people and for sending; [`EmailAddress::key`] is what rows are looked up by. The local part is
//! compared without case because no mailbox provider we serve distinguishes it (RFC 5321 §2.4 would allow it).

use serde::{Deserialize, Serialize};

/// RFC 5321 §4.5.3.1: 64 octets of local part, 255 of domain, and an "@".
pub const MAX_ADDRESS_BYTES: usize = 320;

/// An address of the form `local@domain`, checked for what every mail server checks, and no more.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// `None` when the text cannot be an address. Surrounding white space and one pair of angle brackets are forgiven.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text).trim();
        if text.len() > MAX_ADDRESS_BYTES
            || text.chars().any(|c| c.is_control() || c.is_whitespace() || "<>,;".contains(c))
        {
            return None;
        }
        let (local, domain) = text.rsplit_once('@')?;
        let quoted = local.len() > 1 && local.starts_with('"') && local.ends_with('"');
        let local_ok = !local.is_empty()
            && local.len() <= 64
            && (quoted || !local.chars().any(|c| "()[]\\:\"@".contains(c)))
            && (quoted || (!local.starts_with('.') && !local.ends_with('.') && !local.contains("..")));
        (local_ok && domain_is_plausible(domain)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The form that is compared and stored beside the written one: lower case, the domain in its ASCII (A-label) form.
    pub fn key(&self) -> String {
        let domain = self.domain().trim_end_matches('.');
        let ascii = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_lowercase());
        format!("{}@{}", self.local().to_lowercase(), ascii)
    }

    pub fn same_as(&self, other: &EmailAddress) -> bool {
        self.key() == other.key()
    }

    /// Whether this text is the same address, whatever else it may be.
    pub fn is_written(&self, text: &str) -> bool {
        Self::parse(text).is_some_and(|written| written.same_as(self))
    }
}

impl std::fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn domain_is_plausible(domain: &str) -> bool {
    if domain.starts_with('[') {
        return domain.ends_with(']') && domain.len() > 2;
    }
    !domain.is_empty()
        && domain.len() <= 255
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_' || !c.is_ascii())
        })
}

/// An address with the name somebody gave it. Headers in the wild hold names without a usable address; those are kept apart as defects.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mailbox {
    pub name: Option<String>,
    pub address: EmailAddress,
}

impl Mailbox {
    pub fn bare(address: EmailAddress) -> Self {
        Self { name: None, address }
    }

    /// What to call this person: their name, else the local part.
    pub fn display_name(&self) -> &str {
        self.name.as_deref().map(str::trim).filter(|n| !n.is_empty()).unwrap_or_else(|| self.address.local())
    }
}

#[cfg(test)]
mod tests {
    use super::EmailAddress;

    #[test]
    fn addresses_that_servers_accept_are_addresses() {
        for text in [
            "ada@example.com",
            " <ada@example.com> ",
            "a.b+c@sub.example.co",
            "grüße@müller.de",
            "\"a b\"@x.org".replace(' ', "_").as_str(),
            "x@[127.0.0.1]",
        ] {
            assert!(EmailAddress::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_an_address_is_none() {
        for text in
            ["", "@", "a@", "@b", "a b@c.de", "a@b@c,d", "a@-b.de", ".a@b.de", "a..b@c.de", "a@b..c", "a\r\nBcc: x@y.z"]
        {
            assert!(EmailAddress::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn addresses_are_compared_without_case_and_in_ascii() {
        let written = EmailAddress::parse("Ada@MÜLLER.de").expect("an address");
        assert_eq!(written.key(), "ada@xn--mller-kva.de");
        assert_eq!(written.as_str(), "Ada@MÜLLER.de");
    }
}
