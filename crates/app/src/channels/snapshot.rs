//! Inboxes and their health as events carry them: a picture of the moment, versioned (`v`), without a token or a server's address.

use super::Part;
use domain::channel::notice::Parts;
use domain::channel::{ConnectionStatus, Health};
use domain::failure::Failure;
use domain::inbox::Inbox;
use domain::{ChannelId, HealthNoticeId, InboxId, Timestamp};
use serde_json::{Value, json};
use store::{ConnectLink, Connection};

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

pub fn connection(was: Option<ConnectionStatus>, connection: &Connection) -> Value {
    json!({
        "v": VERSION,
        "id": connection.id.0,
        "was": was.map(ConnectionStatus::as_str),
        "status": connection.status.as_str(),
        "inbox_id": connection.result_inbox_id.or(connection.inbox_id).map(|id| id.0),
        "connect_link_id": connection.connect_link_id.map(|id| id.0),
        "failure": connection.failure.as_ref().map(failure),
    })
}

pub fn connect_link(link: &ConnectLink) -> Value {
    json!({
        "v": VERSION,
        "id": link.id.0,
        "status": link.status.as_str(),
        "connection_id": link.connection_id.map(|id| id.0),
        "inbox_id": link.result_inbox_id.or(link.inbox_id).map(|id| id.0),
        "failure": link.failure.as_ref().map(failure),
    })
}

/// Somebody must act for a mailbox (`status` `open`), or need not any more (`ended`).
#[derive(Clone, Copy, Debug)]
pub struct NoticeSnapshot<'a> {
    pub notice: HealthNoticeId,
    pub inbox: InboxId,
    pub channel: ChannelId,
    pub status: &'static str,
    pub parts: Parts,
    pub since: Timestamp,
    pub failure: &'a Failure,
    pub help_url: &'a str,
}

pub fn health_notice(told: NoticeSnapshot<'_>) -> Value {
    let halves = [(told.parts.fetch, Part::Fetch), (told.parts.send, Part::Send)];
    let parts: Vec<&str> = halves.iter().filter(|(about, _)| *about).map(|(_, part)| part.as_str()).collect();
    json!({
        "v": VERSION,
        "notice_id": told.notice.0,
        "inbox_id": told.inbox.0,
        "channel_id": told.channel.0,
        "status": told.status,
        "parts": parts,
        "since": told.since.0,
        "failure": failure(told.failure),
        "help_url": told.help_url,
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
