//! Connecting mailboxes: making the link a person opens, and following what comes of it.

use crate::auth::Auth;
use crate::error::{Reading, Refusal, Writing};
use crate::optional_json::OptionalJson;
use crate::tags::Tag;
use app::channels::connect::{Begin, begin};
use app::channels::{ConnectionView, connection_status};
use domain::{ConnectionId, InboxId};
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use wire::connection::Connection;
use wire::failure::Failure;
use wire::microsoft::{MicrosoftAuthorization, MicrosoftAuthorizationStarted};

pub struct ConnectionsApi;

#[OpenApi(tag = "Tag::Connections")]
impl ConnectionsApi {
    /// Start "Sign in with Microsoft"
    ///
    /// Administrators only. Send the person whose mailbox it is to `url`; the first browser that opens it is the one that must finish.
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
        let ask = Begin {
            email: body.0.email,
            inbox_id: body.0.inbox_id.map(InboxId),
            send_transport: body.0.send_transport.map(Into::into),
        };
        let begun = begin(auth.app(), &member, ask).await?;
        Ok(Json(MicrosoftAuthorizationStarted { success: true, url: begun.url, connection_id: begun.connection_id.0 }))
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
}

fn shown(view: ConnectionView) -> Connection {
    let connection = view.connection;
    Connection {
        id: connection.id.0,
        status: view.status.into(),
        failure: connection.failure.as_ref().map(Failure::from),
        inbox_id: view.inbox.map(|inbox| inbox.id.0),
        email: connection.identity.and_then(|identity| identity.principal).or(connection.email),
        admin_consent_url: view.admin_consent_url.map(String::from),
        created_at: connection.created_at.seconds(),
        expires_at: connection.expires_at.seconds(),
    }
}
