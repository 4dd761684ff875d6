//! One mail given to Microsoft Graph: a draft is made, its id is kept, and then it is sent.
//!
//! Until it is sent nothing can leave, and whatever stops us says so. From then on the draft says what became of the mail: one that is still a
//! draft was not sent, one in Sent was, and however often the same draft is sent it leaves once.

use super::attempt::meets_every_message;
use super::deliver::unknown;
use super::handing::{ATTEMPT_TIMEOUT, Handed, too_late};
use super::patience::{is_too_old, wait_after};
use super::reconcile::{LONGEST_WAIT, UNTIL_OPENED};
use super::settle::{self, Insisting, Settled};
use crate::channels::health;
use crate::channels::sending::{Sender, asks_for_a_newer_token};
use crate::{App, jobs};
use domain::channel::{EmailChannel, SendTransport};
use domain::failure::backoff;
use domain::message::DeliveryState;
use domain::{EmailAddress, Failure, FailureClass, Retry};
use mail::graph::{Addressed, Client, DraftId, Outgoing, Standing};
use mail::smtp::{NotAddressed, SendOutcome};
use std::time::Duration;
use store::{ClaimedWork, DeliveryRecord, Handover, KillPoint, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// What is to leave.
pub(super) struct Mail<'a> {
    pub bytes: &'a [u8],
    /// An attempt that nobody ended may have made a draft that nobody knows.
    pub left_behind: bool,
}

/// The mailbox at Graph, with a token that is good for a while.
pub(super) async fn open(app: &App, work: &ClaimedWork, channel: &EmailChannel) -> Result<Client, Failure> {
    Sender::of(channel)?.graph_client(app, &work.scope).await
}

/// With a token newer than the one that was refused.
async fn open_anew(app: &App, work: &ClaimedWork, channel: &EmailChannel) -> Result<Client, Failure> {
    Sender::of(channel)?.fresh_graph_client(app, &work.scope).await
}

/// Asks Graph something; once more with a newer token, where that may change the answer.
pub(super) async fn asked<T, F>(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    ask: impl Fn(Client) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    match ask(open(app, work, channel).await?).await {
        Err(failure) if asks_for_a_newer_token(&failure) => ask(open_anew(app, work, channel).await?).await,
        ended => ended,
    }
}

/// Graph will say nothing, however often and with whatever token it is asked.
pub(super) fn lets_nobody_ask(failure: &Failure) -> bool {
    matches!(failure.class.retry(), Retry::Never | Retry::FreshToken)
}

fn found_in_sent(rewritten_message_id: Option<String>) -> SendOutcome {
    SendOutcome::Accepted { reply: "found in Sent".to_owned(), rewritten_message_id }
}

/// What Graph knows of a mail that was not sent yet.
enum Unsent {
    Draft(Client, DraftId),
    Over(Handed),
}

/// `Err`: the work was lost to another worker before the mail could leave, so that the mail is theirs.
pub(super) async fn hand_over(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    client: Client,
    record: &DeliveryRecord,
    mail: Mail<'_>,
    stop: &CancellationToken,
) -> Result<Handed, StoreError> {
    let unsent = tokio::select! {
        biased;
        unsent = Box::pin(before_it_leaves(app, work, channel, client, record, mail)) => unsent?,
        // A draft may stay behind; whoever tries next deletes it.
        () = too_late(stop) => {
            info!(delivery.id = %record.delivery.id, "a message is not sent any more: the worker stops");
            return Ok(Handed::Withdrawn);
        }
    };
    let (client, draft) = match unsent {
        Unsent::Draft(client, draft) => (client, draft),
        Unsent::Over(handed) => return Ok(handed),
    };
    app.passes(KillPoint::DraftKept);
    let id = &record.message_id_header;
    let outcome = match tokio::time::timeout(ATTEMPT_TIMEOUT, client.send(&draft, id)).await {
        Ok(outcome) => outcome,
        Err(_) => SendOutcome::Unknown { failure: unknown("the attempt took too long") },
    };
    let outcome = match outcome {
        SendOutcome::Rejected { failure } if failure.class.retry() == Retry::Never => {
            refused_for_good(app, work, channel, &client, &draft, record, failure).await
        }
        outcome => outcome,
    };
    Ok(Handed::To(record.delivery.recipients.round(), outcome))
}

/// A draft that an earlier attempt has sent, without an answer, is refused like one that may not be sent: the refusal is believed of one that is
/// still a draft. Where that cannot be seen now, it is not known whether it left.
async fn refused_for_good(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    client: &Client,
    draft: &DraftId,
    record: &DeliveryRecord,
    failure: Failure,
) -> SendOutcome {
    let (id, ours) = (record.delivery.id, &record.message_id_header);
    let why = match client.look(draft).await {
        Ok(Standing::Sent { message_id }) => return found_in_sent(message_id.filter(|id| id != ours)),
        Ok(Standing::Draft) => None,
        Ok(Standing::Gone) => Some("and the draft is gone".to_owned()),
        Err(trouble) => Some(format!("and what became of the draft could not be asked: {trouble}")),
    };
    let failure = in_the_words_of_a_newer_token(app, work, channel, failure).await;
    if let Some(why) = why {
        warn!(delivery.id = %id, %failure, why, "a draft was refused, and it is not known whether it left");
        // The mailbox's next message would meet it as well, and nobody says so of this one.
        if meets_every_message(&failure)
            && let Err(error) = health::record_send(app, &work.scope, channel.id, Err(&failure), None).await
        {
            warn!(channel.id = %channel.id, %error, "whether the mailbox sends could not be recorded");
        }
        let refused = unknown(&format!("refused as {}, {why}", failure.class.code()));
        return SendOutcome::Unknown { failure: Failure { class: refused.class, detail: refused.detail, ..failure } };
    }
    match client.discard(ours).await {
        // So that nobody wonders later where it has gone.
        Ok(()) => {
            if let Err(error) = keep(work, record, None).await {
                warn!(delivery.id = %id, %error, "that a refused draft is deleted could not be written");
            }
        }
        Err(left) => warn!(delivery.id = %id, failure = %left, "a draft that was refused stays in the mailbox"),
    }
    SendOutcome::Rejected { failure }
}

/// Graph closes a mailbox and refuses what nobody permitted in the same words.
async fn in_the_words_of_a_newer_token(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    failure: Failure,
) -> Failure {
    if failure.class != FailureClass::GraphAccessDenied {
        return failure;
    }
    match open_anew(app, work, channel).await {
        Err(cause) if cause.class == FailureClass::GraphConsentMissing => cause,
        Ok(_) | Err(_) => failure,
    }
}

async fn before_it_leaves(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    client: Client,
    record: &DeliveryRecord,
    mail: Mail<'_>,
) -> Result<Unsent, StoreError> {
    let not_addressed = |failure: Failure| {
        Unsent::Over(Handed::NotAddressed(NotAddressed { failure, refused: Vec::new(), named: false }))
    };
    let mut client = client;
    let mut drafted = tokio::time::timeout(ATTEMPT_TIMEOUT, draft(&client, channel, record, &mail)).await;
    if let Ok(Err(failure)) = &drafted
        && asks_for_a_newer_token(failure)
    {
        info!(channel.id = %channel.id, %failure, "Graph refused the token; trying once with a fresh one");
        client = match open_anew(app, work, channel).await {
            Ok(client) => client,
            Err(failure) => return Ok(not_addressed(failure)),
        };
        // The token may have run out in the middle of a long upload.
        let mail = Mail { left_behind: true, ..mail };
        drafted = tokio::time::timeout(ATTEMPT_TIMEOUT, draft(&client, channel, record, &mail)).await;
    }
    let draft = match drafted {
        Ok(Ok(Drafted::New(draft) | Drafted::Known(draft))) => draft,
        Ok(Ok(Drafted::Sent(rewritten_message_id))) => {
            let outcome = found_in_sent(rewritten_message_id);
            return Ok(Unsent::Over(Handed::To(record.delivery.recipients.round(), outcome)));
        }
        Ok(Err(failure)) => return Ok(not_addressed(failure)),
        Err(_) => return Ok(not_addressed(FailureClass::TimedOut.into())),
    };
    let mut insisting = Insisting::on(record.delivery.id);
    loop {
        match keep(work, record, Some(&draft)).await {
            Ok(()) => return Ok(Unsent::Draft(client, draft)),
            Err(StoreError::LeaseLost) => return Err(StoreError::LeaseLost),
            Err(error) if insisting.again_after(app, &error).await => {}
            Err(error) => {
                warn!(delivery.id = %record.delivery.id, %error, "a draft's id could not be written; it is not sent");
                return Ok(Unsent::Over(Handed::Broken(error, Vec::new())));
            }
        }
    }
}

enum Drafted {
    New(DraftId),
    /// Made by an earlier attempt.
    Known(DraftId),
    /// By an earlier attempt, whose answer nobody heard; under this Message-ID, if it is another one.
    Sent(Option<String>),
}

async fn draft(
    client: &Client,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    mail: &Mail<'_>,
) -> Result<Drafted, Failure> {
    let ours = &record.message_id_header;
    if let Handover::Graph { draft: Some(known) } = &record.handover {
        let known = DraftId(known.clone());
        match client.look(&known).await? {
            Standing::Draft => return Ok(Drafted::Known(known)),
            Standing::Sent { message_id } => return Ok(Drafted::Sent(message_id.filter(|id| id != ours))),
            // Somebody deleted it before it was sent.
            Standing::Gone => {}
        }
    }
    if mail.left_behind {
        client.discard(ours).await?;
    }
    let to = addressed(record);
    let outgoing = Outgoing { bytes: mail.bytes, from: &channel.from_address, to: &to };
    client.draft(&outgoing).await.map(Drafted::New)
}

/// Whom this sending is for, as the mail's headers must say it.
fn addressed(record: &DeliveryRecord) -> Addressed {
    let round = record.delivery.recipients.round();
    let of_round = |list: &[domain::Mailbox]| -> Vec<EmailAddress> {
        let addresses = list.iter().map(|mailbox| &mailbox.address);
        addresses.filter(|address| round.iter().any(|other| other.same_as(address))).cloned().collect()
    };
    let envelope = &record.envelope;
    let (to, cc) = (of_round(&envelope.to), of_round(&envelope.cc));
    let everybody = to.len() == envelope.to.len() && cc.len() == envelope.cc.len();
    Addressed { only: (!everybody).then_some((to, cc)), bcc: of_round(&envelope.bcc) }
}

/// Written before the draft is sent, as long as the mail is ours: whoever finds this row later asks what became of the draft.
async fn keep(work: &ClaimedWork, record: &DeliveryRecord, draft: Option<&DraftId>) -> Result<(), StoreError> {
    let mut tx = work.scope.begin().await?;
    let locked = tx.lock_delivery(record.delivery.id).await?.filter(|r| r.delivery.state == DeliveryState::Sending);
    let mut locked = locked.ok_or(StoreError::LeaseLost)?;
    tx.extend_work(work, jobs::LEASE).await?;
    locked.handover = Handover::Graph { draft: draft.map(|draft| draft.0.clone()) };
    tx.update_delivery(&locked).await?;
    tx.commit().await?;
    Ok(())
}

pub(super) enum Looked {
    /// It is known what became of the mail, or when to look again; that is written.
    Decided,
    /// The draft is nowhere, or nobody may ask: Sent must tell.
    Gone,
}

/// What became of a mail whose sending ended without an answer.
pub(super) async fn look(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    draft: Option<String>,
    failure: &Failure,
) -> Result<Looked, StoreError> {
    let id = record.delivery.id;
    let Some(draft) = draft else {
        // Its id is written before it is sent.
        info!(delivery.id = %id, "the message was not sent: no draft was kept");
        not_sent(app, work, record, failure).await?;
        return Ok(Looked::Decided);
    };
    let draft = &DraftId(draft);
    match asked(app, work, channel, |client| async move { client.look(draft).await }).await {
        Ok(Standing::Sent { message_id }) => {
            info!(delivery.id = %id, "the draft was sent");
            let rewritten = message_id.filter(|id| *id != record.message_id_header);
            settle::found_sent(app, work, record, rewritten).await?;
        }
        Ok(Standing::Draft) => {
            info!(delivery.id = %id, "the draft was not sent: it is sent once more");
            not_sent(app, work, record, failure).await?;
        }
        Ok(Standing::Gone) => return Ok(Looked::Gone),
        // The mailbox does not send through Graph any more, and Graph lets nobody ask.
        Err(trouble) if channel.send_transport == SendTransport::Smtp && lets_nobody_ask(&trouble) => {
            warn!(delivery.id = %id, failure = %trouble, "what became of a draft may not be asked");
            return Ok(Looked::Gone);
        }
        Err(trouble) if is_too_old(app, &record.delivery) => {
            warn!(delivery.id = %id, failure = %trouble, "what became of a draft could not be asked for too long");
            settle::settle(app, work, id, Settled::Unknown { failure: failure.clone(), look_in: None }).await?;
        }
        Err(trouble) => {
            warn!(delivery.id = %id, failure = %trouble, "what became of a draft could not be asked");
            let wait = backoff(work.attempts, UNTIL_OPENED, LONGEST_WAIT, app.jitter());
            app.store().relay().retry(work, trouble.retry_after().unwrap_or(wait), &trouble).await?;
        }
    }
    Ok(Looked::Decided)
}

/// The same draft is sent again, sooner the first time; after three days a person is asked.
async fn not_sent(app: &App, work: &ClaimedWork, record: &DeliveryRecord, failure: &Failure) -> Result<(), StoreError> {
    let failure = failure.clone();
    let settled = if is_too_old(app, &record.delivery) {
        Settled::Unknown { failure, look_in: None }
    } else {
        let first = record.delivery.attempts <= 1;
        let wait = if first { Duration::ZERO } else { wait_after(app, &failure, record.delivery.attempts) };
        Settled::Queued { failure, refused: Vec::new(), wait: Some(wait) }
    };
    settle::settle(app, work, record.delivery.id, settled).await
}
