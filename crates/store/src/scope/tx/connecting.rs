//! Steps of attempts to connect that happen only once, and the links that they were begun with.

use super::Tx;
use crate::scope::connect_links;
use crate::scope::connection_rows::{self, Asked};
use crate::*;
use domain::audit::{AuditAction, AuditSubject};
use domain::channel::ConnectLinkStatus;
use domain::{ConnectLinkId, ConnectionId, Failure, InboxId, Timestamp, UserId};
use serde_json::json;

impl Tx {
    /// A person says that an administrator's approval is wanted. `None`: the attempt is not at a point where that can be said.
    pub async fn await_consent(
        &mut self,
        connection: ConnectionId,
        failure: &Failure,
        until: Timestamp,
    ) -> Result<Option<Connection>> {
        connection_rows::await_consent(&self.tx, &self.scope, connection, failure, until).await
    }

    /// Somebody came back from the page where an administrator approves, for the first time. `None`: nothing waits for that.
    pub async fn see_consent(&mut self, connection: ConnectionId, now: Timestamp) -> Result<Option<Connection>> {
        connection_rows::see_consent(&self.tx, &self.scope, connection, now).await
    }

    /// What waited for an approval begins anew: nothing of the handshake before is good any more. `None`: it does not wait.
    pub async fn resume_connection(
        &mut self,
        connection: ConnectionId,
        fresh: &ResumedConnection,
    ) -> Result<Option<Connection>> {
        connection_rows::resume(&self.tx, &self.scope, connection, fresh).await
    }

    /// The attempt goes on with another principal than the inbox had, because this administrator says so. `None`: it does not wait for that.
    pub async fn hand_over(&mut self, connection: ConnectionId, by: UserId) -> Result<Option<Connection>> {
        connection_rows::confirm(&self.tx, &self.scope, connection, Asked::Handover, by).await
    }

    /// The attempt goes on with whoever signed in, because this administrator says so. `None`: it does not wait for that.
    pub async fn accept_connection(&mut self, connection: ConnectionId, by: UserId) -> Result<Option<Connection>> {
        let accepted = connection_rows::confirm(&self.tx, &self.scope, connection, Asked::Acceptance, by).await?;
        if let Some((connection, link)) = accepted.as_ref().and_then(|c| Some((c, c.connect_link_id?))) {
            let who = connection.identity.as_ref();
            let told = json!({
                "accepted_email": [null, who.and_then(|who| who.principal.as_deref())],
                "claimed_email": [null, who.and_then(|who| who.claimed_email.as_deref())],
            });
            self.audit(AuditAction::Update, AuditSubject::ConnectLink, link.0, told).await?;
        }
        Ok(accepted)
    }

    /// `None`: its time has not run out, or nobody is waited for.
    pub async fn expire_connection(&mut self, connection: ConnectionId, now: Timestamp) -> Result<Option<Connection>> {
        connection_rows::expire(&self.tx, &self.scope, connection, now).await
    }

    /// `LimitReached` when the account has `most` that can still be used.
    pub async fn create_connect_link(&mut self, new: &NewConnectLink, most: u32) -> Result<ConnectLink> {
        let link = connect_links::create(self, new, most).await?;
        let told = json!({
            "inbox_id": new.inbox_id.map(|inbox| inbox.0),
            "expires_at": new.expires_at.seconds(),
        });
        self.audit(AuditAction::Create, AuditSubject::ConnectLink, link.id.0, told).await?;
        Ok(link)
    }

    /// What an attempt says of its link. What has ended stays as it is, and then the answer is `None`.
    pub async fn follow_connect_link(
        &mut self,
        link: ConnectLinkId,
        status: ConnectLinkStatus,
        connection: ConnectionId,
        failure: Option<&Failure>,
    ) -> Result<Option<ConnectLink>> {
        connect_links::follow(self, link, status, connection, failure).await
    }

    /// An inbox came of it: it is used up. `None`: it was before, or it was withdrawn.
    pub async fn use_connect_link(
        &mut self,
        link: ConnectLinkId,
        connection: ConnectionId,
        inbox: InboxId,
    ) -> Result<Option<ConnectLink>> {
        connect_links::use_up(self, link, connection, inbox).await
    }

    /// `None`: there is none, or it has ended already.
    pub async fn end_connect_link(
        &mut self,
        link: ConnectLinkId,
        status: ConnectLinkStatus,
        now: Timestamp,
    ) -> Result<Option<ConnectLink>> {
        let ended = connect_links::end(self, link, status, now).await?;
        if ended.is_some() {
            let told = json!({ "status": status.as_str() });
            self.audit(AuditAction::Destroy, AuditSubject::ConnectLink, link.0, told).await?;
        }
        Ok(ended)
    }

    /// Its page was opened for the first time. `None`: it was before.
    pub async fn open_connect_link(&mut self, link: ConnectLinkId, now: Timestamp) -> Result<Option<ConnectLink>> {
        connect_links::open(self, link, now).await
    }

    /// Attempts that were begun with it and wait for a person, newest first.
    pub async fn waiting_attempts_of_link(&mut self, link: ConnectLinkId) -> Result<Vec<Connection>> {
        connect_links::waiting_attempts(self, link).await
    }
}
