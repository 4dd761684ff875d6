//! Proves the mailbox of a sign-in, and makes the inbox: what the address says does not count, only what the mail server does.
//!
//! Reading must work: sign-in and EXAMINE INBOX. Sending is tried too, and an inbox whose sending is refused exists all the same, with
//! the reason. Trouble that passes is tried again for a quarter of an hour; a definitive refusal ends the attempt with its class.

use super::agree::is_expected;
use super::examine::{Proved, Trouble, examine};
use super::{Part, consent, handover, health, links, snapshot, steps};
use crate::jobs::{UNTIL_SLOT, prove_connection};
use crate::{App, Hint};
use domain::account::AccountStatus;
use domain::channel::{ConnectionStatus, EmailChannel, Health, HealthState};
use domain::event::EventKind;
use domain::failure::backoff;
use domain::inbox::{Inbox, InboxSettings};
use domain::{ConnectionId, Failure, FailureClass, Retry, Timestamp};
use std::time::Duration;
use store::{
    AccountScope, Acting, ClaimedWork, Connection, ConnectionChange, ConnectionIdentity, NewChannel, NewInbox,
    OwedKind, OwedPriority, SignedInAgain, StoreError, Tx,
};

/// A fresh token that is refused is tried this often: Exchange refuses now and then by itself.
const TRIES_WITH_A_FRESH_TOKEN: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_secs(3);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Does the owed work of a sign-in. `Err` only when the database failed; everything else is written down.
pub async fn prove(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    let scope = &work.scope;
    let found = scope.connection(ConnectionId(work.subject_id)).await?;
    let Some(connection) = found.filter(|c| c.status == ConnectionStatus::Proving) else {
        // Ended meanwhile, or done by somebody whose lease ran out: nothing is left to do.
        app.store().relay().finish(work).await?;
        return Ok(());
    };
    // Nothing of a suspended account is handed over; this was on its way when the account was suspended. It comes again when it is not.
    if scope.account().await?.status == AccountStatus::Suspended {
        app.store().relay().release(work, FIRST_WAIT).await?;
        return Ok(());
    }
    let (Some(identity), Some(grant)) = (&connection.identity, connection.grant_id) else {
        return Err(StoreError::Corrupt("a proof of nobody".to_owned()));
    };
    match Box::pin(examine(app, scope, &connection, identity, grant)).await {
        Ok(proved) => {
            if let Some(failure) = unexpected(scope, &connection, identity, &proved).await? {
                return again_or_never(app, work, &connection, identity, failure).await;
            }
            // A shared mailbox is not called as whoever opened it.
            let name = identity.name.clone().filter(|_| connection.mailbox.is_none());
            match conclude(app, work, &connection, proved, name).await {
                Ok(Concluded::LinkOver) => {
                    let failure = FailureClass::ConnectLinkOver.into();
                    again_or_never(app, work, &connection, identity, failure).await
                }
                // The attempt ends here, and whoever follows it reads why.
                Err(StoreError::LimitReached(_)) => {
                    let failure = Failure::new(FailureClass::InboxLimitReached)
                        .detail(format!("{} inboxes", app.settings().account_inboxes_limit));
                    again_or_never(app, work, &connection, identity, failure).await
                }
                // Another attempt has just connected the same mailbox: looked at again, it is an inbox that signs in again.
                Err(StoreError::Conflict(_)) => {
                    let failure = Failure::new(FailureClass::Internal).detail("connected twice at once");
                    app.store().relay().retry(work, FIRST_WAIT, &failure).await.map(|_| ())
                }
                ended => ended.map(drop),
            }
        }
        Err(Trouble::Store(error)) => Err(error),
        Err(Trouble::Failure(busy)) if busy.class == FailureClass::HostBusy => {
            app.store().relay().release(work, UNTIL_SLOT).await?;
            Ok(())
        }
        Err(Trouble::Failure(failure) | Trouble::Approval(failure)) => {
            again_or_never(app, work, &connection, identity, failure).await
        }
    }
}

/// The mail server has the last word on who it is that a link was made for.
async fn unexpected(
    scope: &AccountScope,
    connection: &Connection,
    identity: &ConnectionIdentity,
    proved: &Proved,
) -> Result<Option<Failure>, StoreError> {
    // Whoever an inbox is signed in by already is known by more than an address.
    let is_own = proved.existing.as_ref().is_some_and(|channel| channel.grant_id == Some(proved.grant));
    if connection.confirmed_by().is_some() || is_own && !identity.typed {
        return Ok(None);
    }
    let link = match connection.connect_link_id {
        Some(id) => scope.connect_link(id).await?,
        None => None,
    };
    // Of whoever opens a shared mailbox, their own address is not asked for again.
    // Nor is it of whom the server said nothing on a bad day.
    let unheard = matches!(&proved.sending, Err(failure) if failure.class.retry() == Retry::Later);
    let own = identity.mailbox.as_deref().filter(|_| connection.mailbox.is_some() || unheard);
    let names = [Some(proved.principal.as_str()), Some(proved.from.as_str()), own];
    Ok((!is_expected(link.as_ref(), &names)).then(|| FailureClass::UnexpectedAccount.into()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Concluded {
    Connected,
    /// The link has connected another mailbox, or was withdrawn, while this one was being proved.
    LinkOver,
}

/// One transaction: the inbox (new, or signed in again), its events, what is owed to it, and the attempt's end.
async fn conclude(
    app: &App,
    work: &ClaimedWork,
    connection: &Connection,
    proved: Proved,
    name: Option<String>,
) -> Result<Concluded, StoreError> {
    let now = app.now();
    let mut fetch_health = Health::default().worked(now);
    if let Some(channel) = &proved.existing {
        // Signing in again read nothing: how far back to look after a long absence is told by when it was last read.
        fetch_health.last_ok_at = channel.fetch_health.last_ok_at;
    }
    let send_health = sending_health(&proved.sending, now);
    let sending_failure = proved.sending.as_ref().err().cloned();
    // Whoever asked for the connection is who connects it; what somebody said yes to is done by them.
    let by = connection.confirmed_by().unwrap_or(connection.created_by);
    let mut tx = work.scope.clone().acting(Acting::before(by)).begin().await?;
    // Before the account's row and the link's, as whoever begins another attempt locks them.
    let unwanted = match connection.connect_link_id {
        Some(link) => links::end_attempts(&mut tx, link).await?,
        None => Vec::new(),
    };
    let (inbox_id, channel_id) = match &proved.existing {
        Some(channel) => {
            sign_in_again(&mut tx, channel, &proved, &fetch_health, &send_health).await?;
            (channel.inbox_id, channel.id)
        }
        None => {
            tx.room_for_an_inbox(app.settings().account_inboxes_limit).await?;
            let inbox = make_inbox(&mut tx, connection, &proved, name, fetch_health, send_health).await?;
            (inbox.id, inbox.channel.id)
        }
    };
    tx.set_send_transport(channel_id, proved.transport).await?;
    tx.rename_grant(proved.grant, &proved.principal).await?;
    let change = ConnectionChange {
        status: Some(ConnectionStatus::Connected),
        result_inbox_id: Some(inbox_id),
        failure: Some(sending_failure),
        ..ConnectionChange::default()
    };
    steps::step(&mut tx, connection, &change).await?;
    if let (Some(by), Some(channel)) = (connection.handover_by, &proved.existing) {
        handover::moved(&mut tx, connection, channel, by).await?;
    }
    if let Some(link) = connection.connect_link_id {
        match tx.use_connect_link(link, connection.id, inbox_id).await? {
            Some(used) => steps::link_told(&mut tx, &used),
            None => {
                tx.rollback().await?;
                return Ok(Concluded::LinkOver);
            }
        }
    }
    for grant in unwanted {
        tx.forget_unused_grant(grant).await?;
    }
    tx.finish_work(work).await?;
    tx.commit().await?;
    tracing::info!(
        account.id = %connection.account_id, connection.id = %connection.id, inbox.id = %inbox_id,
        sending = proved.sending.as_ref().err().map(|f| f.class.code()), "connected a mailbox"
    );
    app.changed();
    app.wake(Hint::Owed);
    app.wake(Hint::Channel(channel_id));
    app.wake(Hint::Account(connection.account_id));
    Ok(Concluded::Connected)
}

/// Refused with a token this fresh, sending waits for a person from the start; trouble that passes does not.
fn sending_health(sending: &Result<(), Failure>, now: Timestamp) -> Health {
    match sending {
        Ok(()) => Health::default().worked(now),
        Err(failure) => {
            let failed = Health::default().failed(failure.clone(), now, None);
            match failure.class.retry() {
                Retry::FreshToken | Retry::Never => Health { state: HealthState::Blocked, next_try_at: None, ..failed },
                Retry::Later | Retry::Done => failed,
            }
        }
    }
}

async fn make_inbox(
    tx: &mut Tx,
    connection: &Connection,
    proved: &Proved,
    name: Option<String>,
    fetch_health: Health,
    send_health: Health,
) -> Result<Inbox, StoreError> {
    let name = name.map(|n| n.trim().chars().take(255).collect::<String>()).filter(|n| !n.is_empty());
    let inbox = tx
        .create_inbox(&NewInbox {
            name: name.unwrap_or_else(|| proved.from.as_str().to_owned()),
            settings: InboxSettings::default(),
            channel: NewChannel {
                provider: connection.provider,
                service: proved.service,
                grant_id: Some(proved.grant),
                principal: proved.principal.clone(),
                mailbox_address: proved.mailbox.clone(),
                from_address: proved.from.clone(),
                smtp_user: proved.principal.clone(),
                fetch_health,
                send_health,
            },
        })
        .await?;
    tx.owe(OwedKind::ImportWindow, inbox.channel.id.0, serde_json::json!({}), OwedPriority::Bulk, None).await?;
    tx.append_event(EventKind::InboxCreated, Some(inbox.id), None, snapshot::inbox(&inbox));
    Ok(inbox)
}

async fn sign_in_again(
    tx: &mut Tx,
    channel: &EmailChannel,
    proved: &Proved,
    fetch_health: &Health,
    send_health: &Health,
) -> Result<(), StoreError> {
    let names = SignedInAgain {
        grant_id: proved.grant,
        service: proved.service,
        principal: proved.principal.clone(),
        mailbox_address: proved.mailbox.clone(),
        from_address: proved.from.clone(),
        smtp_user: proved.principal.clone(),
    };
    tx.reconnect_channel(channel.id, &names).await?;
    tx.update_fetch_health(channel.id, fetch_health).await?;
    tx.update_send_health(channel.id, send_health).await?;
    health::import_again(tx, channel.inbox_id).await?;
    let parts = [(Part::Fetch, &channel.fetch_health, fetch_health), (Part::Send, &channel.send_health, send_health)];
    for (part, before, after) in parts {
        if before.state != after.state {
            let payload = snapshot::health_changed(channel.inbox_id, channel.id, part, before, after);
            tx.append_event(EventKind::InboxHealthChanged, Some(channel.inbox_id), None, payload);
        }
    }
    Ok(())
}

/// When the first proof was owed, as the work's payload says.
fn owed_since(work: &ClaimedWork, connection: &Connection) -> Timestamp {
    prove_connection::Payload::of(work).ok().and_then(|payload| payload.since).unwrap_or(connection.updated_at)
}

async fn again_or_never(
    app: &App,
    work: &ClaimedWork,
    connection: &Connection,
    identity: &ConnectionIdentity,
    mut failure: Failure,
) -> Result<(), StoreError> {
    let in_time = app.now().since(owed_since(work, connection)) < app.settings().proof_lifetime;
    let again = match failure.class.retry() {
        Retry::Later => in_time,
        Retry::FreshToken => in_time && work.attempts < TRIES_WITH_A_FRESH_TOKEN,
        Retry::Never | Retry::Done => false,
    };
    tracing::info!(
        account.id = %connection.account_id, connection.id = %connection.id, attempts = work.attempts, again, %failure,
        "could not prove a mailbox"
    );
    let mut change = ConnectionChange::default();
    let mut tx = work.scope.begin().await?;
    if again {
        let wait = backoff(work.attempts, FIRST_WAIT, LONGEST_WAIT, app.jitter());
        let wait = failure.retry_after().map_or(wait, |asked| wait.max(asked));
        tx.retry_work(work, wait, &failure).await?;
    } else {
        let status = end(identity, &failure);
        change.status = Some(status);
        if status == ConnectionStatus::AwaitingAdminConsent {
            change.consent_until = Some(app.now().plus(consent::WAITS_FOR));
        }
        if status == ConnectionStatus::AwaitingAddress {
            change.asked_until = Some(app.now().plus(app.settings().connection_lifetime));
        } else if identity.is_guest && does_not_open(&failure) {
            failure = Failure { class: FailureClass::WrongAccount, ..failure }.detail("guest");
        }
        // The attempt carries the failure; the work itself was done.
        tx.finish_work(work).await?;
    }
    change.failure = Some(Some(failure));
    steps::step(&mut tx, connection, &change).await?;
    // What could not be proved is not kept, unless the attempt waits for its address.
    if let (false, Some(grant)) = (again, connection.grant_id) {
        tx.forget_unused_grant(grant).await?;
    }
    tx.commit().await?;
    steps::seen(app, connection);
    Ok(())
}

/// How an attempt whose mailbox could not be proved goes on.
fn end(identity: &ConnectionIdentity, failure: &Failure) -> ConnectionStatus {
    match failure.class {
        FailureClass::AdminConsentRequired => ConnectionStatus::AwaitingAdminConsent,
        // The address that was typed may be the mistake. A guest has no mailbox here under any address.
        _ if identity.typed && !identity.is_guest && does_not_open(failure) => ConnectionStatus::AwaitingAddress,
        _ => ConnectionStatus::Failed,
    }
}

/// The mail server does not let this principal into this mailbox.
fn does_not_open(failure: &Failure) -> bool {
    matches!(
        failure.class,
        FailureClass::AuthenticationRefused | FailureClass::MailboxNotConnected | FailureClass::PersonalAccessOff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_760_000_000);

    #[test]
    fn sending_that_is_refused_while_connecting_waits_for_a_person_and_trouble_that_passes_does_not() {
        let state = |class: FailureClass| sending_health(&Err(class.into()), NOW).state;
        assert_eq!(state(FailureClass::SmtpAuthDisabled), HealthState::Blocked);
        assert_eq!(state(FailureClass::SendingRefused), HealthState::Blocked);
        assert_eq!(state(FailureClass::SenderNotAllowed), HealthState::Blocked);
        assert_eq!(state(FailureClass::TimedOut), HealthState::Failing);
        assert_eq!(sending_health(&Ok(()), NOW).state, HealthState::Connected);
    }
}
