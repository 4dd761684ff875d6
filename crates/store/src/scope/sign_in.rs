//! Signing in: who a password or token belongs to, and where they may enter. Sees users and tokens, no tenant's data.

use super::account::load_member;
use super::convert;
use super::sql::{scoped, system};
use crate::connect::Inner;
use crate::entity::{account, account_user, api_token, user};
use crate::error::corrupt;
use crate::*;
use domain::account::Role;
use domain::user::{Membership, User};
use domain::{AccountId, EmailAddress, InboxId, Timestamp, TokenId, UserId};
use std::sync::Arc;

/// The scope of signing in.
#[derive(Clone, Debug)]
pub struct SignIn {
    pub(crate) inner: Arc<Inner>,
}

impl SignIn {
    /// `key`: `EmailAddress::key()`. No hash: the user cannot sign in with a password.
    pub async fn user_by_email(&self, key: &str) -> Result<Option<(User, Option<PasswordHash>)>> {
        let row: Option<user::Model> =
            system("SELECT * FROM users WHERE email_key = ?").bind(key).one(&self.inner.read).await?;
        Ok(row.map(|mut row| {
            let hash = row.password_hash.take().map(PasswordHash);
            (convert::user(row), hash)
        }))
    }

    pub async fn user(&self, user: UserId) -> Result<Option<User>> {
        let row = system("SELECT * FROM users WHERE id = ?").bind(user.0).one(&self.inner.read).await?;
        Ok(row.map(convert::user))
    }

    /// What the user's page remembers for them: an object.
    pub async fn ui_settings(&self, user: UserId) -> Result<serde_json::Value> {
        let text: Option<String> =
            system("SELECT ui_settings FROM users WHERE id = ?").bind(user.0).value(&self.inner.read).await?;
        convert::json("ui settings", text.as_deref().unwrap_or("{}"))
    }

    /// `None`: not known, revoked, or expired.
    pub async fn authenticate_token(&self, hash: &TokenHash, now: Timestamp) -> Result<Option<Authenticated>> {
        let token: Option<api_token::Model> = system(
            "SELECT * FROM api_tokens WHERE hash = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)",
        )
        .bind(hash.hex())
        .bind(now.0)
        .one(&self.inner.read)
        .await?;
        let Some(token) = token else { return Ok(None) };
        let user = self.user(UserId(token.user_id)).await?.ok_or_else(|| corrupt("token", "without its user"))?;
        Ok(Some(Authenticated {
            user,
            token_id: TokenId(token.id),
            kind: convert::code("token kind", &token.kind, TokenKind::parse)?,
            account_id: token.account_id.map(AccountId),
            client_id: token.client_id,
            expires_at: token.expires_at.map(Timestamp),
            last_used_at: token.last_used_at.map(Timestamp),
        }))
    }

    /// `None` when the user is not a member. A suspended account is returned as such.
    pub async fn member(&self, account: AccountId, user: UserId) -> Result<Option<Member>> {
        let Some(agent) = load_member(&self.inner.read, account, user).await? else { return Ok(None) };
        let scope = self.inner.scope(account);
        let visibility = match agent.role {
            Role::Administrator => Visibility::All,
            Role::Agent => Visibility::Inboxes(
                scoped(
                    account,
                    "SELECT inbox_id FROM inbox_members WHERE account_id = :account AND user_id = ? ORDER BY inbox_id",
                )
                .bind(user.0)
                .column::<i64, _>(&self.inner.read)
                .await?
                .into_iter()
                .map(InboxId)
                .collect(),
            ),
        };
        let account = scope.account().await?;
        Ok(Some(Member { scope, account, agent, visibility }))
    }

    /// The accounts a user belongs to, oldest first.
    pub async fn memberships(&self, user: UserId) -> Result<Vec<Membership>> {
        let places: Vec<account_user::Model> =
            system("SELECT * FROM account_users WHERE user_id = ? AND removed_at IS NULL AND NOT awaits_proof ORDER BY account_id")
                .bind(user.0)
                .all(&self.inner.read)
                .await?;
        let accounts: Vec<account::Model> = system("SELECT * FROM accounts WHERE id IN (??)")
            .list(places.iter().map(|p| p.account_id))
            .all(&self.inner.read)
            .await?;
        places
            .iter()
            .filter_map(|place| accounts.iter().find(|a| a.id == place.account_id).map(|a| (a.clone(), place)))
            .map(|(account, place)| convert::membership(account, place))
            .collect()
    }

    /// `Conflict` when the e-mail address is somebody else's. Whoever takes another address leaves the accounts that wait for the owner of the
    /// old one.
    pub async fn update_user(&self, user: UserId, change: &UserChange) -> Result<Option<User>> {
        let now = self.inner.now().0;
        let tx = self.inner.begin().await?;
        let row: Option<user::Model> = system(
            "UPDATE users SET name = COALESCE(?, name), email = COALESCE(?, email), email_key = COALESCE(?, email_key), password_hash = COALESCE(?, password_hash), \
             display_name = CASE WHEN ? THEN ? ELSE display_name END, \
             message_signature = CASE WHEN ? THEN ? ELSE message_signature END, ui_settings = COALESCE(?, ui_settings), \
             email_proved_at = CASE WHEN ? THEN NULL ELSE email_proved_at END, email_changed_at = CASE WHEN ? THEN ? ELSE email_changed_at END, \
             updated_at = ? WHERE id = ? RETURNING *",
        )
        .bind(change.name.clone())
        .bind(change.email.as_ref().map(|e| e.as_str().to_owned()))
        .bind(change.email.as_ref().map(EmailAddress::key))
        .bind(change.password.as_ref().map(|p| p.0.clone()))
        .bind(change.display_name.is_some())
        .bind(change.display_name.clone().flatten())
        .bind(change.message_signature.is_some())
        .bind(change.message_signature.clone().flatten())
        .bind(change.ui_settings.clone())
        // Nobody has shown yet that the new address is theirs.
        .bind(change.email.is_some())
        .bind(change.email.is_some())
        .bind(now)
        .bind(now)
        .bind(user.0)
        .one(&tx)
        .await?;
        if change.email.is_some() {
            let waiting: Vec<i64> = system(
                "SELECT account_id FROM account_users WHERE user_id = ? AND awaits_proof AND removed_at IS NULL ORDER BY account_id",
            )
            .bind(user.0)
            .column(&tx)
            .await?;
            for account in waiting {
                self.inner.scope(AccountId(account)).leave(&tx, user).await?;
            }
        }
        if let Some(kept) = change.ends_sessions_but {
            system(
                "UPDATE api_tokens SET revoked_at = ? WHERE user_id = ? AND id <> ? AND kind IN ('session', 'client') \
                 AND revoked_at IS NULL",
            )
            .bind(now)
            .bind(user.0)
            .bind(kept.0)
            .run(&tx)
            .await?;
            // A link that went to the old address, or was asked for before, opens nothing any more.
            system("UPDATE password_links SET used_at = ? WHERE user_id = ? AND used_at IS NULL")
                .bind(now)
                .bind(user.0)
                .run(&tx)
                .await?;
        }
        tx.commit().await?;
        Ok(row.map(convert::user))
    }
}
