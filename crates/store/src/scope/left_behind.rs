//! What did not leave, and what did not become a message: the lists that somebody looks through.

use super::message_rows::{MessageRow, where_message};
use super::sql::Sql;
use super::{convert, views};
use crate::entity::raw_email;
use crate::*;
use domain::RawEmailId;
use sea_orm::Value;
use std::collections::HashMap;

/// The condition of the index `deliveries_not_left`, word for word.
const NOT_LEFT: &str = "d.state IN ('queued', 'outcome_unknown', 'failed', 'bounced')";
/// The condition of the index `raw_emails_left_out`, word for word.
const LEFT_OUT: &str = "r.state IN ('quarantined', 'dropped') AND r.dismissed_at IS NULL";

/// Conditions with their values, in step.
struct Narrowed {
    text: String,
    values: Vec<Bound>,
}

enum Bound {
    One(Value),
    Many(Vec<i64>),
}

impl Narrowed {
    fn bound(&self, sql: Sql) -> Sql {
        self.values.iter().fold(sql, |sql, value| match value {
            Bound::One(value) => sql.bind(value.clone()),
            Bound::Many(values) => sql.list(values.iter().copied()),
        })
    }
}

impl AccountScope {
    /// Messages that did not leave, newest first, and how many there are in all. Of deleted messages nobody is told.
    pub async fn unsent(&self, seen: &Visibility, filter: &UnsentFilter) -> Result<(Vec<Unsent>, u64)> {
        let mut narrowed = Narrowed {
            text: format!(
                "d.account_id = :account AND {NOT_LEFT} AND d.state IN (??) AND EXISTS (SELECT 1 FROM messages m \
                 WHERE m.account_id = d.account_id AND m.id = d.message_id AND NOT m.deleted)"
            ),
            values: Vec::new(),
        };
        if let Visibility::Inboxes(inboxes) = seen {
            narrowed.text.push_str(" AND d.inbox_id IN (??)");
            narrowed.values.push(Bound::Many(inboxes.iter().map(|inbox| inbox.0).collect()));
        }
        if let Some(inbox) = filter.inbox_id {
            narrowed.text.push_str(" AND d.inbox_id = ?");
            narrowed.values.push(Bound::One(inbox.0.into()));
        }
        let states = || filter.states.iter().map(|state| state.as_str().to_owned());
        let with = |text: String| narrowed.bound(self.sql(text).list(states()));
        let page = with(format!(
            "SELECT d.message_id FROM deliveries d WHERE {} ORDER BY d.id DESC LIMIT ? OFFSET ?",
            narrowed.text
        ));
        let ids: Vec<i64> = page
            .bind(i64::from(LEFT_BEHIND_PER_PAGE))
            .bind(i64::from(filter.page.saturating_sub(1)) * i64::from(LEFT_BEHIND_PER_PAGE))
            .column(&self.inner.read)
            .await?;
        let total: Option<i64> =
            with(format!("SELECT COUNT(*) FROM deliveries d WHERE {}", narrowed.text)).value(&self.inner.read).await?;
        let total = convert::number("count", total.unwrap_or(0))?;
        if ids.is_empty() {
            return Ok((Vec::new(), total));
        }
        let rows: Vec<MessageRow> =
            where_message(self.id, "m.id IN (??)").list(ids.iter().copied()).all(&self.inner.read).await?;
        let mut records = HashMap::new();
        for row in &rows {
            if let Some(delivery) = row.delivery.clone() {
                records.insert(row.message.id, convert::delivery_record(delivery)?);
            }
        }
        let read = views::messages(&self.inner.read, self.id, rows).await?;
        let mut unsent: HashMap<i64, Unsent> = read
            .into_iter()
            .filter_map(|message| {
                let record = records.remove(&message.id.0)?;
                Some((message.id.0, Unsent { message, record }))
            })
            .collect();
        Ok((ids.iter().filter_map(|id| unsent.remove(id)).collect(), total))
    }

    /// Mails that were left out, newest first, and how many there are in all.
    pub async fn left_out(&self, filter: &LeftOutFilter) -> Result<(Vec<RawEmail>, u64)> {
        let mut narrowed = Narrowed { text: "r.account_id = :account".to_owned(), values: Vec::new() };
        match filter.state {
            None => narrowed.text.push_str(&format!(" AND {LEFT_OUT}")),
            Some(LeftOutState::Waiting) => {
                narrowed.text.push_str(" AND r.state = 'waiting' AND r.reason IS NOT NULL");
            }
            Some(LeftOutState::Quarantined) => {
                narrowed.text.push_str(&format!(" AND {LEFT_OUT} AND r.state = 'quarantined'"));
            }
            Some(LeftOutState::Dropped) => narrowed.text.push_str(&format!(" AND {LEFT_OUT} AND r.state = 'dropped'")),
        }
        if let Some(inbox) = filter.inbox_id {
            narrowed.text.push_str(" AND r.inbox_id = ?");
            narrowed.values.push(Bound::One(inbox.0.into()));
        }
        let with = |text: String| narrowed.bound(self.sql(text));
        let rows: Vec<raw_email::Model> =
            with(format!("SELECT r.* FROM raw_emails r WHERE {} ORDER BY r.id DESC LIMIT ? OFFSET ?", narrowed.text))
                .bind(i64::from(LEFT_BEHIND_PER_PAGE))
                .bind(i64::from(filter.page.saturating_sub(1)) * i64::from(LEFT_BEHIND_PER_PAGE))
                .all(&self.inner.read)
                .await?;
        let total: Option<i64> =
            with(format!("SELECT COUNT(*) FROM raw_emails r WHERE {}", narrowed.text)).value(&self.inner.read).await?;
        let items = rows.into_iter().map(convert::raw_email).collect::<Result<_>>()?;
        Ok((items, convert::number("count", total.unwrap_or(0))?))
    }

    /// Back to waiting, with all its attempts before it. `false`: it was not left out, so there is nothing to do. One that waits already is
    /// tried now instead of later.
    pub async fn reprocess_raw_email(&self, raw: RawEmailId) -> Result<bool> {
        let taken_back = self
            .sql(
                "UPDATE raw_emails SET state = 'waiting', reason = NULL, attempts = 0, breakdowns = 0, dismissed_at = NULL, ready_at = {now}, \
                 lease_token = NULL, lease_worker = NULL, lease_until = 0 \
                 WHERE account_id = :account AND id = ? AND state IN ('quarantined', 'dropped') AND size_bytes > 0",
            )
            .bind(raw.0)
            .run(&self.inner.write)
            .await?;
        if taken_back == 1 {
            return Ok(true);
        }
        let hastened = self
            .sql(
                "UPDATE raw_emails SET ready_at = {now} WHERE account_id = :account AND id = ? AND state = 'waiting' \
                 AND lease_until <= {now} AND ready_at > {now}",
            )
            .bind(raw.0)
            .run(&self.inner.write)
            .await?;
        Ok(hastened == 1)
    }

    /// Somebody has seen it and lets it be: it is kept, and not listed any more.
    pub async fn dismiss_raw_email(&self, raw: RawEmailId) -> Result<()> {
        self.sql(
            "UPDATE raw_emails SET dismissed_at = ? WHERE account_id = :account AND id = ? AND state IN ('quarantined', 'dropped') \
             AND dismissed_at IS NULL",
        )
        .bind(self.inner.now().0)
        .bind(raw.0)
        .run(&self.inner.write)
        .await?;
        Ok(())
    }
}
