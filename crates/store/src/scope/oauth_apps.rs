//! OAuth apps of an account, with their sealed credentials.
//!
//! A credential goes out opened in one place alone ([`AccountScope::open_oauth_app`]). Whoever changes what an app proves itself with makes
//! its version another, so that every process that has it opened opens it anew.

use super::audit;
use super::connect_links::GOES_ON;
use super::convert::{code, json, to_json};
use crate::secret::SealedPlace;
use crate::*;
use domain::audit::{AuditAction, AuditSubject};
use domain::oauth_app::{AppAlarm, CredentialKind, OauthApp, OauthAppCredential};
use domain::{Failure, OauthAppCredentialId, OauthAppId, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult};

pub(crate) const CREDENTIAL: &str = "oauth_app.credential";

#[derive(Debug, FromQueryResult)]
struct AppRow {
    id: i64,
    name: String,
    client_id: String,
    authority: String,
    is_default: bool,
    version: i64,
    failing_since: Option<i64>,
    failure: Option<String>,
    in_use_by: i64,
    created_at: i64,
    updated_at: i64,
}

const COLUMNS: &str = "a.id, a.name, a.client_id, a.authority, a.is_default, a.version, a.failing_since, a.failure, a.created_at, a.updated_at, \
    (SELECT COUNT(*) FROM grants g JOIN email_channels c ON c.account_id = g.account_id AND c.grant_id = g.id \
     WHERE g.account_id = a.account_id AND g.oauth_app_id = a.id) AS in_use_by";

#[derive(Debug, FromQueryResult)]
struct CredentialRow {
    id: i64,
    oauth_app_id: i64,
    kind: String,
    hint: String,
    seal_uid: String,
    sealed: Vec<u8>,
    expires_at: Option<i64>,
    refused_at: Option<i64>,
    failure: Option<String>,
    created_at: i64,
}

#[derive(Debug, FromQueryResult)]
struct StateRow {
    name: String,
    version: i64,
    failing_class: Option<String>,
    has_refusals: bool,
}

fn alarm(since: Option<i64>, failure: Option<&str>) -> Result<Option<AppAlarm>> {
    let Some((since, failure)) = since.zip(failure) else { return Ok(None) };
    Ok(Some(AppAlarm { since: Timestamp(since), failure: json("failure", failure)? }))
}

fn app(row: &AppRow, credentials: &[CredentialRow]) -> Result<OauthApp> {
    let own = credentials.iter().filter(|credential| credential.oauth_app_id == row.id);
    Ok(OauthApp {
        id: OauthAppId(row.id),
        name: row.name.clone(),
        client_id: row.client_id.clone(),
        authority: row.authority.clone(),
        is_default: row.is_default,
        alarm: alarm(row.failing_since, row.failure.as_deref())?,
        credentials: own.map(credential).collect::<Result<_>>()?,
        in_use_by: u32::try_from(row.in_use_by).unwrap_or(u32::MAX),
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    })
}

fn credential(row: &CredentialRow) -> Result<OauthAppCredential> {
    Ok(OauthAppCredential {
        id: OauthAppCredentialId(row.id),
        kind: code("credential kind", &row.kind, CredentialKind::parse)?,
        hint: row.hint.clone(),
        expires_at: row.expires_at.map(Timestamp),
        refused: alarm(row.refused_at, row.failure.as_deref())?,
        created_at: Timestamp(row.created_at),
    })
}

impl AccountScope {
    /// Oldest first.
    pub async fn oauth_apps(&self) -> Result<Vec<OauthApp>> {
        let rows: Vec<AppRow> = self
            .sql(format!("SELECT {COLUMNS} FROM oauth_apps a WHERE a.account_id = :account ORDER BY a.id"))
            .all(&self.inner.read)
            .await?;
        let credentials: Vec<CredentialRow> = self
            .sql("SELECT * FROM oauth_app_credentials WHERE account_id = :account ORDER BY id")
            .all(&self.inner.read)
            .await?;
        rows.iter().map(|row| app(row, &credentials)).collect()
    }

    pub async fn oauth_app(&self, id: OauthAppId) -> Result<Option<OauthApp>> {
        self.oauth_app_on(&self.inner.read, id).await
    }

    pub(super) async fn oauth_app_on<C: ConnectionTrait>(&self, on: &C, id: OauthAppId) -> Result<Option<OauthApp>> {
        let found = self.oauth_app_rows(on, id).await?;
        found.map(|(row, credentials)| app(&row, &credentials)).transpose()
    }

    async fn oauth_app_rows<C: ConnectionTrait>(
        &self,
        on: &C,
        id: OauthAppId,
    ) -> Result<Option<(AppRow, Vec<CredentialRow>)>> {
        let row: Option<AppRow> = self
            .sql(format!("SELECT {COLUMNS} FROM oauth_apps a WHERE a.account_id = :account AND a.id = ?"))
            .bind(id.0)
            .one(on)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let credentials = self
            .sql("SELECT * FROM oauth_app_credentials WHERE account_id = :account AND oauth_app_id = ? ORDER BY id")
            .bind(id.0)
            .all(on)
            .await?;
        Ok(Some((row, credentials)))
    }

    /// Through which app people sign in who name none.
    pub async fn default_oauth_app(&self) -> Result<Option<OauthAppId>> {
        let id: Option<i64> = self
            .sql("SELECT id FROM oauth_apps WHERE account_id = :account AND is_default")
            .value(&self.inner.read)
            .await?;
        Ok(id.map(OauthAppId))
    }

    pub async fn oauth_app_state(&self, id: OauthAppId) -> Result<Option<OauthAppState>> {
        let row: Option<StateRow> = self
            .sql(
                "SELECT a.name, a.version, a.failing_class, EXISTS (SELECT 1 FROM oauth_app_credentials c WHERE c.account_id = a.account_id \
                 AND c.oauth_app_id = a.id AND c.refused_at IS NOT NULL) AS has_refusals \
                 FROM oauth_apps a WHERE a.account_id = :account AND a.id = ?",
            )
            .bind(id.0)
            .one(&self.inner.read)
            .await?;
        Ok(row.map(|row| OauthAppState {
            name: row.name,
            version: row.version,
            failing_class: row.failing_class,
            has_refusals: row.has_refusals,
        }))
    }

    pub async fn open_oauth_app(&self, id: OauthAppId) -> Result<Option<OpenedOauthApp>> {
        let Some((row, rows)) = self.oauth_app_rows(&self.inner.read, id).await? else { return Ok(None) };
        let open = |held: &CredentialRow| {
            let place = SealedPlace { account: self.id, purpose: CREDENTIAL, uid: &held.seal_uid };
            Ok(OpenedCredential {
                id: OauthAppCredentialId(held.id),
                kind: code("credential kind", &held.kind, CredentialKind::parse)?,
                secret: self.inner.keys.open_text(&place, &held.sealed)?,
            })
        };
        let credentials = rows.iter().map(open).collect::<Result<_>>()?;
        Ok(Some(OpenedOauthApp { app: app(&row, &rows)?, version: row.version, credentials }))
    }

    /// `LimitReached`: there are `most` of them. `Conflict`: another one has this client id.
    pub async fn create_oauth_app(&self, new: &NewOauthApp, most: u32) -> Result<OauthApp> {
        let now = self.inner.now().0;
        let tx = self.inner.begin().await?;
        // One after the other, so that two do not both take the last place, or the same client id.
        let counted = self.sql("SELECT COUNT(*) FROM oauth_apps WHERE account_id = :account");
        self.make_room(&tx, "OAuth apps", counted, most).await?;
        self.client_id_is_free(&tx, &new.client_id, None).await?;
        if new.is_default {
            self.no_default(&tx).await?;
        }
        let id: Option<i64> = self
            .sql(
                "INSERT INTO oauth_apps (account_id, provider, name, client_id, seal_uid, credentials, authority, is_default, created_at, \
                 updated_at) VALUES (:account, 'microsoft', ?, ?, '', ?, ?, ?, ?, ?) RETURNING id",
            )
            .bind(new.name.clone())
            .bind(new.client_id.clone())
            .bind(Vec::<u8>::new())
            .bind(new.authority.clone())
            .bind(new.is_default)
            .bind(now)
            .bind(now)
            .value(&tx)
            .await?;
        let id = OauthAppId(id.ok_or(StoreError::NotFound("oauth app"))?);
        if let Some(credential) = &new.credential {
            self.insert_credential(&tx, id, credential).await?;
        }
        let found = self.oauth_app_rows(&tx, id).await?.ok_or(StoreError::NotFound("oauth app"))?;
        let made = app(&found.0, &found.1)?;
        self.audit(&tx, AuditAction::Create, AuditSubject::OauthApp, id.0, audit::oauth_app(&made)).await?;
        tx.commit().await?;
        Ok(made)
    }

    async fn client_id_is_free<C: ConnectionTrait>(
        &self,
        on: &C,
        client_id: &str,
        except: Option<OauthAppId>,
    ) -> Result<()> {
        let other: Option<i64> = self
            .sql("SELECT id FROM oauth_apps WHERE account_id = :account AND client_id = ? AND id <> ?")
            .bind(client_id)
            .bind(except.map_or(0, |id| id.0))
            .value(on)
            .await?;
        if other.is_some() { Err(StoreError::Conflict("the client id has an app already".to_owned())) } else { Ok(()) }
    }

    async fn no_default<C: ConnectionTrait>(&self, on: &C) -> Result<()> {
        self.sql("UPDATE oauth_apps SET is_default = FALSE WHERE account_id = :account AND is_default").run(on).await?;
        Ok(())
    }

    /// `None`: there is none. `Conflict`: another one has this client id. `LimitReached`: it is used, so its client id stays: what was granted
    /// to one client is nothing to another.
    pub async fn update_oauth_app(&self, id: OauthAppId, change: &OauthAppChange) -> Result<Option<OauthApp>> {
        let tx = self.inner.begin().await?;
        self.stand_in_line(&tx).await?;
        let Some((before, held)) = self.oauth_app_rows(&tx, id).await? else { return Ok(None) };
        if let Some(client_id) = change.client_id.as_ref().filter(|client_id| **client_id != before.client_id) {
            self.client_id_is_free(&tx, client_id, Some(id)).await?;
            if self.is_app_used(&tx, id).await? {
                return Err(StoreError::LimitReached("the client id of an app in use"));
            }
        }
        if change.is_default == Some(true) {
            self.no_default(&tx).await?;
        }
        self.sql(
            "UPDATE oauth_apps SET name = COALESCE(?, name), client_id = COALESCE(?, client_id), authority = COALESCE(?, authority), \
             is_default = COALESCE(?, is_default), version = version + 1, updated_at = ? WHERE account_id = :account AND id = ?",
        )
        .bind(change.name.clone())
        .bind(change.client_id.clone())
        .bind(change.authority.clone())
        .bind(change.is_default)
        .bind(self.inner.now().0)
        .bind(id.0)
        .run(&tx)
        .await?;
        let changed = self.audit_app(&tx, id, &app(&before, &held)?).await?;
        tx.commit().await?;
        Ok(Some(changed))
    }

    /// A grant was given to it, somebody is signing in through it, or may by a link that names it.
    async fn is_app_used<C: ConnectionTrait>(&self, on: &C, id: OauthAppId) -> Result<bool> {
        let count: Option<i64> = self
            .sql(format!(
                "SELECT (SELECT COUNT(*) FROM grants WHERE account_id = :account AND oauth_app_id = ?) + (SELECT COUNT(*) FROM connections \
                 WHERE account_id = :account AND oauth_app_id = ? AND (status IN ('proving', 'awaiting_admin_consent', \
                 'awaiting_handover', 'awaiting_acceptance') OR (status <> 'connected' AND consent_until > ?) \
                 OR (status IN ('pending', 'awaiting_confirmation', 'awaiting_address') AND expires_at > ?))) \
                 + (SELECT COUNT(*) FROM connect_links WHERE account_id = :account AND oauth_app_id = ? \
                 AND {GOES_ON} AND expires_at > ?)"
            ))
            .bind(id.0)
            .bind(id.0)
            .bind(self.inner.now().0)
            .bind(self.inner.now().0)
            .bind(id.0)
            .bind(self.inner.now().0)
            .value(on)
            .await?;
        Ok(count.unwrap_or(0) > 0)
    }

    /// With its credentials. Attempts that ended through it are let go of.
    pub async fn delete_oauth_app(&self, id: OauthAppId) -> Result<Removed> {
        let tx = self.inner.begin().await?;
        self.stand_in_line(&tx).await?;
        let Some(found) = self.oauth_app_on(&tx, id).await? else { return Ok(Removed::NotFound) };
        if self.is_app_used(&tx, id).await? {
            tx.rollback().await?;
            return Ok(Removed::InUse);
        }
        self.sql("UPDATE connections SET oauth_app_id = NULL WHERE account_id = :account AND oauth_app_id = ?")
            .bind(id.0)
            .run(&tx)
            .await?;
        self.sql("DELETE FROM oauth_apps WHERE account_id = :account AND id = ?").bind(id.0).run(&tx).await?;
        self.audit(&tx, AuditAction::Destroy, AuditSubject::OauthApp, id.0, audit::oauth_app(&found)).await?;
        tx.commit().await?;
        Ok(Removed::Gone)
    }

    /// `None`: there is no such app. `LimitReached`: it has `most`.
    pub async fn add_oauth_app_credential(
        &self,
        id: OauthAppId,
        new: &NewOauthAppCredential,
        most: u32,
    ) -> Result<Option<OauthApp>> {
        let tx = self.inner.begin().await?;
        self.stand_in_line(&tx).await?;
        let Some((row, held)) = self.oauth_app_rows(&tx, id).await? else { return Ok(None) };
        if held.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            tx.rollback().await?;
            return Err(StoreError::LimitReached("credentials"));
        }
        self.insert_credential(&tx, id, new).await?;
        self.another_version(&tx, id).await?;
        let changed = self.audit_app(&tx, id, &app(&row, &held)?).await?;
        tx.commit().await?;
        Ok(Some(changed))
    }

    async fn insert_credential<C: ConnectionTrait>(
        &self,
        on: &C,
        id: OauthAppId,
        new: &NewOauthAppCredential,
    ) -> Result<()> {
        let uid = self.inner.random_name();
        let place = SealedPlace { account: self.id, purpose: CREDENTIAL, uid: &uid };
        let sealed = self.inner.keys.seal(&place, self.inner.entropy.as_ref(), new.secret.expose().as_bytes());
        self.sql(
            "INSERT INTO oauth_app_credentials (account_id, oauth_app_id, kind, hint, seal_uid, sealed, expires_at, created_at) \
             VALUES (:account, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(id.0)
        .bind(new.kind.as_str())
        .bind(new.hint.clone())
        .bind(uid)
        .bind(sealed)
        .bind(new.expires_at.map(|at| at.0))
        .bind(self.inner.now().0)
        .run(on)
        .await?;
        Ok(())
    }

    async fn another_version<C: ConnectionTrait>(&self, on: &C, id: OauthAppId) -> Result<()> {
        self.sql("UPDATE oauth_apps SET version = version + 1, updated_at = ? WHERE account_id = :account AND id = ?")
            .bind(self.inner.now().0)
            .bind(id.0)
            .run(on)
            .await?;
        Ok(())
    }

    /// `InUse`: it is the last one of an app that is used.
    pub async fn delete_oauth_app_credential(
        &self,
        id: OauthAppId,
        credential: OauthAppCredentialId,
    ) -> Result<Removed> {
        let tx = self.inner.begin().await?;
        self.stand_in_line(&tx).await?;
        let Some((row, held)) = self.oauth_app_rows(&tx, id).await? else { return Ok(Removed::NotFound) };
        if !held.iter().any(|row| row.id == credential.0) {
            return Ok(Removed::NotFound);
        }
        if held.len() == 1 && self.is_app_used(&tx, id).await? {
            tx.rollback().await?;
            return Ok(Removed::InUse);
        }
        self.sql("DELETE FROM oauth_app_credentials WHERE account_id = :account AND oauth_app_id = ? AND id = ?")
            .bind(id.0)
            .bind(credential.0)
            .run(&tx)
            .await?;
        self.another_version(&tx, id).await?;
        self.audit_app(&tx, id, &app(&row, &held)?).await?;
        tx.commit().await?;
        Ok(Removed::Gone)
    }

    /// What the provider said of a credential; `None`: it took it.
    pub async fn note_credential_refusal(
        &self,
        credential: OauthAppCredentialId,
        refusal: Option<(Timestamp, &Failure)>,
    ) -> Result<()> {
        self.sql("UPDATE oauth_app_credentials SET refused_at = ?, failure = ? WHERE account_id = :account AND id = ?")
            .bind(refusal.map(|(at, _)| at.0))
            .bind(refusal.map(|(_, failure)| to_json(failure)))
            .bind(credential.0)
            .run(&self.inner.write)
            .await?;
        Ok(())
    }
}
