//! Sending: the lease on a sender, the sender's line and pace, and how long a mailbox is left alone.
//!
//! A sender is whom the provider counts: all mailboxes for which one person submits mail, or a mailbox by itself where it leaves another way. The
//! person is the grant, so what is counted together is of one account, and no account learns of another's mail.
//!
//! The line is those deliveries that are queued and wait for nothing of their own; the more urgent leave before the less, and among them the
//! mailboxes take turns: whose last turn is longest ago is next, with its oldest. What was handed over is counted here by the database's clock, so that neither a restart nor another worker, nor one whose clock
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

/// The channels of the same sender; with one of them bound. The first of them holds the lease for all.
const OF_SENDER: &str = "SELECT theirs.id FROM email_channels asks JOIN email_channels theirs ON theirs.account_id = asks.account_id \
    AND (theirs.id = asks.id OR (theirs.grant_id = asks.grant_id AND theirs.send_transport = 'smtp' AND asks.send_transport = 'smtp')) \
    WHERE asks.account_id = :account AND asks.id = ?";

/// Deliveries that leave before the asking one; with its owed id, its channel twice, and its id bound. Mailboxes that cannot send now keep no
/// other waiting.
const AHEAD: &str = "SELECT d.channel_id AS channel, CASE WHEN o.priority < me.priority THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS urgent \
    FROM owed_work me, email_channels mine, deliveries d \
    JOIN owed_work o ON o.account_id = d.account_id AND o.kind = 'deliver_message' AND o.subject_id = d.id AND o.state = 'waiting' \
    JOIN email_channels c ON c.account_id = d.account_id AND c.id = d.channel_id \
    WHERE me.account_id = :account AND me.id = ? AND mine.account_id = :account AND mine.id = ? \
    AND d.account_id = :account AND d.channel_id IN ({of_sender}) AND d.state = 'queued' AND d.waits_alone = 0 \
    AND (c.id = mine.id OR (c.send_after <= {now} AND c.send_aside_until <= {now} AND c.send_state NOT IN ('needs_reauth', 'blocked'))) \
    AND (o.priority < me.priority OR (o.priority = me.priority AND (c.send_turn_at < mine.send_turn_at \
    OR (c.send_turn_at = mine.send_turn_at AND d.id < ?))))";

/// `= ?`, for all of them.
pub(super) fn of_sender() -> String {
    format!("IN ({OF_SENDER})")
}

fn ahead() -> String {
    AHEAD.replace("{of_sender}", OF_SENDER)
}

#[derive(Debug, FromQueryResult)]
struct StandingRow {
    busy: i64,
    paused: i64,
}

#[derive(Debug, FromQueryResult)]
struct AheadRow {
    channel: i64,
    urgent: i64,
    count: i64,
}

#[derive(Debug, FromQueryResult)]
struct ClaimedRow {
    line: i64,
    may_keep: i64,
    others: i64,
}

#[derive(Debug, FromQueryResult)]
struct SpentRow {
    messages: i64,
    recipients: i64,
    left: i64,
}

impl AccountScope {
    /// The right to send, if the sender is free. With `turn`, only if it is also this one's turn, and the pace allows it.
    pub async fn claim_send_lease(
        &self,
        channel: ChannelId,
        worker: &str,
        lease: Duration,
        turn: Option<&Turn>,
    ) -> Result<Option<SendLease>> {
        let token = self.inner.random_name();
        let mut text = format!(
            "UPDATE email_channels SET send_lease_token = ?, send_lease_worker = ?, send_lease_until = {{now}} + ? \
             WHERE account_id = :account AND id = (SELECT MIN(of_sender.id) FROM ({OF_SENDER}) AS of_sender) AND send_lease_until <= {{now}}"
        );
        if turn.is_some() {
            let spent = |what: &str, whose: &str| {
                format!(
                    " AND (SELECT COALESCE(SUM(s.{what}), 0) FROM channel_submissions s WHERE s.account_id = :account AND s.channel_id {whose} \
                     AND s.span = ? AND s.slot > {{now}} - ?)"
                )
            };
            text += " AND EXISTS (SELECT 1 FROM email_channels c WHERE c.account_id = :account AND c.id = ? AND c.send_after <= {now})";
            for whose in ["= ?".to_owned(), of_sender()] {
                text += &(spent("messages", &whose) + " < ?");
                text += &(spent("recipients", &whose) + " <= ?");
            }
            text += &format!(" AND NOT EXISTS ({})", ahead());
        }
        // Keeping a session is for the one that sends to say, so nobody else begins to as long as this lease lasts.
        text += &format!(
            " RETURNING id AS line, CASE WHEN send_kept_worker IS NULL OR send_kept_worker = ? OR send_kept_until <= {{now}} \
             THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS may_keep, \
             (SELECT COUNT(*) - 1 FROM ({OF_SENDER}) AS of_sender) AS others"
        );
        let mut sql = self.sql(text).bind(token.clone()).bind(worker).bind(micros(lease)).bind(channel.0);
        if let Some(turn) = turn {
            sql = sql.bind(channel.0);
            for (messages, recipients) in [
                (turn.messages_per_minute, turn.recipients_per_day),
                (turn.sender_messages_per_minute, turn.sender_recipients_per_day),
            ] {
                // One that has more recipients than a day allows may leave when nothing else did.
                let room = recipients.saturating_sub(turn.recipients);
                sql = sql
                    .bind(channel.0)
                    .bind(SECOND)
                    .bind(MINUTE + SECOND)
                    .bind(i64::from(messages.max(1)))
                    .bind(channel.0)
                    .bind(TEN_MINUTES)
                    .bind(DAY + TEN_MINUTES)
                    .bind(i64::from(room));
            }
            sql = sql.bind(turn.owed.0).bind(channel.0).bind(channel.0).bind(turn.delivery.0);
        }
        let claimed: Option<ClaimedRow> = sql.bind(worker).bind(channel.0).one(&self.inner.write).await?;
        Ok(claimed.map(|row| SendLease {
            line: ChannelId(row.line),
            is_shared: row.others > 0,
            may_keep_session: row.may_keep == 1,
            token,
        }))
    }

    /// Why [`Self::claim_send_lease`] gave nothing, as it is a moment later.
    pub async fn why_no_turn(&self, channel: ChannelId, turn: &Turn) -> Result<NoTurn> {
        let standing: Option<StandingRow> = self
            .sql(format!(
                "SELECT line.send_lease_until - {{now}} AS busy, c.send_after - {{now}} AS paused FROM email_channels c \
                 JOIN email_channels line ON line.account_id = c.account_id \
                 AND line.id = (SELECT MIN(of_sender.id) FROM ({OF_SENDER}) AS of_sender) \
                 WHERE c.account_id = :account AND c.id = ?"
            ))
            .bind(channel.0)
            .bind(channel.0)
            .one(&self.inner.read)
            .await?;
        let standing = standing.ok_or(StoreError::NotFound("channel"))?;
        Ok(NoTurn {
            busy: standing.busy > 0,
            paused: u64::try_from(standing.paused).ok().filter(|left| *left > 0).map(Duration::from_micros),
            own: self.spending(channel, "= ?").await?,
            sender: self.spending(channel, &of_sender()).await?,
            ahead: self.ahead_of(channel, turn).await?,
        })
    }

    /// How many leave before this one: the more urgent, those before it in its own mailbox, and of every other mailbox as many as have their
    /// turn meanwhile.
    async fn ahead_of(&self, channel: ChannelId, turn: &Turn) -> Result<u64> {
        let rows: Vec<AheadRow> = self
            .sql(format!(
                "SELECT channel, urgent, COUNT(*) AS count FROM ({} LIMIT {MOST_AHEAD}) AS before GROUP BY channel, urgent",
                ahead()
            ))
            .bind(turn.owed.0)
            .bind(channel.0)
            .bind(channel.0)
            .bind(turn.delivery.0)
            .all(&self.inner.read)
            .await?;
        let (urgent, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.urgent == 1);
        let own: i64 = others.iter().filter(|row| row.channel == channel.0).map(|row| row.count).sum();
        let in_turn: i64 = others.iter().filter(|row| row.channel != channel.0).map(|row| row.count.min(own + 1)).sum();
        let urgent: i64 = urgent.iter().map(|row| row.count).sum();
        convert::number("count", urgent + own + in_turn)
    }

    async fn spending(&self, channel: ChannelId, whose: &str) -> Result<Spending> {
        Ok(Spending {
            minute: self.spent(channel, whose, SECOND, MINUTE).await?,
            day: self.spent(channel, whose, TEN_MINUTES, DAY).await?,
        })
    }

    async fn spent(&self, channel: ChannelId, whose: &str, span: i64, window: i64) -> Result<Vec<Spent>> {
        let rows: Vec<SpentRow> = self
            .sql(format!(
                "SELECT CAST(SUM(messages) AS BIGINT) AS messages, CAST(SUM(recipients) AS BIGINT) AS recipients, \
                 slot + ? - {{now}} AS \"left\" FROM channel_submissions \
                 WHERE account_id = :account AND channel_id {whose} AND span = ? AND slot > {{now}} - ? AND messages > 0 \
                 GROUP BY slot ORDER BY slot"
            ))
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

    /// A limit of its own keeps the mailbox from sending for so long: the sender's other mailboxes pass.
    pub async fn step_aside(&self, channel: ChannelId, wait: Duration) -> Result<()> {
        self.sql("UPDATE email_channels SET send_aside_until = {now} + ? WHERE account_id = :account AND id = ?")
            .bind(micros(wait))
            .bind(channel.0)
            .run(&self.inner.write)
            .await?;
        Ok(())
    }

    /// The lease starts anew. `false`: it was lost.
    pub async fn extend_send_lease(&self, lease: &SendLease, by: Duration) -> Result<bool> {
        let extended = self
            .sql(
                "UPDATE email_channels SET send_lease_until = {now} + ? \
                 WHERE account_id = :account AND id = ? AND send_lease_token = ? AND send_lease_until > {now}",
            )
            .bind(micros(by))
            .bind(lease.line.0)
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
        Ok(sql.bind(lease.line.0).bind(lease.token.clone()).run(&self.inner.write).await? == 1)
    }

    /// Makes due now who stands first in the line of this mailbox's sender, whichever of the sender's mailboxes it is. Who waits for a reason of
    /// their own goes on waiting. `false`: nobody stands there, whoever does is due, or the mailboxes are left alone for a while.
    pub async fn call_next_delivery(&self, channel: ChannelId) -> Result<bool> {
        call_next(&self.inner.write, self, channel).await
    }
}

pub(super) async fn call_next<C: ConnectionTrait>(on: &C, scope: &AccountScope, channel: ChannelId) -> Result<bool> {
    let called = scope
        .sql(format!(
            "UPDATE owed_work SET due_at = {{now}}, ready_at = {{now}} WHERE account_id = :account AND id = ( \
             SELECT o.id FROM deliveries d JOIN owed_work o ON o.account_id = d.account_id AND o.kind = 'deliver_message' \
             AND o.subject_id = d.id AND o.state = 'waiting' AND o.lease_token IS NULL \
             JOIN email_channels c ON c.account_id = d.account_id AND c.id = d.channel_id AND c.send_after <= {{now}} \
             AND c.send_aside_until <= {{now}} AND (c.id = ? OR c.send_state NOT IN ('needs_reauth', 'blocked')) \
             WHERE d.account_id = :account AND d.channel_id IN ({OF_SENDER}) AND d.state = 'queued' AND d.waits_alone = 0 \
             ORDER BY o.priority, c.send_turn_at, d.id LIMIT 1) AND due_at > {{now}}"
        ))
        .bind(channel.0)
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
