//! Grants: reading their tokens, and refreshing them single-flight with compare-and-swap.

use super::convert;
use super::sql::{scoped, system};
use super::tenant::{Only as _, find_in};
use crate::connect::Inner;
use crate::entity::grant;
use crate::secret::SealedPlace;
use crate::*;
use domain::{AccountId, Failure, GrantId, OauthAppId, Secret, Timestamp};
use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult, QueryFilter};
use std::time::Duration;

pub(crate) const REFRESH_TOKEN: &str = "grant.refresh_token";
pub(crate) const ACCESS_TOKEN: &str = "grant.access_token";

#[derive(Debug, FromQueryResult)]
struct TokenRow {
    seal_uid: String,
    token: Vec<u8>,
    expires_at: i64,
    version: i64,
    stored_at: i64,
}

impl AccountScope {
    pub async fn grant(&self, grant: GrantId) -> Result<Option<Grant>> {
        load(&self.inner.read, self.id, grant).await
    }

    /// The stored access token for a resource, however old.
    pub async fn access_token(&self, grant: GrantId, resource: &str) -> Result<Option<AccessToken>> {
        let row: Option<TokenRow> = self
            .sql("SELECT * FROM grant_access_tokens WHERE account_id = :account AND grant_id = ? AND resource = ?")
            .bind(grant.0)
            .bind(resource)
            .one(&self.inner.read)
            .await?;
        row.map(|row| {
            let place = SealedPlace { account: self.id, purpose: ACCESS_TOKEN, uid: &row.seal_uid };
            Ok(AccessToken {
                token: self.inner.keys.open_text(&place, &row.token)?,
                expires_at: Timestamp(row.expires_at),
                version: row.version,
                stored_at: Timestamp(row.stored_at),
            })
        })
        .transpose()
    }

    /// Single flight: `None` while somebody else refreshes, or when the grant is gone or waits for its owner.
    pub async fn claim_refresh(&self, grant: GrantId, lease: Duration) -> Result<Option<RefreshClaim>> {
        let token = self.inner.random_name();
        let row: Option<grant::Model> = self
            .sql(
                "UPDATE grants SET lease_token = ?, lease_until = {now} + ? WHERE account_id = :account AND id = ? \
                 AND status = 'active' AND lease_until <= {now} RETURNING *",
            )
            .bind(token.clone())
            .bind(micros(lease))
            .bind(grant.0)
            .one(&self.inner.write)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let place = SealedPlace { account: self.id, purpose: REFRESH_TOKEN, uid: &row.seal_uid };
        match self.inner.keys.open_text(&place, &row.refresh_token) {
            Ok(refresh_token) => Ok(Some(RefreshClaim {
                grant_id: grant,
                version: row.version,
                refresh_token,
                oauth_app_id: row.oauth_app_id.map(OauthAppId),
                tid: row.tid,
                lease_token: token,
            })),
            Err(error) => {
                self.free_refresh(grant, &token).await?;
                Err(error)
            }
        }
    }

    /// Compare-and-swap on the version the claim saw; ends the claim. `false`: somebody stored newer tokens, nothing was written.
    pub async fn store_refreshed(&self, claim: &RefreshClaim, tokens: &RefreshedTokens) -> Result<bool> {
        let now = self.inner.now();
        let sealed = tokens
            .refresh_token
            .as_ref()
            .filter(|token| !token.is_empty())
            .map(|token| seal(&self.inner, self.id, REFRESH_TOKEN, token));
        let (uid, token) = sealed.unzip();
        let tx = self.inner.begin().await?;
        let stored = self
            .sql(
                "UPDATE grants SET version = version + 1, seal_uid = COALESCE(?, seal_uid), \
                 refresh_token = COALESCE(?, refresh_token), refreshed_at = ?, updated_at = ?, lease_token = NULL, lease_until = 0 \
                 WHERE account_id = :account AND id = ? AND version = ?",
            )
            .bind(uid)
            .bind(token)
            .bind(now.0)
            .bind(now.0)
            .bind(claim.grant_id.0)
            .bind(claim.version)
            .run(&tx)
            .await?;
        if stored == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
        remember_scopes(&tx, self, claim.grant_id, &tokens.scopes).await?;
        put_access_token(
            &tx,
            self,
            claim.grant_id,
            &tokens.resource,
            &tokens.access_token,
            tokens.expires_at,
            claim.version + 1,
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The claim lasts on from now; `false`: it is another's, or over.
    pub async fn renew_refresh(&self, claim: &RefreshClaim, lease: Duration) -> Result<bool> {
        let renewed = self
            .sql("UPDATE grants SET lease_until = {now} + ? WHERE account_id = :account AND id = ? AND lease_token = ?")
            .bind(micros(lease))
            .bind(claim.grant_id.0)
            .bind(claim.lease_token.clone())
            .run(&self.inner.write)
            .await?;
        Ok(renewed == 1)
    }

    pub async fn release_refresh(&self, claim: &RefreshClaim) -> Result<()> {
        self.free_refresh(claim.grant_id, &claim.lease_token).await
    }

    /// The provider said that the owner must sign in again, and why. Ends the claim; `false` when newer tokens were stored meanwhile.
    pub async fn refresh_refused(&self, claim: &RefreshClaim, failure: &Failure) -> Result<bool> {
        let refused = self
            .sql(
                "UPDATE grants SET status = 'needs_reauth', failure = ?, lease_token = NULL, lease_until = 0, updated_at = ? \
                 WHERE account_id = :account AND id = ? AND version = ?",
            )
            .bind(convert::to_json(failure))
            .bind(self.inner.now().0)
            .bind(claim.grant_id.0)
            .bind(claim.version)
            .run(&self.inner.write)
            .await?;
        Ok(refused == 1)
    }

    /// The grant is about to be refreshed so that it does not die of idleness, whatever comes of it.
    pub async fn keeping_alive(&self, grant: GrantId) -> Result<()> {
        self.sql("UPDATE grants SET kept_alive_at = ? WHERE account_id = :account AND id = ?")
            .bind(self.inner.now().0)
            .bind(grant.0)
            .run(&self.inner.write)
            .await?;
        Ok(())
    }

    async fn free_refresh(&self, grant: GrantId, token: &str) -> Result<()> {
        self.sql(
            "UPDATE grants SET lease_token = NULL, lease_until = 0 WHERE account_id = :account AND id = ? AND lease_token = ?",
        )
        .bind(grant.0)
        .bind(token)
        .run(&self.inner.write)
        .await?;
        Ok(())
    }
}

pub(crate) async fn load<C: ConnectionTrait>(on: &C, account: AccountId, grant: GrantId) -> Result<Option<Grant>> {
    let row = find_in::<grant::Entity>(account).filter(grant::Column::Id.eq(grant.0)).only(on).await?;
    row.map(convert::grant).transpose()
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

fn seal(inner: &Inner, account: AccountId, purpose: &'static str, secret: &Secret) -> (String, Vec<u8>) {
    let uid = inner.random_name();
    let sealed = inner.keys.seal(
        &SealedPlace { account, purpose, uid: &uid },
        inner.entropy.as_ref(),
        secret.expose().as_bytes(),
    );
    (uid, sealed)
}

pub(crate) async fn upsert_grant<C: ConnectionTrait>(on: &C, scope: &AccountScope, new: &NewGrant) -> Result<Grant> {
    if new.refresh_token.is_empty() {
        return Err(StoreError::Conflict("a grant needs a refresh token".to_owned()));
    }
    let now = scope.inner.now().0;
    let (uid, token) = seal(&scope.inner, scope.id, REFRESH_TOKEN, &new.refresh_token);
    let row: Option<grant::Model> = scope
        .sql(
            "INSERT INTO grants (account_id, provider, oauth_app_id, tid, oid, sub, principal, status, scopes, seal_uid, refresh_token, version, \
             refreshed_at, created_at, updated_at) VALUES (:account, ?, ?, ?, ?, ?, ?, 'active', ?, ?, ?, 1, ?, ?, ?) \
             ON CONFLICT (account_id, provider, tid, oid) DO UPDATE SET oauth_app_id = excluded.oauth_app_id, sub = excluded.sub, principal = excluded.principal, \
             status = 'active', failure = NULL, scopes = excluded.scopes, seal_uid = excluded.seal_uid, refresh_token = excluded.refresh_token, \
             version = grants.version + 1, refreshed_at = excluded.refreshed_at, updated_at = excluded.updated_at, \
             lease_token = NULL, lease_until = 0 RETURNING *",
        )
        .bind(new.provider.as_str())
        .bind(new.oauth_app_id.map(|app| app.0))
        .bind(new.tid.clone())
        .bind(new.oid.clone())
        .bind(new.sub.clone())
        .bind(new.principal.clone())
        .bind(new.scopes.join(" "))
        .bind(uid)
        .bind(token)
        .bind(now)
        .bind(now)
        .bind(now)
        .one(on)
        .await?;
    let grant = convert::grant(row.ok_or(StoreError::NotFound("grant"))?)?;
    // What was granted before says nothing about what is granted now.
    scope
        .sql("DELETE FROM grant_access_tokens WHERE account_id = :account AND grant_id = ?")
        .bind(grant.id.0)
        .run(on)
        .await?;
    Ok(grant)
}

/// The name that the mail server took from the principal.
pub(crate) async fn rename<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    grant: GrantId,
    principal: &str,
) -> Result<()> {
    let renamed = scope
        .sql("UPDATE grants SET principal = ?, updated_at = ? WHERE account_id = :account AND id = ?")
        .bind(principal)
        .bind(scope.inner.now().0)
        .bind(grant.0)
        .run(on)
        .await?;
    if renamed == 1 { Ok(()) } else { Err(StoreError::NotFound("grant")) }
}

pub(crate) async fn put_access_token<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    grant: GrantId,
    resource: &str,
    token: &Secret,
    expires_at: Timestamp,
    version: i64,
) -> Result<()> {
    let (uid, sealed) = seal(&scope.inner, scope.id, ACCESS_TOKEN, token);
    scoped(
        scope.id,
        "INSERT INTO grant_access_tokens (account_id, grant_id, resource, seal_uid, token, expires_at, version, stored_at) \
         VALUES (:account, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account_id, grant_id, resource) DO UPDATE SET \
         seal_uid = excluded.seal_uid, token = excluded.token, expires_at = excluded.expires_at, version = excluded.version, \
         stored_at = excluded.stored_at",
    )
    .bind(grant.0)
    .bind(resource)
    .bind(uid)
    .bind(sealed)
    .bind(expires_at.0)
    .bind(version)
    .bind(scope.inner.now().0)
    .run(on)
    .await?;
    Ok(())
}

/// What a refresh for another resource was granted is added to what the sign-in was granted.
async fn remember_scopes<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    grant: GrantId,
    granted: &[String],
) -> Result<()> {
    let Some(stored) = load(on, scope.id, grant).await? else { return Ok(()) };
    let mut all = stored.scopes;
    let known = all.len();
    for name in granted {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    if all.len() > known {
        scope
            .sql("UPDATE grants SET scopes = ? WHERE account_id = :account AND id = ?")
            .bind(all.join(" "))
            .bind(grant.0)
            .run(on)
            .await?;
    }
    Ok(())
}

/// Forgets a grant that no channel uses and no attempt is waiting with. Attempts that are over let go of it.
pub(crate) async fn forget_unused<C: ConnectionTrait>(on: &C, scope: &AccountScope, grant: GrantId) -> Result<bool> {
    scope
        .sql(
            "UPDATE connections SET grant_id = NULL WHERE account_id = :account AND grant_id = ? \
             AND status NOT IN ('awaiting_confirmation', 'awaiting_address', 'awaiting_handover', 'awaiting_acceptance', 'proving') AND NOT EXISTS (SELECT 1 FROM email_channels c \
             WHERE c.account_id = connections.account_id AND c.grant_id = connections.grant_id)",
        )
        .bind(grant.0)
        .run(on)
        .await?;
    let forgotten = scope
        .sql(format!("DELETE FROM grants WHERE account_id = :account AND id = ? AND {NOBODY_USES_IT}"))
        .bind(grant.0)
        .run(on)
        .await?;
    Ok(forgotten == 1)
}

/// The same for every account: what was signed in and never confirmed, or whose inbox is gone.
pub(crate) async fn forget_all_unused<C: ConnectionTrait>(on: &C) -> Result<u64> {
    system(
        "UPDATE connections SET grant_id = NULL WHERE grant_id IS NOT NULL \
         AND status NOT IN ('awaiting_confirmation', 'awaiting_address', 'awaiting_handover', 'awaiting_acceptance', 'proving') AND NOT EXISTS (SELECT 1 FROM email_channels c \
         WHERE c.account_id = connections.account_id AND c.grant_id = connections.grant_id)",
    )
    .run(on)
    .await?;
    system(format!("DELETE FROM grants WHERE {NOBODY_USES_IT}")).run(on).await
}

const NOBODY_USES_IT: &str = "NOT EXISTS (SELECT 1 FROM email_channels c WHERE c.account_id = grants.account_id AND c.grant_id = grants.id) \
     AND NOT EXISTS (SELECT 1 FROM connections n WHERE n.account_id = grants.account_id AND n.grant_id = grants.id)";
