//! How many open conversations are unread, for the badges beside inboxes, teams and labels: two statements over the few that are.

use super::conversations::{Conditions, seen};
use super::convert::number;
use crate::*;
use domain::{InboxId, LabelId, TeamId};
use sea_orm::FromQueryResult;

#[derive(Debug, FromQueryResult)]
struct PlaceRow {
    inbox_id: i64,
    team_id: Option<i64>,
    total: i64,
    mine: i64,
    assigned: i64,
}

#[derive(Debug, FromQueryResult)]
struct LabelRow {
    /// `None`: those without a label.
    label_id: Option<i64>,
    total: i64,
}

const UNREAD: &str = "c.status = 'open' AND c.unread_count > 0";

impl AccountScope {
    /// Of the conversations that the viewer sees.
    pub async fn unread_counts(&self, viewer: &Viewer) -> Result<UnreadCounts> {
        let conditions: Conditions = seen(viewer);
        let text = format!(
            "SELECT c.inbox_id, c.team_id, COUNT(*) AS total, COUNT(c.assignee_id) AS assigned, \
             CAST(SUM(CASE WHEN c.assignee_id = ? THEN 1 ELSE 0 END) AS BIGINT) AS mine \
             FROM conversations c WHERE {} AND {UNREAD} GROUP BY c.inbox_id, c.team_id ORDER BY c.inbox_id, c.team_id",
            conditions.text
        );
        let rows: Vec<PlaceRow> = conditions.bound(self.sql(text).bind(viewer.user_id.0)).all(&self.inner.read).await?;
        let mut counts = UnreadCounts::default();
        for row in rows {
            let total: u64 = number("count", row.total)?;
            counts.all += total;
            counts.mine += number::<u64>("count", row.mine)?;
            counts.unassigned += number::<u64>("count", row.total - row.assigned)?;
            *counts.inboxes.entry(InboxId(row.inbox_id)).or_default() += total;
            if let Some(team) = row.team_id {
                *counts.teams.entry(TeamId(team)).or_default() += total;
            }
        }
        if counts.all == 0 {
            return Ok(counts);
        }
        // Joined so that it begins with what is unread: labels are kept by all that ever had them. Without labels nothing is looked at.
        let text = format!(
            "SELECT l.id AS label_id, COUNT(*) AS total FROM conversations c \
             LEFT JOIN conversation_labels m ON m.account_id = c.account_id AND m.conversation_id = c.id \
             LEFT JOIN labels l ON l.account_id = m.account_id AND l.title = m.title WHERE {} AND {UNREAD} \
             AND EXISTS (SELECT 1 FROM labels x WHERE x.account_id = :account) GROUP BY l.id",
            conditions.text
        );
        let rows: Vec<LabelRow> = conditions.bound(self.sql(text)).all(&self.inner.read).await?;
        for row in rows {
            if let Some(label) = row.label_id {
                counts.labels.insert(LabelId(label), number("count", row.total)?);
            }
        }
        Ok(counts)
    }
}
