//! Whether a mailbox that stays closed is closed to the person, or the person has as many sessions open as they may.
//!
//! Exchange counts IMAP sessions by who signs in, whichever mailboxes they open, and says the same words of one session too many as of a
//! mailbox without permission. It publishes no number, and other programs of the person count too. So it is asked: where a mailbox
//! that this person is reading at this moment does not open once more, it is no mailbox's fault, and nobody needs to give anybody access.

use super::examine::read_inbox_in;
use crate::App;
use domain::channel::HealthState;
use domain::{EmailAddress, Failure, FailureClass, GrantId, Secret};
use net::Slot;
use store::AccountScope;

/// What a mailbox that could not be opened means. `slot`: the connection that was used and is free again.
pub(crate) async fn judged(
    app: &App,
    scope: &AccountScope,
    grant: GrantId,
    mailbox: &EmailAddress,
    token: &Secret,
    slot: Option<&Slot>,
    failure: Failure,
) -> Failure {
    if failure.class != FailureClass::MailboxNotConnected {
        return failure;
    }
    let Ok(channels) = scope.channels_of_grant(grant).await else { return failure };
    let open = channels
        .into_iter()
        .filter(|one| one.fetch_health.state == HealthState::Connected && !one.mailbox_address.same_as(mailbox))
        .max_by_key(|one| one.fetch_health.last_ok_at);
    let Some(open) = open else { return failure };
    match read_inbox_in(app, slot, &open.mailbox_address, token).await {
        Err(other) if matches!(other.class, FailureClass::MailboxNotConnected | FailureClass::TooManyConnections) => {
            tracing::info!(channel.id = %open.id, "a mailbox that is being read does not open once more: too many sessions of one person");
            Failure { class: FailureClass::TooManyConnections, ..failure }
                .detail("whoever signs in has as many sessions open as the server allows")
        }
        Ok(()) | Err(_) => failure,
    }
}
