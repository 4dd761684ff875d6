//! Signing in: who a password or token belongs to, and where they may enter. Sees users and tokens, no tenant's data.

use super::account::load_agent;
use super::sql::{scoped, system};
use super::{convert, tenant};
use crate::connect::Inner;
use crate::entity::{account, account_user, api_token, user};
use crate::error::corrupt;
use crate::*;
use domain::account::Role;
use domain::user::{Membership, User};
use domain::{AccountId, EmailAddress, InboxId, Timestamp, TokenId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::ConnectionTrait;
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
        }))
    }

    /// `None` when the user is not a member. A suspended account is returned as such.
    pub async fn member(&self, account: AccountId, user: UserId) -> Result<Option<Member>> {
        let Some(agent) = load_agent(&self.inner.read, account, user).await? else { return Ok(None) };
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
            system("SELECT * FROM account_users WHERE user_id = ? AND removed_at IS NULL ORDER BY account_id")
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

    /// Of sessions the oldest end where there are more than `most`; of API tokens, which programs rely on, there are no more than `most`
    /// for one account, or for all (`LimitReached`).
    pub async fn create_token(&self, token: &NewToken, most: u32) -> Result<TokenId> {
        let row = api_token::ActiveModel {
            user_id: Set(token.user_id.0),
            account_id: Set(token.account_id.map(|a| a.0)),
            kind: Set(token.kind.as_str().to_owned()),
            hash: Set(token.hash.hex()),
            client_id: Set(token.client_id.clone()),
            name: Set(token.name.clone()),
            created_at: Set(self.inner.now().0),
            expires_at: Set(token.expires_at.map(|t| t.0)),
            ..Default::default()
        };
        let tx = self.inner.begin().await?;
        // Two who sign in as the same person at once are counted one after the other.
        system("UPDATE users SET updated_at = updated_at WHERE id = ?").bind(token.user_id.0).run(&tx).await?;
        let id = tenant::insert_global(&tx, row).await?.id;
        match token.kind {
            TokenKind::Session | TokenKind::Client => self.end_oldest_sessions(&tx, token.user_id, most).await?,
            TokenKind::Api => self.no_more_tokens_than(&tx, token, most).await?,
        }
        tx.commit().await?;
        Ok(TokenId(id))
    }

    async fn end_oldest_sessions<C: ConnectionTrait>(&self, on: &C, user: UserId, most: u32) -> Result<()> {
        let now = self.inner.now().0;
        system(
            "UPDATE api_tokens SET revoked_at = ? WHERE user_id = ? AND kind IN ('session', 'client') AND revoked_at IS NULL \
             AND id NOT IN (SELECT id FROM api_tokens WHERE user_id = ? AND kind IN ('session', 'client') \
             AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?) ORDER BY id DESC LIMIT ?)",
        )
        .bind(now)
        .bind(user.0)
        .bind(user.0)
        .bind(now)
        .bind(i64::from(most))
        .run(on)
        .await?;
        Ok(())
    }

    async fn no_more_tokens_than<C: ConnectionTrait>(&self, on: &C, token: &NewToken, most: u32) -> Result<()> {
        let account = token.account_id.map(|account| account.0);
        let tokens: Option<i64> = system(
            "SELECT COUNT(*) FROM api_tokens WHERE user_id = ? AND kind = 'api' AND revoked_at IS NULL \
             AND COALESCE(account_id, 0) = COALESCE(?, 0) AND (expires_at IS NULL OR expires_at > ?)",
        )
        .bind(token.user_id.0)
        .bind(account)
        .bind(self.inner.now().0)
        .value(on)
        .await?;
        if tokens.unwrap_or(0) > i64::from(most) { Err(StoreError::LimitReached("API tokens")) } else { Ok(()) }
    }

    /// The user's tokens that are valid now, newest first.
    pub async fn tokens(&self, user: UserId, now: Timestamp) -> Result<Vec<TokenInfo>> {
        system(
            "SELECT * FROM api_tokens WHERE user_id = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?) \
             ORDER BY id DESC",
        )
        .bind(user.0)
        .bind(now.0)
        .all::<api_token::Model, _>(&self.inner.read)
        .await?
        .into_iter()
        .map(|row| {
            Ok(TokenInfo {
                id: TokenId(row.id),
                user_id: UserId(row.user_id),
                kind: convert::code("token kind", &row.kind, TokenKind::parse)?,
                account_id: row.account_id.map(AccountId),
                client_id: row.client_id,
                name: row.name,
                created_at: Timestamp(row.created_at),
                expires_at: row.expires_at.map(Timestamp),
            })
        })
        .collect()
    }

    /// `false` when it is not the user's, or was revoked before.
    pub async fn revoke_token(&self, user: UserId, token: TokenId, now: Timestamp) -> Result<bool> {
        let revoked =
            system("UPDATE api_tokens SET revoked_at = ? WHERE id = ? AND user_id = ? AND revoked_at IS NULL")
                .bind(now.0)
                .bind(token.0)
                .bind(user.0)
                .run(&self.inner.write)
                .await?;
        Ok(revoked == 1)
    }

    /// `Conflict` when the e-mail address is somebody else's.
    pub async fn update_user(&self, user: UserId, change: &UserChange) -> Result<Option<User>> {
        let now = self.inner.now().0;
        let tx = self.inner.begin().await?;
        let row: Option<user::Model> = system(
            "UPDATE users SET name = COALESCE(?, name), email = COALESCE(?, email), email_key = COALESCE(?, email_key), password_hash = COALESCE(?, password_hash), \
             display_name = CASE WHEN ? THEN ? ELSE display_name END, \
             message_signature = CASE WHEN ? THEN ? ELSE message_signature END, updated_at = ? WHERE id = ? RETURNING *",
        )
        .bind(change.name.clone())
        .bind(change.email.as_ref().map(|e| e.as_str().to_owned()))
        .bind(change.email.as_ref().map(EmailAddress::key))
        .bind(change.password.as_ref().map(|p| p.0.clone()))
        .bind(change.display_name.is_some())
        .bind(change.display_name.clone().flatten())
        .bind(change.message_signature.is_some())
        .bind(change.message_signature.clone().flatten())
        .bind(now)
        .bind(user.0)
        .one(&tx)
        .await?;
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
        }
        tx.commit().await?;
        Ok(row.map(convert::user))
    }
}
