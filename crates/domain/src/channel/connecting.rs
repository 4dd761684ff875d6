//! How far an attempt to connect has come, and the link that somebody without an account here connects with. Pure.

use serde::{Deserialize, Serialize};

/// A connection attempt: from "the administrator asked" to "the inbox exists".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionStatus {
    /// The link was made; nobody has come back from Microsoft yet.
    Pending,
    /// Signed in, and waiting for a member of the account to confirm in this browser.
    AwaitingConfirmation,
    /// Signed in, and none of the account's names is an address: waiting for the person to say which mailbox it is.
    AwaitingAddress,
    /// Microsoft wants an administrator's approval first.
    AwaitingAdminConsent,
    /// Somebody else signed in than the one who connected the inbox: waiting for an administrator of the account to hand it over.
    AwaitingHandover,
    /// The address that the link was made for is claimed by whoever signed in, and nobody vouches for it: waiting for an administrator of the
    /// account to accept them.
    AwaitingAcceptance,
    /// Signed in; the mailbox is being proved.
    Proving,
    /// The inbox exists.
    Connected,
    Failed,
    Expired,
}

impl ConnectionStatus {
    const ALL: [Self; 10] = [
        Self::Pending,
        Self::AwaitingConfirmation,
        Self::AwaitingAddress,
        Self::AwaitingAdminConsent,
        Self::AwaitingHandover,
        Self::AwaitingAcceptance,
        Self::Proving,
        Self::Connected,
        Self::Failed,
        Self::Expired,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::AwaitingConfirmation => "awaiting_confirmation",
            Self::AwaitingAddress => "awaiting_address",
            Self::AwaitingAdminConsent => "awaiting_admin_consent",
            Self::AwaitingHandover => "awaiting_handover",
            Self::AwaitingAcceptance => "awaiting_acceptance",
            Self::Proving => "proving",
            Self::Connected => "connected",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// How far a connect link has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectLinkStatus {
    /// Made, and not looked at.
    Open,
    /// Its page was opened; a program that shows previews may have been the one who did.
    Opened,
    /// Somebody agreed, and is on the way.
    SigningIn,
    /// Microsoft wants an administrator's approval first.
    AwaitingAdminConsent,
    /// An inbox came of it: the link has been used.
    Connected,
    /// The last try failed; the link may be used again.
    Failed,
    Expired,
    Revoked,
}

impl ConnectLinkStatus {
    const ALL: [Self; 8] = [
        Self::Open,
        Self::Opened,
        Self::SigningIn,
        Self::AwaitingAdminConsent,
        Self::Connected,
        Self::Failed,
        Self::Expired,
        Self::Revoked,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Opened => "opened",
            Self::SigningIn => "signing_in",
            Self::AwaitingAdminConsent => "awaiting_admin_consent",
            Self::Connected => "connected",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// What an attempt says of the link that it was begun with.
    pub const fn of_attempt(attempt: ConnectionStatus) -> Self {
        match attempt {
            ConnectionStatus::Pending
            | ConnectionStatus::AwaitingConfirmation
            | ConnectionStatus::AwaitingAddress
            | ConnectionStatus::AwaitingHandover
            | ConnectionStatus::AwaitingAcceptance
            | ConnectionStatus::Proving => Self::SigningIn,
            ConnectionStatus::AwaitingAdminConsent => Self::AwaitingAdminConsent,
            ConnectionStatus::Connected => Self::Connected,
            ConnectionStatus::Failed => Self::Failed,
            // Nobody came back: it is as if nobody had tried.
            ConnectionStatus::Expired => Self::Opened,
        }
    }

    /// Whether it can still be used, as far as its time has not run out.
    pub const fn is_usable(self) -> bool {
        match self {
            Self::Open | Self::Opened | Self::SigningIn | Self::AwaitingAdminConsent | Self::Failed => true,
            Self::Connected | Self::Expired | Self::Revoked => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_found_by_its_word() {
        for status in ConnectLinkStatus::ALL {
            assert_eq!(ConnectLinkStatus::parse(status.as_str()), Some(status));
        }
        for status in ConnectionStatus::ALL {
            assert_eq!(ConnectionStatus::parse(status.as_str()), Some(status));
        }
    }

    #[test]
    fn a_link_is_used_up_only_by_an_inbox() {
        for attempt in ConnectionStatus::ALL {
            let link = ConnectLinkStatus::of_attempt(attempt);
            assert_eq!(link.is_usable(), attempt != ConnectionStatus::Connected, "{attempt:?}");
        }
    }
}
