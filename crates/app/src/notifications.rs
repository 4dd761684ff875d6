//! What people are told about, and what they do with it.
//!
//! A notification is made in the transaction of its cause, for everybody it concerns but whoever did it. Of each conversation a person has
//! one, the latest; and only they hear of it. Whoever asked for a mail is sent one if they have not read it within two minutes, where the
//! installation can send mail. Devices are told by the page that is open on them, and by nothing else.

use crate::accounts::Member;
use crate::conversations::snapshot;
use crate::{App, Hint};
use domain::conversation::Conversation;
use domain::event::EventKind;
use domain::message::{Message, MessageType, Sender};
use domain::notification::{Notification, NotificationKind, NotificationSettings};
use domain::{ConversationId, NotificationId, Timestamp, UserId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use store::{ConversationView, NewNotification, StoreError, Tx};
pub use store::{NotificationChange, NotificationFilter, NotificationPage};

#[derive(Debug, thiserror::Error)]
pub enum NotificationError {
    /// No such notification, or nothing of theirs, or about something they do not see.
    #[error("not found")]
    NotFound,
    #[error("snoozed_until must be in the future")]
    SnoozeOver,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whoever is at work reads it within this time, and needs no mail.
const MAILED_AFTER: Duration = Duration::from_secs(120);

/// Whom what happened in a transaction concerns.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    of: BTreeMap<(i64, i64), NotificationKind>,
    /// Where something was said, and by whom: those who take part are told.
    said: Vec<(ConversationId, Option<UserId>)>,
}

impl Notices {
    /// Where somebody is concerned in several ways, the one that matters most is told.
    fn add(&mut self, user: UserId, conversation: ConversationId, kind: NotificationKind) {
        let known = self.of.entry((user.0, conversation.0)).or_insert(kind);
        *known = kind.min(*known);
    }

    /// Somebody was given the conversation, by somebody else or by themselves.
    pub fn assigned(&mut self, conversation: &Conversation, by: Option<UserId>) {
        if let Some(assignee) = conversation.assignee_id.filter(|assignee| Some(*assignee) != by) {
            self.add(assignee, conversation.id, NotificationKind::ConversationAssignment);
        }
    }

    /// A note speaks to them.
    pub fn mentioned(&mut self, conversation: ConversationId, people: &[UserId], by: UserId) {
        for user in people.iter().filter(|user| **user != by) {
            self.add(*user, conversation, NotificationKind::ConversationMention);
        }
    }

    /// Something was said.
    pub fn said(&mut self, conversation: &Conversation, message: &Message) {
        if !matches!(message.message_type, MessageType::Incoming | MessageType::Outgoing) {
            return;
        }
        let by = match &message.sender {
            Sender::User(user) => Some(user.id),
            Sender::Contact(_) | Sender::System => None,
        };
        self.said.push((conversation.id, by));
        if let Some(assignee) = conversation.assignee_id.filter(|assignee| Some(*assignee) != by) {
            self.add(assignee, conversation.id, NotificationKind::AssignedConversationNewMessage);
        }
    }

    /// A conversation began.
    pub fn began(&mut self, conversation: ConversationId, told: &[UserId]) {
        for user in told {
            self.add(*user, conversation, NotificationKind::ConversationCreation);
        }
    }

    /// Writes them, and tells each person. A few statements, whatever there is to tell; none for nothing.
    pub async fn tell(self, app: &App, tx: &mut Tx) -> Result<(), StoreError> {
        if self.of.is_empty() && self.said.is_empty() {
            return Ok(());
        }
        // Apart: it is seldom gone through, and would make everything that may tell somebody as large as itself.
        Box::pin(self.tell_them(app, tx)).await
    }

    async fn tell_them(mut self, app: &App, tx: &mut Tx) -> Result<(), StoreError> {
        let said = std::mem::take(&mut self.said);
        if !said.is_empty() {
            let ids: Vec<ConversationId> = said.iter().map(|(conversation, _)| *conversation).collect();
            for (conversation, user) in tx.participants_of(&ids).await? {
                if said.iter().any(|(there, by)| *there == conversation && *by != Some(user)) {
                    self.add(user, conversation, NotificationKind::ParticipatingConversationNewMessage);
                }
            }
        }
        if self.of.is_empty() {
            return Ok(());
        }
        let new: Vec<NewNotification> = self
            .of
            .into_iter()
            .map(|((user, conversation), kind)| NewNotification {
                user_id: UserId(user),
                conversation_id: ConversationId(conversation),
                kind,
            })
            .collect();
        let made = tx.notify(&new).await?;
        if app.settings().mailer.is_some() {
            tx.owe_notification_mails(&made, MAILED_AFTER).await?;
        }
        announce(tx, EventKind::NotificationCreated, &made).await
    }
}

/// With the counts that the person has after the transaction.
async fn announce(tx: &mut Tx, kind: EventKind, about: &[Notification]) -> Result<(), StoreError> {
    if about.is_empty() {
        return Ok(());
    }
    let users: Vec<UserId> =
        about.iter().map(|one| one.user_id.0).collect::<BTreeSet<_>>().into_iter().map(UserId).collect();
    let counts = tx.notification_counts(&users).await?;
    let ids: Vec<ConversationId> = about
        .iter()
        .map(|one| one.conversation_id.0)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(ConversationId)
        .collect();
    let views = tx.conversation_views(&ids).await?;
    for one in about {
        let counts = counts.get(&one.user_id).copied().unwrap_or_default();
        let view = views.get(&one.conversation_id);
        let inbox = view.map(|view| view.conversation.inbox_id);
        let conversation = view.map(|view| snapshot::conversation(view)["conversation"].take());
        let payload = json!({
            "v": snapshot::VERSION,
            "notification": snapshot_of(one),
            "primary_actor": conversation,
            "unread_count": counts.unread,
            "count": counts.all,
        });
        tx.append_event_for(one.user_id, inbox, kind, payload);
    }
    Ok(())
}

/// As events carry it.
pub fn snapshot_of(one: &Notification) -> Value {
    json!({
        "id": one.id.0,
        "kind": one.kind.as_str(),
        "user_id": one.user_id.0,
        "conversation_id": one.conversation_id.0,
        "read_at": one.read_at.map(Timestamp::micros),
        "snoozed_until": one.snoozed_until.map(Timestamp::micros),
        "last_activity_at": one.last_activity_at.micros(),
        "created_at": one.created_at.micros(),
    })
}

pub async fn list(
    _app: &App,
    member: &Member,
    filter: NotificationFilter,
) -> Result<NotificationPage, NotificationError> {
    Ok(member.scope.notifications(member.agent.user.id, &member.visibility, filter).await?)
}

pub async fn unread_count(_app: &App, member: &Member) -> Result<u64, NotificationError> {
    Ok(member.scope.unread_notifications(member.agent.user.id, &member.visibility).await?)
}

pub async fn change(
    app: &App,
    member: &Member,
    id: NotificationId,
    change: NotificationChange,
) -> Result<(Notification, ConversationView), NotificationError> {
    if matches!(change, NotificationChange::Snooze(until) if until <= app.now()) {
        return Err(NotificationError::SnoozeOver);
    }
    let user = member.agent.user.id;
    theirs(member, id).await?;
    let mut tx = member.scope.begin().await?;
    let changed = tx.change_notification(user, id, change).await?.ok_or(NotificationError::NotFound)?;
    announce(&mut tx, EventKind::NotificationUpdated, std::slice::from_ref(&changed)).await?;
    tx.commit().await?;
    app.wake(Hint::Account(changed.account_id));
    let about = member.scope.conversation_by_id(changed.conversation_id).await?;
    Ok((changed, about.ok_or(NotificationError::NotFound)?))
}

pub async fn delete(app: &App, member: &Member, id: NotificationId) -> Result<(), NotificationError> {
    let found = theirs(member, id).await?;
    let mut tx = member.scope.begin().await?;
    if tx.delete_notifications(found.user_id, false, Some(id)).await? == 0 {
        return Err(NotificationError::NotFound);
    }
    announce(&mut tx, EventKind::NotificationDeleted, std::slice::from_ref(&found)).await?;
    tx.commit().await?;
    app.wake(Hint::Account(found.account_id));
    Ok(())
}

/// All of them, or what is about one conversation.
pub async fn read_all(app: &App, member: &Member, about: Option<ConversationId>) -> Result<(), NotificationError> {
    let user = member.agent.user.id;
    let mut tx = member.scope.begin().await?;
    match about {
        Some(conversation) => seen(&mut tx, user, conversation).await?,
        None if tx.read_notifications(user, None).await? > 0 => {
            announce_many(&mut tx, user, EventKind::NotificationUpdated).await?;
        }
        None => {}
    }
    tx.commit().await?;
    app.wake(Hint::Account(member.scope.account_id()));
    Ok(())
}

/// Whoever looks at a conversation has read what they were told of it.
pub(crate) async fn seen(tx: &mut Tx, user: UserId, conversation: ConversationId) -> Result<(), StoreError> {
    if tx.read_notifications(user, Some(conversation)).await? > 0 {
        announce_many(tx, user, EventKind::NotificationUpdated).await?;
    }
    Ok(())
}

/// All of them, or those that were read.
pub async fn delete_all(app: &App, member: &Member, only_read: bool) -> Result<(), NotificationError> {
    let user = member.agent.user.id;
    let mut tx = member.scope.begin().await?;
    if tx.delete_notifications(user, only_read, None).await? > 0 {
        announce_many(&mut tx, user, EventKind::NotificationDeleted).await?;
    }
    tx.commit().await?;
    app.wake(Hint::Account(member.scope.account_id()));
    Ok(())
}

/// Which ones is not said: whoever shows a list reads it anew.
async fn announce_many(tx: &mut Tx, user: UserId, kind: EventKind) -> Result<(), StoreError> {
    let counts = tx.notification_counts(&[user]).await?.get(&user).copied().unwrap_or_default();
    let payload = json!({
        "v": snapshot::VERSION, "notification": null, "unread_count": counts.unread, "count": counts.all,
    });
    tx.append_event_for(user, None, kind, payload);
    Ok(())
}

async fn theirs(member: &Member, id: NotificationId) -> Result<Notification, NotificationError> {
    let found = member.scope.notification(member.agent.user.id, &member.visibility, id).await?;
    found.ok_or(NotificationError::NotFound)
}

pub async fn settings(_app: &App, member: &Member) -> Result<NotificationSettings, NotificationError> {
    Ok(member.scope.notification_settings(member.agent.user.id).await?)
}

pub async fn set_settings(
    _app: &App,
    member: &Member,
    settings: &NotificationSettings,
) -> Result<(), NotificationError> {
    Ok(member.scope.set_notification_settings(member.agent.user.id, settings).await?)
}
