//! Addresses and ids as they may stand in a header or on the SMTP line: nothing in them can begin another header.

use super::ComposeError;
use domain::{EmailAddress, Mailbox};
use mail_builder::headers::address::Address;

/// An address as it goes over the wire: the domain in ASCII wherever that is possible. What is still not ASCII afterwards needs SMTPUTF8.
pub(crate) fn wire_address(address: &EmailAddress) -> Option<String> {
    // Rows can be older than the rules: an address is checked again before it becomes bytes.
    let address = EmailAddress::parse(address.as_str())?;
    let domain = address.domain();
    if domain.starts_with('[') {
        return Some(address.to_string());
    }
    let ascii = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned());
    Some(format!("{}@{ascii}", address.local()))
}

pub(super) fn list(mailboxes: &[Mailbox]) -> Result<Address<'static>, ComposeError> {
    mailboxes.iter().map(one).collect::<Result<Vec<_>, _>>().map(Address::new_list)
}

pub(super) fn one(mailbox: &Mailbox) -> Result<Address<'static>, ComposeError> {
    let address = wire_address(&mailbox.address).ok_or(ComposeError::BadAddress)?;
    let name: Option<String> = mailbox
        .name
        .as_deref()
        .map(|n| {
            n.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect::<String>().trim().to_owned()
        })
        .filter(|n| !n.is_empty());
    Ok(Address::new_address(name, address))
}

/// Longer ids cannot stand on a line of a header (RFC 5322 §2.1.1).
const MAX_ID_BYTES: usize = 900;

/// An id without brackets that may stand in a header.
pub(crate) fn is_header_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID_BYTES && id.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>'))
}
