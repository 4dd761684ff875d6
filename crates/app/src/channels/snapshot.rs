//! Inboxes and their health as events carry them: a picture of the moment, versioned (`v`), without a token or a server's address.

use super::Part;
use domain::channel::Health;
use domain::failure::Failure;
use domain::inbox::Inbox;
use domain::{ChannelId, InboxId};
use serde_json::{Value, json};

pub const VERSION: u32 = 1;

pub fn inbox(inbox: &Inbox) -> Value {
    json!({
        "v": VERSION,
        "inbox": {
            "id": inbox.id.0,
            "account_id": inbox.account_id.0,
            "name": inbox.name,
            "channel_id": inbox.channel.id.0,
            "provider": inbox.channel.provider.as_str(),
            "mailbox_address": inbox.channel.mailbox_address.as_str(),
            "from_address": inbox.channel.from_address.as_str(),
            "settings": inbox.settings,
            "created_at": inbox.created_at.0,
        },
    })
}

pub fn health_changed(inbox: InboxId, channel: ChannelId, part: Part, before: &Health, now: &Health) -> Value {
    json!({
        "v": VERSION,
        "inbox_id": inbox.0,
        "channel_id": channel.0,
        "part": part.as_str(),
        "was": before.state.as_str(),
        "state": now.state.as_str(),
        "since": now.since.0,
        "failure": now.failure.as_ref().map(failure),
    })
}

/// The server's own words stay out: an event goes to webhooks and to everybody in the inbox.
fn failure(failure: &Failure) -> Value {
    json!({
        "code": failure.class.code(),
        "actor": failure.class.actor(),
        "text": failure.class.text(),
        "cure": failure.class.cure(),
        "correlation_id": failure.correlation_id,
    })
}
