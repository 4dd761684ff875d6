//! Mail providers, and what each can do, as data.
//!
//! The rules ask [`Capabilities`], never the provider's name, so that a new provider is a row here.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    Microsoft,
}

impl Provider {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Microsoft => "microsoft",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Microsoft].into_iter().find(|p| p.as_str() == text)
    }

    pub const fn capabilities(self) -> Capabilities {
        match self {
            // Limits: "Improvements in SMTP authentication submission" and "Exchange Online limits" (Microsoft Learn).
            Self::Microsoft => Capabilities {
                keeps_sent_copy: true,
                copy_follows_smtp_user: true,
                sends_by_graph: true,
                dedupes_by_message_id: true,
                smtp_connections: 1,
                most_smtp_connections: 3,
                messages_per_minute: 30,
                recipients_per_day: 10_000,
                recipients_per_message: 500,
                max_message_bytes: 35 * 1024 * 1024,
                imap_command_bytes: 10_240,
                // `Set-ImapSettings` has 16 for one user by default; Exchange Online publishes no number. Beside those held, each worker has one
                // session for the mailboxes that take turns, and at the default of WORKER_BULK_CONCURRENCY four for imports: with one worker that is
                // 6 + 1 + 4 = 11, with two 6 + 2 + 8 = 16.
                imap_sessions_held: 6,
            },
        }
    }
}

/// Which of a provider's services has a mailbox. They are reached under different names and switched on by different people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Exchange Online: the mailbox of an organisation.
    #[default]
    #[serde(rename = "microsoft_365")]
    Microsoft365,
    /// The mailbox of a personal account.
    OutlookCom,
}

impl Service {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Microsoft365 => "microsoft_365",
            Self::OutlookCom => "outlook_com",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Microsoft365, Self::OutlookCom].into_iter().find(|s| s.as_str() == text)
    }
}

/// Through what a mailbox's mail leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendTransport {
    #[default]
    Smtp,
    /// Microsoft Graph, where authenticated SMTP is switched off.
    Graph,
}

impl SendTransport {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Graph => "graph",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Smtp, Self::Graph].into_iter().find(|transport| transport.as_str() == text)
    }
}

/// How fast one mailbox may send where its owner has agreed something else with the provider. `None`: as the provider says of everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SendingLimits {
    pub messages_per_minute: Option<u32>,
    pub recipients_per_day: Option<u32>,
}

/// What a provider does by itself, and where its limits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The provider stores a copy of what was submitted in Sent, so we never append one.
    pub keeps_sent_copy: bool,
    /// That copy of what was submitted by SMTP is in the mailbox of whoever signed in, also when it was sent as another mailbox.
    pub copy_follows_smtp_user: bool,
    /// Mail can leave through Microsoft Graph instead of SMTP.
    pub sends_by_graph: bool,
    /// A second submission with the same Message-ID is refused or swallowed, so sending again is safe.
    pub dedupes_by_message_id: bool,
    /// Connections over which we send from one mailbox at a time.
    pub smtp_connections: u32,
    /// Connections for submission that the provider takes for one mailbox, idle ones included.
    pub most_smtp_connections: u32,
    pub messages_per_minute: u32,
    /// Within any 24 hours.
    pub recipients_per_day: u32,
    pub recipients_per_message: u32,
    pub max_message_bytes: u64,
    /// The longest IMAP command line the server takes; longer UID sets are split.
    pub imap_command_bytes: usize,
    /// IMAP sessions of one person that are kept open for news. Whoever has more mailboxes has the others read in turn, so that places are left for
    /// that, for imports, and for the person's other programs.
    pub imap_sessions_held: u32,
}

impl Capabilities {
    /// With what was agreed for one mailbox.
    #[must_use]
    pub fn with(self, agreed: SendingLimits) -> Self {
        Self {
            messages_per_minute: agreed.messages_per_minute.unwrap_or(self.messages_per_minute),
            recipients_per_day: agreed.recipients_per_day.unwrap_or(self.recipients_per_day),
            ..self
        }
    }
}
