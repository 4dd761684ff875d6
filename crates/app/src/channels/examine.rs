//! Looks at the mailbox of a sign-in: which channel it is for, under which names, and whether reading and sending work.
//!
//! It changes nothing. A channel that signs in again is the one whose grant it is: grants are one per `(tid, oid)`, so a person whose
//! sign-in name was changed is still the same person, and their mailbox the same mailbox under its new name.

use super::access::Mailbox;
use super::sending::{Sender, probe_graph};
use super::{crowded, refresh};
use crate::App;
use domain::channel::{EmailChannel, SendTransport, Service};
use domain::{ChannelId, EmailAddress, Failure, FailureClass, GrantId, Secret};
use mail::imap::{self, ImapLogin};
use mail::smtp::{self, SmtpLogin};
use oauth::Resource;
use std::time::Duration;
use store::{AccountScope, Connection, ConnectionIdentity, StoreError};

/// A first sign-in at Exchange can take 90 seconds.
const MAILBOX_PATIENCE: Duration = Duration::from_secs(120);

/// Why a sign-in goes no further: a person is told, or the database is in the way.
pub(super) enum Trouble {
    Failure(Failure),
    /// An administrator of the Microsoft tenant must approve first.
    Approval(Failure),
    Store(StoreError),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<FailureClass> for Trouble {
    fn from(class: FailureClass) -> Self {
        Self::Failure(class.into())
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A mailbox that is connected opens, with a token of its grant. Nothing of it is changed or remembered.
pub(crate) async fn open_mailbox(app: &App, scope: &AccountScope, channel: ChannelId) -> Result<(), Failure> {
    let unknown = |_| Failure::new(FailureClass::Internal);
    let channel = scope.channel(channel).await.map_err(unknown)?.ok_or(FailureClass::ChannelRemoved)?;
    let grant = channel.grant_id.ok_or(FailureClass::ChannelRemoved)?;
    let token = refresh::access_token(app, scope, grant, Resource::Outlook).await?;
    read_inbox(app, &channel.mailbox_address, &token).await
}

/// What was found to be so.
pub(super) struct Proved {
    /// The inbox that signs in again; `None`: a new one is made.
    pub(super) existing: Option<Box<EmailChannel>>,
    pub(super) grant: GrantId,
    pub(super) principal: String,
    pub(super) service: Service,
    pub(super) mailbox: EmailAddress,
    pub(super) from: EmailAddress,
    pub(super) transport: SendTransport,
    pub(super) sending: Result<(), Failure>,
}

pub(super) async fn examine(
    app: &App,
    scope: &AccountScope,
    connection: &Connection,
    identity: &ConnectionIdentity,
    grant: GrantId,
) -> Result<Proved, Trouble> {
    let principal = identity.principal.clone().ok_or(FailureClass::AddressUnknown)?;
    let signed_in = EmailAddress::parse(&principal).ok_or(FailureClass::AddressUnknown)?;
    let existing = existing_channel(scope, connection, identity, &signed_in, grant).await?;
    let (mailbox, from) = match &existing {
        // What is handed over is the mailbox that it was.
        Some(channel) if connection.handover_by.is_some() => {
            (channel.mailbox_address.clone(), channel.from_address.clone())
        }
        Some(channel) => addresses(scope, channel, &signed_in).await?,
        None => match shared_mailbox(connection) {
            Some(shared) => (shared.clone(), shared),
            None => {
                let from = identity.mailbox.as_deref().and_then(EmailAddress::parse);
                (signed_in.clone(), from.unwrap_or_else(|| signed_in.clone()))
            }
        },
    };
    let service = if identity.tid == oauth::CONSUMERS_TENANT { Service::OutlookCom } else { Service::Microsoft365 };
    let is_own = mailbox.same_as(&signed_in);
    let smtp = app.settings().smtp_of(service);
    let now = existing.as_ref().map(|channel| channel.send_transport);
    let transport = connection.send_transport.or(now).unwrap_or_default();
    let place = Mailbox { service, is_shared: !is_own, send_transport: transport };
    let token = refresh::access_token(app, scope, grant, Resource::Outlook).await?;
    let sending = async {
        match transport {
            SendTransport::Smtp => submit(app, smtp, &principal, &from, &token).await,
            SendTransport::Graph => {
                let sender = Sender {
                    grant,
                    service,
                    principal: &principal,
                    mailbox: &mailbox,
                    from: &from,
                    smtp_user: &principal,
                };
                probe_graph(app, scope, &sender).await
            }
        }
    };
    let (reading, sending) =
        tokio::join!(within_patience(read_inbox(app, &mailbox, &token)), within_patience(Box::pin(sending)));
    if let Err(failure) = reading {
        let judging = async { Ok(crowded::judged(app, scope, grant, &mailbox, &token, None, failure.clone()).await) };
        let judged = within_patience(Box::pin(judging)).await.unwrap_or(failure);
        return Err(place.unread(judged).into());
    }
    let is_refused = |sending: &Result<(), Failure>| matches!(sending, Err(failure) if failure.class == FailureClass::SenderNotAllowed);
    let (mut from, mut sending) = (from, sending);
    if is_refused(&sending) && existing.is_none() && is_own {
        // The address that was proposed is not the mailbox's after all. The one that signed in may be, and so may the one that nobody vouches
        // for: the mail server knows. Where it takes none of them, the first stays, and an administrator says which it is. On its bad day the one
        // that signed in is taken all the same; one that nobody vouches for is taken at the server's yes only.
        let claimed = identity.claimed_email.as_deref().and_then(EmailAddress::parse);
        let others = [(Some(signed_in), true), (claimed, false)];
        for (other, is_vouched) in others.into_iter().filter_map(|(other, is_vouched)| Some((other?, is_vouched))) {
            if other.same_as(&from) {
                continue;
            }
            let judged = within_patience(submit(app, smtp, &principal, &other, &token)).await;
            if is_refused(&judged) {
                continue;
            }
            not_asked(&judged)?;
            if judged.is_ok() || is_vouched {
                (from, sending) = (other, judged);
            }
            break;
        }
    }
    not_asked(&sending)?;
    let sending = sending.map_err(|failure| place.unsent(failure));
    Ok(Proved { existing: existing.map(Box::new), grant, principal, service, mailbox, from, transport, sending })
}

/// Without a free connection nothing was learnt, and the whole is looked at again.
fn not_asked(sending: &Result<(), Failure>) -> Result<(), Failure> {
    match sending {
        Err(busy) if busy.class == FailureClass::HostBusy => Err(busy.clone()),
        Ok(()) | Err(_) => Ok(()),
    }
}

async fn within_patience<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(MAILBOX_PATIENCE, work).await.unwrap_or_else(|_| Err(FailureClass::TimedOut.into()))
}

async fn read_inbox(app: &App, mailbox: &EmailAddress, token: &Secret) -> Result<(), Failure> {
    read_inbox_in(app, None, mailbox, token).await
}

/// `slot`: `None` waits for a connection of its own.
pub(super) async fn read_inbox_in(
    app: &App,
    slot: Option<&net::Slot>,
    mailbox: &EmailAddress,
    token: &Secret,
) -> Result<(), Failure> {
    let login =
        ImapLogin { endpoint: app.settings().imap.clone(), user: mailbox.as_str().to_owned(), token: token.clone() };
    let mut session = match slot {
        Some(slot) => imap::Session::open_in(slot.clone(), app.connector(), &login, imap::Limits::default()).await?,
        None => imap::Session::open(app.connector(), &login).await?,
    };
    // Exchange accepts a sign-in and then refuses the first command, so only an opened folder is a proof.
    session.examine("INBOX").await?;
    session.logout().await;
    Ok(())
}

async fn submit(
    app: &App,
    endpoint: &net::Endpoint,
    user: &str,
    from: &EmailAddress,
    token: &Secret,
) -> Result<(), Failure> {
    let login = SmtpLogin { endpoint: endpoint.clone(), user: user.to_owned(), token: token.clone() };
    smtp::probe(app.connector(), &login, Some(from)).await
}

/// The channel that signs in again: the inbox that was asked for, or the one that this mailbox, or this person's own, has already.
/// Grants are kept one per principal, so another grant is another person.
async fn existing_channel(
    scope: &AccountScope,
    connection: &Connection,
    identity: &ConnectionIdentity,
    mailbox: &EmailAddress,
    grant: GrantId,
) -> Result<Option<EmailChannel>, Trouble> {
    if let Some(inbox) = connection.inbox_id {
        let channel = scope.inbox(inbox).await?.ok_or(FailureClass::ChannelRemoved)?.channel;
        return match channel.grant_id {
            _ if connection.handover_by.is_some() => Ok(Some(channel)),
            Some(other) if other != grant => Err(FailureClass::OtherPrincipal.into()),
            // A channel whose grant is gone is signed in again by whoever signs in to the same mailbox.
            None if !channel.mailbox_address.same_as(mailbox) => Err(FailureClass::OtherPrincipal.into()),
            Some(_) | None => Ok(Some(channel)),
        };
    }
    let shared = shared_mailbox(connection);
    let place = scope.channel_of_mailbox(&shared.as_ref().unwrap_or(mailbox).key()).await?;
    let channel = match place {
        Some(place) => scope.channel(place.channel_id).await?,
        None => None,
    };
    match channel {
        Some(channel) if channel.grant_id == Some(grant) => Ok(Some(channel)),
        Some(_) => Err(FailureClass::MailboxAlreadyConnected.into()),
        // An address that was typed may be any mailbox that the person was given access to.
        None if identity.typed || shared.is_some() => Ok(None),
        // Connected under a name that has since been changed: the same inbox, not a second one for the same mail.
        None => Ok(scope.channels_of_grant(grant).await?.into_iter().find(|channel| !channel.is_shared())),
    }
}

/// The mailbox that was asked for, where it is not the one of whoever signs in.
fn shared_mailbox(connection: &Connection) -> Option<EmailAddress> {
    connection.mailbox.as_deref().and_then(EmailAddress::parse)
}

/// Which mailbox a channel that signs in again opens, and what its From says. A mailbox of one's own goes by one's sign-in name, and a From
/// that said the mailbox's name says its new one; an address that was chosen stays.
async fn addresses(
    scope: &AccountScope,
    channel: &EmailChannel,
    signed_in: &EmailAddress,
) -> Result<(EmailAddress, EmailAddress), Trouble> {
    let (mailbox, from) = (&channel.mailbox_address, &channel.from_address);
    if channel.is_shared() || mailbox.same_as(signed_in) {
        return Ok((mailbox.clone(), from.clone()));
    }
    if scope.channel_of_mailbox(&signed_in.key()).await?.is_some_and(|place| place.channel_id != channel.id) {
        return Err(FailureClass::MailboxAlreadyConnected.into());
    }
    let from = if from.same_as(mailbox) { signed_in } else { from };
    Ok((signed_in.clone(), from.clone()))
}
