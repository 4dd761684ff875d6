//! Mails of the installation's own: owed in the transaction of their cause, and ended together with their work.

use super::Tx;
use crate::scope::invitations::owe;
use crate::{OwedPriority, Result, SystemMailKind, SystemMailState};
use domain::account::Role;
use domain::notification::{Notification, NotificationSettings};
use domain::{Failure, SystemMailId, UserId, WebhookId};
use std::time::Duration;

/// Rows of one statement.
const AT_ONCE: usize = 200;
/// Mails about notifications that one person is sent; whoever gives them more to do than that has them look at the page.
const MOST_AN_HOUR: i64 = 30;
const HOUR: Duration = Duration::from_secs(3600);

impl Tx {
    /// Every administrator of the account is told that a webhook was disabled. How many there are.
    pub async fn owe_webhook_notices(&mut self, webhook: WebhookId) -> Result<usize> {
        self.mail_administrators(SystemMailKind::WebhookDisabled, &[("webhook_id", Some(webhook.0))]).await
    }

    /// Every administrator of the account is mailed of what these columns name. How many there are.
    pub(super) async fn mail_administrators(
        &mut self,
        kind: SystemMailKind,
        about: &[(&'static str, Option<i64>)],
    ) -> Result<usize> {
        let now = self.scope.inner.now();
        let columns: String = about.iter().map(|(column, _)| format!("{column}, ")).collect();
        let values = "?, ".repeat(about.len());
        let mails = self.sql(format!(
            "INSERT INTO system_mails (account_id, user_id, kind, {columns}state, created_at) \
             SELECT account_id, user_id, ?, {values}'waiting', ? FROM account_users \
             WHERE account_id = :account AND role = ? AND removed_at IS NULL AND NOT awaits_proof RETURNING id"
        ));
        let mails = about.iter().fold(mails.bind(kind.as_str()), |mails, (_, id)| mails.bind(*id));
        let mails: Vec<i64> = mails.bind(now.0).bind(Role::Administrator.as_str()).column(&self.tx).await?;
        owe(&self.tx, now, &mails, OwedPriority::Normal, Duration::ZERO).await?;
        Ok(mails.len())
    }

    /// Of these, those that their people want to be told of by mail are, when `wait` is over, where they have shown that the address is theirs
    /// and were not mailed [`MOST_AN_HOUR`] times already. One that waits tells of what is newest. How many are new.
    pub async fn owe_notification_mails(&mut self, of: &[Notification], wait: Duration) -> Result<usize> {
        let now = self.scope.inner.now();
        let usual = NotificationSettings::default().email;
        let mut count = 0;
        for some in of.chunks(AT_ONCE) {
            let wanted: Vec<i64> = self
                .sql(
                    "SELECT n.id FROM notifications n JOIN account_users au ON au.account_id = n.account_id AND au.user_id = n.user_id \
                     AND au.removed_at IS NULL AND NOT au.awaits_proof \
                     JOIN users u ON u.id = au.user_id AND u.email_proved_at IS NOT NULL \
                     LEFT JOIN notification_settings s ON s.account_id = n.account_id AND s.user_id = n.user_id \
                     WHERE n.account_id = :account AND n.id IN (??) \
                     AND (s.email_flags LIKE '%\"' || n.kind || '\"%' OR (s.email_flags IS NULL AND n.kind IN (??))) \
                     AND (SELECT COUNT(*) FROM system_mails h WHERE h.user_id = n.user_id AND h.kind = ? AND h.created_at > ?) < ?",
                )
                .list(some.iter().map(|one| one.id.0))
                .list(usual.iter().map(|kind| kind.as_str()))
                .bind(SystemMailKind::Notification.as_str())
                .bind(now.minus(HOUR).0)
                .bind(MOST_AN_HOUR)
                .column(&self.tx)
                .await?;
            if wanted.is_empty() {
                continue;
            }
            let waiting: Vec<i64> = self
                .sql(
                    "UPDATE system_mails SET created_at = ?, notification_kind = (SELECT n.kind FROM notifications n \
                     WHERE n.account_id = system_mails.account_id AND n.id = system_mails.notification_id) \
                     WHERE account_id = :account AND state = 'waiting' AND notification_id IN (??) RETURNING notification_id",
                )
                .bind(now.0)
                .list(wanted.iter().copied())
                .column(&self.tx)
                .await?;
            let new: Vec<i64> = wanted.into_iter().filter(|id| !waiting.contains(id)).collect();
            if new.is_empty() {
                continue;
            }
            let mails: Vec<i64> = self
                .sql(
                    "INSERT INTO system_mails (account_id, user_id, kind, notification_id, notification_kind, state, created_at) \
                     SELECT n.account_id, n.user_id, ?, n.id, n.kind, 'waiting', ? FROM notifications n \
                     WHERE n.account_id = :account AND n.id IN (??) RETURNING id",
                )
                .bind(SystemMailKind::Notification.as_str())
                .bind(now.0)
                .list(new)
                .column(&self.tx)
                .await?;
            count += mails.len();
            owe(&self.tx, now, &mails, OwedPriority::Normal, wait).await?;
        }
        Ok(count)
    }

    /// Nobody is mailed of what they have read or put off: in the transaction in which they do, so that what comes after is told anew.
    pub(super) async fn drop_notification_mails(&mut self, user: UserId) -> Result<()> {
        self.sql(
            "UPDATE system_mails SET state = ?, ended_at = ? WHERE account_id = :account AND user_id = ? AND kind = ? AND state = 'waiting' \
             AND notification_id IN (SELECT n.id FROM notifications n WHERE n.account_id = system_mails.account_id \
             AND n.user_id = system_mails.user_id AND (n.read_at IS NOT NULL OR n.snoozed_until IS NOT NULL))",
        )
        .bind(SystemMailState::Dropped.as_str())
        .bind(self.scope.inner.now().0)
        .bind(user.0)
        .bind(SystemMailKind::Notification.as_str())
        .run(&self.tx)
        .await?;
        Ok(())
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
