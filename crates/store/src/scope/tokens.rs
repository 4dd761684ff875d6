//! Tokens and sessions: making, listing and ending them. Only their hashes are here.

use super::account::load_member;
use super::sign_in::SignIn;
use super::sql::system;
use super::tenant;
use super::{convert, people};
use crate::entity::api_token;
use crate::*;
use domain::{AccountId, Timestamp, TokenId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::ConnectionTrait;

impl SignIn {
    /// Of sessions the oldest end where there are more than `most`; of API tokens, which programs rely on, there are no more than `most`
    /// for one account, or for all (`LimitReached`). `NotFound("account")`: it is for one that they are not in.
    pub async fn create_token(&self, token: &NewToken, most: u32) -> Result<TokenId> {
        self.replace_tokens(&[], token, most).await
    }

    /// As [`Self::create_token`]; these of the same person end with it, or not at all.
    pub async fn replace_tokens(&self, ended: &[TokenId], token: &NewToken, most: u32) -> Result<TokenId> {
        let row = api_token::ActiveModel {
            user_id: Set(token.user_id.0),
            account_id: Set(token.account_id.map(|a| a.0)),
            kind: Set(token.kind.as_str().to_owned()),
            hash: Set(token.hash.hex()),
            client_id: Set(token.client_id.clone()),
            name: Set(token.name.clone()),
            created_at: Set(self.inner.now().0),
            expires_at: Set(token.expires_at.map(|t| t.0)),
            user_agent: Set(token.device.user_agent.clone()),
            signed_in_from: Set(token.device.address.clone()),
            ..Default::default()
        };
        let tx = self.inner.begin().await?;
        // Two who sign in as the same person at once are counted one after the other.
        people::lock_user(&tx, token.user_id).await?;
        if let Some(account) = token.account_id {
            // Who is taken out of it meanwhile takes no key along.
            load_member(&tx, account, token.user_id).await?.ok_or(StoreError::NotFound("account"))?;
        }
        for old in ended {
            system("UPDATE api_tokens SET revoked_at = ? WHERE id = ? AND user_id = ? AND revoked_at IS NULL")
                .bind(self.inner.now().0)
                .bind(old.0)
                .bind(token.user_id.0)
                .run(&tx)
                .await?;
        }
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
                last_used_at: row.last_used_at.map(Timestamp),
                device: Device { user_agent: row.user_agent, address: row.signed_in_from },
            })
        })
        .collect()
    }

    /// Remembers that it was used.
    pub async fn token_used(&self, token: TokenId, at: Timestamp) -> Result<()> {
        system("UPDATE api_tokens SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)")
            .bind(at.0)
            .bind(token.0)
            .bind(at.0)
            .run(&self.inner.write)
            .await?;
        Ok(())
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
}
