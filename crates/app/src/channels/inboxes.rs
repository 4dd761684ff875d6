//! Inboxes as people see and change them. Administrators see and manage all; agents see those they are members of.

use super::snapshot;
use crate::accounts::Member;
use crate::{App, Hint};
use domain::account::Role;
use domain::channel::{EmailChannel, HealthState, SendingLimits};
use domain::event::EventKind;
use domain::inbox::{Inbox, InboxSettings};
use domain::user::Agent;
use domain::{InboxId, Timestamp, UserId};
use std::collections::BTreeSet;
use std::time::Duration;
use store::{Grant, HealthChange, InboxChange, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    #[error("only administrators manage inboxes")]
    Forbidden,
    #[error("no such inbox")]
    NotFound,
    #[error("the name needs 1 to 255 characters")]
    NameInvalid,
    /// Somebody in the list is not in the account.
    #[error("no such agent in this account")]
    AgentNotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub async fn list(_app: &App, member: &Member) -> Result<Vec<Inbox>, StoreError> {
    member.scope.inboxes(&member.visibility).await
}

pub async fn show(_app: &App, member: &Member, inbox: InboxId) -> Result<Inbox, InboxError> {
    if !member.visibility.sees(inbox) {
        return Err(InboxError::NotFound);
    }
    member.scope.inbox(inbox).await?.ok_or(InboxError::NotFound)
}

/// `name`: `None` leaves it. `settings` is given what they are at that moment, so that two who change different ones both have their way.
/// `sending_limits`: what was agreed with the provider; `None` leaves it.
pub async fn update(
    app: &App,
    member: &Member,
    inbox: InboxId,
    name: Option<String>,
    settings: impl FnOnce(InboxSettings) -> InboxSettings,
    sending_limits: Option<SendingLimits>,
) -> Result<Inbox, InboxError> {
    manage(member, inbox)?;
    let name = name.map(|name| name.trim().to_owned());
    if name.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > 255) {
        return Err(InboxError::NameInvalid);
    }
    let mut tx = member.scope.begin().await?;
    let renamed = InboxChange { name, settings: None };
    let found = tx.update_inbox(inbox, &renamed).await?.ok_or(InboxError::NotFound)?;
    let set = InboxChange { name: None, settings: Some(settings(found.settings)) };
    if let Some(limits) = sending_limits {
        tx.set_sending_limits(found.channel.id, limits).await?;
        tx.call_next_delivery(found.channel.id).await?;
    }
    let updated = tx.update_inbox(inbox, &set).await?.ok_or(InboxError::NotFound)?;
    tx.append_event(EventKind::InboxUpdated, Some(inbox), None, snapshot::inbox(&updated));
    tx.commit().await?;
    app.wake(Hint::Account(updated.account_id));
    app.wake(Hint::Owed);
    Ok(updated)
}

/// The inbox goes with everything in it, and the permission to read its mailbox unless another inbox uses it. Its mailbox's actor notices that its lease is gone.
pub async fn delete(app: &App, member: &Member, inbox: InboxId) -> Result<(), InboxError> {
    manage(member, inbox)?;
    let mut tx = member.scope.begin().await?;
    let found = tx.inbox(inbox).await?.ok_or(InboxError::NotFound)?;
    if !tx.delete_inbox(inbox).await? {
        return Err(InboxError::NotFound);
    }
    if let Some(grant) = found.channel.grant_id {
        tx.forget_unused_grant(grant).await?;
    }
    tx.append_event(EventKind::InboxDeleted, None, None, snapshot::inbox(&found));
    tx.commit().await?;
    app.wake(Hint::Channel(found.channel.id));
    app.wake(Hint::Account(found.account_id));
    Ok(())
}

/// How the mailbox behind an inbox is doing.
#[derive(Clone, Debug)]
pub struct InboxHealth {
    pub inbox_id: InboxId,
    pub channel: EmailChannel,
    /// Who signed in, and whether their permission still stands.
    pub grant: Option<Grant>,
    pub lag: Lag,
}

/// How far behind the mailbox we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// How long mail may have been in the mailbox without being here: nothing while it is read as often as it should be, else the time since it
    /// was last read. `None`: it never was.
    pub fetch: Option<Duration>,
    /// How long the message has waited that has waited longest to leave.
    pub send: Duration,
}

/// A mailbox with IDLE that stays silent is looked into every nine polls (worker::mailbox); one more is patience.
const LOOKED_INTO_WITHIN_POLLS: u32 = 10;

/// What is known of a channel beyond its row. `waits_since`: when the message was queued that waits longest.
fn lag(app: &App, channel: &EmailChannel, waits_since: Option<Timestamp>) -> Lag {
    let (now, health) = (app.now(), &channel.fetch_health);
    let fetch = health.last_ok_at.map(|at| now.since(at)).map(|since| {
        let expected = app.settings().poll_interval * LOOKED_INTO_WITHIN_POLLS;
        if health.state == HealthState::Connected && since <= expected { Duration::ZERO } else { since }
    });
    Lag { fetch, send: waits_since.map(|since| now.since(since)).unwrap_or_default() }
}

/// For administrators: it holds the servers' own words.
pub async fn health(app: &App, member: &Member, inbox: InboxId) -> Result<InboxHealth, InboxError> {
    manage(member, inbox)?;
    let found = member.scope.inbox(inbox).await?.ok_or(InboxError::NotFound)?;
    let grant = match found.channel.grant_id {
        Some(grant) => member.scope.grant(grant).await?,
        None => None,
    };
    let waits_since = member.scope.oldest_queued_delivery(found.channel.id).await?;
    let lag = lag(app, &found.channel, waits_since);
    Ok(InboxHealth { inbox_id: inbox, channel: found.channel, grant, lag })
}

/// How it has been doing, newest first, 25 a page, and how many changes there are. For administrators: it holds the servers' own words.
pub async fn health_timeline(
    _app: &App,
    member: &Member,
    inbox: InboxId,
    page: u32,
) -> Result<(Vec<HealthChange>, u64), InboxError> {
    manage(member, inbox)?;
    let found = member.scope.inbox(inbox).await?.ok_or(InboxError::NotFound)?;
    Ok(member.scope.health_changes(found.channel.id, page).await?)
}

pub async fn members(app: &App, member: &Member, inbox: InboxId) -> Result<Vec<Agent>, InboxError> {
    show(app, member, inbox).await?;
    Ok(member.scope.inbox_members(inbox).await?)
}

/// Who may be given a conversation of any of these inboxes: their members, and every administrator.
pub async fn assignable_agents(app: &App, member: &Member, inboxes: &[InboxId]) -> Result<Vec<Agent>, InboxError> {
    let mut assignable = member.scope.agents().await?;
    for inbox in inboxes {
        let members = members(app, member, *inbox).await?;
        assignable.retain(|agent| {
            agent.role == Role::Administrator || members.iter().any(|known| known.user.id == agent.user.id)
        });
    }
    if inboxes.is_empty() {
        assignable.retain(|agent| agent.role == Role::Administrator);
    }
    Ok(assignable)
}

/// The list replaces the one that was.
pub async fn set_members(
    app: &App,
    member: &Member,
    inbox: InboxId,
    users: &[UserId],
) -> Result<Vec<Agent>, InboxError> {
    let users = members_to_be(member, inbox, users).await?;
    member.scope.set_inbox_members(inbox, &users).await?;
    // What they may see on a stream that is open is another thing now.
    app.wake(Hint::Account(member.scope.account_id()));
    Ok(member.scope.inbox_members(inbox).await?)
}

/// Whoever is a member already stays one, also somebody who became one at the same moment.
pub async fn add_members(
    app: &App,
    member: &Member,
    inbox: InboxId,
    users: &[UserId],
) -> Result<Vec<Agent>, InboxError> {
    let users = members_to_be(member, inbox, users).await?;
    member.scope.add_inbox_members(inbox, &users).await?;
    // What they may see on a stream that is open is another thing now.
    app.wake(Hint::Account(member.scope.account_id()));
    Ok(member.scope.inbox_members(inbox).await?)
}

/// Whoever is named and is no member stays none.
pub async fn remove_members(_app: &App, member: &Member, inbox: InboxId, users: &[UserId]) -> Result<(), InboxError> {
    manage(member, inbox)?;
    member.scope.inbox(inbox).await?.ok_or(InboxError::NotFound)?;
    Ok(member.scope.remove_inbox_members(inbox, users).await?)
}

/// Each once, and only people of the account.
async fn members_to_be(member: &Member, inbox: InboxId, users: &[UserId]) -> Result<Vec<UserId>, InboxError> {
    manage(member, inbox)?;
    member.scope.inbox(inbox).await?.ok_or(InboxError::NotFound)?;
    let agents = member.scope.agents().await?;
    if users.iter().any(|user| !agents.iter().any(|agent| agent.user.id == *user)) {
        return Err(InboxError::AgentNotFound);
    }
    Ok(users.iter().copied().collect::<BTreeSet<_>>().into_iter().collect())
}

/// What is about all inboxes is an administrator's.
pub(super) fn manager(member: &Member) -> Result<(), InboxError> {
    if member.may_manage_inboxes() { Ok(()) } else { Err(InboxError::Forbidden) }
}

/// An agent who does not see the inbox is told that it does not exist; one who sees it, that it is not theirs to manage.
fn manage(member: &Member, inbox: InboxId) -> Result<(), InboxError> {
    match (member.may_manage_inboxes(), member.visibility.sees(inbox)) {
        (true, _) => Ok(()),
        (false, true) => Err(InboxError::Forbidden),
        (false, false) => Err(InboxError::NotFound),
    }
}
