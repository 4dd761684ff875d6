//! Mails of the installation's own: owed in the transaction of their cause, and ended together with their work.

use super::Tx;
use crate::scope::invitations::owe;
use crate::{OwedPriority, Result, SystemMailKind, SystemMailState};
use domain::account::Role;
use domain::notification::{Notification, NotificationKind, NotificationSettings};
use domain::{Failure, SystemMailId, WebhookId};
use std::time::Duration;

/// Rows of one statement.
const AT_ONCE: usize = 200;

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
            owe(&self.tx, now, *mail, OwedPriority::Normal, Duration::ZERO).await?;
        }
        Ok(mails.len())
    }

    /// Of these, those that their people want to be told of by mail are, when `wait` is over; nobody twice of the same. How many.
    pub async fn owe_notification_mails(&mut self, of: &[Notification], wait: Duration) -> Result<usize> {
        let now = self.scope.inner.now();
        let usual = NotificationSettings::default().email;
        let usual: Vec<&str> = usual.into_iter().map(NotificationKind::as_str).collect();
        let mut count = 0;
        for some in of.chunks(AT_ONCE) {
            let mails: Vec<i64> = self
                .sql(
                    "INSERT INTO system_mails (account_id, user_id, kind, notification_id, notification_kind, state, created_at) \
                     SELECT n.account_id, n.user_id, ?, n.id, n.kind, 'waiting', ? FROM notifications n \
                     JOIN account_users au ON au.account_id = n.account_id AND au.user_id = n.user_id \
                     AND au.removed_at IS NULL AND NOT au.awaits_proof \
                     LEFT JOIN notification_settings s ON s.account_id = n.account_id AND s.user_id = n.user_id \
                     WHERE n.account_id = :account AND n.id IN (??) \
                     AND (s.email_flags LIKE '%\"' || n.kind || '\"%' OR (s.email_flags IS NULL AND n.kind IN (??))) \
                     AND NOT EXISTS (SELECT 1 FROM system_mails w WHERE w.notification_id = n.id AND w.state = 'waiting') RETURNING id",
                )
                .bind(SystemMailKind::Notification.as_str())
                .bind(now.0)
                .list(some.iter().map(|one| one.id.0))
                .list(usual.iter().copied())
                .column(&self.tx)
                .await?;
            count += mails.len();
            for mail in &mails {
                owe(&self.tx, now, *mail, OwedPriority::Normal, wait).await?;
            }
        }
        Ok(count)
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
