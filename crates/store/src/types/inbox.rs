//! Inboxes and the channels made with them.

use domain::channel::{Health, Provider, Service};
use domain::inbox::InboxSettings;
use domain::{ChannelId, EmailAddress, GrantId, InboxId};

#[derive(Clone, Debug)]
pub struct NewInbox {
    pub name: String,
    pub settings: InboxSettings,
    pub channel: NewChannel,
}

#[derive(Clone, Debug)]
pub struct NewChannel {
    pub provider: Provider,
    pub service: Service,
    pub grant_id: Option<GrantId>,
    pub principal: String,
    pub mailbox_address: EmailAddress,
    pub from_address: EmailAddress,
    pub smtp_user: String,
    pub fetch_health: Health,
    pub send_health: Health,
}

/// What an administrator changes; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct InboxChange {
    pub name: Option<String>,
    pub settings: Option<InboxSettings>,
}

/// Where a mailbox is already connected in this account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPlace {
    pub inbox_id: InboxId,
    pub channel_id: ChannelId,
}
