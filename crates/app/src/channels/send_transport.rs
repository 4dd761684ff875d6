//! An administrator decides through what a mailbox sends: SMTP, or Microsoft Graph where authenticated SMTP is switched off.
//!
//! The other way is proved first; what cannot be proved changes nothing. What waits leaves by the new way.

use super::refresh;
use super::sending::{Sender, probe, sends_so_from_now_on};
use crate::App;
use crate::accounts::Member;
use domain::channel::SendTransport;
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
    let mut tx = scope.begin().await?;
    tx.set_send_transport(channel.id, to).await?;
    let switched = sends_so_from_now_on(app, tx, channel).await?.ok_or(SwitchError::NotFound)?;
    tracing::info!(
        account.id = %channel.account_id, channel.id = %channel.id, transport = to.as_str(),
        "a mailbox sends another way"
    );
    Ok(switched)
}
