//! Sending inside a transaction: what is counted, and what waits.

use super::Tx;
use crate::entity::email_channel;
use crate::scope::convert;
use crate::scope::grants::micros;
use crate::scope::sending::{self, SECOND, TEN_MINUTES};
use crate::scope::sql::rows_of;
use crate::scope::tenant::{Only as _, find_in};
use crate::*;
use domain::audit::AuditSubject;
use domain::channel::{SendTransport, SendingLimits};
use domain::{ChannelId, EmailAddress};
use sea_orm::{ColumnTrait, FromQueryResult, QueryFilter};
use serde_json::json;
use std::time::Duration;

#[derive(Debug, FromQueryResult)]
struct SlotRow {
    span: i64,
    slot: i64,
}

impl Tx {
    /// Counts a sending through this channel to so many recipients, before the server hears of it: what is not known to have been said
    /// counts.
    pub async fn count_submission(&mut self, channel: ChannelId, recipients: u32) -> Result<Submission> {
        let spans = [SECOND, TEN_MINUTES];
        let mut sql = self.sql(format!(
            "INSERT INTO channel_submissions (account_id, channel_id, span, slot, messages, recipients) VALUES {} \
             ON CONFLICT (account_id, channel_id, span, slot) \
             DO UPDATE SET messages = channel_submissions.messages + 1, recipients = channel_submissions.recipients + excluded.recipients \
             RETURNING span, slot",
            rows_of("(:account, ?, ?, {now} / ? * ?, 1, ?)", spans.len())
        ));
        for span in spans {
            sql = sql.bind(channel.0).bind(span).bind(span).bind(span).bind(i64::from(recipients));
        }
        let counted: Vec<SlotRow> = sql.all(&self.tx).await?;
        let slots = counted.into_iter().map(|row| (row.span, row.slot)).collect();
        Ok(Submission { channel_id: channel, recipients, slots })
    }

    /// The server was not told of any recipient, so nothing of it counts.
    pub async fn uncount_submission(&mut self, counted: &Submission) -> Result<()> {
        for (span, slot) in &counted.slots {
            self.sql(
                "UPDATE channel_submissions SET messages = messages - 1, recipients = recipients - ? \
                 WHERE account_id = :account AND channel_id = ? AND span = ? AND slot = ?",
            )
            .bind(i64::from(counted.recipients))
            .bind(counted.channel_id.0)
            .bind(*span)
            .bind(*slot)
            .run(&self.tx)
            .await?;
        }
        Ok(())
    }

    /// It is this mailbox's turn among those of its sender, and afterwards the others'.
    pub async fn take_sending_turn(&mut self, channel: ChannelId) -> Result<()> {
        self.sql("UPDATE email_channels SET send_turn_at = {now} WHERE account_id = :account AND id = ?")
            .bind(channel.0)
            .run(&self.tx)
            .await?;
        Ok(())
    }

    /// Nothing is sent through the mailbox before `wait` has passed. `all`: nor through any other of the same sender. One that waits longer than
    /// that goes on waiting so long. With `all`, no channel's row may have been written in this transaction before: all are locked in the order of
    /// their ids, so that no two transactions wait for each other.
    pub async fn pause_sending(&mut self, channel: ChannelId, wait: Duration, all: bool) -> Result<()> {
        let whose = if all {
            let of_sender = sending::of_sender();
            format!(
                "IN (SELECT id FROM email_channels WHERE account_id = :account AND id {of_sender} ORDER BY id{{lock}})"
            )
        } else {
            "= ?".to_owned()
        };
        self.sql(format!(
            "UPDATE email_channels SET send_after = CASE WHEN send_after < {{now}} + ? THEN {{now}} + ? ELSE send_after END \
             WHERE account_id = :account AND id {whose}"
        ))
        .bind(micros(wait))
        .bind(micros(wait))
        .bind(channel.0)
        .run(&self.tx)
        .await?;
        Ok(())
    }

    /// A person wants this mailbox tried now. What the sender's others wait for, they go on waiting for.
    pub async fn resume_sending(&mut self, channel: ChannelId) -> Result<()> {
        self.resume_sending_of(&[channel]).await
    }

    /// A person wants these mailboxes tried now, whatever they wait for. As with [`Self::pause_sending`], the rows are locked in the order of their
    /// ids; for several of them, no other channel's row may have been written in this transaction before.
    pub async fn resume_sending_of(&mut self, channels: &[ChannelId]) -> Result<()> {
        self.sql(
            "UPDATE email_channels SET send_after = 0 WHERE account_id = :account AND id IN \
             (SELECT id FROM email_channels WHERE account_id = :account AND id IN (??) ORDER BY id{lock})",
        )
        .list(channels.iter().map(|channel| channel.0))
        .run(&self.tx)
        .await?;
        Ok(())
    }

    /// What was agreed with the provider for this mailbox.
    pub async fn set_sending_limits(&mut self, channel: ChannelId, limits: SendingLimits) -> Result<()> {
        let row: Option<email_channel::Model> = find_in::<email_channel::Entity>(self.account_id())
            .filter(email_channel::Column::Id.eq(channel.0))
            .only(&self.tx)
            .await?;
        let before = row.ok_or(StoreError::NotFound("channel"))?;
        self.sql("UPDATE email_channels SET sending_limits = ?, send_aside_until = 0, updated_at = ? WHERE account_id = :account AND id = ?")
            .bind(convert::to_json(&limits))
            .bind(self.scope.inner.now().0)
            .bind(channel.0)
            .run(&self.tx)
            .await?;
        let was: SendingLimits = convert::json("sending limits", &before.sending_limits)?;
        let told = |limits: SendingLimits| json!({ "sending_limits": limits });
        self.scope.audit_update(&self.tx, AuditSubject::Inbox, before.inbox_id, told(was), told(limits)).await
    }

    pub async fn set_send_transport(&mut self, channel: ChannelId, transport: SendTransport) -> Result<()> {
        let row: Option<email_channel::Model> = find_in::<email_channel::Entity>(self.account_id())
            .filter(email_channel::Column::Id.eq(channel.0))
            .only(&self.tx)
            .await?;
        let before = row.ok_or(StoreError::NotFound("channel"))?;
        self.sql("UPDATE email_channels SET send_transport = ?, updated_at = ? WHERE account_id = :account AND id = ?")
            .bind(transport.as_str())
            .bind(self.scope.inner.now().0)
            .bind(channel.0)
            .run(&self.tx)
            .await?;
        let told = |transport: &str| json!({ "send_transport": transport });
        let (was, is) = (told(&before.send_transport), told(transport.as_str()));
        self.scope.audit_update(&self.tx, AuditSubject::Channel, before.inbox_id, was, is).await
    }

    /// What From says from now on. No mail was taken with it yet.
    pub async fn set_from_address(&mut self, channel: ChannelId, from: &EmailAddress) -> Result<()> {
        let row: Option<email_channel::Model> = find_in::<email_channel::Entity>(self.account_id())
            .filter(email_channel::Column::Id.eq(channel.0))
            .only(&self.tx)
            .await?;
        let before = row.ok_or(StoreError::NotFound("channel"))?;
        self.sql(
            "UPDATE email_channels SET from_address = ?, from_accepted_at = NULL, updated_at = ? \
             WHERE account_id = :account AND id = ?",
        )
        .bind(from.as_str())
        .bind(self.scope.inner.now().0)
        .bind(channel.0)
        .run(&self.tx)
        .await?;
        let told = |address: &str| json!({ "from_address": address });
        let (was, is) = (told(&before.from_address), told(from.as_str()));
        self.scope.audit_update(&self.tx, AuditSubject::Channel, before.inbox_id, was, is).await
    }

    /// As [`AccountScope::call_next_delivery`].
    pub async fn call_next_delivery(&mut self, channel: ChannelId) -> Result<bool> {
        sending::call_next(&self.tx, &self.scope, channel).await
    }

    /// What waits is due when so much time has passed by the database's clock. `false`: somebody is at it, or nothing is owed.
    pub async fn delay_owed(&mut self, kind: OwedKind, subject_id: i64, wait: Duration) -> Result<bool> {
        let delayed = self
            .sql(
                "UPDATE owed_work SET due_at = {now} + ?, ready_at = {now} + ? WHERE account_id = :account AND kind = ? AND subject_id = ? \
                 AND state = 'waiting' AND lease_until <= {now}",
            )
            .bind(micros(wait))
            .bind(micros(wait))
            .bind(kind.as_str())
            .bind(subject_id)
            .run(&self.tx)
            .await?;
        Ok(delayed > 0)
    }

    /// What waits is due now. `false`: somebody is at it, or nothing is owed.
    pub async fn hasten_owed(&mut self, kind: OwedKind, subject_id: i64) -> Result<bool> {
        let hastened = self
            .sql(
                "UPDATE owed_work SET due_at = {now}, ready_at = {now} WHERE account_id = :account AND kind = ? AND subject_id = ? \
                 AND state = 'waiting' AND lease_until <= {now}",
            )
            .bind(kind.as_str())
            .bind(subject_id)
            .run(&self.tx)
            .await?;
        Ok(hastened > 0)
    }
}
