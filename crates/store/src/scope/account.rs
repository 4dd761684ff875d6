//! One account: its settings, its people, its keys.

use super::convert::{self, AGENT_COLUMNS, AgentRow};
use super::people;
use super::sql::{Sql, scoped};
use super::tenant::find_in;
use crate::connect::Inner;
use crate::entity::account_key;
use crate::secret::SealedPlace;
use crate::*;
use domain::account::{Account, Role};
use domain::user::Agent;
use domain::{AccountId, Secret, UserId};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One account, and nothing else. Made only from a proof that this crate returned.
#[derive(Clone)]
pub struct AccountScope {
    pub(crate) inner: Arc<Inner>,
    pub(crate) id: AccountId,
}

impl std::fmt::Debug for AccountScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountScope({})", self.id)
    }
}

/// The newest signing key of accounts that signed lately.
///
/// An account's keys are only ever added to, and every key that ever signed goes on being one to check with. So a key that is not the newest any
/// more signs as well as before, and nothing that is checked is asked of here: checking always reads the rows.
#[derive(Default)]
pub(crate) struct SigningKeys(Mutex<HashMap<AccountId, (Instant, Secret)>>);

/// How long a key that was added may be left unused by a process that signs.
const KEY_IS_NEWEST_FOR: Duration = Duration::from_secs(60);
/// Accounts whose key is kept at most.
const KEYS_KEPT: usize = 1000;

impl SigningKeys {
    fn get(&self, account: AccountId) -> Option<Secret> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(&account).filter(|(read, _)| read.elapsed() < KEY_IS_NEWEST_FOR).map(|(_, key)| key.clone())
    }

    fn put(&self, account: AccountId, read: Instant, key: Secret) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS_KEPT {
            keys.retain(|_, (read, _)| read.elapsed() < KEY_IS_NEWEST_FOR);
        }
        if keys.len() < KEYS_KEPT {
            keys.insert(account, (read, key));
        }
    }
}

pub(crate) const SIGNING_KEY: &str = "account.message_id_key";

impl AccountScope {
    pub fn account_id(&self) -> AccountId {
        self.id
    }

    pub(crate) fn sql(&self, text: impl Into<Cow<'static, str>>) -> Sql {
        scoped(self.id, text)
    }

    pub async fn account(&self) -> Result<Account> {
        let row = self.sql("SELECT * FROM accounts WHERE id = :account").one(&self.inner.read).await?;
        convert::account(row.ok_or(StoreError::NotFound("account"))?)
    }

    /// Everybody in the account, by name.
    pub async fn agents(&self) -> Result<Vec<Agent>> {
        self.sql(format!(
            "SELECT {AGENT_COLUMNS} FROM account_users au JOIN users u ON u.id = au.user_id \
             WHERE au.account_id = :account AND au.removed_at IS NULL ORDER BY u.name, u.id"
        ))
        .all::<AgentRow, _>(&self.inner.read)
        .await?
        .into_iter()
        .map(AgentRow::agent)
        .collect()
    }

    pub async fn agent(&self, user: UserId) -> Result<Option<Agent>> {
        load_agent(&self.inner.read, self.id, user).await
    }

    /// Adds a user (found by e-mail, or made) to the account, with what `place` says of them there. `Conflict` when they are a member
    /// already, `LimitReached` when there are `most` people in it.
    pub async fn create_agent(&self, new: &NewUser, role: Role, place: &AgentChange, most: u32) -> Result<Agent> {
        let tx = self.inner.begin().await?;
        self.stand_in_line(&tx).await?;
        let user = people::find_or_create_user(&self.inner, &tx, new).await?;
        people::add_member(&self.inner, &tx, self.id, user.id, role).await?;
        let people: Option<i64> = self
            .sql("SELECT COUNT(*) FROM account_users WHERE account_id = :account AND removed_at IS NULL")
            .value(&tx)
            .await?;
        if people.unwrap_or(0) > i64::from(most) {
            return Err(StoreError::LimitReached("agents"));
        }
        self.change_agent(&tx, user.id, place).await?;
        let agent = load_agent(&tx, self.id, user.id).await?;
        tx.commit().await?;
        agent.ok_or(StoreError::NotFound("agent"))
    }

    /// `Conflict` when the account would have no administrator left.
    pub async fn update_agent(&self, user: UserId, change: &AgentChange) -> Result<Option<Agent>> {
        let tx = self.inner.begin().await?;
        if change.role.is_some_and(|role| role != Role::Administrator) {
            self.keep_an_administrator(&tx, user).await?;
        }
        self.change_agent(&tx, user, change).await?;
        let agent = load_agent(&tx, self.id, user).await?;
        tx.commit().await?;
        Ok(agent)
    }

    async fn change_agent<C: ConnectionTrait>(&self, on: &C, user: UserId, change: &AgentChange) -> Result<()> {
        self.sql(
            "UPDATE account_users SET role = COALESCE(?, role), availability = COALESCE(?, availability), \
             auto_offline = COALESCE(?, auto_offline), active_at = COALESCE(?, active_at), updated_at = ? \
             WHERE account_id = :account AND user_id = ? AND removed_at IS NULL",
        )
        .bind(change.role.map(|r| r.as_str().to_owned()))
        .bind(change.availability.map(|a| a.as_str().to_owned()))
        .bind(change.auto_offline)
        .bind(change.active_at.map(|t| t.0))
        .bind(self.inner.now().0)
        .bind(user.0)
        .run(on)
        .await?;
        Ok(())
    }

    /// Who counts something of the account and then adds to it, or takes of it, waits here for another who does.
    pub(crate) async fn stand_in_line<C: ConnectionTrait>(&self, on: &C) -> Result<()> {
        // Changed to what it was, which locks the row against this same statement. FOR UPDATE would also stop every message that is being
        // inserted, for its foreign key, and wait in a circle with one that holds a conversation of somebody who is removed.
        self.sql("UPDATE accounts SET updated_at = updated_at WHERE id = :account").run(on).await?;
        Ok(())
    }

    /// `Conflict` when `user` is the only administrator. Two who take each other's place away at once wait for each other here: an
    /// account without an administrator could never be managed again.
    async fn keep_an_administrator<C: ConnectionTrait>(&self, on: &C, user: UserId) -> Result<()> {
        self.stand_in_line(on).await?;
        let administrators: Vec<i64> = self
            .sql("SELECT user_id FROM account_users WHERE account_id = :account AND role = ? AND removed_at IS NULL")
            .bind(Role::Administrator.as_str())
            .column(on)
            .await?;
        if administrators == [user.0] {
            return Err(StoreError::Conflict("the last administrator".to_owned()));
        }
        Ok(())
    }

    /// Takes the user out of the account; their conversations become unassigned. What they wrote stays theirs. `Conflict` when the
    /// account would have no administrator left.
    pub async fn remove_agent(&self, user: UserId) -> Result<bool> {
        let now = self.inner.now();
        let tx = self.inner.begin().await?;
        self.keep_an_administrator(&tx, user).await?;
        self.sql("UPDATE conversations SET assignee_id = NULL, updated_at = ? WHERE account_id = :account AND assignee_id = ?")
            .bind(now.0)
            .bind(user.0)
            .run(&tx)
            .await?;
        self.sql("DELETE FROM inbox_members WHERE account_id = :account AND user_id = ?").bind(user.0).run(&tx).await?;
        let removed = self
            .sql(
                "UPDATE account_users SET removed_at = ?, updated_at = ? \
                 WHERE account_id = :account AND user_id = ? AND removed_at IS NULL",
            )
            .bind(now.0)
            .bind(now.0)
            .bind(user.0)
            .run(&tx)
            .await?;
        tx.commit().await?;
        Ok(removed == 1)
    }

    /// The keys that sign and check Message-IDs, newest first: (version, key bytes as base64). The first signs.
    pub async fn message_id_keys(&self) -> Result<Vec<(i64, Secret)>> {
        find_in::<account_key::Entity>(self.id)
            .filter(account_key::Column::Purpose.eq(SIGNING_KEY))
            .order_by_desc(account_key::Column::Version)
            .all(&self.inner.read)
            .await?
            .into_iter()
            .map(|row| {
                let place = SealedPlace { account: self.id, purpose: SIGNING_KEY, uid: &row.seal_uid };
                Ok((row.version, self.inner.keys.open_text(&place, &row.sealed)?))
            })
            .collect()
    }

    /// The key that signs, which may be a minute behind the newest.
    pub async fn signing_key(&self) -> Result<Secret> {
        if let Some(key) = self.inner.signing_keys.get(self.id) {
            return Ok(key);
        }
        let read = Instant::now();
        let newest = self.message_id_keys().await?.into_iter().next();
        let (_, key) = newest.ok_or_else(|| StoreError::Corrupt("the account has no signing key".to_owned()))?;
        self.inner.signing_keys.put(self.id, read, key.clone());
        Ok(key)
    }

    /// A transaction that may write: BEGIN IMMEDIATE on SQLite's one writer. No network call while it is open.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(Tx::new(self.clone(), self.inner.begin().await?))
    }
}

pub(crate) async fn load_agent<C: ConnectionTrait>(on: &C, account: AccountId, user: UserId) -> Result<Option<Agent>> {
    scoped(
        account,
        format!(
            "SELECT {AGENT_COLUMNS} FROM account_users au JOIN users u ON u.id = au.user_id \
             WHERE au.account_id = :account AND au.user_id = ? AND au.removed_at IS NULL"
        ),
    )
    .bind(user.0)
    .one::<AgentRow, _>(on)
    .await?
    .map(AgentRow::agent)
    .transpose()
}
