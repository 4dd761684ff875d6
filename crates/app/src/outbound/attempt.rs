//! One attempt to hand a message to the mail server.
//!
//! Everything that can fail without doubt (token, connection, sign-in) comes first. Then `sending` is committed, and only then MAIL FROM
//! is said: a row that says `sending` and has lost its lease may or may not have been sent, and is never simply sent again
//! ([`super::reconcile`]).

use super::composing::{Composed, Unbuildable, composed};
use super::deliver::{not_queued, unknown};
use super::handing::{Handed, hand_over};
use super::patience::{is_too_old, wait_after};
use super::sessions::{self, SignedIn};
use super::settle::{self, Settled};
use super::{by_graph, former_from, ids, left_draft, line, reconcile};
use crate::stopwatch::Stopwatch;
use crate::{App, channels, jobs};
use domain::channel::{EmailChannel, SendTransport};
use domain::inbox::Inbox;
use domain::message::{DeliveryState, Message, RefusedRecipient};
use domain::{ChannelId, EmailAddress, Failure, FailureClass, Retry};
use mail::graph::Client;
use mail::smtp::{NotAddressed, SendOutcome};
use std::time::Duration;
use store::{ClaimedWork, DeliveryRecord, Handover, KillPoint, SendLease, StoreError, Submission};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// What an attempt leaves to the mailbox's next one.
pub(super) struct Attempted {
    /// Another mail may leave over it.
    pub session: Option<SignedIn>,
    /// Whoever stands first in line may be tried at once.
    pub next: bool,
}

impl Attempted {
    pub(super) const OVER: Self = Self { session: None, next: true };
}

pub(super) async fn attempt(
    app: &App,
    work: &ClaimedWork,
    lease: &SendLease,
    inbox: &Inbox,
    message: &Message,
    record: DeliveryRecord,
    stop: &CancellationToken,
) -> Result<Attempted, StoreError> {
    let (id, channel) = (record.delivery.id, &inbox.channel);
    let record = ids::unused(app, work, channel, record).await?;
    // Graph swallows no second copy: what may have left by SMTP goes through it only when a person wants that (`retry`).
    if channel.send_transport == SendTransport::Graph
        && record.handover == Handover::Smtp
        && record.delivery.recipients.may_be_had()
    {
        let failure = unknown("it may have left by SMTP, and the mailbox sends through Microsoft Graph now");
        settle::settle(app, work, id, Settled::Unknown { failure, look_in: None }).await?;
        return Ok(Attempted::OVER);
    }
    let record = match channel.send_transport {
        SendTransport::Smtp => match left_draft::taken_back(app, work, channel, record, stop).await? {
            Some(record) => record,
            None => return Ok(Attempted::OVER),
        },
        SendTransport::Graph => record,
    };
    let mail = match composed(&work.scope, inbox, message, &record).await {
        Ok(built) => built,
        Err(Unbuildable::Store(error)) => return Err(error),
        Err(Unbuildable::Failure(failure)) => {
            settle::settle(app, work, id, Settled::Failed { failure, refused: Vec::new() }).await?;
            return Ok(Attempted::OVER);
        }
    };
    // The mailbox as this mail knows it: an administrator may have given it another From since the mail was built, or does at this moment.
    let channel = &EmailChannel { from_address: mail.from.clone(), ..channel.clone() };
    let opened = match channel.send_transport {
        SendTransport::Smtp => sessions::open(app, work, lease.line, channel).await.map(Opened::Smtp),
        SendTransport::Graph => by_graph::open(app, work, channel).await.map(Opened::Graph),
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(failure) if failure.class == FailureClass::HostBusy => {
            settle::without_slot(app, work, id, failure).await?;
            return Ok(Attempted { session: None, next: false });
        }
        Err(failure) => {
            not_begun(app, work, channel, &record, failure).await?;
            return Ok(Attempted::OVER);
        }
    };
    let record = match (&opened, &record.handover) {
        // It was made under a From that the mailbox has no more: it goes before another mail is kept in its place.
        (Opened::Graph(_), Handover::Graph { draft: Some(_) }) if mail.is_new => {
            match left_draft::taken_back(app, work, channel, record, stop).await? {
                Some(record) => record,
                None => return Ok(Attempted::OVER),
            }
        }
        _ => record,
    };
    let begun = Stopwatch::start(app);
    let handover = match (channel.send_transport, &record.handover) {
        (SendTransport::Smtp, _) => Handover::Smtp,
        (SendTransport::Graph, Handover::Smtp) => Handover::Graph { draft: None },
        // A draft leaves once at most, so one that is there is the one to be sent.
        (SendTransport::Graph, known @ Handover::Graph { .. }) => known.clone(),
    };
    let left_behind = record.handover == Handover::Graph { draft: None };
    let (record, counted) = match begin(work, lease, channel.id, &record, &mail, &handover).await {
        Ok(Begun::Sending(record, counted)) => (record, counted),
        // A person cancelled it while we signed in.
        Ok(Begun::Not(state)) => {
            opened.quit().await;
            not_queued(app, work, id, state).await?;
            return Ok(Attempted::OVER);
        }
        Err(error) => {
            opened.quit().await;
            return Err(error);
        }
    };
    info!(delivery.id = %id, attempts = record.delivery.attempts, "handing a message to the mail server");
    app.passes(KillPoint::Sending);
    match opened {
        Opened::Smtp(mut signed_in) => {
            let session = &mut signed_in.session;
            let from = &channel.from_address;
            let handed = hand_over(app, work, session, from, &record, &mail.bytes, begun, stop).await?;
            after(app, work, channel, &record, counted, handed, Some(signed_in)).await
        }
        Opened::Graph(client) => {
            let mail = by_graph::Mail { bytes: &mail.bytes, left_behind };
            let handed = by_graph::hand_over(app, work, channel, client, &record, mail, stop).await?;
            after(app, work, channel, &record, counted, handed, None).await
        }
    }
}

/// What became of it is written, and what it was said over is kept or ended.
async fn after(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    counted: Submission,
    handed: Handed,
    signed_in: Option<SignedIn>,
) -> Result<Attempted, StoreError> {
    if matches!(&handed, Handed::NotAddressed(NotAddressed { named: false, .. }) | Handed::Withdrawn) {
        uncount(work, &counted).await;
    }
    let (taken, broken) = (handed.is_taken(), matches!(&handed, Handed::Broken(..)));
    let written = ended(app, work, channel, record, handed).await;
    // Here the database had failed. Where what became of the mail is written, it is there again.
    if broken && written.is_ok() {
        uncount(work, &counted).await;
    }
    let Some(mut signed_in) = signed_in else { return written.map(|()| Attempted::OVER) };
    if taken && written.is_ok() && signed_in.took_a_mail() {
        return Ok(Attempted { session: Some(signed_in), next: true });
    }
    signed_in.quit().await;
    written.map(|()| Attempted::OVER)
}

/// Through what the mail leaves.
enum Opened {
    Smtp(SignedIn),
    Graph(Client),
}

impl Opened {
    async fn quit(self) {
        match self {
            Self::Smtp(signed_in) => signed_in.quit().await,
            Self::Graph(_) => {}
        }
    }
}

enum Begun {
    Sending(Box<DeliveryRecord>, Submission),
    /// It is not queued any more.
    Not(DeliveryState),
}

/// Commits `queued` → `sending`, before MAIL FROM, so that a crash can never look like "not tried yet". The claim is kept up in the same
/// transaction: whoever lost it to another worker says nothing to the server, and nobody can take it in that moment. So is the sending
/// counted: whatever becomes of us, the mailbox's pace knows of it. And so is the mail kept: if it is sent again, it is the same bytes.
async fn begin(
    work: &ClaimedWork,
    lease: &SendLease,
    channel: ChannelId,
    known: &DeliveryRecord,
    mail: &Composed,
    handover: &Handover,
) -> Result<Begun, StoreError> {
    let staged = if mail.is_new { Some(work.scope.stage_bytes(mail.bytes.clone()).await?) } else { None };
    let mut tx = work.scope.begin().await?;
    let kept = match &staged {
        Some(staged) => Some(tx.keep_blob(staged).await?),
        None => None,
    };
    // The mail was built for this id, and is not sent under another.
    let begun = tx.begin_delivery(known.delivery.id, &known.message_id_header, kept, handover).await?;
    let Some(record) = begun else {
        let state = tx.lock_delivery(known.delivery.id).await?.map(|record| record.delivery.state);
        tx.extend_work(work, jobs::LEASE).await?;
        return state.filter(|state| *state != DeliveryState::Queued).map(Begun::Not).ok_or(StoreError::LeaseLost);
    };
    tx.extend_work(work, jobs::LEASE).await?;
    let recipients = u32::try_from(record.delivery.recipients.round().len()).unwrap_or(u32::MAX);
    let counted = tx.count_submission(channel, recipients).await?;
    if lease.is_shared {
        tx.take_sending_turn(channel).await?;
    }
    tx.commit().await?;
    Ok(Begun::Sending(Box::new(record), counted))
}

/// Nothing left, so nothing counts. Where that cannot be written, the mailbox sends a little slower than it might.
async fn uncount(work: &ClaimedWork, counted: &Submission) {
    let uncounted = async {
        let mut tx = work.scope.begin().await?;
        tx.uncount_submission(counted).await?;
        tx.commit().await
    };
    if let Err(error) = uncounted.await {
        warn!(delivery.id = work.subject_id, %error, "a sending of which nothing left stays counted");
    }
}

/// Nothing was said about the message yet: it stays queued, and the mailbox's sending has a state.
async fn not_begun(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    failure: Failure,
) -> Result<(), StoreError> {
    warn!(channel.id = %channel.id, %failure, "cannot sign in for sending");
    match failure.class.retry() {
        Retry::Never => {
            channels::health::record_send(app, &work.scope, channel.id, Err(&failure), None).await?;
            line::wait_for_somebody(app, work, record, failure).await
        }
        Retry::Later | Retry::FreshToken | Retry::Done => {
            let wait = line::length_of_pause(app, channel, &failure);
            // First why: whoever finds the mailbox left alone says what for.
            record_health(app, work, channel, Err(&failure), wait).await;
            line::pause(app, work, channel, record, failure, wait).await
        }
    }
}

async fn ended(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    handed: Handed,
) -> Result<(), StoreError> {
    let sent = |whom: Vec<EmailAddress>, rewritten: Option<String>| {
        let under = record.message_id_header.clone();
        let lacks_copy = channel.lacks_sent_copies();
        settle::settle(app, work, record.delivery.id, Settled::Sent { whom, under, rewritten, lacks_copy })
    };
    // First what cannot be learnt twice; a channel's health is told again by the next message.
    match handed {
        Handed::Withdrawn => settle::settle(app, work, record.delivery.id, Settled::Withdrawn).await,
        Handed::Broken(error, refused) => {
            let failure = Failure::new(FailureClass::Internal).detail(match error.is_transient() {
                true => "the database failed under it",
                false => "it met a bug of ours",
            });
            let wait = wait_after(app, &failure, record.delivery.attempts);
            queue_again(app, work, record, failure, refused, wait).await
        }
        Handed::To(whom, SendOutcome::Accepted { rewritten_message_id, reply: _ }) => {
            app.passes(KillPoint::Answered);
            sent(whom, rewritten_message_id).await?;
            remember_from(work, channel).await;
            record_health(app, work, channel, Ok(()), Duration::ZERO).await;
            Ok(())
        }
        Handed::To(whom, SendOutcome::Duplicate { reply: _ }) => {
            sent(whom, None).await?;
            record_health(app, work, channel, Ok(()), Duration::ZERO).await;
            Ok(())
        }
        Handed::To(_, SendOutcome::Unknown { failure }) => {
            reconcile::begin(app, work, record.delivery.id, failure).await
        }
        Handed::To(_, SendOutcome::Rejected { failure }) => {
            if former_from::refused(work, channel, &failure).await? {
                return former_from::again(app, work, record, failure, Vec::new()).await;
            }
            let all = meets_the_others(record, &failure);
            rejected(app, work, channel, record, failure, Vec::new(), all).await
        }
        Handed::NotAddressed(NotAddressed { failure, refused, named }) => {
            if former_from::refused(work, channel, &failure).await? {
                return former_from::again(app, work, record, failure, refused).await;
            }
            // What is said of a recipient may be about that recipient alone.
            let all = meets_every_message(&failure) || !named && meets_the_others(record, &failure);
            rejected(app, work, channel, record, failure, refused, all).await
        }
    }
}

/// Nobody got it now. `all`: every other message of the mailbox would meet the same.
async fn rejected(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    failure: Failure,
    refused: Vec<RefusedRecipient>,
    all: bool,
) -> Result<(), StoreError> {
    let id = record.delivery.id;
    let of_the_mailbox = all.then(|| failure.clone());
    let mut wait = Duration::ZERO;
    match failure.class.retry() {
        // Said before its time, and no less clear for that.
        Retry::Done => {
            let (whom, under) = (record.delivery.recipients.round(), record.message_id_header.clone());
            let lacks_copy = channel.lacks_sent_copies();
            settle::settle(app, work, id, Settled::Sent { whom, under, rewritten: None, lacks_copy }).await?;
        }
        Retry::Later | Retry::FreshToken if all => {
            wait = line::length_of_pause(app, channel, &failure);
            line::pause(app, work, channel, record, failure, wait).await?;
        }
        Retry::Later | Retry::FreshToken => {
            wait = wait_after(app, &failure, record.delivery.attempts);
            queue_again(app, work, record, failure, refused, wait).await?;
        }
        // It waits as those behind it do, and leaves with them.
        Retry::Never if all && !is_too_old(app, &record.delivery) => {
            settle::settle(app, work, id, Settled::Queued { failure, refused, wait: None }).await?;
        }
        Retry::Never => settle::settle(app, work, id, Settled::Failed { failure, refused }).await?,
    }
    if let Some(failure) = of_the_mailbox {
        record_health(app, work, channel, Err(&failure), wait).await;
    }
    Ok(())
}

/// Whether the mailbox sends. What became of the message is written already, and stays written when this cannot be.
async fn record_health(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    outcome: Result<(), &Failure>,
    wait: Duration,
) {
    // What was known before this attempt says the same.
    if outcome.is_ok() && channels::health::worked_lately(app, &channel.send_health) {
        return;
    }
    let next_try = outcome.is_err().then(|| app.now().plus(wait));
    if let Err(error) = channels::health::record_send(app, &work.scope, channel.id, outcome, next_try).await {
        warn!(channel.id = %channel.id, %error, "whether the mailbox sends could not be recorded");
    }
}

/// This From was taken, for the first time. Another message tells it again where it cannot be written.
async fn remember_from(work: &ClaimedWork, channel: &EmailChannel) {
    if channel.from_accepted_at.is_none()
        && let Err(error) = work.scope.accept_from_address(channel.id, &channel.from_address).await
    {
        warn!(channel.id = %channel.id, %error, "that the mail server takes the mailbox's From could not be recorded");
    }
}

/// Refusals of a message that meet every other message of the mailbox too, wherever in the conversation they are said: they are about who
/// signed in, or about the From address, which all its messages share. A server's bad day and a throttle are not among them: those may
/// be about the recipients.
pub(super) fn meets_every_message(failure: &Failure) -> bool {
    matches!(
        failure.class,
        FailureClass::SmtpAuthDisabled
            | FailureClass::GraphConsentMissing
            | FailureClass::GraphAccessDenied
            | FailureClass::GraphTokenRefused
            | FailureClass::GraphMailboxMissing
            | FailureClass::SenderBlocked
            | FailureClass::SenderNotAllowed
            | FailureClass::SendingRefused
            | FailureClass::SendingQuotaExceeded
            | FailureClass::MailboxFull
            | FailureClass::TooManyConnections
    )
}

/// What a server says of a message's content or of its sender may be about this message alone, also when it says how long to wait, or that
/// a mailbox is full. The first time the whole mailbox waits, as it was asked to; a message that meets it again waits by itself, so that those
/// behind it are tried, and one message never keeps a mailbox from sending.
fn meets_the_others(record: &DeliveryRecord, failure: &Failure) -> bool {
    let first = record.delivery.attempts <= 1;
    match failure.class {
        FailureClass::MailboxFull => first,
        _ => meets_every_message(failure) || first && failure.retry_after().is_some(),
    }
}

/// Queued again, until people have waited long enough to be told.
pub(super) async fn queue_again(
    app: &App,
    work: &ClaimedWork,
    record: &DeliveryRecord,
    failure: Failure,
    refused: Vec<RefusedRecipient>,
    wait: Duration,
) -> Result<(), StoreError> {
    let settled = if is_too_old(app, &record.delivery) {
        Settled::Failed { failure, refused }
    } else {
        Settled::Queued { failure, refused, wait: Some(wait) }
    };
    settle::settle(app, work, record.delivery.id, settled).await
}
