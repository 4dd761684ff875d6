//! Connect links. Whoever holds one's token has proved enough to see its page and to begin an attempt, and for nothing else.
//!
//! What has ended (used, withdrawn, expired) never changes any more.

use super::connection_rows::WAITS;
use super::connections::Connections;
use super::convert::{self, code, json, to_json};
use super::sql::{Sql, scoped, system};
use super::tx::Tx;
use crate::entity::{account, connection};
use crate::error::corrupt;
use crate::*;
use domain::channel::{ConnectLinkStatus, SendTransport};
use domain::{AccountId, ConnectLinkId, ConnectionId, Failure, InboxId, OauthAppId, Timestamp, UserId};
use sea_orm::{ConnectionTrait, FromQueryResult};

#[derive(Debug, FromQueryResult)]
struct LinkRow {
    id: i64,
    account_id: i64,
    created_by: i64,
    expected_email: Option<String>,
    mailbox: Option<String>,
    inbox_id: Option<i64>,
    oauth_app_named: bool,
    oauth_app_id: Option<i64>,
    send_transport: Option<String>,
    return_url: Option<String>,
    status: String,
    connection_id: Option<i64>,
    result_inbox_id: Option<i64>,
    failure: Option<String>,
    expires_at: i64,
    opened_at: Option<i64>,
    created_at: i64,
}

impl LinkRow {
    fn link(self) -> Result<ConnectLink> {
        Ok(ConnectLink {
            id: ConnectLinkId(self.id),
            account_id: AccountId(self.account_id),
            created_by: UserId(self.created_by),
            expected_email: self.expected_email,
            mailbox: self.mailbox,
            inbox_id: self.inbox_id.map(InboxId),
            oauth_app_id: self.oauth_app_named.then_some(self.oauth_app_id.map(OauthAppId)),
            send_transport: self
                .send_transport
                .as_deref()
                .map(|transport| code("send transport", transport, SendTransport::parse))
                .transpose()?,
            return_url: self.return_url,
            status: code("connect link status", &self.status, ConnectLinkStatus::parse)?,
            connection_id: self.connection_id.map(ConnectionId),
            result_inbox_id: self.result_inbox_id.map(InboxId),
            failure: self.failure.as_deref().map(|failure| json("failure", failure)).transpose()?,
            expires_at: Timestamp(self.expires_at),
            opened_at: self.opened_at.map(Timestamp),
            created_at: Timestamp(self.created_at),
        })
    }
}

/// What a row may still become something else from.
pub(crate) const GOES_ON: &str = "status NOT IN ('connected', 'expired', 'revoked')";
/// One whose time ran out may still be used by who began before.
const MAY_BE_USED: &str = "status NOT IN ('connected', 'revoked')";

async fn one_link<C: ConnectionTrait>(sql: Sql, on: &C) -> Result<Option<ConnectLink>> {
    let row: Option<LinkRow> = sql.one(on).await?;
    row.map(LinkRow::link).transpose()
}

pub(crate) async fn load<C: ConnectionTrait>(
    on: &C,
    account: AccountId,
    id: ConnectLinkId,
) -> Result<Option<ConnectLink>> {
    let one = scoped(account, "SELECT * FROM connect_links WHERE account_id = :account AND id = ?").bind(id.0);
    one_link(one, on).await
}

impl Connections {
    pub async fn connect_link(&self, token: &TokenHash) -> Result<Option<ConnectLinkProof>> {
        let row: Option<LinkRow> =
            system("SELECT * FROM connect_links WHERE token_hash = ?").bind(token.hex()).one(&self.inner.read).await?;
        let Some(row) = row else { return Ok(None) };
        let account: Option<account::Model> =
            system("SELECT * FROM accounts WHERE id = ?").bind(row.account_id).one(&self.inner.read).await?;
        let account = convert::account(account.ok_or_else(|| corrupt("connect link", "without its account"))?)?;
        let link = row.link()?;
        Ok(Some(ConnectLinkProof { scope: self.inner.scope(link.account_id), link, account }))
    }

    /// Links whose time has run out and that nobody is on the way with, oldest first.
    pub async fn overdue_connect_links(&self, now: Timestamp, most: u32) -> Result<Vec<(AccountScope, ConnectLinkId)>> {
        let rows: Vec<LinkRow> = system(
            "SELECT * FROM connect_links WHERE expires_at <= ? AND status IN ('open', 'opened', 'failed') ORDER BY expires_at, id LIMIT ?",
        )
        .bind(now.0)
        .bind(i64::from(most))
        .all(&self.inner.read)
        .await?;
        Ok(rows.iter().map(|row| (self.inner.scope(AccountId(row.account_id)), ConnectLinkId(row.id))).collect())
    }
}

impl AccountScope {
    pub async fn connect_link(&self, link: ConnectLinkId) -> Result<Option<ConnectLink>> {
        load(&self.inner.read, self.id, link).await
    }

    /// Newest first, and how many there are.
    pub async fn connect_links(&self, skip: u32, most: u32) -> Result<(Vec<ConnectLink>, u64)> {
        let count: Option<i64> =
            self.sql("SELECT COUNT(*) FROM connect_links WHERE account_id = :account").value(&self.inner.read).await?;
        let rows: Vec<LinkRow> = self
            .sql("SELECT * FROM connect_links WHERE account_id = :account ORDER BY id DESC LIMIT ? OFFSET ?")
            .bind(i64::from(most))
            .bind(i64::from(skip))
            .all(&self.inner.read)
            .await?;
        let links = rows.into_iter().map(LinkRow::link).collect::<Result<_>>()?;
        Ok((links, convert::number("count", count.unwrap_or(0))?))
    }
}

pub(crate) async fn create(tx: &mut Tx, new: &NewConnectLink, most: u32) -> Result<ConnectLink> {
    let now = tx.now();
    let open = tx
        .sql(format!("SELECT COUNT(*) FROM connect_links WHERE account_id = :account AND expires_at > ? AND {GOES_ON}"))
        .bind(now.0);
    tx.make_room("connect links", open, most).await?;
    let row: Option<LinkRow> = tx
        .sql(
            "INSERT INTO connect_links (account_id, token_hash, created_by, expected_email, mailbox, inbox_id, oauth_app_named, \
             oauth_app_id, send_transport, return_url, status, expires_at, created_at, updated_at) \
             VALUES (:account, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?, ?) RETURNING *",
        )
        .bind(new.token_hash.hex())
        .bind(new.created_by.0)
        .bind(new.expected_email.clone())
        .bind(new.mailbox.clone())
        .bind(new.inbox_id.map(|inbox| inbox.0))
        .bind(new.oauth_app_id.is_some())
        .bind(new.oauth_app_id.flatten().map(|app| app.0))
        .bind(new.send_transport.map(|transport| transport.as_str().to_owned()))
        .bind(new.return_url.clone())
        .bind(new.expires_at.0)
        .bind(now.0)
        .bind(now.0)
        .one(tx.on())
        .await?;
    row.ok_or(StoreError::NotFound("connect link"))?.link()
}

pub(crate) async fn follow(
    tx: &Tx,
    link: ConnectLinkId,
    status: ConnectLinkStatus,
    connection: ConnectionId,
    failure: Option<&Failure>,
) -> Result<Option<ConnectLink>> {
    let change = tx
        .sql(format!(
            "UPDATE connect_links SET status = ?, connection_id = ?, failure = ?, updated_at = ? WHERE account_id = :account AND id = ? \
             AND {GOES_ON} RETURNING *"
        ))
        .bind(status.as_str())
        .bind(connection.0)
        .bind(failure.map(to_json))
        .bind(tx.now().0)
        .bind(link.0);
    one_link(change, tx.on()).await
}

pub(crate) async fn use_up(
    tx: &Tx,
    link: ConnectLinkId,
    connection: ConnectionId,
    inbox: InboxId,
) -> Result<Option<ConnectLink>> {
    let change = tx
        .sql(format!(
            "UPDATE connect_links SET status = 'connected', connection_id = ?, result_inbox_id = ?, failure = NULL, updated_at = ? \
             WHERE account_id = :account AND id = ? AND {MAY_BE_USED} RETURNING *"
        ))
        .bind(connection.0)
        .bind(inbox.0)
        .bind(tx.now().0)
        .bind(link.0);
    one_link(change, tx.on()).await
}

pub(crate) async fn end(
    tx: &Tx,
    link: ConnectLinkId,
    status: ConnectLinkStatus,
    now: Timestamp,
) -> Result<Option<ConnectLink>> {
    let change = tx
        .sql(format!(
            "UPDATE connect_links SET status = ?, updated_at = ? WHERE account_id = :account AND id = ? AND {GOES_ON} RETURNING *"
        ))
        .bind(status.as_str())
        .bind(now.0)
        .bind(link.0);
    one_link(change, tx.on()).await
}

pub(crate) async fn open(tx: &Tx, link: ConnectLinkId, now: Timestamp) -> Result<Option<ConnectLink>> {
    let change = tx
        .sql(
            "UPDATE connect_links SET status = CASE WHEN status = 'open' THEN 'opened' ELSE status END, opened_at = ?, updated_at = ? \
             WHERE account_id = :account AND id = ? AND opened_at IS NULL RETURNING *",
        )
        .bind(now.0)
        .bind(now.0)
        .bind(link.0);
    one_link(change, tx.on()).await
}

pub(crate) async fn waiting_attempts(tx: &Tx, link: ConnectLinkId) -> Result<Vec<Connection>> {
    let rows: Vec<connection::Model> = tx
        .sql(format!(
            "SELECT * FROM connections WHERE account_id = :account AND connect_link_id = ? AND {WAITS} ORDER BY id DESC{{lock}}"
        ))
        .bind(link.0)
        .all(tx.on())
        .await?;
    rows.iter().map(convert::connection).collect()
}
