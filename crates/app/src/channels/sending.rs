//! Sending from a mailbox, proved as far as it can be without sending, by SMTP or through Microsoft Graph.
//!
//! The mailbox's own settings say which; the proof never changes them.

use super::{Part, health, refresh, snapshot};
use crate::{App, Hint};
use domain::channel::{EmailChannel, SendTransport, Service};
use domain::event::EventKind;
use domain::inbox::Inbox;
use domain::{EmailAddress, Failure, FailureClass, GrantId, Retry, Secret};
use mail::graph::{Client, GraphLogin};
use mail::smtp::{self, SmtpLogin};
use oauth::Resource;
use std::time::Duration;
use store::{AccountScope, StoreError, Tx};

/// How long the mail server has. Waiting for a connection that we may open is none of its doing, and comes before.
const PROBE_FOR: Duration = Duration::from_secs(30);

/// Whose mail leaves, and under which names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    pub grant: GrantId,
    pub service: Service,
    /// Who signed in.
    pub principal: &'a str,
    pub mailbox: &'a EmailAddress,
    pub from: &'a EmailAddress,
    /// Who SMTP authenticates as.
    pub smtp_user: &'a str,
}

impl<'a> Sender<'a> {
    pub(crate) fn of(channel: &'a EmailChannel) -> Result<Self, Failure> {
        Ok(Self {
            grant: channel.grant_id.ok_or(FailureClass::ChannelRemoved)?,
            service: channel.service,
            principal: &channel.principal,
            mailbox: &channel.mailbox_address,
            from: &channel.from_address,
            smtp_user: &channel.smtp_user,
        })
    }

    fn is_own(&self) -> bool {
        self.mailbox.is_written(self.principal)
    }

    /// What a token for sending through Graph is for.
    pub(crate) fn graph_resource(&self) -> Resource {
        if self.is_own() { Resource::Graph } else { Resource::GraphShared }
    }

    pub(crate) fn graph(&self, app: &App, token: Secret) -> Client {
        let mailbox = (!self.is_own()).then(|| self.mailbox.clone());
        let login = GraphLogin { base: app.settings().graph_url.clone(), mailbox, token };
        Client::new(app.connector(), login)
    }

    /// With a token that is good for a while.
    pub(crate) async fn graph_client(&self, app: &App, scope: &AccountScope) -> Result<Client, Failure> {
        let token = refresh::access_token(app, scope, self.grant, self.graph_resource()).await?;
        Ok(self.graph(app, token))
    }

    /// With a token newer than the one that was refused.
    pub(crate) async fn fresh_graph_client(&self, app: &App, scope: &AccountScope) -> Result<Client, Failure> {
        let token = refresh::fresh_access_token(app, scope, self.grant, self.graph_resource()).await?;
        Ok(self.graph(app, token))
    }
}

/// Signs in for sending with a fresh token.
pub(super) async fn probe(
    app: &App,
    scope: &AccountScope,
    sender: &Sender<'_>,
    transport: SendTransport,
) -> Result<(), Failure> {
    let probing = async {
        match transport {
            SendTransport::Smtp => {
                let token = refresh::fresh_access_token(app, scope, sender.grant, Resource::Outlook).await?;
                let endpoint = app.settings().smtp_of(sender.service).clone();
                let login = SmtpLogin { endpoint, user: sender.smtp_user.to_owned(), token };
                smtp::probe(app.connector(), &login, Some(sender.from)).await
            }
            SendTransport::Graph => probe_graph(app, scope, sender).await,
        }
    };
    let limit = app.connector().slot_timeout() + PROBE_FOR;
    tokio::time::timeout(limit, probing).await.unwrap_or_else(|_| Err(FailureClass::TimedOut.into()))
}

/// The mailbox was changed in this transaction, in a way that was proved: it sends now, and so does what waits. `None`: the inbox has gone
/// meanwhile, and nothing is written.
pub(super) async fn sends_so_from_now_on(
    app: &App,
    mut tx: Tx,
    channel: &EmailChannel,
) -> Result<Option<Inbox>, StoreError> {
    health::write(&mut tx, channel, Part::Send, &channel.send_health.worked(app.now())).await?;
    tx.resume_sending(channel.id).await?;
    let Some(changed) = tx.inbox(channel.inbox_id).await? else {
        tx.rollback().await?;
        return Ok(None);
    };
    tx.append_event(EventKind::InboxUpdated, Some(changed.id), None, snapshot::inbox(&changed));
    tx.call_next_delivery(channel.id).await?;
    tx.commit().await?;
    app.wake(Hint::Account(channel.account_id));
    app.wake(Hint::Owed);
    Ok(Some(changed))
}

/// Whether a token that is newer may change the answer, or say why it is so. In the words in which Graph closes a mailbox it also refuses a
/// token that was bought before somebody permitted what it is for; and one that nobody permitted is told apart when another is bought.
pub(crate) fn asks_for_a_newer_token(failure: &Failure) -> bool {
    failure.class.retry() == Retry::FreshToken || failure.class == FailureClass::GraphAccessDenied
}

/// A token that is refused is replaced once.
pub(super) async fn probe_graph(app: &App, scope: &AccountScope, sender: &Sender<'_>) -> Result<(), Failure> {
    match sender.graph_client(app, scope).await?.probe().await {
        Err(failure) if asks_for_a_newer_token(&failure) => sender.fresh_graph_client(app, scope).await?.probe().await,
        ended => ended,
    }
}
