//! Links with which somebody without an account here connects a mailbox.

use crate::{AccountScope, TokenHash};
use domain::account::Account;
use domain::channel::{ConnectLinkStatus, SendTransport};
use domain::{AccountId, ConnectLinkId, ConnectionId, Failure, InboxId, OauthAppId, Timestamp, UserId};

#[derive(Clone, Debug)]
pub struct NewConnectLink {
    /// SHA-256 of the token in its address.
    pub token_hash: TokenHash,
    pub created_by: UserId,
    /// Who must sign in.
    pub expected_email: Option<String>,
    /// The mailbox to open, where it is not the one of whoever signs in.
    pub mailbox: Option<String>,
    /// The inbox that signs in again.
    pub inbox_id: Option<InboxId>,
    /// Through which app they sign in. `None`: which one it is shows when the link is used. `Some(None)`: the installation's.
    pub oauth_app_id: Option<Option<OauthAppId>>,
    /// Through what the mailbox is to send; `None`: as the inbox does, a new one by SMTP.
    pub send_transport: Option<SendTransport>,
    /// Where the person goes at the end.
    pub return_url: Option<String>,
    pub expires_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct ConnectLink {
    pub id: ConnectLinkId,
    pub account_id: AccountId,
    pub created_by: UserId,
    pub expected_email: Option<String>,
    pub mailbox: Option<String>,
    pub inbox_id: Option<InboxId>,
    /// As it was asked for; an app that was deleted since is told as the installation's.
    pub oauth_app_id: Option<Option<OauthAppId>>,
    pub send_transport: Option<SendTransport>,
    pub return_url: Option<String>,
    /// As it was written last; time may have ended it since.
    pub status: ConnectLinkStatus,
    /// The last attempt that was begun with it.
    pub connection_id: Option<ConnectionId>,
    /// What came of it.
    pub result_inbox_id: Option<InboxId>,
    /// Why the last attempt led nowhere, or what is waited for.
    pub failure: Option<Failure>,
    pub expires_at: Timestamp,
    pub opened_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

impl ConnectLink {
    pub fn status_at(&self, now: Timestamp) -> ConnectLinkStatus {
        match self.status {
            ConnectLinkStatus::Open | ConnectLinkStatus::Opened | ConnectLinkStatus::Failed
                if now >= self.expires_at =>
            {
                ConnectLinkStatus::Expired
            }
            status => status,
        }
    }

    /// Whether an attempt may be begun with it.
    pub fn may_begin(&self, now: Timestamp) -> bool {
        self.status.is_usable() && now < self.expires_at
    }
}

/// Somebody holds the link. It opens its own page and begins attempts, and nothing else of the account.
#[derive(Clone, Debug)]
pub struct ConnectLinkProof {
    pub scope: AccountScope,
    pub link: ConnectLink,
    pub account: Account,
}
