//! Whoever sends: one person may send for several mailboxes, and the provider counts the person.
//!
//! Says which mailboxes those are, and what they wait for together. Decides no message's turn; the line of the sender does.

use domain::channel::{EmailChannel, Health, SendTransport};
use domain::{ChannelId, Failure, FailureClass, Timestamp};
use store::{AccountScope, StoreError};

/// The other mailboxes of the same sender, as the store counts them together.
pub(crate) async fn others(scope: &AccountScope, channel: &EmailChannel) -> Result<Vec<EmailChannel>, StoreError> {
    let Some(grant) = channel.grant_id.filter(|_| channel.send_transport == SendTransport::Smtp) else {
        return Ok(Vec::new());
    };
    let mut others = scope.channels_of_grant(grant).await?;
    others.retain(|other| other.id != channel.id && other.send_transport == SendTransport::Smtp);
    Ok(others)
}

/// It names whoever signs in, and not the mailbox they sent for: the sender's other mailboxes would meet it too. That a server asks to slow down
/// does not: it may be about the mailbox, or one message.
pub(crate) fn meets_the_sender(failure: &Failure) -> bool {
    matches!(failure.class, FailureClass::TooManyConnections | FailureClass::SendingQuotaExceeded)
}

/// What may keep a mailbox waiting: what it met itself, and what the sender met with its others.
pub(crate) fn pauses<'a>(channel: &'a EmailChannel, others: &'a [EmailChannel]) -> impl Iterator<Item = &'a Health> {
    let met_the_sender = |health: &&Health| health.failure.as_ref().is_some_and(meets_the_sender);
    let of_the_sender = others.iter().map(|other| &other.send_health).filter(met_the_sender);
    std::iter::once(&channel.send_health).chain(of_the_sender)
}

/// The mailboxes that are tried when a person wants this one tried now: it alone, unless the sender is left alone for a time that is our guess. Then
/// the others that wait for nothing else are tried with it, for the answer to one is the answer to all. A time that a server stated is never cut
/// short for a mailbox of which nobody spoke.
pub(crate) fn tried_with(now: Timestamp, channel: &EmailChannel, others: &[EmailChannel]) -> Vec<ChannelId> {
    let lasts = |health: &&Health| health.next_try_at.is_some_and(|until| until > now);
    let is_our_guess = |health: &Health| {
        health.failure.as_ref().is_some_and(|failure| meets_the_sender(failure) && failure.retry_after().is_none())
    };
    let all = std::iter::once(channel).chain(others).map(|channel| &channel.send_health).filter(lasts);
    let of_the_sender: Vec<&Health> =
        all.filter(|health| health.failure.as_ref().is_some_and(meets_the_sender)).collect();
    let mut tried = vec![channel.id];
    if !of_the_sender.is_empty() && of_the_sender.into_iter().all(is_our_guess) {
        let free = others.iter().filter(|other| !lasts(&&other.send_health) || is_our_guess(&other.send_health));
        tried.extend(free.map(|other| other.id));
    }
    tried
}
