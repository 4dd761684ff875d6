//! Sending through a mailbox: the lease on it, its line, its pace, and how long it is left alone.
//!
//! The line is those deliveries that are queued and wait for nothing of their own; whoever stands first leaves first, the more urgent before
//! the less. What was handed over is counted here by the database's clock, so that neither a restart nor another worker, nor one whose clock
//! is wrong, forgets it.

use super::convert;
use super::grants::micros;
use super::purge::Purge;
use super::sql::system;
use crate::*;
use domain::ChannelId;
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::time::Duration;

/// For the limit of a minute: sendings of one second are counted together.
pub(super) const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
/// For the limit of a day: those of ten minutes.
pub(super) const TEN_MINUTES: i64 = 600 * SECOND;
const DAY: i64 = 24 * 3600 * SECOND;
/// What is counted of those ahead.
const MOST_AHEAD: i64 = 500;

/// Deliveries in line before the asking one; with its owed id, its id and the channel bound.
const AHEAD: &str = "SELECT 1 FROM owed_work me, deliveries d JOIN owed_work o ON o.account_id = d.account_id AND o.kind = 'deliver_message' \
    AND o.subject_id = d.id AND o.state = 'waiting' \
    WHERE me.account_id = :account AND me.id = ? AND d.account_id = :account AND d.channel_id = ? AND d.state = 'queued' AND d.waits_alone = 0 \
    AND (o.priority < me.priority OR (o.priority = me.priority AND d.id < ?))";

#[derive(Debug, FromQueryResult)]
struct StandingRow {
    busy: i64,
    paused: i64,
}

#[derive(Debug, FromQueryResult)]
struct SpentRow {
    messages: i64,
    recipients: i64,
    left: i64,
}

impl AccountScope {
    /// The right to send, if the mailbox is free. With `turn`, only if it is also this one's turn, and the pace allows it.
    pub async fn claim_send_lease(
        &self,
        channel: ChannelId,
        worker: &str,
        lease: Duration,
        turn: Option<&Turn>,
    ) -> Result<Option<SendLease>> {
        let token = self.inner.random_name();
        let mut text =
            "UPDATE email_channels SET send_lease_token = ?, send_lease_worker = ?, send_lease_until = {now} + ? \
             WHERE account_id = :account AND id = ? AND send_lease_until <= {now}"
                .to_owned();
        if turn.is_some() {
            let spent = |what: &str| {
                format!(
                    " AND (SELECT COALESCE(SUM(s.{what}), 0) FROM channel_submissions s WHERE s.account_id = :account AND s.channel_id = ? \
                     AND s.span = ? AND s.slot > {{now}} - ?)"
                )
            };
            text += " AND send_after <= {now}";
            text += &(spent("messages") + " < ?");
            text += &(spent("recipients") + " <= ?");
            text += &format!(" AND NOT EXISTS ({AHEAD})");
        }
        // Keeping a session is for the one that sends to say, so nobody else begins to as long as this lease lasts.
        text += " RETURNING CASE WHEN send_kept_worker IS NULL OR send_kept_worker = ? OR send_kept_until <= {now} \
                 THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END";
        let mut sql = self.sql(text).bind(token.clone()).bind(worker).bind(micros(lease)).bind(channel.0);
        if let Some(turn) = turn {
            // One that has more recipients than a day allows may leave when nothing else did.
            let room = turn.recipients_per_day.saturating_sub(turn.recipients);
            sql = sql
                .bind(channel.0)
                .bind(SECOND)
                .bind(MINUTE + SECOND)
                .bind(i64::from(turn.messages_per_minute.max(1)))
                .bind(channel.0)
                .bind(TEN_MINUTES)
                .bind(DAY + TEN_MINUTES)
                .bind(i64::from(room))
                .bind(turn.owed.0)
                .bind(channel.0)
                .bind(turn.delivery.0);
        }
        let may_keep: Option<i64> = sql.bind(worker).value(&self.inner.write).await?;
        Ok(may_keep.map(|may| SendLease { channel_id: channel, token, may_keep_session: may == 1 }))
    }

    /// Why [`Self::claim_send_lease`] gave nothing, as it is a moment later.
    pub async fn why_no_turn(&self, channel: ChannelId, turn: &Turn) -> Result<NoTurn> {
        let standing: Option<StandingRow> = self
            .sql(
                "SELECT send_lease_until - {now} AS busy, send_after - {now} AS paused FROM email_channels \
                 WHERE account_id = :account AND id = ?",
            )
            .bind(channel.0)
            .one(&self.inner.read)
            .await?;
        let standing = standing.ok_or(StoreError::NotFound("channel"))?;
        let ahead: Option<i64> = self
            .sql(format!("SELECT COUNT(*) FROM ({AHEAD} LIMIT {MOST_AHEAD}) AS before"))
            .bind(turn.owed.0)
            .bind(channel.0)
            .bind(turn.delivery.0)
            .value(&self.inner.read)
            .await?;
        Ok(NoTurn {
            busy: standing.busy > 0,
            paused: u64::try_from(standing.paused).ok().filter(|left| *left > 0).map(Duration::from_micros),
            minute: self.spent(channel, SECOND, MINUTE).await?,
            day: self.spent(channel, TEN_MINUTES, DAY).await?,
            ahead: convert::number("count", ahead.unwrap_or(0))?,
        })
    }

    async fn spent(&self, channel: ChannelId, span: i64, window: i64) -> Result<Vec<Spent>> {
        let rows: Vec<SpentRow> = self
            .sql(
                "SELECT messages, recipients, slot + ? - {now} AS \"left\" FROM channel_submissions \
                 WHERE account_id = :account AND channel_id = ? AND span = ? AND slot > {now} - ? AND messages > 0 ORDER BY slot",
            )
            .bind(window + span)
            .bind(channel.0)
            .bind(span)
            .bind(window + span)
            .all(&self.inner.read)
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Spent {
                    messages: convert::number("messages", row.messages)?,
                    recipients: convert::number("recipients", row.recipients)?,
                    counts_for: Duration::from_micros(u64::try_from(row.left).unwrap_or(0)),
                })
            })
            .collect()
    }

    /// The lease starts anew. `false`: it was lost.
    pub async fn extend_send_lease(&self, lease: &SendLease, by: Duration) -> Result<bool> {
        let extended = self
            .sql(
                "UPDATE email_channels SET send_lease_until = {now} + ? \
                 WHERE account_id = :account AND id = ? AND send_lease_token = ? AND send_lease_until > {now}",
            )
            .bind(micros(by))
            .bind(lease.channel_id.0)
            .bind(lease.token.clone())
            .run(&self.inner.write)
            .await?;
        Ok(extended == 1)
    }

    /// `keeps`: this worker keeps a session open for the mailbox's next mail, for so long at most. `false`: the lease was lost.
    pub async fn release_send_lease(&self, lease: &SendLease, keeps: Option<(&str, Duration)>) -> Result<bool> {
        let mut text =
            "UPDATE email_channels SET send_lease_token = NULL, send_lease_worker = NULL, send_lease_until = 0"
                .to_owned();
        if lease.may_keep_session {
            text += match keeps {
                Some(_) => ", send_kept_worker = ?, send_kept_until = {now} + ?",
                None => ", send_kept_worker = NULL, send_kept_until = 0",
            };
        }
        text += " WHERE account_id = :account AND id = ? AND send_lease_token = ?";
        let sql = match keeps.filter(|_| lease.may_keep_session) {
            Some((worker, kept)) => self.sql(text).bind(worker).bind(micros(kept)),
            None => self.sql(text),
        };
        Ok(sql.bind(lease.channel_id.0).bind(lease.token.clone()).run(&self.inner.write).await? == 1)
    }

    /// Makes due now who stands first in the mailbox's line. Who waits for a reason of their own goes on waiting. `false`: nobody stands there,
    /// whoever does is due, or the mailbox is left alone for a while.
    pub async fn call_next_delivery(&self, channel: ChannelId) -> Result<bool> {
        call_next(&self.inner.write, self, channel).await
    }
}

pub(super) async fn call_next<C: ConnectionTrait>(on: &C, scope: &AccountScope, channel: ChannelId) -> Result<bool> {
    let called = scope
            .sql(
                "UPDATE owed_work SET due_at = {now}, ready_at = {now} WHERE account_id = :account AND id = ( \
                 SELECT o.id FROM deliveries d JOIN owed_work o ON o.account_id = d.account_id AND o.kind = 'deliver_message' \
                 AND o.subject_id = d.id AND o.state = 'waiting' AND o.lease_token IS NULL \
                 JOIN email_channels c ON c.account_id = d.account_id AND c.id = d.channel_id AND c.send_after <= {now} \
                 WHERE d.account_id = :account AND d.channel_id = ? AND d.state = 'queued' AND d.waits_alone = 0 \
                 ORDER BY o.priority, d.id LIMIT 1) AND due_at > {now}",
            )
            .bind(channel.0)
            .run(on)
            .await?;
    Ok(called == 1)
}

impl Purge {
    /// Forgets sendings that count for no limit any more. How many rows.
    pub async fn sweep_submissions(&self) -> Result<u64> {
        system(
            "DELETE FROM channel_submissions WHERE (span = ? AND slot < {now} - ?) OR (span = ? AND slot < {now} - ?)",
        )
        .bind(SECOND)
        .bind(2 * MINUTE)
        .bind(TEN_MINUTES)
        .bind(DAY + 2 * TEN_MINUTES)
        .run(&self.inner.write)
        .await
    }
}
