//! Ids: one newtype per kind of row, so that an inbox's id can never stand where a message's belongs.
//!
//! The API shows conversations by their [`DisplayId`], which counts per account; everything else by its row id.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

ids! {
    /// A tenant.
    AccountId,
    /// A person who signs in; global, with a role in each account.
    UserId,
    /// An API token or a browser session of a user.
    TokenId,
    /// Where conversations land.
    InboxId,
    /// The mailbox behind an inbox.
    ChannelId,
    /// A folder of a mailbox that is watched.
    FolderId,
    /// The OAuth tokens of one signed-in principal.
    GrantId,
    /// A client id and credential at a provider, when it is a tenant's own.
    OauthAppId,
    /// One of the credentials of an account's own app.
    OauthAppCredentialId,
    /// What people were told of a mailbox that does not work.
    HealthNoticeId,
    /// One attempt to connect a mailbox.
    ConnectionId,
    /// A link with which somebody without an account here connects a mailbox.
    ConnectLinkId,
    /// A person outside.
    ContactId,
    /// A thread with a contact, by row id.
    ConversationId,
    /// A thread with a contact, as people and the API count them: per account, from 1.
    DisplayId,
    /// Something said in a conversation.
    MessageId,
    /// What one person is told of a conversation.
    NotificationId,
    /// A file that belongs to a message.
    AttachmentId,
    /// A mail's bytes as received.
    RawEmailId,
    /// One outgoing message on its way.
    DeliveryId,
    /// A word that conversations are marked with.
    LabelId,
    /// A group of agents.
    TeamId,
    /// An answer that is kept for the next time.
    CannedResponseId,
    /// A view of conversations or contacts that somebody saved.
    CustomFilterId,
    /// A mail of the installation's own.
    SystemMailId,
    /// A row of owed work.
    OwedId,
    /// Whom an account tells what happens in it.
    WebhookId,
    /// One event on its way to a webhook.
    WebhookDeliveryId,
    /// Stored bytes.
    BlobId,
    /// A worker process's session.
    WorkerSessionId,
    /// Something that an administrator did.
    AuditEventId,
}
