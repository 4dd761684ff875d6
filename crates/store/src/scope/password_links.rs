//! Whoever cannot sign in asks for a link by mail, and sets a password with it, once.

use super::sign_in::SignIn;
use super::sql::system;
use super::{convert, invitations, people};
use crate::entity::user;
use crate::*;
use domain::user::User;
use domain::{Timestamp, UserId};
use sea_orm::FromQueryResult;
use std::time::Duration;

#[derive(Debug, FromQueryResult)]
struct WhoseRow {
    user_id: i64,
    account_id: Option<i64>,
}

#[derive(Debug, FromQueryResult)]
struct LinkRow {
    mailed: bool,
}

#[derive(Debug, FromQueryResult)]
struct OwnerRow {
    email_key: String,
    email_proved_at: Option<i64>,
    has_password: bool,
}

impl SignIn {
    /// Owes a mail to whoever has this address (`EmailAddress::key()`). The same statements run and a row is written whether or not there is
    /// somebody: neither the answer nor its time tells.
    pub async fn ask_for_reset(&self, key: &str) -> Result<()> {
        let now = self.inner.now();
        let tx = self.inner.begin().await?;
        // Owed by an account of theirs; one that is suspended owes nothing.
        let whose: Option<WhoseRow> = system(
            "SELECT u.id AS user_id, (SELECT au.account_id FROM account_users au JOIN accounts a ON a.id = au.account_id \
             WHERE au.user_id = u.id AND au.removed_at IS NULL ORDER BY CASE WHEN a.status = 'active' THEN 0 ELSE 1 END, au.account_id LIMIT 1) \
             AS account_id FROM users u WHERE u.email_key = ?",
        )
        .bind(key)
        .one(&tx)
        .await?;
        let (user, account) = whose.and_then(|row| row.account_id.map(|account| (row.user_id, account))).unzip();
        let state = if user.is_some() { SystemMailState::Waiting } else { SystemMailState::Nobody };
        let mail: Option<i64> = system(
            "INSERT INTO system_mails (account_id, user_id, kind, state, created_at) VALUES (?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(account)
        .bind(user)
        .bind(SystemMailKind::PasswordReset.as_str())
        .bind(state.as_str())
        .bind(now.0)
        .value(&tx)
        .await?;
        let mail = mail.ok_or(StoreError::NotFound("system mail"))?;
        invitations::owe(&tx, now, &[mail], OwedPriority::Human, Duration::ZERO).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Whether the link is one that may be used now.
    pub async fn password_link_is_good(&self, hash: &TokenHash, now: Timestamp) -> Result<bool> {
        let found: Option<i64> = system(
            "SELECT l.id FROM password_links l JOIN users u ON u.id = l.user_id AND u.email_key = l.address_key \
                 WHERE l.hash = ? AND l.used_at IS NULL AND l.expires_at > ?",
        )
        .bind(hash.hex())
        .bind(now.0)
        .value(&self.inner.read)
        .await?;
        Ok(found.is_some())
    }

    /// Sets the password, once; every link and session of the person ends. Who used a link that was mailed has shown that the address is
    /// theirs, and is in the accounts that waited for that. Whoever was the first to show it ends the API tokens too: somebody else may have
    /// made them. A link that was handed over gives whoever has no password their first one, and never another. `None`: used, expired, made for an
    /// address that they had before, or none of ours.
    pub async fn use_password_link(
        &self,
        hash: &TokenHash,
        password: &PasswordHash,
        now: Timestamp,
    ) -> Result<Option<User>> {
        let tx = self.inner.begin().await?;
        let whose: Option<i64> =
            system("SELECT user_id FROM password_links WHERE hash = ?").bind(hash.hex()).value(&tx).await?;
        let Some(whose) = whose else { return Ok(None) };
        // The person first, as whoever changes them does.
        let owner: Option<OwnerRow> =
            system("UPDATE users SET updated_at = ? WHERE id = ? RETURNING email_key, email_proved_at, password_hash IS NOT NULL AS has_password")
                .bind(now.0)
                .bind(whose)
                .one(&tx)
                .await?;
        let Some(owner) = owner else { return Ok(None) };
        let link: Option<LinkRow> = system(
            "UPDATE password_links SET used_at = ? WHERE hash = ? AND address_key = ? AND used_at IS NULL AND expires_at > ? \
             AND (mailed OR NOT ?) RETURNING mailed",
        )
        .bind(now.0)
        .bind(hash.hex())
        .bind(owner.email_key)
        .bind(now.0)
        .bind(owner.has_password)
        .one(&tx)
        .await?;
        let Some(link) = link else { return Ok(None) };
        let is_first_proof = link.mailed && owner.email_proved_at.is_none();
        let row: Option<user::Model> = system(
            "UPDATE users SET password_hash = ?, email_proved_at = CASE WHEN ? THEN ? ELSE email_proved_at END WHERE id = ? RETURNING *",
        )
        .bind(password.0.clone())
        .bind(is_first_proof)
        .bind(now.0)
        .bind(whose)
        .one(&tx)
        .await?;
        if is_first_proof {
            system("UPDATE account_users SET awaits_proof = FALSE WHERE user_id = ? AND awaits_proof")
                .bind(whose)
                .run(&tx)
                .await?;
        }
        let kinds: &[&str] = if is_first_proof { &["session", "client", "api"] } else { &["session", "client"] };
        people::end_keys(&self.inner, &tx, UserId(whose), kinds).await?;
        tx.commit().await?;
        Ok(row.map(convert::user))
    }
}
