//! What a person is told about: read by themselves alone, and only of conversations that they see at this moment.

use super::account::AccountScope;
use super::conversation_rows::where_conversation;
use super::convert::{code, number, to_json};
use super::grants::micros;
use super::sql::{Sql, scoped, system};
use super::views::views_of;
use crate::*;
use domain::notification::{Notification, NotificationCounts, NotificationKind, NotificationSettings};
use domain::{AccountId, ConversationId, NotificationId, Timestamp, UserId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::collections::HashMap;
use std::time::Duration;

/// Rows of one transaction of the sweep.
const AT_ONCE: i64 = 500;

#[derive(Debug, FromQueryResult)]
pub(super) struct NotificationRow {
    id: i64,
    user_id: i64,
    conversation_id: i64,
    kind: String,
    read_at: Option<i64>,
    snoozed_until: Option<i64>,
    last_activity_at: i64,
    created_at: i64,
}

impl NotificationRow {
    pub(super) fn notification(self, account: AccountId) -> Result<Notification> {
        Ok(Notification {
            id: NotificationId(self.id),
            account_id: account,
            user_id: UserId(self.user_id),
            conversation_id: ConversationId(self.conversation_id),
            kind: code("notification kind", &self.kind, NotificationKind::parse)?,
            read_at: self.read_at.map(Timestamp),
            snoozed_until: self.snoozed_until.map(Timestamp),
            last_activity_at: Timestamp(self.last_activity_at),
            created_at: Timestamp(self.created_at),
        })
    }
}

#[derive(Debug, FromQueryResult)]
struct CountRow {
    user_id: i64,
    unread: i64,
    count: i64,
}

#[derive(Debug, FromQueryResult)]
struct SettingsRow {
    email_flags: String,
    push_flags: String,
}

/// Of `n`, a notification, with `c`, its conversation, as far as the person sees it. Binds what [`bind_visible`] binds.
fn visible(visibility: &Visibility) -> &'static str {
    match visibility {
        Visibility::All => "",
        Visibility::Inboxes(_) => " AND c.inbox_id IN (??)",
    }
}

fn bind_visible(sql: Sql, visibility: &Visibility) -> Sql {
    match visibility {
        Visibility::All => sql,
        Visibility::Inboxes(inboxes) => sql.list(inboxes.iter().map(|inbox| inbox.0)),
    }
}

const FROM: &str = "FROM notifications n JOIN conversations c ON c.account_id = n.account_id AND c.id = n.conversation_id \
     WHERE n.account_id = :account AND n.user_id = ?";

/// How many each of them has that are not put off. Theirs are counted whatever they see: this is for those who see what it is about.
pub(super) async fn counts<C: ConnectionTrait>(
    on: &C,
    account: AccountId,
    users: &[UserId],
    now: Timestamp,
) -> Result<HashMap<UserId, NotificationCounts>> {
    let rows: Vec<CountRow> = scoped(
        account,
        "SELECT user_id, SUM(CASE WHEN read_at IS NULL THEN 1 ELSE 0 END) AS unread, COUNT(*) AS count FROM notifications \
         WHERE account_id = :account AND (snoozed_until IS NULL OR snoozed_until <= ?) AND user_id IN (??) GROUP BY user_id",
    )
    .bind(now.0)
    .list(users.iter().map(|user| user.0))
    .all(on)
    .await?;
    Ok(rows.into_iter().map(|row| (UserId(row.user_id), counted(&row))).collect())
}

fn counted(row: &CountRow) -> NotificationCounts {
    let whole = |count: i64| u64::try_from(count).unwrap_or(0);
    NotificationCounts { unread: whole(row.unread), all: whole(row.count) }
}

impl AccountScope {
    /// A page of what the person is told about.
    pub async fn notifications(
        &self,
        user: UserId,
        visibility: &Visibility,
        filter: NotificationFilter,
    ) -> Result<NotificationPage> {
        let condition = self.condition(visibility, filter);
        let order = if filter.oldest_first { "ASC" } else { "DESC" };
        let page = self.sql(format!(
            "SELECT n.id, n.user_id, n.conversation_id, n.kind, n.read_at, n.snoozed_until, n.last_activity_at, n.created_at \
             {FROM}{condition} ORDER BY n.last_activity_at {order}, n.id {order} LIMIT ? OFFSET ?"
        ));
        let rows: Vec<NotificationRow> = self
            .bind_condition(page, user, visibility, filter)
            .bind(i64::from(NOTIFICATIONS_PER_PAGE))
            .bind(i64::from(filter.page.max(1) - 1) * i64::from(NOTIFICATIONS_PER_PAGE))
            .all(&self.inner.read)
            .await?;
        let count = self.sql(format!(
            "SELECT n.user_id, SUM(CASE WHEN n.read_at IS NULL THEN 1 ELSE 0 END) AS unread, COUNT(*) AS count \
             {FROM}{condition} GROUP BY n.user_id"
        ));
        let counts: Option<CountRow> =
            self.bind_condition(count, user, visibility, filter).one(&self.inner.read).await?;
        let mut items = Vec::new();
        if !rows.is_empty() {
            let named = where_conversation(self.id, "c.account_id = :account AND c.id IN (??)");
            let conversations = named.list(rows.iter().map(|row| row.conversation_id)).all(&self.inner.read).await?;
            let views: HashMap<ConversationId, ConversationView> =
                views_of(&self.inner.read, self.id, conversations, None)
                    .await?
                    .into_iter()
                    .map(|view| (view.conversation.id, view))
                    .collect();
            for row in rows {
                let notification = row.notification(self.id)?;
                if let Some(view) = views.get(&notification.conversation_id) {
                    items.push((notification, view.clone()));
                }
            }
        }
        Ok(NotificationPage { items, counts: counts.as_ref().map(counted).unwrap_or_default() })
    }

    fn condition(&self, visibility: &Visibility, filter: NotificationFilter) -> String {
        let read = if filter.with_read { "" } else { " AND n.read_at IS NULL" };
        let snoozed = if filter.with_snoozed { "" } else { " AND (n.snoozed_until IS NULL OR n.snoozed_until <= ?)" };
        format!("{read}{snoozed}{}", visible(visibility))
    }

    fn bind_condition(&self, sql: Sql, user: UserId, visibility: &Visibility, filter: NotificationFilter) -> Sql {
        let sql = sql.bind(user.0);
        let sql = if filter.with_snoozed { sql } else { sql.bind(self.inner.now().0) };
        bind_visible(sql, visibility)
    }

    pub async fn unread_notifications(&self, user: UserId, visibility: &Visibility) -> Result<u64> {
        let filter = NotificationFilter::default();
        let condition = self.condition(visibility, filter);
        let count: Option<i64> = self
            .bind_condition(self.sql(format!("SELECT COUNT(*) {FROM}{condition}")), user, visibility, filter)
            .value(&self.inner.read)
            .await?;
        number("count", count.unwrap_or(0))
    }

    /// `None`: it is not theirs, or about a conversation they do not see.
    pub async fn notification(
        &self,
        user: UserId,
        visibility: &Visibility,
        id: NotificationId,
    ) -> Result<Option<Notification>> {
        let text = format!("SELECT n.* {FROM} AND n.id = ?{}", visible(visibility));
        let row: Option<NotificationRow> =
            bind_visible(self.sql(text).bind(user.0).bind(id.0), visibility).one(&self.inner.read).await?;
        row.map(|row| row.notification(self.id)).transpose()
    }

    /// What nobody has set is the default.
    pub async fn notification_settings(&self, user: UserId) -> Result<NotificationSettings> {
        let row: Option<SettingsRow> = self
            .sql(
                "SELECT email_flags, push_flags FROM notification_settings WHERE account_id = :account AND user_id = ?",
            )
            .bind(user.0)
            .one(&self.inner.read)
            .await?;
        let Some(row) = row else { return Ok(NotificationSettings::default()) };
        let kinds = |text: &str| -> Vec<NotificationKind> {
            // A kind that only a newer version knows is left out.
            let words: Vec<String> = serde_json::from_str(text).unwrap_or_default();
            words.iter().filter_map(|word| NotificationKind::parse(word)).collect()
        };
        Ok(NotificationSettings { email: kinds(&row.email_flags), push: kinds(&row.push_flags) })
    }

    pub async fn set_notification_settings(&self, user: UserId, settings: &NotificationSettings) -> Result<()> {
        let words = |kinds: &[NotificationKind]| {
            to_json(&serde_json::json!(kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>()))
        };
        self.sql(
            "INSERT INTO notification_settings (account_id, user_id, email_flags, push_flags, updated_at) VALUES (:account, ?, ?, ?, ?) \
             ON CONFLICT (account_id, user_id) DO UPDATE SET email_flags = excluded.email_flags, push_flags = excluded.push_flags, \
             updated_at = excluded.updated_at",
        )
        .bind(user.0)
        .bind(words(&settings.email))
        .bind(words(&settings.push))
        .bind(self.inner.now().0)
        .run(&self.inner.write)
        .await?;
        Ok(())
    }
}

#[derive(Debug, FromQueryResult)]
struct PersonRow {
    account_id: i64,
    user_id: i64,
}

impl Purge {
    /// Removes what was told longer than `kept` ago, and of each person all but the newest `most`.
    pub async fn sweep_notifications(&self, kept: Duration, most: u32) -> Result<u64> {
        let before = self.inner.now().0.saturating_sub(micros(kept));
        let mut count = 0;
        let old = "notifications WHERE id IN (SELECT id FROM notifications WHERE last_activity_at < ? ORDER BY last_activity_at LIMIT ?)";
        count += self.delete_in_pieces(old, &[before], AT_ONCE).await?;
        // Looked for where nobody waits for it; removed one person at a time along their list.
        let people: Vec<PersonRow> =
            system("SELECT account_id, user_id FROM notifications GROUP BY account_id, user_id HAVING COUNT(*) > ?")
                .bind(i64::from(most))
                .all(&self.inner.read)
                .await?;
        let surplus = "notifications WHERE id IN (SELECT id FROM (SELECT id FROM notifications WHERE account_id = ? AND user_id = ? \
                       ORDER BY last_activity_at DESC, id DESC LIMIT 1000000 OFFSET ?) AS surplus LIMIT ?)";
        for PersonRow { account_id, user_id } in people {
            count += self.delete_in_pieces(surplus, &[account_id, user_id, i64::from(most)], AT_ONCE).await?;
        }
        Ok(count)
    }
}
