//! How mailboxes have been doing, and what people were told of it: read here, written in [`super::tx`].

use super::convert::{self, code, json};
use super::grants::micros;
use super::sql::system;
use crate::entity::email_channel;
use crate::*;
use domain::channel::notice::{Parts, Standing};
use domain::channel::{EmailChannel, HealthState};
use domain::{AccountId, Actor, ChannelId, HealthNoticeId, InboxId, SystemMailId, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::time::Duration;

/// Changes of one page.
const PAGE: u32 = 25;
/// Inboxes that a mail names; of the others it says how many there are.
const NAMED: usize = 20;
const AT_ONCE: i64 = 200;

#[derive(Debug, FromQueryResult)]
struct ChangeRow {
    id: i64,
    part: String,
    state: String,
    failure: Option<String>,
    at: i64,
}

#[derive(Debug, FromQueryResult)]
struct NoticeRow {
    id: i64,
    channel_id: i64,
    inbox_id: i64,
    inbox_name: String,
    from_address: String,
    actor: String,
    about_fetch: bool,
    about_send: bool,
    is_current: bool,
    failure: String,
    since: i64,
    told_with: Option<i64>,
    created_at: i64,
}

#[derive(Debug, FromQueryResult)]
struct MailRow {
    kind: String,
    health_notice_id: i64,
}

/// Every query of notices reads these, so that all of them see a notice in the same way.
const NOTICES: &str = "SELECT n.id, n.channel_id, c.inbox_id, i.name AS inbox_name, c.from_address, n.actor, n.about_fetch, n.about_send, \
     n.is_current, n.failure, n.since, n.told_with, n.created_at FROM health_notices n \
     JOIN email_channels c ON c.account_id = n.account_id AND c.id = n.channel_id \
     JOIN inboxes i ON i.account_id = c.account_id AND i.id = c.inbox_id WHERE n.account_id = :account";
/// A row of `email_channels` that somebody may have to be told of.
const ILL: &str = "(fetch_state IN ('failing', 'needs_reauth', 'blocked') OR send_state IN ('failing', 'needs_reauth', 'blocked') \
     OR EXISTS (SELECT 1 FROM health_notices n WHERE n.account_id = email_channels.account_id AND n.channel_id = email_channels.id \
     AND n.ended_at IS NULL))";

impl NoticeRow {
    fn parts(&self) -> Parts {
        Parts { fetch: self.about_fetch, send: self.about_send }
    }

    fn notice(self) -> Result<HealthNotice> {
        Ok(HealthNotice {
            standing: Standing {
                id: HealthNoticeId(self.id),
                actor: code("who must act", &self.actor, Actor::parse)?,
                parts: self.parts(),
                is_current: self.is_current,
                failure: json("failure of a health notice", &self.failure)?,
            },
            channel_id: ChannelId(self.channel_id),
            inbox_id: InboxId(self.inbox_id),
            inbox_name: self.inbox_name,
            since: Timestamp(self.since),
            told_with: self.told_with.map(HealthNoticeId),
            created_at: Timestamp(self.created_at),
        })
    }
}

impl AccountScope {
    /// Newest first, 25 a page, and how many there are.
    pub async fn health_changes(&self, channel: ChannelId, page: u32) -> Result<(Vec<HealthChange>, u64)> {
        let filter = "FROM channel_health_changes WHERE account_id = :account AND channel_id = ?";
        let rows: Vec<ChangeRow> = self
            .sql(format!("SELECT id, part, state, failure, at {filter} ORDER BY id DESC LIMIT ? OFFSET ?"))
            .bind(channel.0)
            .bind(i64::from(PAGE))
            .bind(i64::from(page.max(1) - 1) * i64::from(PAGE))
            .all(&self.inner.read)
            .await?;
        let count: Option<i64> =
            self.sql(format!("SELECT COUNT(*) {filter}")).bind(channel.0).value(&self.inner.read).await?;
        let change = |row: ChangeRow| {
            Ok(HealthChange {
                id: row.id,
                part: code("half of a mailbox", &row.part, HealthPart::parse)?,
                state: code("health state", &row.state, HealthState::parse)?,
                failure: row.failure.map(|text| json("failure of a health change", &text)).transpose()?,
                at: Timestamp(row.at),
            })
        };
        let found: Result<Vec<_>> = rows.into_iter().map(change).collect();
        Ok((found?, convert::number("count", count.unwrap_or(0))?))
    }

    /// When the delivery was queued that has waited longest to leave through this channel.
    pub async fn oldest_queued_delivery(&self, channel: ChannelId) -> Result<Option<Timestamp>> {
        let oldest: Option<Option<i64>> = self
            .sql("SELECT MIN(queued_at) FROM deliveries WHERE account_id = :account AND channel_id = ? AND state = 'queued'")
            .bind(channel.0)
            .value(&self.inner.read)
            .await?;
        Ok(oldest.flatten().map(Timestamp))
    }

    /// Notices that have not ended, newest first: `most` at most.
    pub async fn open_health_notices(&self, most: u32) -> Result<Vec<HealthNotice>> {
        let rows: Vec<NoticeRow> = self
            .sql(format!("{NOTICES} AND n.ended_at IS NULL ORDER BY n.id DESC LIMIT ?"))
            .bind(i64::from(most))
            .all(&self.inner.read)
            .await?;
        rows.into_iter().map(NoticeRow::notice).collect()
    }

    /// Mailboxes that somebody may have to be told of, behind `after`, with what they were told.
    pub async fn ill_channels(&self, after: ChannelId, most: u32) -> Result<Vec<(EmailChannel, Vec<Standing>)>> {
        let rows: Vec<email_channel::Model> = self
            .sql(format!(
                "SELECT * FROM email_channels WHERE account_id = :account AND id > ? AND {ILL} ORDER BY id LIMIT ?"
            ))
            .bind(after.0)
            .bind(i64::from(most))
            .all(&self.inner.read)
            .await?;
        self.with_notices(&self.inner.read, rows).await
    }

    /// The right to look at a mailbox step by step, for `lease` at most. `None`: somebody else has it.
    pub async fn begin_diagnosis(&self, channel: ChannelId, lease: Duration) -> Result<Option<i64>> {
        self.sql(
            "UPDATE email_channels SET diagnosing_until = {now} + ? WHERE account_id = :account AND id = ? AND diagnosing_until <= {now} \
             RETURNING diagnosing_until",
        )
        .bind(micros(lease))
        .bind(channel.0)
        .value(&self.inner.write)
        .await
    }

    /// Gives it back, unless it is somebody else's by now.
    pub async fn end_diagnosis(&self, channel: ChannelId, until: i64) -> Result<()> {
        self.sql("UPDATE email_channels SET diagnosing_until = 0 WHERE account_id = :account AND id = ? AND diagnosing_until = ?")
            .bind(channel.0)
            .bind(until)
            .run(&self.inner.write)
            .await?;
        Ok(())
    }

    pub(crate) async fn with_notices<C: ConnectionTrait>(
        &self,
        on: &C,
        rows: Vec<email_channel::Model>,
    ) -> Result<Vec<(EmailChannel, Vec<Standing>)>> {
        let notices: Vec<NoticeRow> = self
            .sql(format!("{NOTICES} AND n.ended_at IS NULL AND n.channel_id IN (??) ORDER BY n.id"))
            .list(rows.iter().map(|row| row.id))
            .all(on)
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            found.push((convert::channel(row)?, Vec::new()));
        }
        for notice in notices {
            let notice = notice.notice()?;
            if let Some((_, of_it)) = found.iter_mut().find(|(channel, _)| channel.id == notice.channel_id) {
                of_it.push(notice.standing);
            }
        }
        Ok(found)
    }

    /// What this mail says by now, to somebody who is an administrator still. `None`: nothing.
    pub(crate) async fn mailed_health<C: ConnectionTrait>(
        &self,
        on: &C,
        mail: SystemMailId,
    ) -> Result<Option<MailedHealth>> {
        let row: Option<MailRow> = self
            .sql(
                "SELECT s.kind, s.health_notice_id FROM system_mails s JOIN account_users au ON au.account_id = s.account_id \
                 AND au.user_id = s.user_id AND au.removed_at IS NULL AND au.role = 'administrator' \
                 WHERE s.account_id = :account AND s.id = ? AND s.health_notice_id IS NOT NULL",
            )
            .bind(mail.0)
            .one(on)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let which = if row.kind == SystemMailKind::HealthRestored.as_str() {
            "n.ended_with = ?"
        } else {
            "n.told_with = ? AND n.ended_at IS NULL"
        };
        let notices: Vec<NoticeRow> =
            self.sql(format!("{NOTICES} AND {which} ORDER BY n.id")).bind(row.health_notice_id).all(on).await?;
        let Some(first) = notices.first() else { return Ok(None) };
        let mut said = MailedHealth {
            failure: json("failure of a health notice", &first.failure)?,
            parts: first.parts(),
            since: Timestamp(notices.iter().map(|notice| notice.since).min().unwrap_or(first.since)),
            inboxes: Vec::new(),
            more: 0,
        };
        for notice in notices {
            let id = InboxId(notice.inbox_id);
            if said.inboxes.iter().any(|inbox| inbox.id == id) {
                continue;
            }
            if said.inboxes.len() == NAMED {
                said.more += 1;
            } else {
                said.inboxes.push(MailedInbox { id, name: notice.inbox_name, address: notice.from_address });
            }
        }
        Ok(Some(said))
    }
}

impl Relay {
    /// Active accounts behind `after` with mailboxes that somebody may have to be told of.
    pub async fn accounts_with_ill_channels(&self, after: AccountId, most: u32) -> Result<Vec<AccountScope>> {
        let ids: Vec<i64> = system(
            "SELECT a.id FROM accounts a WHERE a.status = 'active' AND a.id > ? AND a.id IN ( \
             SELECT account_id FROM email_channels WHERE fetch_state IN ('failing', 'needs_reauth', 'blocked') \
             UNION SELECT account_id FROM email_channels WHERE send_state IN ('failing', 'needs_reauth', 'blocked') \
             UNION SELECT account_id FROM health_notices WHERE ended_at IS NULL) ORDER BY a.id LIMIT ?",
        )
        .bind(after.0)
        .bind(i64::from(most))
        .column(&self.inner.read)
        .await?;
        Ok(ids.into_iter().map(|id| self.inner.scope(AccountId(id))).collect())
    }
}

impl Purge {
    /// Forgets how mailboxes were doing longer than `kept` ago, and what people were told of it that ended since. How many rows.
    pub async fn sweep_health(&self, kept: Duration) -> Result<u64> {
        let before = self.inner.now().minus(kept).0;
        let changes = "channel_health_changes WHERE id IN (SELECT id FROM channel_health_changes WHERE at < ? ORDER BY id LIMIT ?)";
        let notices =
            "health_notices WHERE id IN (SELECT id FROM health_notices WHERE ended_at < ? ORDER BY id LIMIT ?)";
        let count = self.delete_in_pieces(changes, &[before], AT_ONCE).await?;
        Ok(count + self.delete_in_pieces(notices, &[before], AT_ONCE).await?)
    }
}
