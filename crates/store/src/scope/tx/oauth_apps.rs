//! What is said of an account's own OAuth app: its row is changed by whoever finds it out first, and mails are owed in the same transaction.

use super::Tx;
use crate::scope::convert::to_json;
use crate::{Result, SystemMailKind};
use domain::{Failure, OauthAppCredentialId, OauthAppId};

impl Tx {
    /// The provider refuses the app, or each of its credentials. `true`: nobody has said so before, or it was for another reason.
    pub async fn raise_oauth_app_alarm(&mut self, app: OauthAppId, failure: &Failure) -> Result<bool> {
        let raised = self
            .sql(
                "UPDATE oauth_apps SET failing_since = COALESCE(failing_since, ?), failing_class = ?, failure = ? \
                 WHERE account_id = :account AND id = ? AND (failing_class IS NULL OR failing_class <> ?)",
            )
            .bind(self.scope.inner.now().0)
            .bind(failure.class.code())
            .bind(to_json(failure))
            .bind(app.0)
            .bind(failure.class.code())
            .run(&self.tx)
            .await?;
        Ok(raised == 1)
    }

    /// It works. `true`: it did not before.
    pub async fn clear_oauth_app_alarm(&mut self, app: OauthAppId) -> Result<bool> {
        let cleared = self
            .sql(
                "UPDATE oauth_apps SET failing_since = NULL, failing_class = NULL, failure = NULL \
                 WHERE account_id = :account AND id = ? AND failing_class IS NOT NULL",
            )
            .bind(app.0)
            .run(&self.tx)
            .await?;
        Ok(cleared == 1)
    }

    /// Somebody is reminded of its end. `true`: nobody was, of this.
    pub async fn warn_of_credential(&mut self, credential: OauthAppCredentialId, days: i64) -> Result<bool> {
        let warned = self
            .sql(
                "UPDATE oauth_app_credentials SET warned_days = ? WHERE account_id = :account AND id = ? \
                 AND (warned_days IS NULL OR warned_days > ?)",
            )
            .bind(days)
            .bind(credential.0)
            .bind(days)
            .run(&self.tx)
            .await?;
        Ok(warned == 1)
    }

    /// Every administrator of the account is told by mail that the app does not work, or that this credential of it ends. How many there are.
    pub async fn owe_oauth_app_mails(
        &mut self,
        app: OauthAppId,
        ending: Option<OauthAppCredentialId>,
    ) -> Result<usize> {
        let kind = if ending.is_some() { SystemMailKind::OauthAppEnding } else { SystemMailKind::OauthAppFailing };
        let credential = ending.map(|credential| credential.0);
        self.mail_administrators(kind, &[("oauth_app_id", Some(app.0)), ("oauth_app_credential_id", credential)]).await
    }
}
