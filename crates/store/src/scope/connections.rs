//! States, links and confirmations of connection attempts: each is consumed once, by the browser that first went on from the link.
//!
//! Whoever holds a state, link or confirmation token and that browser's cookie has proved enough to act for this one attempt.

use super::connection_rows::{self, open_handshake};
use super::inboxes::load_inbox;
use super::sql::system;
use super::{connect_links, convert, grants};
use crate::connect::Inner;
use crate::entity::{account, connection};
use crate::error::corrupt;
use crate::*;
use domain::channel::ConnectionStatus;
use domain::{AccountId, ConnectionId, InboxId, Timestamp};
use std::sync::Arc;

/// The scope of connection attempts, before anybody is known.
#[derive(Clone, Debug)]
pub struct Connections {
    pub(crate) inner: Arc<Inner>,
}

impl Connections {
    /// The first browser binds the attempt to its cookie; the same browser may open it again until the state is consumed.
    pub async fn open_link(
        &self,
        link: &TokenHash,
        browser: &TokenHash,
        now: Timestamp,
    ) -> Result<Result<LinkProof, StateRefusal>> {
        let row: Option<connection::Model> = system(
            "UPDATE connections SET browser_hash = ?, opened_at = COALESCE(opened_at, ?), updated_at = ? WHERE link_hash = ? \
             AND consumed_at IS NULL AND status = 'pending' AND expires_at > ? AND (browser_hash IS NULL OR browser_hash = ?) RETURNING *",
        )
        .bind(browser.hex())
        .bind(now.0)
        .bind(now.0)
        .bind(link.hex())
        .bind(now.0)
        .bind(browser.hex())
        .one(&self.inner.write)
        .await?;
        match row {
            Some(row) => Ok(Ok(LinkProof {
                scope: self.inner.scope(AccountId(row.account_id)),
                handshake: open_handshake(&self.inner, &row)?,
                connection: convert::connection(&row)?,
            })),
            None => Ok(Err(self.refusal("link_hash", link, Some(browser), now).await?)),
        }
    }

    /// Whether some browser could still open the link. Nothing is bound by looking.
    pub async fn see_link(&self, link: &TokenHash, now: Timestamp) -> Result<Result<(), StateRefusal>> {
        let open: Option<i64> = system(
            "SELECT id FROM connections WHERE link_hash = ? AND browser_hash IS NULL AND consumed_at IS NULL AND status = 'pending' \
             AND expires_at > ?",
        )
        .bind(link.hex())
        .bind(now.0)
        .value(&self.inner.read)
        .await?;
        match open {
            Some(_) => Ok(Ok(())),
            None => Ok(Err(self.refusal("link_hash", link, None, now).await?)),
        }
    }

    /// Atomic and single-use. `browser` is `None` when the callback came without the attempt's cookie.
    pub async fn consume_state(
        &self,
        state: &TokenHash,
        browser: Option<&TokenHash>,
        now: Timestamp,
    ) -> Result<Result<StateProof, StateRefusal>> {
        let row =
            match browser {
                Some(browser) => system(
                    "UPDATE connections SET consumed_at = ?, updated_at = ? WHERE state_hash = ? AND browser_hash = ? \
                     AND consumed_at IS NULL AND status = 'pending' AND expires_at > ? RETURNING *",
                )
                .bind(now.0)
                .bind(now.0)
                .bind(state.hex())
                .bind(browser.hex())
                .bind(now.0)
                .one(&self.inner.write)
                .await?,
                None => None,
            };
        self.proof(row, "state_hash", state, browser, now).await
    }

    /// The POST of a page that asked a person something; atomic, and used once for each time they are asked. `asked`: what the attempt waits for.
    pub async fn consume_confirmation(
        &self,
        confirm: &TokenHash,
        browser: Option<&TokenHash>,
        asked: ConnectionStatus,
        now: Timestamp,
    ) -> Result<Result<StateProof, StateRefusal>> {
        let row = match browser {
            Some(browser) => system(
                "UPDATE connections SET confirmed_at = ?, updated_at = ? WHERE confirm_hash = ? AND browser_hash = ? \
                     AND confirmed_at IS NULL AND status = ? AND expires_at > ? RETURNING *",
            )
            .bind(now.0)
            .bind(now.0)
            .bind(confirm.hex())
            .bind(browser.hex())
            .bind(asked.as_str())
            .bind(now.0)
            .one(&self.inner.write)
            .await?,
            None => None,
        };
        self.proof(row, "confirm_hash", confirm, browser, now).await
    }

    /// The browser that connected a mailbox acts for it once more: the page at the end of a sign-in has a button. `since`: attempts that
    /// ended before it act for nothing any more.
    pub async fn act_again(
        &self,
        confirm: &TokenHash,
        browser: &TokenHash,
        since: Timestamp,
    ) -> Result<Option<ConnectedProof>> {
        let row: Option<connection::Model> = system(
            "SELECT * FROM connections WHERE confirm_hash = ? AND browser_hash = ? AND status = 'connected' AND updated_at >= ?",
        )
        .bind(confirm.hex())
        .bind(browser.hex())
        .bind(since.0)
        .one(&self.inner.read)
        .await?;
        Ok(row.and_then(|row| {
            let inbox_id = InboxId(row.result_inbox_id?);
            Some(ConnectedProof { scope: self.inner.scope(AccountId(row.account_id)), inbox_id })
        }))
    }

    /// The attempt whose state this is, for finding the cookie's name; proves nothing.
    pub async fn id_of_state(&self, state: &TokenHash) -> Result<Option<ConnectionId>> {
        let id =
            system("SELECT id FROM connections WHERE state_hash = ?").bind(state.hex()).value(&self.inner.read).await?;
        Ok(id.map(ConnectionId))
    }

    /// What came of an attempt, for the browser that made it (the status page). It opens nothing else of the account.
    pub async fn seen_by_browser(
        &self,
        connection: ConnectionId,
        browser: &TokenHash,
    ) -> Result<Option<SeenConnection>> {
        let row: Option<connection::Model> = system("SELECT * FROM connections WHERE id = ? AND browser_hash = ?")
            .bind(connection.0)
            .bind(browser.hex())
            .one(&self.inner.read)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let connection = convert::connection(&row)?;
        let account: Option<account::Model> =
            system("SELECT * FROM accounts WHERE id = ?").bind(row.account_id).one(&self.inner.read).await?;
        let account = convert::account(account.ok_or_else(|| corrupt("connection", "without its account"))?)?;
        let inbox = match connection.result_inbox_id {
            Some(inbox) => load_inbox(&self.inner.read, connection.account_id, inbox).await?,
            None => None,
        };
        let connect_link = match connection.connect_link_id {
            Some(link) => connect_links::load(&self.inner.read, connection.account_id, link).await?,
            None => None,
        };
        let scope = self.inner.scope(connection.account_id);
        Ok(Some(SeenConnection { connection, account, inbox, scope, connect_link }))
    }

    /// For the browser that made the attempt, where it acts for it.
    pub async fn of_browser(&self, connection: ConnectionId, browser: &TokenHash) -> Result<Option<AccountScope>> {
        let account: Option<i64> = system("SELECT account_id FROM connections WHERE id = ? AND browser_hash = ?")
            .bind(connection.0)
            .bind(browser.hex())
            .value(&self.inner.read)
            .await?;
        Ok(account.map(|account| self.inner.scope(AccountId(account))))
    }

    /// The attempt that the page where an administrator approves was opened for. Finding it proves nothing and opens nothing.
    pub async fn of_consent(&self, consent_state: &str) -> Result<Option<(AccountScope, Connection)>> {
        let row: Option<connection::Model> = system("SELECT * FROM connections WHERE consent_state = ?")
            .bind(consent_state.to_owned())
            .one(&self.inner.read)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some((self.inner.scope(AccountId(row.account_id)), convert::connection(&row)?)))
    }

    /// Attempts that nobody came back from, or that waited for a person too long, oldest first.
    pub async fn overdue(&self, now: Timestamp, most: u32) -> Result<Vec<(AccountScope, ConnectionId)>> {
        let rows: Vec<connection::Model> = system(format!(
            "SELECT * FROM connections WHERE expires_at <= ? AND {} ORDER BY expires_at, id LIMIT ?",
            connection_rows::WAITS
        ))
        .bind(now.0)
        .bind(i64::from(most))
        .all(&self.inner.read)
        .await?;
        Ok(rows.iter().map(|row| (self.inner.scope(AccountId(row.account_id)), ConnectionId(row.id))).collect())
    }

    /// Grants that no channel uses and no attempt waits with are forgotten, tokens and all. How many.
    pub async fn forget_unused_grants(&self) -> Result<u64> {
        let tx = self.inner.begin().await?;
        let forgotten = grants::forget_all_unused(&tx).await?;
        tx.commit().await?;
        Ok(forgotten)
    }

    async fn proof(
        &self,
        row: Option<connection::Model>,
        column: &'static str,
        hash: &TokenHash,
        browser: Option<&TokenHash>,
        now: Timestamp,
    ) -> Result<Result<StateProof, StateRefusal>> {
        match row {
            Some(row) => Ok(Ok(StateProof {
                scope: self.inner.scope(AccountId(row.account_id)),
                handshake: open_handshake(&self.inner, &row)?,
                connection: convert::connection(&row)?,
            })),
            None => Ok(Err(self.refusal(column, hash, browser, now).await?)),
        }
    }

    /// Why nothing was consumed. Only the browser that the attempt belongs to learns more than "another browser".
    async fn refusal(
        &self,
        column: &'static str,
        hash: &TokenHash,
        browser: Option<&TokenHash>,
        now: Timestamp,
    ) -> Result<StateRefusal> {
        let row: Option<connection::Model> = system(format!("SELECT * FROM connections WHERE {column} = ?"))
            .bind(hash.hex())
            .one(&self.inner.write)
            .await?;
        let Some(row) = row else { return Ok(StateRefusal::Unknown) };
        let unopened = column == "link_hash" && row.browser_hash.is_none();
        if !unopened && row.browser_hash != browser.map(TokenHash::hex) {
            return Ok(StateRefusal::OtherBrowser);
        }
        let connection = convert::connection(&row)?;
        let waits = match connection.status {
            ConnectionStatus::Pending => row.consumed_at.is_none(),
            ConnectionStatus::AwaitingConfirmation | ConnectionStatus::AwaitingAddress => {
                column == "confirm_hash" && row.confirmed_at.is_none()
            }
            ConnectionStatus::Expired => true,
            ConnectionStatus::AwaitingAdminConsent
            | ConnectionStatus::AwaitingHandover
            | ConnectionStatus::AwaitingAcceptance
            | ConnectionStatus::Proving
            | ConnectionStatus::Connected
            | ConnectionStatus::Failed => false,
        };
        let expired = connection.status == ConnectionStatus::Expired || connection.expires_at <= now;
        Ok(if waits && expired { StateRefusal::Expired } else { StateRefusal::AlreadyUsed(Box::new(connection)) })
    }
}

impl AccountScope {
    pub async fn connection(&self, connection: ConnectionId) -> Result<Option<Connection>> {
        connection_rows::load(&self.inner.read, self.id, connection).await
    }

    /// Newest first, and how many there are. `status`: those that have it at `now`, whether or not anybody wrote that down.
    pub async fn connections(
        &self,
        status: Option<ConnectionStatus>,
        now: Timestamp,
        skip: u32,
        most: u32,
    ) -> Result<(Vec<Connection>, u64)> {
        let asked = |columns: &str, order: &str| {
            let sql = self.sql(format!(
                "SELECT {columns} FROM connections WHERE account_id = :account AND (? OR {} = ?){order}",
                connection_rows::STATUS_AT
            ));
            sql.bind(status.is_none()).bind(now.0).bind(now.0).bind(status.map_or("", ConnectionStatus::as_str))
        };
        let count: Option<i64> = asked("COUNT(*)", "").value(&self.inner.read).await?;
        let rows: Vec<connection::Model> = asked("*", " ORDER BY id DESC LIMIT ? OFFSET ?")
            .bind(i64::from(most))
            .bind(i64::from(skip))
            .all(&self.inner.read)
            .await?;
        let found = rows.iter().map(convert::connection).collect::<Result<_>>()?;
        Ok((found, convert::number("count", count.unwrap_or(0))?))
    }

    /// `LimitReached` when `most` attempts of the account are open.
    pub async fn create_connection(&self, new: &NewConnection, most: u32) -> Result<Connection> {
        let mut tx = self.begin().await?;
        let made = tx.create_connection(new, most).await?;
        tx.commit().await?;
        Ok(made)
    }

    pub async fn update_connection(&self, connection: ConnectionId, change: &ConnectionChange) -> Result<Connection> {
        connection_rows::update(&self.inner.write, self, connection, change).await
    }
}
