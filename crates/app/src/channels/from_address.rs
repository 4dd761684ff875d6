//! An administrator decides what From says: a sign-in name need not be an address of the mailbox, and not everybody's token says which is.
//!
//! The mail server is asked first, as far as it says so before it has seen a mail; what it refuses changes nothing. What waits leaves
//! under the new From. Some servers, and Microsoft Graph, judge it with the first mail: [`EmailChannel::from_accepted_at`] tells when one was taken.
//!
//! [`EmailChannel::from_accepted_at`]: domain::channel::EmailChannel::from_accepted_at

use super::refresh;
use super::sending::{Sender, probe, sends_so_from_now_on};
use crate::App;
use crate::accounts::Member;
use domain::inbox::Inbox;
use domain::{EmailAddress, Failure, InboxId};
use store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum FromAddressError {
    #[error("only administrators manage inboxes")]
    Forbidden,
    #[error("no such inbox")]
    NotFound,
    #[error("not an e-mail address")]
    BadAddress,
    /// Somebody must sign in first, or the mail server does not take mail from this address; everything is as it was.
    #[error("{0}")]
    Refused(Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Failure> for FromAddressError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

pub async fn set_from_address(
    app: &App,
    member: &Member,
    inbox: InboxId,
    address: &str,
) -> Result<Inbox, FromAddressError> {
    if !member.may_manage_inboxes() {
        return Err(FromAddressError::Forbidden);
    }
    let scope = &member.scope;
    let found = scope.inbox(inbox).await?.ok_or(FromAddressError::NotFound)?;
    let from = EmailAddress::parse(address.trim()).ok_or(FromAddressError::BadAddress)?;
    let channel = &found.channel;
    if channel.from_address == from {
        return Ok(found);
    }
    if let Some(failure) = refresh::needs_sign_in(scope, channel.grant_id).await? {
        return Err(failure.into());
    }
    let sender = Sender { from: &from, ..Sender::of(channel)? };
    Box::pin(probe(app, scope, &sender, channel.send_transport)).await?;
    let mut tx = scope.begin().await?;
    tx.set_from_address(channel.id, &from).await?;
    let changed = sends_so_from_now_on(app, tx, channel).await?.ok_or(FromAddressError::NotFound)?;
    tracing::info!(account.id = %channel.account_id, channel.id = %channel.id, "a mailbox sends under another From");
    Ok(changed)
}
