//! What whoever runs the installation may do, from the command line.

use super::sql::system;
use super::{convert, people};
use crate::connect::Inner;
use crate::entity::account;
use crate::*;
use domain::account::{Account, AccountStatus, Role};
use domain::{AccountId, InboxId, OwedId, Timestamp, UserId};
use sea_orm::FromQueryResult;
use std::sync::Arc;

const WEEK_MICROS: i64 = 7 * 24 * 3600 * 1_000_000;

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

#[derive(Debug, FromQueryResult)]
struct MailboxRow {
    account_id: i64,
    inbox_id: i64,
}

/// Mailboxes of active accounts that cannot be read or sent through.
const FAILING: &str = "FROM email_channels c JOIN accounts a ON a.id = c.account_id AND a.status = 'active' \
     WHERE c.fetch_state NOT IN ('connected', 'unknown') OR c.send_state NOT IN ('connected', 'unknown')";

impl Operator {
    /// The account with its counters and keys, and its administrator, in one transaction. `Conflict` when another account made the
    /// administrator up and nobody has shown since that the address is theirs: whoever did knows the password ([`Self::vouch_for`]).
    pub async fn create_account(&self, new: &NewAccount) -> Result<CreatedAccount> {
        let tx = self.inner.begin().await?;
        let account = people::create_account(&self.inner, &tx, &new.name, &new.locale).await?;
        let admin = match &new.admin {
            Some(user) => {
                let found = people::find_or_create_user(&self.inner, &tx, user).await?;
                if !found.is_new && !found.is_proved {
                    return Err(StoreError::Conflict("nobody has shown that the address is theirs".to_owned()));
                }
                people::vouch_for(&self.inner, &tx, found.user.id).await?;
                people::add_member(&self.inner, &tx, account.id, found.user.id, Role::Administrator).await?;
                Some(found.user)
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

    /// Whose inbox it is.
    pub async fn account_of_inbox(&self, inbox: InboxId) -> Result<Option<AccountScope>> {
        let account: Option<i64> = system("SELECT account_id FROM email_channels WHERE inbox_id = ?")
            .bind(inbox.0)
            .value(&self.inner.read)
            .await?;
        Ok(account.map(|account| self.inner.scope(AccountId(account))))
    }

    /// Inboxes of active accounts whose mailbox cannot be read or sent through, and how many there are.
    pub async fn failing_inboxes(&self, limit: u32) -> Result<(Vec<(AccountScope, InboxId)>, u64)> {
        let count: Option<i64> = system(format!("SELECT COUNT(*) {FAILING}")).value(&self.inner.read).await?;
        let rows: Vec<MailboxRow> =
            system(format!("SELECT c.account_id, c.inbox_id {FAILING} ORDER BY c.inbox_id LIMIT ?"))
                .bind(i64::from(limit))
                .all(&self.inner.read)
                .await?;
        let of = |row: MailboxRow| (self.inner.scope(AccountId(row.account_id)), InboxId(row.inbox_id));
        Ok((rows.into_iter().map(of).collect(), convert::number("count", count.unwrap_or(0))?))
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

    /// Whoever runs the installation says whose an address (`EmailAddress::key()`) is, and hands them this password. What anybody had of the user
    /// before ends: password, sessions, tokens, links. `false`: there is nobody to say it of, or the owner has shown it themself, and keeps all.
    pub async fn vouch_for(&self, key: &str, password: &PasswordHash) -> Result<bool> {
        let tx = self.inner.begin().await?;
        let user: Option<i64> = system(
            "UPDATE users SET password_hash = ?, email_proved_at = ?, updated_at = ? WHERE email_key = ? AND email_proved_at IS NULL RETURNING id",
        )
        .bind(password.0.clone())
        .bind(self.inner.now().0)
        .bind(self.inner.now().0)
        .bind(key)
        .value(&tx)
        .await?;
        let Some(user) = user else { return Ok(false) };
        system("UPDATE account_users SET awaits_proof = FALSE WHERE user_id = ? AND awaits_proof")
            .bind(user)
            .run(&tx)
            .await?;
        people::end_keys(&self.inner, &tx, UserId(user), &["session", "client", "api"]).await?;
        tx.commit().await?;
        Ok(true)
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

    pub async fn system_mail_counts(&self) -> Result<SystemMailCounts> {
        let since = self.inner.now().0.saturating_sub(WEEK_MICROS);
        let waiting: Option<i64> =
            system("SELECT COUNT(*) FROM system_mails WHERE state = 'waiting'").value(&self.inner.read).await?;
        let failed: Option<i64> = system("SELECT COUNT(*) FROM system_mails WHERE state = 'failed' AND created_at > ?")
            .bind(since)
            .value(&self.inner.read)
            .await?;
        let last_failure: Option<Option<String>> = system(
            "SELECT failure FROM system_mails WHERE failure IS NOT NULL AND created_at > ? ORDER BY id DESC LIMIT ?",
        )
        .bind(since)
        .bind(1_i64)
        .value(&self.inner.read)
        .await?;
        Ok(SystemMailCounts {
            waiting: convert::number("count", waiting.unwrap_or(0))?,
            failed: convert::number("count", failed.unwrap_or(0))?,
            last_failure: last_failure.flatten(),
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
