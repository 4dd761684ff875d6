//! Proves the mailbox of a sign-in. Subject: the connection.

use crate::{App, channels};
use domain::Timestamp;
use serde::Deserialize;
use store::{ClaimedWork, StoreError};

/// What the row holds beside its subject.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Payload {
    /// When the first proof was owed: proving is given up when it has lasted too long.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

impl Payload {
    pub fn of(work: &ClaimedWork) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&work.payload)
    }
}

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    channels::verify::prove(app, work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_of_every_version_decode() {
        let decode = |text| serde_json::from_str::<Payload>(text).map(|payload| payload.since);
        assert_eq!(decode(r#"{"since":1760000000000000}"#).ok(), Some(Some(Timestamp(1_760_000_000_000_000))));
        assert_eq!(decode("{}").ok(), Some(None));
        assert_eq!(decode(r#"{"since":1,"newer":true}"#).ok(), Some(Some(Timestamp(1))));
        for unreadable in [r#"{"since":"yesterday"}"#, "null", "", "{"] {
            assert!(decode(unreadable).is_err(), "{unreadable}");
        }
    }
}
