//! Connecting mailboxes: making the link a person opens, and following what comes of it.

use crate::auth::Auth;
use crate::error::{Acting, Reading, Refusal, Writing};
use crate::optional_json::OptionalJson;
use crate::tags::Tag;
use app::channels::connect::{Begin, Begun, begin};
use app::channels::{ConnectionView, accept, connection_status, connections, consent, handover, shared};
use domain::{ConnectionId, InboxId, OauthAppId};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use wire::connection::{Connection, ConnectionList, ConnectionMeta};
use wire::failure::Failure;
use wire::microsoft::{MicrosoftAuthorization, MicrosoftAuthorizationStarted, SharedMailbox};
use wire::words::ConnectionStatus as StatusWord;

pub struct ConnectionsApi;

#[OpenApi(tag = "Tag::Connections")]
impl ConnectionsApi {
    /// Start "Sign in with Microsoft"
    ///
    /// Administrators only. Send the person whose mailbox it is to `url`; the first browser that goes on from there is the one that must finish.
    /// `connection_id` is followed with `GET …/connections/{connection_id}`. With `inbox_id`, an inbox that exists signs in again, which
    /// must be done by the same Microsoft account. With `send_transport` `graph`, the mailbox sends through Microsoft Graph from then on.
    #[oai(
        path = "/api/v1/accounts/:account_id/microsoft/authorization",
        method = "post",
        operation_id = "start_microsoft_authorization"
    )]
    async fn start(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: OptionalJson<MicrosoftAuthorization>,
    ) -> Result<Json<MicrosoftAuthorizationStarted>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let MicrosoftAuthorization { email, inbox_id, oauth_app_id, mailbox, send_transport } = body.0;
        let oauth_app_id = named_app(oauth_app_id);
        let inbox_id = inbox_id.map(InboxId);
        let ask = Begin { email, inbox_id, oauth_app_id, mailbox, send_transport: send_transport.map(Into::into) };
        let begun = begin(auth.app(), &member, ask).await?;
        Ok(started(begun))
    }

    /// List attempts to connect
    ///
    /// Administrators only. Newest first, 25 a page. What ended is kept for a while. Those that wait for a person (`awaiting_admin_consent`,
    /// `awaiting_handover`, `awaiting_acceptance`) are found with `status`.
    #[oai(path = "/api/v1/accounts/:account_id/connections", method = "get", operation_id = "list_connections")]
    async fn list(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        status: Query<Option<StatusWord>>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<ConnectionList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let page = page.0.unwrap_or(1).max(1);
        let (found, count) = connections(auth.app(), &member, status.0.map(Into::into), page).await?;
        Ok(Json(ConnectionList {
            meta: ConnectionMeta { count: i64::try_from(count).unwrap_or(i64::MAX), current_page: i64::from(page) },
            payload: found.into_iter().map(shown).collect(),
        }))
    }

    /// Follow an attempt to connect
    #[oai(
        path = "/api/v1/accounts/:account_id/connections/:connection_id",
        method = "get",
        operation_id = "get_connection"
    )]
    async fn show(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        connection_id: Path<i64>,
    ) -> Result<Json<Connection>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let view = connection_status(auth.app(), &member, ConnectionId(connection_id.0)).await?;
        Ok(Json(shown(view)))
    }

    /// Go on after an administrator's approval
    ///
    /// For a connection that is `awaiting_admin_consent`. The first browser that goes on from `url` signs in anew, within a quarter of an hour, and the
    /// same connection goes on. Whether the approval stands shows then.
    #[oai(
        path = "/api/v1/accounts/:account_id/connections/:connection_id/resume",
        method = "post",
        operation_id = "resume_connection"
    )]
    async fn resume(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        connection_id: Path<i64>,
    ) -> Result<Json<MicrosoftAuthorizationStarted>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        let begun = consent::resume(auth.app(), &member, ConnectionId(connection_id.0)).await?;
        Ok(started(begun))
    }

    /// Hand an inbox over to whoever signed in
    ///
    /// For a connection that is `awaiting_handover`: somebody else signed in than the one who connected the inbox. Administrators only. The inbox
    /// moves when its own mailbox opens for the new person; until then, and if it does not, nothing changes. Follow the connection.
    #[oai(
        path = "/api/v1/accounts/:account_id/connections/:connection_id/handover",
        method = "post",
        operation_id = "hand_over_inbox"
    )]
    async fn hand_over(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        connection_id: Path<i64>,
    ) -> Result<Json<Connection>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        let id = ConnectionId(connection_id.0);
        handover::confirm(auth.app(), &member, id).await?;
        Ok(Json(shown(connection_status(auth.app(), &member, id).await?)))
    }

    /// Accept whoever signed in with a connect link
    ///
    /// For a connection that is `awaiting_acceptance`: the link was made for an address that whoever signed in claims to have
    /// (`claimed_email`), and nobody vouches for it. Anybody can claim any address in a tenant of their own, so look at `email`, the name that
    /// signed in. Administrators only. The mailbox is opened then, and an inbox comes of it. Follow the connection.
    #[oai(
        path = "/api/v1/accounts/:account_id/connections/:connection_id/accept",
        method = "post",
        operation_id = "accept_connection"
    )]
    async fn accept(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        connection_id: Path<i64>,
    ) -> Result<Json<Connection>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        let id = ConnectionId(connection_id.0);
        accept::accept(auth.app(), &member, id).await?;
        Ok(Json(shown(connection_status(auth.app(), &member, id).await?)))
    }

    /// Connect another mailbox with the permission of an inbox
    ///
    /// For a shared mailbox that whoever connected the inbox has Full Access to: nobody needs to sign in. Administrators only. Follow the
    /// connection: an inbox comes of it when the mailbox opens.
    #[oai(
        path = "/api/v1/accounts/:account_id/inboxes/:inbox_id/shared_mailboxes",
        method = "post",
        operation_id = "connect_shared_mailbox"
    )]
    async fn connect_shared(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        inbox_id: Path<i64>,
        body: Json<SharedMailbox>,
    ) -> Result<Json<Connection>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let mailbox = body.0.mailbox.unwrap_or_default();
        let id = shared::connect(auth.app(), &member, InboxId(inbox_id.0), &mailbox).await?;
        Ok(Json(shown(connection_status(auth.app(), &member, id).await?)))
    }
}

/// Absent: the server chooses. Null: the installation's.
pub(crate) fn named_app(named: MaybeUndefined<i64>) -> Option<Option<OauthAppId>> {
    match named {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(id) => Some(Some(OauthAppId(id))),
    }
}

fn started(begun: Begun) -> Json<MicrosoftAuthorizationStarted> {
    Json(MicrosoftAuthorizationStarted { success: true, url: begun.url, connection_id: begun.connection_id.0 })
}

fn shown(view: ConnectionView) -> Connection {
    let connection = view.connection;
    let (email, claimed_email) = match connection.identity {
        Some(who) => (who.principal, who.claimed_email),
        None => (None, None),
    };
    Connection {
        id: connection.id.0,
        status: view.status.into(),
        failure: connection.failure.as_ref().map(Failure::from),
        inbox_id: connection.result_inbox_id.or(connection.inbox_id).map(|inbox| inbox.0),
        email: email.or(connection.email),
        claimed_email,
        admin_consent_url: view.admin_consent_url.map(String::from),
        admin_consent_returned: connection.consent_seen_at.is_some(),
        mailbox: connection.mailbox,
        connect_link_id: connection.connect_link_id.map(|link| link.0),
        created_at: connection.created_at.seconds(),
        expires_at: connection.expires_at.seconds(),
    }
}
