//! Conversations: the list with its four counts, and one.

use super::contacts::contains;
use super::conversation_rows::{ConversationRow, where_conversation};
use super::convert;
use super::sql::Sql;
use super::views::{conversation_view, views_of};
use crate::entity::conversation::Column;
use crate::*;
use domain::contact::Contact;
use domain::conversation::Conversation;
use domain::{ConversationId, DisplayId};
use sea_orm::{FromQueryResult, Value};

#[derive(Debug, FromQueryResult)]
struct CountRow {
    mine: i64,
    assigned: i64,
    total: i64,
}

/// Conditions with their values, in step.
struct Conditions {
    text: String,
    values: Vec<Bound>,
}

#[derive(Clone)]
enum Bound {
    One(Value),
    Many(Vec<Value>),
}

impl Conditions {
    fn and(&mut self, text: &str, values: impl IntoIterator<Item = Bound>) {
        self.text.push_str(" AND ");
        self.text.push_str(text);
        self.values.extend(values);
    }

    fn bound(&self, sql: Sql) -> Sql {
        self.values.iter().cloned().fold(sql, |sql, value| match value {
            Bound::One(value) => sql.bind(value),
            Bound::Many(values) => sql.list(values),
        })
    }
}

fn one(value: impl Into<Value>) -> Bound {
    Bound::One(value.into())
}

impl AccountScope {
    pub async fn conversations(&self, viewer: &Viewer, filter: &ConversationFilter) -> Result<ConversationPage> {
        let counts = self.conversation_counts(viewer, filter).await?;
        let mut conditions = without_assignee(viewer, filter);
        match filter.assignee {
            AssigneeFilter::Me => conditions.and("c.assignee_id = ?", [one(viewer.user_id.0)]),
            AssigneeFilter::Unassigned => conditions.and("c.assignee_id IS NULL", []),
            AssigneeFilter::Assigned => conditions.and("c.assignee_id IS NOT NULL", []),
            AssigneeFilter::All => {}
        }
        let condition = format!("{} ORDER BY {} LIMIT ? OFFSET ?", conditions.text, order(filter.sort));
        let rows = conditions
            .bound(where_conversation(self.id, &condition))
            .bind(i64::from(CONVERSATIONS_PER_PAGE))
            .bind(i64::from(filter.page.saturating_sub(1)) * i64::from(CONVERSATIONS_PER_PAGE))
            .all(&self.inner.read)
            .await?;
        Ok(ConversationPage { counts, items: views_of(&self.inner.read, self.id, rows, None).await? })
    }

    /// Under every filter but the assignee's.
    pub async fn conversation_counts(
        &self,
        viewer: &Viewer,
        filter: &ConversationFilter,
    ) -> Result<ConversationCounts> {
        let conditions = without_assignee(viewer, filter);
        let text = format!(
            "SELECT COALESCE(SUM(CASE WHEN c.assignee_id = ? THEN 1 ELSE 0 END), 0) AS mine, COUNT(c.assignee_id) AS assigned, \
             COUNT(*) AS total FROM conversations c WHERE {}",
            conditions.text
        );
        let row: Option<CountRow> =
            conditions.bound(self.sql(text).bind(viewer.user_id.0)).one(&self.inner.read).await?;
        let Some(row) = row else { return Ok(ConversationCounts::default()) };
        Ok(ConversationCounts {
            mine: convert::number("count", row.mine)?,
            assigned: convert::number("count", row.assigned)?,
            unassigned: convert::number("count", row.total - row.assigned)?,
            all: convert::number("count", row.total)?,
        })
    }

    pub async fn conversation(&self, id: DisplayId) -> Result<Option<ConversationView>> {
        conversation_view(&self.inner.read, self.id, Column::DisplayId, id.0, None).await
    }

    /// Without what was said in it.
    pub async fn conversation_and_contact(&self, id: DisplayId) -> Result<Option<(Conversation, Contact)>> {
        let row: Option<ConversationRow> = where_conversation(self.id, "c.account_id = :account AND c.display_id = ?")
            .bind(id.0)
            .one(&self.inner.read)
            .await?;
        let Some((conversation, contact)) = row.and_then(|row| row.contact.map(|contact| (row.conversation, contact)))
        else {
            return Ok(None);
        };
        Ok(Some((convert::conversation(&conversation)?, convert::contact(contact)?)))
    }

    pub async fn conversation_by_id(&self, id: ConversationId) -> Result<Option<ConversationView>> {
        conversation_view(&self.inner.read, self.id, Column::Id, id.0, None).await
    }
}

fn without_assignee(viewer: &Viewer, filter: &ConversationFilter) -> Conditions {
    let mut conditions = Conditions { text: "c.account_id = :account".to_owned(), values: Vec::new() };
    if let Visibility::Inboxes(inboxes) = &viewer.visibility {
        conditions.and("c.inbox_id IN (??)", [Bound::Many(inboxes.iter().map(|i| i.0.into()).collect())]);
    }
    if let Some(status) = filter.status {
        conditions.and("c.status = ?", [one(status.as_str())]);
    }
    if let Some(inbox) = filter.inbox_id {
        conditions.and("c.inbox_id = ?", [one(inbox.0)]);
    }
    if let Some(contact) = filter.contact_id {
        conditions.and("c.contact_id = ?", [one(contact.0)]);
    }
    if let Some(since) = filter.updated_since {
        conditions.and("c.updated_at >= ?", [one(since.0)]);
    }
    if !filter.labels.is_empty() {
        conditions.and(
            "EXISTS (SELECT 1 FROM conversation_labels l WHERE l.account_id = c.account_id AND l.conversation_id = c.id AND l.title IN (??))",
            [Bound::Many(filter.labels.iter().map(|l| l.as_str().into()).collect())],
        );
    }
    if let Some(q) = filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty()) {
        // Until there is a search index (it comes with search): a look through the account's own rows.
        conditions.and(
            "(LOWER(c.subject) LIKE ? ESCAPE '\\' OR EXISTS (SELECT 1 FROM contacts p WHERE p.account_id = c.account_id \
             AND p.id = c.contact_id AND (LOWER(p.name) LIKE ? ESCAPE '\\' OR LOWER(p.email) LIKE ? ESCAPE '\\')) \
             OR EXISTS (SELECT 1 FROM messages m WHERE m.account_id = c.account_id AND m.conversation_id = c.id \
             AND LOWER(m.content) LIKE ? ESCAPE '\\'))",
            std::iter::repeat_n(one(contains(q)), 4),
        );
    }
    conditions
}

fn order(sort: ConversationSort) -> &'static str {
    match sort {
        ConversationSort::LastActivityDesc => "c.last_activity_at DESC, c.id DESC",
        ConversationSort::LastActivityAsc => "c.last_activity_at ASC, c.id ASC",
        ConversationSort::CreatedDesc => "c.created_at DESC, c.id DESC",
        ConversationSort::CreatedAsc => "c.created_at ASC, c.id ASC",
        // Without a priority means least urgent; without somebody waiting means last.
        ConversationSort::PriorityDesc => "COALESCE(c.priority, -1) DESC, c.last_activity_at DESC, c.id DESC",
        ConversationSort::PriorityAsc => "COALESCE(c.priority, 9) ASC, c.last_activity_at DESC, c.id DESC",
        ConversationSort::PriorityDescCreatedAsc => "COALESCE(c.priority, -1) DESC, c.created_at ASC, c.id ASC",
        ConversationSort::WaitingSinceDesc => {
            "CASE WHEN c.waiting_since IS NULL THEN 1 ELSE 0 END, c.waiting_since DESC, c.id DESC"
        }
        ConversationSort::WaitingSinceAsc => {
            "CASE WHEN c.waiting_since IS NULL THEN 1 ELSE 0 END, c.waiting_since ASC, c.id ASC"
        }
        ConversationSort::Unread => {
            "CASE WHEN c.unread_count > 0 THEN 0 ELSE 1 END, c.last_activity_at DESC, c.id DESC"
        }
    }
}
