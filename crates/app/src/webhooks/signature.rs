//! How a receiver knows that a request is ours and new: HMAC-SHA256 over its time and its body. Pure.
//!
//! `X-Chatwoot-Signature` is Chatwoot's, with the present secret. `X-Postroom-Signature` has one more for the secret before, as long as that
//! holds beside: so a receiver may change to the new one at any moment of it.

use domain::{Secret, Timestamp};
use ring::hmac;
use std::fmt::Write as _;

/// Over `{seconds}.{body}`, in hex.
pub fn sign(secret: &Secret, at: Timestamp, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut signing = hmac::Context::with_key(&key);
    signing.update(at.seconds().to_string().as_bytes());
    signing.update(b".");
    signing.update(body);
    signing.sign().as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Names and values.
pub fn headers(
    current: &Secret,
    previous: Option<&Secret>,
    delivery: &str,
    at: Timestamp,
    body: &[u8],
) -> [(&'static str, String); 4] {
    let ours = sign(current, at, body);
    let mut all = format!("t={},v1={ours}", at.seconds());
    if let Some(previous) = previous {
        let _ = write!(all, ",v1={}", sign(previous, at, body));
    }
    [
        ("X-Chatwoot-Delivery", delivery.to_owned()),
        ("X-Chatwoot-Timestamp", at.seconds().to_string()),
        ("X-Chatwoot-Signature", format!("sha256={ours}")),
        ("X-Postroom-Signature", all),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_time_and_the_body_and_there_are_two_while_two_secrets_hold() {
        let (new, old) = (Secret::new("new".to_owned()), Secret::new("old".to_owned()));
        let at = Timestamp::from_seconds(1_700_000_000);
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac new
        let expected = "29810abc729e7b7322b3ce2c7456a99bca762870c031aa43455fd67b43aab3c0";
        assert_eq!(sign(&new, at, b"{}"), expected);
        assert_ne!(sign(&new, at, b"{ }"), expected);
        assert_ne!(sign(&new, Timestamp::from_seconds(1), b"{}"), expected);
        let both = headers(&new, Some(&old), "d", at, b"{}");
        assert_eq!(both[2].1, format!("sha256={expected}"));
        assert_eq!(both[3].1, format!("t=1700000000,v1={expected},v1={}", sign(&old, at, b"{}")));
        assert_eq!(headers(&new, None, "d", at, b"{}")[3].1, format!("t=1700000000,v1={expected}"));
    }
}
