//! An Email channel is the mailbox behind an inbox: whose it is, how it is reached, and how it is doing.
//!
//! Four things that are often confused are four fields: the principal who signed in, the mailbox that is opened, the From address, and
//! the SMTP user. A channel refers to its grant; it never copies a token.

pub mod connecting;
pub mod health;
pub mod notice;
pub mod provider;

use crate::{AccountId, ChannelId, EmailAddress, GrantId, InboxId, Timestamp};
pub use connecting::{ConnectLinkStatus, ConnectionStatus};
pub use health::{Health, HealthState};
pub use provider::{Capabilities, Provider, SendTransport, SendingLimits, Service};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq)]
pub struct EmailChannel {
    pub id: ChannelId,
    pub account_id: AccountId,
    pub inbox_id: InboxId,
    pub provider: Provider,
    /// Which of the provider's services has the mailbox.
    pub service: Service,
    pub grant_id: Option<GrantId>,
    /// Who signed in: the XOAUTH2 user of the principal (`preferred_username`, then `upn`).
    pub principal: String,
    /// The mailbox that IMAP opens.
    pub mailbox_address: EmailAddress,
    /// What From says.
    pub from_address: EmailAddress,
    /// When the mail server took a mail with this From. `None`: none yet, so whether it may stand there may not be known.
    pub from_accepted_at: Option<Timestamp>,
    /// Who SMTP authenticates as.
    pub smtp_user: String,
    /// Through what its mail leaves.
    pub send_transport: SendTransport,
    pub fetch_health: Health,
    pub send_health: Health,
    pub sending_limits: SendingLimits,
    pub import: ImportProgress,
    pub created_at: Timestamp,
}

impl EmailChannel {
    /// Somebody opens it who was given access to it: it is not the mailbox of the person who signed in.
    pub fn is_shared(&self) -> bool {
        !self.mailbox_address.is_written(&self.principal)
    }

    /// What this mailbox can do: its provider's capabilities, and what was agreed for it.
    pub fn capabilities(&self) -> Capabilities {
        self.provider.capabilities().with(self.sending_limits)
    }

    /// What all mailboxes whose mail one person hands in may do together, as far as this one says: more than the provider says only where it was
    /// agreed. Over all of them it is the most that any says.
    pub fn sender_capabilities(&self) -> Capabilities {
        let (all, own) = (self.provider.capabilities(), self.capabilities());
        Capabilities {
            messages_per_minute: all.messages_per_minute.max(own.messages_per_minute),
            recipients_per_day: all.recipients_per_day.max(own.recipients_per_day),
            ..all
        }
    }

    /// What leaves by SMTP leaves no copy in this mailbox's Sent: the provider keeps none, or keeps it with whoever signed in.
    pub fn lacks_sent_copies(&self) -> bool {
        let may = self.capabilities();
        let own = self.mailbox_address.is_written(&self.smtp_user);
        self.send_transport == SendTransport::Smtp && (!may.keeps_sent_copy || may.copy_follows_smtp_user && !own)
    }
}

/// How far the import of the past has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportProgress {
    pub state: ImportState,
    /// Mails found in the window; `None` until they were counted.
    pub total: Option<u32>,
    pub done: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    #[default]
    Waiting,
    Running,
    Done,
    /// It broke down whenever it was tried.
    Failed,
}

impl ImportState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Running, Self::Done, Self::Failed].into_iter().find(|s| s.as_str() == text)
    }
}
