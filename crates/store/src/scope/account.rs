//! One account: its settings, its people, its keys.

use super::convert::{self, AGENT_COLUMNS, AgentRow};
use super::people;
use super::sql::{Sql, scoped};
use super::tenant::find_in;
use crate::connect::Inner;
use crate::entity::{account, account_key};
use crate::secret::SealedPlace;
use crate::*;
use domain::account::{Account, Role};
use domain::audit::{AuditAction, AuditSubject};
use domain::user::Agent;
use domain::{AccountId, Secret, UserId};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One account, and nothing else. Made only from a proof that this crate returned.
#[derive(Clone)]
pub struct AccountScope {
    pub(crate) inner: Arc<Inner>,
    pub(crate) id: AccountId,
    /// Whoever acts, where it is a person.
    pub(crate) acting: Option<Arc<Acting>>,
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

    pub async fn account_details(&self) -> Result<AccountDetails> {
        let row = self.sql("SELECT * FROM accounts WHERE id = :account").one(&self.inner.read).await?;
        details(row)
    }

    pub async fn update_account(&self, change: &AccountChange) -> Result<AccountDetails> {
        let tx = self.inner.begin().await?;
        let before = details(self.sql("SELECT * FROM accounts WHERE id = :account{lock}").one(&tx).await?)?;
        let row = self
            .sql(
                "UPDATE accounts SET name = COALESCE(?, name), locale = COALESCE(?, locale), domain = CASE WHEN ? THEN ? ELSE domain END, \
                 support_email = CASE WHEN ? THEN ? ELSE support_email END, updated_at = ? WHERE id = :account RETURNING *",
            )
            .bind(change.name.clone())
            .bind(change.locale.clone())
            .bind(change.domain.is_some())
            .bind(change.domain.clone().flatten())
            .bind(change.support_email.is_some())
            .bind(change.support_email.clone().flatten())
            .bind(self.inner.now().0)
            .one(&tx)
            .await?;
        let after = details(row)?;
        self.audit_update(&tx, AuditSubject::Account, self.id.0, told(&before), told(&after)).await?;
        tx.commit().await?;
        Ok(after)
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

    /// `Conflict` when the account would have no administrator left.
    pub async fn update_agent(&self, user: UserId, change: &AgentChange) -> Result<Option<Agent>> {
        let tx = self.inner.begin().await?;
        if change.role.is_some_and(|role| role != Role::Administrator) {
            self.keep_an_administrator(&tx, user).await?;
        }
        // Whether somebody is at their desk is no act of an administrator's.
        let before = if change.role.is_some() { load_agent(&tx, self.id, user).await? } else { None };
        self.change_agent(&tx, user, change).await?;
        let agent = load_agent(&tx, self.id, user).await?;
        if let (Some(before), Some(agent)) = (before, &agent) {
            let role = |agent: &Agent| json!({ "role": agent.role.as_str() });
            self.audit_update(&tx, AuditSubject::AccountUser, user.0, role(&before), role(agent)).await?;
        }
        tx.commit().await?;
        Ok(agent)
    }

    pub(crate) async fn change_agent<C: ConnectionTrait>(
        &self,
        on: &C,
        user: UserId,
        change: &AgentChange,
    ) -> Result<()> {
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

    /// `LimitReached` when there are `most` of what is counted. Until the end of this transaction nobody else adds one who asks first.
    pub(crate) async fn make_room<C: ConnectionTrait>(
        &self,
        on: &C,
        what: &'static str,
        counted: Sql,
        most: u32,
    ) -> Result<()> {
        self.stand_in_line(on).await?;
        let count: Option<i64> = counted.value(on).await?;
        if count.unwrap_or(0) >= i64::from(most) { Err(StoreError::LimitReached(what)) } else { Ok(()) }
    }

    /// `Conflict` when `user` is the only administrator. Two who take each other's place away at once wait for each other here: an
    /// account without an administrator could never be managed again.
    async fn keep_an_administrator<C: ConnectionTrait>(&self, on: &C, user: UserId) -> Result<()> {
        self.stand_in_line(on).await?;
        // Whoever was invited and has not come yet manages nothing.
        let administrators: Vec<i64> = self
            .sql(
                "SELECT au.user_id FROM account_users au JOIN users u ON u.id = au.user_id WHERE au.account_id = :account AND au.role = ? \
                 AND au.removed_at IS NULL AND (au.user_id = ? OR (u.password_hash IS NOT NULL AND NOT au.awaits_proof))",
            )
            .bind(Role::Administrator.as_str())
            .bind(user.0)
            .column(on)
            .await?;
        if administrators == [user.0] {
            return Err(StoreError::Conflict("the last administrator".to_owned()));
        }
        Ok(())
    }

    /// Takes the user out of the account; their conversations become unassigned. What they wrote stays theirs; their tokens for this account
    /// end. `Conflict` when the account would have no administrator left.
    pub async fn remove_agent(&self, user: UserId) -> Result<bool> {
        let tx = self.inner.begin().await?;
        self.keep_an_administrator(&tx, user).await?;
        people::lock_user(&tx, user).await?;
        let removed = self.leave(&tx, user).await?;
        if removed {
            self.audit(&tx, AuditAction::Destroy, AuditSubject::AccountUser, user.0, Map::new()).await?;
        }
        tx.commit().await?;
        Ok(removed)
    }

    /// Lock the user first.
    pub(crate) async fn leave<C: ConnectionTrait>(&self, on: &C, user: UserId) -> Result<bool> {
        let now = self.inner.now();
        // By id, as everybody locks conversations.
        let theirs: Vec<i64> = self
            .sql("SELECT id FROM conversations WHERE account_id = :account AND assignee_id = ? ORDER BY id{lock}")
            .bind(user.0)
            .column(on)
            .await?;
        if !theirs.is_empty() {
            self.sql("UPDATE conversations SET assignee_id = NULL, updated_at = ? WHERE account_id = :account AND assignee_id = ?")
                .bind(now.0)
                .bind(user.0)
                .run(on)
                .await?;
        }
        for places in [
            "DELETE FROM inbox_members WHERE account_id = :account AND user_id = ?",
            "DELETE FROM team_members WHERE account_id = :account AND user_id = ?",
            "DELETE FROM notifications WHERE account_id = :account AND user_id = ?",
            "DELETE FROM conversation_participants WHERE account_id = :account AND user_id = ?",
            // An invitation into the account ends with the place.
            "DELETE FROM password_links WHERE account_id = :account AND user_id = ? AND purpose = 'invitation'",
        ] {
            self.sql(places).bind(user.0).run(on).await?;
        }
        self.sql(
            "UPDATE api_tokens SET revoked_at = ? WHERE account_id = :account AND user_id = ? AND revoked_at IS NULL",
        )
        .bind(now.0)
        .bind(user.0)
        .run(on)
        .await?;
        let removed = self
            .sql(
                "UPDATE account_users SET removed_at = ?, updated_at = ? \
                 WHERE account_id = :account AND user_id = ? AND removed_at IS NULL",
            )
            .bind(now.0)
            .bind(now.0)
            .bind(user.0)
            .run(on)
            .await?;
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

fn told(account: &AccountDetails) -> Value {
    json!({
        "name": account.account.name,
        "locale": account.account.locale,
        "domain": account.domain,
        "support_email": account.support_email,
    })
}

fn details(row: Option<account::Model>) -> Result<AccountDetails> {
    let row = row.ok_or(StoreError::NotFound("account"))?;
    let (domain, support_email) = (row.domain.clone(), row.support_email.clone());
    Ok(AccountDetails { account: convert::account(row)?, domain, support_email })
}

pub(crate) async fn load_agent<C: ConnectionTrait>(on: &C, account: AccountId, user: UserId) -> Result<Option<Agent>> {
    load_place(on, account, user, "").await
}

/// Somebody who may enter: whoever has yet to show that their address is theirs may not.
pub(crate) async fn load_member<C: ConnectionTrait>(on: &C, account: AccountId, user: UserId) -> Result<Option<Agent>> {
    load_place(on, account, user, "AND NOT au.awaits_proof").await
}

async fn load_place<C: ConnectionTrait>(on: &C, account: AccountId, user: UserId, only: &str) -> Result<Option<Agent>> {
    scoped(
        account,
        format!(
            "SELECT {AGENT_COLUMNS} FROM account_users au JOIN users u ON u.id = au.user_id \
             WHERE au.account_id = :account AND au.user_id = ? AND au.removed_at IS NULL {only}"
        ),
    )
    .bind(user.0)
    .one::<AgentRow, _>(on)
    .await?
    .map(AgentRow::agent)
    .transpose()
}
