//! OAuth apps: a client id at a provider with what it is proved by; the installation's, or an account's own.
//!
//! Channels and grants refer to an app and never copy it. When an app's credential is refused, that is the app's trouble and one alarm,
//! however many mailboxes use it.

use crate::{Failure, OauthAppCredentialId, OauthAppId, Timestamp};
use std::time::Duration;

/// Credentials that an app has at the same time: the one in use, and the next.
pub const MAX_CREDENTIALS: u32 = 2;
/// So many days before a credential ends, whoever can replace it is reminded.
pub const WARNED_BEFORE_DAYS: [i64; 4] = [30, 14, 7, 1];
const DAY: Duration = Duration::from_secs(24 * 3600);

/// An account's own. Its secrets are not in here.
#[derive(Clone, Debug, PartialEq)]
pub struct OauthApp {
    pub id: OauthAppId,
    pub name: String,
    pub client_id: String,
    /// `common`, `organizations`, `consumers`, a tenant's id or a domain.
    pub authority: String,
    /// Who names no app signs in through this one.
    pub is_default: bool,
    pub alarm: Option<AppAlarm>,
    /// In the order in which they are used: oldest first.
    pub credentials: Vec<OauthAppCredential>,
    /// Inboxes whose grants were given to this app.
    pub in_use_by: u32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The provider refuses the app, or each of its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppAlarm {
    pub since: Timestamp,
    pub failure: Failure,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthAppCredential {
    pub id: OauthAppCredentialId,
    pub kind: CredentialKind,
    /// By what its owner finds it at the provider: a secret's first characters, a certificate's thumbprint.
    pub hint: String,
    pub expires_at: Option<Timestamp>,
    /// What the provider said when it did not take it; `None` since it worked.
    pub refused: Option<AppAlarm>,
    pub created_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    Secret,
    Certificate,
}

impl CredentialKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Certificate => "certificate",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Secret, Self::Certificate].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Of which reminder it is time now: the last of [`WARNED_BEFORE_DAYS`] that has come. `warned`: the one before, if there was one.
/// A credential that has ended is an alarm and no reminder.
pub fn warning_due(expires_at: Timestamp, warned: Option<i64>, now: Timestamp) -> Option<i64> {
    if now >= expires_at {
        return None;
    }
    let reached = |days: &&i64| now >= expires_at.minus(DAY.saturating_mul(u32::try_from(**days).unwrap_or(0)));
    let due = WARNED_BEFORE_DAYS.iter().rev().find(reached).copied()?;
    warned.is_none_or(|warned| due < warned).then_some(due)
}

/// Whether one of the others holds for longer: then nothing ends with this one. One whose end nobody has told is believed to.
pub fn is_outlasted(expires_at: Timestamp, others: impl IntoIterator<Item = Option<Timestamp>>) -> bool {
    others.into_iter().any(|other| other.is_none_or(|other| other > expires_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reminder_comes_once_and_one_that_was_slept_through_is_made_up_for_by_the_next_alone() {
        let end = Timestamp::from_seconds(1_800_000_000);
        let due = |days_left: u32, warned| warning_due(end, warned, end.minus(DAY * days_left));
        assert_eq!(due(31, None), None);
        assert_eq!((due(30, None), due(29, Some(30))), (Some(30), None));
        assert_eq!(
            (due(14, Some(30)), due(7, Some(14)), due(1, Some(7)), due(1, Some(1))),
            (Some(14), Some(7), Some(1), None)
        );
        assert_eq!(due(3, None), Some(7), "made yesterday, ends in three days");
        assert_eq!(due(0, Some(7)), None, "over is an alarm");
    }

    #[test]
    fn a_credential_that_another_outlasts_is_no_reason_to_remind_anybody() {
        let at = Timestamp::from_seconds;
        assert!(is_outlasted(at(5), [Some(at(6))]) && is_outlasted(at(5), [None]));
        assert!(!is_outlasted(at(5), [Some(at(5))]) && !is_outlasted(at(5), [Some(at(4))]) && !is_outlasted(at(5), []));
    }
}
