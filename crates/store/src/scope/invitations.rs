//! People are invited into an account, and mails are owed that say so.
//!
//! Users are global, so an address that one tenant typed in must be worth nothing in another: whoever was made a user elsewhere, and has not
//! shown that the address is theirs, is no member before they do (`awaits_proof`). Else whoever made them would come in with the password
//! they gave them.

use super::account::load_agent;
use super::grants::micros;
use super::people;
use super::sql::system;
use super::{audit, convert};
use crate::entity::user;
use crate::error::corrupt;
use crate::*;
use domain::account::Role;
use domain::audit::{AuditAction, AuditSubject};
use domain::notification::NotificationKind;
use domain::webhook::DisabledReason;
use domain::{DisplayId, EmailAddress, Failure, SystemMailId, Timestamp, UserId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::json;
use std::time::Duration;

#[derive(Debug, FromQueryResult)]
struct StandingRow {
    has_password: bool,
    awaits_proof: bool,
}

#[derive(Debug, FromQueryResult)]
struct SystemMailRow {
    id: i64,
    kind: String,
    state: String,
    user_id: i64,
    created_at: i64,
    account_name: String,
    by_name: Option<String>,
    by_email: Option<String>,
    webhook_name: Option<String>,
    webhook_url: Option<String>,
    disabled_reason: Option<String>,
    notification_kind: Option<String>,
    display_id: Option<i64>,
    subject: Option<String>,
    app_name: Option<String>,
    app_failure: Option<String>,
    ending_hint: Option<String>,
    ending_at: Option<i64>,
}

impl StandingRow {
    fn needs(&self) -> Needs {
        match (self.awaits_proof, self.has_password) {
            (true, _) => Needs::Proof,
            (false, false) => Needs::Password,
            (false, true) => Needs::Nothing,
        }
    }
}

impl AccountScope {
    /// Adds a user (found by e-mail, or made) to the account, with what `place` says of them there, and owes the mail that tells them.
    /// `Conflict` when they are a member already, `LimitReached` when there are `most` people in it.
    pub async fn invite_agent(
        &self,
        new: &NewUser,
        role: Role,
        place: &AgentChange,
        most: u32,
        invite: Invite,
    ) -> Result<Invited> {
        let tx = self.inner.begin().await?;
        self.stand_in_line(&tx).await?;
        let found = people::find_or_create_user(&self.inner, &tx, new).await?;
        let user = &found.user;
        let awaits_proof = !found.is_new
            && !found.is_proved
            && (found.chose_address || !self.is_trusted_with(&tx, user.id, invite.by).await?);
        people::add_member(&self.inner, &tx, self.id, user.id, role).await?;
        let people: Option<i64> = self
            .sql("SELECT COUNT(*) FROM account_users WHERE account_id = :account AND removed_at IS NULL")
            .value(&tx)
            .await?;
        if people.unwrap_or(0) > i64::from(most) {
            return Err(StoreError::LimitReached("agents"));
        }
        self.change_agent(&tx, user.id, place).await?;
        self.sql("UPDATE account_users SET awaits_proof = ? WHERE account_id = :account AND user_id = ?")
            .bind(awaits_proof)
            .bind(user.id.0)
            .run(&tx)
            .await?;
        let needs = StandingRow { has_password: found.has_password, awaits_proof }.needs();
        // Whoever is made with a password is told it by whoever made it up.
        let is_told = found.is_new && new.password.is_some();
        if invite.mailed && !is_told {
            self.owe_invitation(&tx, user.id, needs, invite).await?;
        }
        let agent = load_agent(&tx, self.id, user.id).await?;
        let place = json!({ "email": user.email, "role": role.as_str() });
        self.audit(&tx, AuditAction::Create, AuditSubject::AccountUser, user.id.0, audit::fields(place)).await?;
        tx.commit().await?;
        Ok(Invited { agent: agent.ok_or(StoreError::NotFound("agent"))?, needs })
    }

    /// Whoever invites administers every account that the user was ever in, and there is one: then they could have given the password anyway.
    /// Not so for an address that the user chose: whoever invites may mean its owner.
    async fn is_trusted_with<C: ConnectionTrait>(&self, on: &C, user: UserId, by: UserId) -> Result<bool> {
        let places: Vec<bool> = system(
            "SELECT EXISTS (SELECT 1 FROM account_users m WHERE m.account_id = o.account_id AND m.user_id = ? AND m.role = 'administrator' \
             AND m.removed_at IS NULL AND NOT m.awaits_proof) FROM account_users o WHERE o.user_id = ?",
        )
        .bind(by.0)
        .bind(user.0)
        .column(on)
        .await?;
        Ok(!places.is_empty() && places.into_iter().all(|trusted| trusted))
    }

    async fn owe_invitation<C: ConnectionTrait>(
        &self,
        on: &C,
        user: UserId,
        needs: Needs,
        invite: Invite,
    ) -> Result<()> {
        let kind = match needs {
            Needs::Nothing => SystemMailKind::Added,
            Needs::Password | Needs::Proof => SystemMailKind::Invitation,
        };
        let priority = if invite.alone { OwedPriority::Human } else { OwedPriority::Normal };
        let mail: Option<i64> = self
            .sql(
                "INSERT INTO system_mails (account_id, user_id, kind, by_user_id, state, created_at) \
                 VALUES (:account, ?, ?, ?, 'waiting', ?) RETURNING id",
            )
            .bind(user.0)
            .bind(kind.as_str())
            .bind(invite.by.0)
            .bind(self.inner.now().0)
            .value(on)
            .await?;
        owe(on, self.inner.now(), &[mail.ok_or(StoreError::NotFound("system mail"))?], priority, Duration::ZERO).await
    }

    /// What somebody in the account must still do; a mail is owed that says so. `None`: not in the account.
    pub async fn invite_again(&self, user: UserId, invite: Invite) -> Result<Option<Invited>> {
        let tx = self.inner.begin().await?;
        let Some(needs) = self.needs(&tx, user).await? else { return Ok(None) };
        if invite.mailed && needs != Needs::Nothing {
            self.owe_invitation(&tx, user, needs, invite).await?;
        }
        let agent = load_agent(&tx, self.id, user).await?;
        tx.commit().await?;
        Ok(agent.map(|agent| Invited { agent, needs }))
    }

    async fn needs<C: ConnectionTrait>(&self, on: &C, user: UserId) -> Result<Option<Needs>> {
        let row: Option<StandingRow> = self
            .sql(
                "SELECT u.password_hash IS NOT NULL AS has_password, au.awaits_proof FROM account_users au JOIN users u ON u.id = au.user_id \
                 WHERE au.account_id = :account AND au.user_id = ? AND au.removed_at IS NULL",
            )
            .bind(user.0)
            .one(on)
            .await?;
        Ok(row.map(|row| row.needs()))
    }

    /// A link with which the user may set a password, for as long as they have the address that it is made for.
    pub async fn mint_password_link(&self, link: &NewPasswordLink) -> Result<()> {
        self.sql(
            "INSERT INTO password_links (account_id, user_id, purpose, hash, address_key, mailed, created_at, expires_at) \
             VALUES (:account, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(link.user_id.0)
        .bind(link.purpose.as_str())
        .bind(link.hash.hex())
        .bind(link.address_key.as_str())
        .bind(link.mailed)
        .bind(self.inner.now().0)
        .bind(link.expires_at.0)
        .run(&self.inner.write)
        .await?;
        Ok(())
    }

    pub async fn system_mail(&self, mail: SystemMailId) -> Result<Option<SystemMail>> {
        let row: Option<SystemMailRow> = self
            .sql(
                "SELECT s.id, s.kind, s.state, s.user_id, s.created_at, a.name AS account_name, COALESCE(b.display_name, b.name) AS by_name, \
                 b.email AS by_email, w.name AS webhook_name, w.url AS webhook_url, w.disabled_reason, \
                 s.notification_kind, c.display_id, c.subject, oa.name AS app_name, oa.failure AS app_failure, oc.hint AS ending_hint, \
                 oc.expires_at AS ending_at FROM system_mails s \
                 LEFT JOIN oauth_apps oa ON oa.account_id = s.account_id AND oa.id = s.oauth_app_id \
                 LEFT JOIN oauth_app_credentials oc ON oc.account_id = s.account_id AND oc.id = s.oauth_app_credential_id \
                 JOIN accounts a ON a.id = s.account_id LEFT JOIN users b ON b.id = s.by_user_id \
                 LEFT JOIN webhooks w ON w.account_id = s.account_id AND w.id = s.webhook_id AND w.disabled_at IS NOT NULL \
                 AND w.deleted_at IS NULL \
                 LEFT JOIN notifications n ON n.account_id = s.account_id AND n.id = s.notification_id AND n.read_at IS NULL \
                 AND n.snoozed_until IS NULL \
                 LEFT JOIN account_users au ON au.account_id = n.account_id AND au.user_id = n.user_id AND au.removed_at IS NULL \
                 LEFT JOIN conversations c ON c.account_id = au.account_id AND c.id = n.conversation_id \
                 AND (au.role = 'administrator' OR EXISTS (SELECT 1 FROM inbox_members m \
                   WHERE m.account_id = au.account_id AND m.user_id = au.user_id AND m.inbox_id = c.inbox_id)) \
                 WHERE s.account_id = :account AND s.id = ? AND s.user_id IS NOT NULL",
            )
            .bind(mail.0)
            .one(&self.inner.read)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let user: Option<user::Model> =
            system("SELECT * FROM users WHERE id = ?").bind(row.user_id).one(&self.inner.read).await?;
        let Some(user) = user.map(convert::user) else { return Ok(None) };
        let needs = self.needs(&self.inner.read, user.id).await?;
        let address = EmailAddress::parse(&user.email).ok_or_else(|| corrupt("user", "no address"))?;
        let webhook = match row.webhook_url.zip(row.disabled_reason) {
            Some((url, reason)) => {
                let reason = convert::code("why a webhook is disabled", &reason, DisabledReason::parse)?;
                Some(DisabledWebhook { name: row.webhook_name, url, reason })
            }
            None => None,
        };
        let about = match row.notification_kind.zip(row.display_id) {
            Some((kind, display_id)) => Some(MailedNotification {
                kind: convert::code("notification kind", &kind, NotificationKind::parse)?,
                display_id: DisplayId(display_id),
                subject: row.subject,
            }),
            None => None,
        };
        let oauth_app = match row.app_name {
            Some(name) => Some(MailedOauthApp {
                name,
                failure: row.app_failure.as_deref().map(|failure| convert::json("failure", failure)).transpose()?,
                ending: row.ending_hint.zip(row.ending_at.map(Timestamp)),
            }),
            None => None,
        };
        let fetched: Option<i64> = self
            .sql("SELECT COUNT(*) FROM email_channels WHERE account_id = :account AND (mailbox_key = ? OR LOWER(from_address) = ?)")
            .bind(address.key())
            .bind(user.email.to_lowercase())
            .value(&self.inner.read)
            .await?;
        let proved: Option<i64> = system("SELECT COUNT(*) FROM users WHERE id = ? AND email_proved_at IS NOT NULL")
            .bind(user.id.0)
            .value(&self.inner.read)
            .await?;
        let kind = convert::code("system mail kind", &row.kind, SystemMailKind::parse)?;
        let health = match kind {
            SystemMailKind::HealthNotice | SystemMailKind::HealthRestored => {
                self.mailed_health(&self.inner.read, mail).await?
            }
            SystemMailKind::Invitation
            | SystemMailKind::Added
            | SystemMailKind::PasswordReset
            | SystemMailKind::WebhookDisabled
            | SystemMailKind::OauthAppFailing
            | SystemMailKind::OauthAppEnding
            | SystemMailKind::Notification => None,
        };
        Ok(Some(SystemMail {
            id: SystemMailId(row.id),
            kind,
            state: convert::code("system mail state", &row.state, SystemMailState::parse)?,
            user,
            address,
            account_name: row.account_name,
            by: row.by_name.zip(row.by_email).map(|(name, email)| SystemMailSender { name, email }),
            created_at: Timestamp(row.created_at),
            is_member: needs.is_some(),
            needs: needs.unwrap_or(Needs::Nothing),
            webhook,
            oauth_app,
            about,
            health,
            is_fetched: fetched != Some(0),
            is_proved: proved == Some(1),
        }))
    }

    /// Why it did not leave yet.
    pub async fn system_mail_waits(&self, mail: SystemMailId, failure: &Failure) -> Result<()> {
        self.sql("UPDATE system_mails SET failure = ? WHERE account_id = :account AND id = ? AND state = 'waiting'")
            .bind(failure.to_string())
            .bind(mail.0)
            .run(&self.inner.write)
            .await?;
        Ok(())
    }
}

/// The work of sending a mail, in the transaction that made it. Of a mail for nobody nothing is owed.
/// The mails are to be sent when `wait` is over.
pub(crate) async fn owe<C: ConnectionTrait>(
    on: &C,
    now: Timestamp,
    mails: &[i64],
    priority: OwedPriority,
    wait: Duration,
) -> Result<()> {
    if mails.is_empty() {
        return Ok(());
    }
    system(
        "INSERT INTO owed_work (account_id, kind, subject_id, payload, priority, state, due_at, ready_at, created_at, updated_at) \
         SELECT account_id, ?, id, '{}', ?, 'waiting', {now} + ?, {now} + ?, ?, ? FROM system_mails \
         WHERE id IN (??) AND account_id IS NOT NULL ORDER BY id",
    )
    .bind(OwedKind::SendSystemMail.as_str())
    .bind(priority as i64)
    .bind(micros(wait))
    .bind(micros(wait))
    .bind(now.0)
    .bind(now.0)
    .list(mails.iter().copied())
    .run(on)
    .await?;
    Ok(())
}
