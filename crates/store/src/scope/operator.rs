//! What whoever runs the installation may do, from the command line.

use super::sql::system;
use super::{convert, people};
use crate::connect::Inner;
use crate::entity::account;
use crate::*;
use domain::account::{Account, AccountStatus, Role};
use domain::user::User;
use domain::{AccountId, OwedId, Timestamp, UserId};
use sea_orm::FromQueryResult;
use std::sync::Arc;

/// The operator's scope.
#[derive(Clone, Debug)]
pub struct Operator {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug, FromQueryResult)]
struct OwedSelect {
    account_id: i64,
    id: i64,
    kind: String,
    subject_id: i64,
    state: String,
    attempts: i64,
    due_at: i64,
    last_error: Option<String>,
}

#[derive(Debug, FromQueryResult)]
struct UnreadableRow {
    text: String,
    reason: String,
    worker: String,
    seen_at: i64,
}

impl Operator {
    /// The account with its counters and keys, and its administrator, in one transaction.
    pub async fn create_account(&self, new: &NewAccount) -> Result<CreatedAccount> {
        let tx = self.inner.begin().await?;
        let account = people::create_account(&self.inner, &tx, &new.name, &new.locale).await?;
        let admin = match &new.admin {
            Some(user) => {
                let user = people::find_or_create_user(&self.inner, &tx, user).await?;
                people::add_member(&self.inner, &tx, account.id, user.id, Role::Administrator).await?;
                Some(user)
            }
            None => None,
        };
        tx.commit().await?;
        let scope = self.inner.scope(account.id);
        Ok(CreatedAccount { account, admin, scope })
    }

    pub async fn accounts(&self) -> Result<Vec<Account>> {
        let rows: Vec<account::Model> = system("SELECT * FROM accounts ORDER BY id").all(&self.inner.read).await?;
        rows.into_iter().map(convert::account).collect()
    }

    pub async fn account(&self, account: AccountId) -> Result<Option<AccountScope>> {
        let row: Option<account::Model> =
            system("SELECT * FROM accounts WHERE id = ?").bind(account.0).one(&self.inner.read).await?;
        Ok(row.map(|row| self.inner.scope(AccountId(row.id))))
    }

    pub async fn set_account_status(&self, account: AccountId, status: AccountStatus) -> Result<bool> {
        let changed = system("UPDATE accounts SET status = ?, updated_at = ? WHERE id = ?")
            .bind(status.as_str())
            .bind(self.inner.now().0)
            .bind(account.0)
            .run(&self.inner.write)
            .await?;
        Ok(changed == 1)
    }

    /// `Conflict` when the address is taken.
    pub async fn create_user(&self, user: &NewUser) -> Result<User> {
        people::create_user(&self.inner, &self.inner.write, user).await
    }

    pub async fn add_member(&self, account: AccountId, user: UserId, role: Role) -> Result<()> {
        people::add_member(&self.inner, &self.inner.write, account, user, role).await
    }

    pub async fn owed_counts(&self) -> Result<OwedCounts> {
        let count = async |text: &'static str| -> Result<u64> {
            let found = system(text).value::<i64, _>(&self.inner.read).await?.unwrap_or(0);
            convert::number("count", found)
        };
        Ok(OwedCounts {
            waiting: count("SELECT COUNT(*) FROM owed_work WHERE state = 'waiting'").await?,
            leased: count("SELECT COUNT(*) FROM owed_work WHERE state = 'waiting' AND lease_until > {now}").await?,
            failed: count("SELECT COUNT(*) FROM owed_work WHERE state = 'failed'").await?,
            raw_waiting: count("SELECT COUNT(*) FROM raw_emails WHERE state = 'waiting'").await?,
            unreadable: count("SELECT COUNT(*) FROM unreadable_jobs").await?,
        })
    }

    /// What stood in the queue and was no job, newest first.
    pub async fn unreadable_jobs(&self, limit: u32) -> Result<Vec<UnreadableJob>> {
        let rows: Vec<UnreadableRow> =
            system("SELECT text, reason, worker, seen_at FROM unreadable_jobs ORDER BY id DESC LIMIT ?")
                .bind(i64::from(limit))
                .all(&self.inner.read)
                .await?;
        let job = |row: UnreadableRow| UnreadableJob {
            text: row.text,
            reason: row.reason,
            worker: row.worker,
            seen_at: Timestamp(row.seen_at),
        };
        Ok(rows.into_iter().map(job).collect())
    }

    /// Unfinished and failed rows, oldest first: what invariants look at.
    pub async fn owed_rows(&self, limit: u32) -> Result<Vec<OwedRow>> {
        system(
            "SELECT account_id, id, kind, subject_id, state, attempts, due_at, last_error FROM owed_work ORDER BY id LIMIT ?",
        )
        .bind(i64::from(limit))
        .all::<OwedSelect, _>(&self.inner.read)
        .await?
        .into_iter()
        .map(|row| {
            Ok(OwedRow {
                account_id: AccountId(row.account_id),
                owed_id: OwedId(row.id),
                kind: row.kind,
                subject_id: row.subject_id,
                state: row.state,
                attempts: convert::number("attempts", row.attempts)?,
                due_at: Timestamp(row.due_at),
                last_error: row.last_error,
            })
        })
        .collect()
    }
}
