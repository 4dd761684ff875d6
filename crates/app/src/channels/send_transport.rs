//! An administrator decides through what a mailbox sends: SMTP, or Microsoft Graph where authenticated SMTP is switched off.
//!
//! The other way is proved first; what cannot be proved changes nothing. What waits leaves by the new way.

use super::sending::{Sender, probe};
use super::{Part, health, refresh, snapshot};
use crate::accounts::Member;
use crate::{App, Hint};
use domain::channel::SendTransport;
use domain::event::EventKind;
use domain::inbox::Inbox;
use domain::{Failure, InboxId};
use store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    #[error("only administrators manage inboxes")]
    Forbidden,
    #[error("no such inbox")]
    NotFound,
    #[error("the mailbox's provider does not offer it")]
    NotOffered,
    /// Somebody must sign in first, or sending that way does not work; everything is as it was.
    #[error("{0}")]
    Refused(Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Failure> for SwitchError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

pub async fn switch_send_transport(
    app: &App,
    member: &Member,
    inbox: InboxId,
    to: SendTransport,
) -> Result<Inbox, SwitchError> {
    if !member.may_manage_inboxes() {
        return Err(SwitchError::Forbidden);
    }
    let scope = &member.scope;
    let found = scope.inbox(inbox).await?.ok_or(SwitchError::NotFound)?;
    let channel = &found.channel;
    if channel.send_transport == to {
        return Ok(found);
    }
    if to == SendTransport::Graph && !channel.capabilities().sends_by_graph {
        return Err(SwitchError::NotOffered);
    }
    if let Some(failure) = refresh::needs_sign_in(scope, channel.grant_id).await? {
        return Err(failure.into());
    }
    Box::pin(probe(app, scope, &Sender::of(channel)?, to)).await?;
    let works = channel.send_health.worked(app.now());
    let mut tx = scope.begin().await?;
    health::write(&mut tx, channel, Part::Send, &works).await?;
    tx.set_send_transport(channel.id, to).await?;
    tx.resume_sending(channel.id).await?;
    let switched = tx.inbox(inbox).await?.ok_or(SwitchError::NotFound)?;
    tx.append_event(EventKind::InboxUpdated, Some(inbox), None, snapshot::inbox(&switched));
    tx.call_next_delivery(channel.id).await?;
    tx.commit().await?;
    tracing::info!(
        account.id = %channel.account_id, channel.id = %channel.id, transport = to.as_str(),
        "a mailbox sends another way"
    );
    app.wake(Hint::Account(channel.account_id));
    app.wake(Hint::Owed);
    Ok(switched)
}
