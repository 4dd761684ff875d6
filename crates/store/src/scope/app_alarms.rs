//! What does not work about OAuth apps, and what is about to end: told once, whoever of many finds it out.
//!
//! Of an account's own app its row says so (`tx::oauth_apps`). The installation's app belongs to no account: [`AppAlarms`] is the scope of what is remembered of it, and of looking for credentials that end, whosever they are.

use super::convert::{json, to_json};
use super::sql::system;
use crate::connect::Inner;
use crate::*;
use domain::{AccountId, Failure, OauthAppCredentialId, OauthAppId, Timestamp};
use sea_orm::FromQueryResult;
use std::sync::Arc;

/// The scope of what is said of apps, for the installation.
#[derive(Clone, Debug)]
pub struct AppAlarms {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug, FromQueryResult)]
struct AlarmRow {
    failing_since: i64,
    failure: String,
}

#[derive(Debug, FromQueryResult)]
struct EndingRow {
    account_id: i64,
    oauth_app_id: i64,
    id: i64,
    expires_at: i64,
    warned_days: Option<i64>,
}

impl AppAlarms {
    /// `true`: nobody has said so before.
    pub async fn raise(&self, client_id: &str, failure: &Failure) -> Result<bool> {
        let raised = system(
            "INSERT INTO installation_app_alarms (client_id, failing_since, failing_class, failure) VALUES (?, ?, ?, ?) \
             ON CONFLICT (client_id) DO UPDATE SET failing_class = excluded.failing_class, failure = excluded.failure \
             WHERE installation_app_alarms.failing_class <> excluded.failing_class",
        )
        .bind(client_id)
        .bind(self.inner.now().0)
        .bind(failure.class.code())
        .bind(to_json(failure))
        .run(&self.inner.write)
        .await?;
        Ok(raised == 1)
    }

    /// `true`: it did not work before.
    pub async fn clear(&self, client_id: &str) -> Result<bool> {
        let cleared = system("DELETE FROM installation_app_alarms WHERE client_id = ?")
            .bind(client_id)
            .run(&self.inner.write)
            .await?;
        Ok(cleared == 1)
    }

    pub async fn of(&self, client_id: &str) -> Result<Option<InstallationAlarm>> {
        let row: Option<AlarmRow> =
            system("SELECT failing_since, failure FROM installation_app_alarms WHERE client_id = ?")
                .bind(client_id)
                .one(&self.inner.read)
                .await?;
        row.map(|row| {
            Ok(InstallationAlarm { since: Timestamp(row.failing_since), failure: json("failure", &row.failure)? })
        })
        .transpose()
    }

    /// `true`: nobody was reminded of this before.
    pub async fn warned(&self, client_id: &str, credential: &str, expires_at: Timestamp, days: i64) -> Result<bool> {
        let noted = system(
            "INSERT INTO installation_app_warnings (client_id, credential, expires_at, days, warned_at) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(client_id)
        .bind(credential)
        .bind(expires_at.0)
        .bind(days)
        .bind(self.inner.now().0)
        .run(&self.inner.write)
        .await?;
        Ok(noted == 1)
    }

    /// The credentials of accounts' own apps that end before `until` and that none of the same app outlasts.
    pub async fn ending(&self, until: Timestamp, most: u32) -> Result<Vec<EndingCredential>> {
        let rows: Vec<EndingRow> = system(
            "SELECT c.account_id, c.oauth_app_id, c.id, c.expires_at, c.warned_days FROM oauth_app_credentials c \
             JOIN accounts a ON a.id = c.account_id AND a.status = 'active' \
             WHERE c.expires_at > ? AND c.expires_at <= ? AND NOT EXISTS (SELECT 1 FROM oauth_app_credentials o \
             WHERE o.account_id = c.account_id AND o.oauth_app_id = c.oauth_app_id AND o.id <> c.id \
             AND o.refused_at IS NULL AND (o.expires_at IS NULL OR o.expires_at > c.expires_at)) ORDER BY c.expires_at, c.id LIMIT ?",
        )
        .bind(self.inner.now().0)
        .bind(until.0)
        .bind(i64::from(most))
        .all(&self.inner.read)
        .await?;
        let of = |row: EndingRow| EndingCredential {
            scope: self.inner.scope(AccountId(row.account_id)),
            oauth_app_id: OauthAppId(row.oauth_app_id),
            id: OauthAppCredentialId(row.id),
            expires_at: Timestamp(row.expires_at),
            warned_days: row.warned_days,
        };
        Ok(rows.into_iter().map(of).collect())
    }
}
