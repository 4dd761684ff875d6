//! Mails of the installation's own: owed in the transaction of their cause, and ended together with their work.

use super::Tx;
use crate::scope::invitations::owe;
use crate::{OwedPriority, Result, SystemMailKind, SystemMailState};
use domain::account::Role;
use domain::{Failure, SystemMailId, WebhookId};

impl Tx {
    /// Every administrator of the account is told that a webhook was disabled. How many there are.
    pub async fn owe_webhook_notices(&mut self, webhook: WebhookId) -> Result<usize> {
        let now = self.scope.inner.now();
        let mails: Vec<i64> = self
            .sql(
                "INSERT INTO system_mails (account_id, user_id, kind, webhook_id, state, created_at) \
                 SELECT account_id, user_id, ?, ?, 'waiting', ? FROM account_users \
                 WHERE account_id = :account AND role = ? AND removed_at IS NULL AND NOT awaits_proof RETURNING id",
            )
            .bind(SystemMailKind::WebhookDisabled.as_str())
            .bind(webhook.0)
            .bind(now.0)
            .bind(Role::Administrator.as_str())
            .column(&self.tx)
            .await?;
        for mail in &mails {
            owe(&self.tx, now, *mail, OwedPriority::Normal).await?;
        }
        Ok(mails.len())
    }

    pub async fn end_system_mail(
        &mut self,
        mail: SystemMailId,
        state: SystemMailState,
        failure: Option<&Failure>,
    ) -> Result<()> {
        self.sql("UPDATE system_mails SET state = ?, failure = ?, ended_at = ? WHERE account_id = :account AND id = ?")
            .bind(state.as_str())
            .bind(failure.map(ToString::to_string))
            .bind(self.scope.inner.now().0)
            .bind(mail.0)
            .run(&self.tx)
            .await?;
        Ok(())
    }
}
