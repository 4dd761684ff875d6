//! Conversations: the list with its four counts, and one.

use super::conversation_rows::{ConversationRow, where_conversation};
use super::convert;
use super::filter_terms;
use super::search::conversation_found;
use super::sql::Sql;
use super::views::{conversation_view, views_of};
use crate::entity::conversation::Column;
use crate::*;
use domain::contact::Contact;
use domain::conversation::Conversation;
use domain::{AccountId, ConversationId, DisplayId, InboxId};
use sea_orm::{FromQueryResult, Value};
use std::collections::HashMap;

#[derive(Debug, FromQueryResult)]
struct CountRow {
    mine: i64,
    assigned: i64,
    total: i64,
}

#[derive(Debug, FromQueryResult)]
struct PlaceRow {
    id: i64,
    inbox_id: i64,
}

/// Conditions with their values, in step.
pub(crate) struct Conditions {
    pub(crate) text: String,
    values: Vec<Bound>,
}

#[derive(Clone)]
pub(crate) enum Bound {
    One(Value),
    Many(Vec<Value>),
}

impl Conditions {
    fn and(&mut self, text: &str, values: impl IntoIterator<Item = Bound>) {
        self.text.push_str(" AND ");
        self.text.push_str(text);
        self.values.extend(values);
    }

    pub(crate) fn bound(&self, sql: Sql) -> Sql {
        self.values.iter().cloned().fold(sql, Bound::on)
    }
}

impl Bound {
    pub(crate) fn on(sql: Sql, value: Self) -> Sql {
        match value {
            Self::One(value) => sql.bind(value),
            Self::Many(values) => sql.list(values),
        }
    }
}

pub(crate) fn one(value: impl Into<Value>) -> Bound {
    Bound::One(value.into())
}

impl AccountScope {
    pub async fn conversations(&self, viewer: &Viewer, filter: &ConversationFilter) -> Result<ConversationPage> {
        let counts = self.conversation_counts(viewer, filter).await?;
        let mut conditions = without_assignee(self.inner.backend, self.id, viewer, filter);
        match filter.assignee {
            AssigneeFilter::Me => conditions.and("c.assignee_id = ?", [one(viewer.user_id.0)]),
            AssigneeFilter::Unassigned => conditions.and("c.assignee_id IS NULL", []),
            AssigneeFilter::Assigned => conditions.and("c.assignee_id IS NOT NULL", []),
            AssigneeFilter::All => {}
        }
        Ok(ConversationPage { counts, items: self.page(&conditions, filter, CONVERSATIONS_PER_PAGE).await? })
    }

    /// One page of what is found, without counts.
    pub async fn search_conversations(
        &self,
        viewer: &Viewer,
        filter: &ConversationFilter,
    ) -> Result<Vec<ConversationView>> {
        self.some_conversations(viewer, filter, FOUND_PER_PAGE).await
    }

    /// Chatwoot's number of the latest, without counts.
    pub async fn conversations_of_contact(
        &self,
        viewer: &Viewer,
        filter: &ConversationFilter,
    ) -> Result<Vec<ConversationView>> {
        self.some_conversations(viewer, filter, CONTACT_CONVERSATIONS).await
    }

    async fn some_conversations(
        &self,
        viewer: &Viewer,
        filter: &ConversationFilter,
        per_page: u32,
    ) -> Result<Vec<ConversationView>> {
        let conditions = without_assignee(self.inner.backend, self.id, viewer, filter);
        self.page(&conditions, filter, per_page).await
    }

    /// Which they are is found in an index alone (`conversations_list`, m0018); then only these are read, with their contacts.
    async fn page(
        &self,
        conditions: &Conditions,
        filter: &ConversationFilter,
        per_page: u32,
    ) -> Result<Vec<ConversationView>> {
        let text = format!(
            "SELECT c.id FROM conversations c WHERE {} ORDER BY {} LIMIT ? OFFSET ?",
            conditions.text,
            order(filter.sort)
        );
        let ids: Vec<i64> = conditions
            .bound(self.sql(text))
            .bind(i64::from(per_page))
            .bind(i64::from(filter.page.saturating_sub(1)) * i64::from(per_page))
            .column(&self.inner.read)
            .await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // Two statements, not one within the other: of those, SQLite walks through all conversations and picks the page's.
        let places: HashMap<i64, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        let named = where_conversation(self.id, "c.account_id = :account AND c.id IN (??)");
        let mut rows: Vec<ConversationRow> = named.list(ids).all(&self.inner.read).await?;
        rows.sort_by_key(|row| places.get(&row.conversation.id).copied());
        views_of(&self.inner.read, self.id, rows, None).await
    }

    /// Under every filter but the assignee's.
    pub async fn conversation_counts(
        &self,
        viewer: &Viewer,
        filter: &ConversationFilter,
    ) -> Result<ConversationCounts> {
        let conditions = without_assignee(self.inner.backend, self.id, viewer, filter);
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

    /// Of these, those that the viewer sees, in the order of their ids.
    pub async fn conversation_places(&self, viewer: &Viewer, ids: &[DisplayId]) -> Result<Vec<ConversationPlace>> {
        let mut conditions = seen(viewer);
        conditions.and("c.display_id IN (??)", [Bound::Many(ids.iter().map(|id| id.0.into()).collect())]);
        let text = format!("SELECT c.id, c.inbox_id FROM conversations c WHERE {} ORDER BY c.id", conditions.text);
        let rows: Vec<PlaceRow> = conditions.bound(self.sql(text)).all(&self.inner.read).await?;
        let place = |row: PlaceRow| ConversationPlace { id: ConversationId(row.id), inbox_id: InboxId(row.inbox_id) };
        Ok(rows.into_iter().map(place).collect())
    }

    pub async fn conversation_by_id(&self, id: ConversationId) -> Result<Option<ConversationView>> {
        conversation_view(&self.inner.read, self.id, Column::Id, id.0, None).await
    }
}

/// All that the viewer sees.
pub(crate) fn seen(viewer: &Viewer) -> Conditions {
    let mut conditions = Conditions { text: "c.account_id = :account".to_owned(), values: Vec::new() };
    if let Visibility::Inboxes(inboxes) = &viewer.visibility {
        conditions.and("c.inbox_id IN (??)", [Bound::Many(inboxes.iter().map(|i| i.0.into()).collect())]);
    }
    conditions
}

fn without_assignee(backend: Backend, account: AccountId, viewer: &Viewer, filter: &ConversationFilter) -> Conditions {
    let mut conditions = seen(viewer);
    if let Some(status) = filter.status {
        conditions.and("c.status = ?", [one(status.as_str())]);
    }
    if let Some(inbox) = filter.inbox_id {
        conditions.and("c.inbox_id = ?", [one(inbox.0)]);
    }
    if let Some(contact) = filter.contact_id {
        conditions.and("c.contact_id = ?", [one(contact.0)]);
    }
    if !filter.terms.is_empty() {
        let (text, values) = filter_terms::condition(backend, &filter.terms);
        conditions.and(&text, values);
    }
    if let Some(team) = filter.team_id {
        conditions.and("c.team_id = ?", [one(team.0)]);
    }
    match filter.kind {
        Some(ConversationKind::Mention) => conditions.and(
            "EXISTS (SELECT 1 FROM mentions n WHERE n.account_id = c.account_id AND n.user_id = ? AND n.conversation_id = c.id)",
            [one(viewer.user_id.0)],
        ),
        Some(ConversationKind::Participating) => conditions.and(
            "EXISTS (SELECT 1 FROM conversation_participants n WHERE n.account_id = c.account_id AND n.user_id = ? AND n.conversation_id = c.id)",
            [one(viewer.user_id.0)],
        ),
        Some(ConversationKind::Unattended) => {
            conditions.and("(c.first_reply_at IS NULL OR c.waiting_since IS NOT NULL)", []);
        }
        None => {}
    }
    if let Some(source) = &filter.source_id {
        conditions.and(
            "EXISTS (SELECT 1 FROM contact_inboxes i WHERE i.account_id = c.account_id AND i.contact_id = c.contact_id \
             AND i.inbox_id = c.inbox_id AND i.source_id = ?)",
            [one(source.as_str())],
        );
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
        let found = conversation_found(backend, account, &viewer.visibility, q);
        conditions.and(&found.text, found.values);
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
