//! Links for people without an account here: making, following and withdrawing them. Administrators only.

use crate::auth::Auth;
use crate::connections::named_app;
use crate::error::{Acting, Reading, Refusal, Writing};
use crate::tags::Tag;
use app::App;
use app::channels::links::{self, NewLink};
use domain::{ConnectLinkId, InboxId};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use wire::connect_link::{ConnectLink, ConnectLinkList, ConnectLinkMeta, ConnectLinkRequest, Shown};

pub struct ConnectLinksApi;

#[OpenApi(tag = "Tag::Connections")]
impl ConnectLinksApi {
    /// Make a link for somebody without an account here
    ///
    /// Its page names the account and asks before it goes on to Microsoft. The link works until an inbox came of it; a try that failed may be
    /// repeated. `url` is in this answer and in no other. At most 500 that can be used at the same time.
    #[oai(path = "/api/v1/accounts/:account_id/connect_links", method = "post", operation_id = "create_connect_link")]
    async fn create(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<ConnectLinkRequest>,
    ) -> Result<Json<ConnectLink>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let ask = body.0;
        let new = NewLink {
            expected_email: ask.expected_email,
            mailbox: ask.mailbox,
            inbox_id: ask.inbox_id.map(InboxId),
            oauth_app_id: named_app(ask.oauth_app_id),
            send_transport: ask.send_transport.map(Into::into),
            return_url: ask.return_url,
            expires_in_hours: ask.expires_in_hours.map(|hours| u32::try_from(hours).unwrap_or_default()),
        };
        let made = links::create(auth.app(), &member, new).await?;
        Ok(Json(shown(auth.app(), &made.link, Some(&made.url))))
    }

    /// List connect links
    ///
    /// Newest first, 25 a page. What ended is kept for a while.
    #[oai(path = "/api/v1/accounts/:account_id/connect_links", method = "get", operation_id = "list_connect_links")]
    async fn list(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<ConnectLinkList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let page = page.0.unwrap_or(1).max(1);
        let (found, count) = links::list(auth.app(), &member, page).await?;
        Ok(Json(ConnectLinkList {
            meta: ConnectLinkMeta { count: i64::try_from(count).unwrap_or(i64::MAX), current_page: i64::from(page) },
            payload: found.iter().map(|link| shown(auth.app(), link, None)).collect(),
        }))
    }

    /// Follow a connect link
    #[oai(
        path = "/api/v1/accounts/:account_id/connect_links/:connect_link_id",
        method = "get",
        operation_id = "get_connect_link"
    )]
    async fn show(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        connect_link_id: Path<i64>,
    ) -> Result<Json<ConnectLink>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let link = links::show(auth.app(), &member, ConnectLinkId(connect_link_id.0)).await?;
        Ok(Json(shown(auth.app(), &link, None)))
    }

    /// Withdraw a connect link
    ///
    /// Nobody can use it from now on, not even who is on the way with it. An inbox that came of it stays.
    #[oai(
        path = "/api/v1/accounts/:account_id/connect_links/:connect_link_id",
        method = "delete",
        operation_id = "revoke_connect_link"
    )]
    async fn revoke(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        connect_link_id: Path<i64>,
    ) -> Result<Json<ConnectLink>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        let link = links::revoke(auth.app(), &member, ConnectLinkId(connect_link_id.0)).await?;
        Ok(Json(shown(auth.app(), &link, None)))
    }
}

fn shown(app: &App, link: &app::channels::links::Link, url: Option<&str>) -> ConnectLink {
    Shown {
        id: link.id.0,
        status: link.status_at(app.now()),
        url,
        expected_email: link.expected_email.as_deref(),
        mailbox: link.mailbox.as_deref(),
        inbox_id: link.result_inbox_id.or(link.inbox_id).map(|inbox| inbox.0),
        oauth_app_id: link.oauth_app_id.flatten().map(|app| app.0),
        send_transport: link.send_transport,
        connection_id: link.connection_id.map(|connection| connection.0),
        failure: link.failure.as_ref(),
        return_url: link.return_url.as_deref(),
        opened_at: link.opened_at,
        expires_at: link.expires_at,
        created_at: link.created_at,
    }
    .into()
}
