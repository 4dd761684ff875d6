//! Conversations and messages put together from rows: a fixed number of statements however many there are.
//!
//! The statements see the database a moment apart. What was deleted in between is left out: the foreign keys say that nothing else can
//! have happened to a row whose conversation or contact is not there.

use super::conversation_rows::{ConversationRow, where_conversation};
use super::convert::{self, AGENT_COLUMNS, AgentRow};
use super::message_rows::{MessageRow, where_message};
use super::sql::scoped;
use super::teams::teams_by_id;
use super::tenant::find_in;
use crate::entity::{attachment, conversation};
use crate::error::corrupt;
use crate::*;
use domain::message::{Attachment, ContentType, Message, MessageType, Sender};
use domain::user::Agent;
use domain::{AccountId, ConversationId, DisplayId, InboxId, MessageId, Timestamp};
use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult, IdenStatic, QueryFilter, QueryOrder};
use std::collections::HashMap;

#[derive(Debug, FromQueryResult)]
struct LabelRow {
    conversation_id: i64,
    title: String,
}

/// Of these conversations, as they are now, in no order.
pub(crate) async fn conversation_views<C: ConnectionTrait>(
    on: &C,
    account: AccountId,
    rows: Vec<conversation::Model>,
) -> Result<Vec<ConversationView>> {
    let named = where_conversation(account, "c.account_id = :account AND c.id IN (??)");
    views_of(on, account, named.list(rows.iter().map(|row| row.id)).all(on).await?, None).await
}

/// In the order of the rows. `known`: a message as it is now, which is not read again.
pub(crate) async fn views_of<C: ConnectionTrait>(
    on: &C,
    account: AccountId,
    rows: Vec<ConversationRow>,
    known: Option<&Message>,
) -> Result<Vec<ConversationView>> {
    let agents = agents(on, account, rows.iter().filter_map(|row| row.conversation.assignee_id)).await?;
    let teams = teams_by_id(on, account, &distinct(rows.iter().filter_map(|row| row.conversation.team_id))).await?;
    let mut labels: HashMap<i64, Vec<String>> = HashMap::new();
    let labelled: Vec<i64> = rows.iter().filter(|row| row.has_labels).map(|row| row.conversation.id).collect();
    if !labelled.is_empty() {
        let label_rows = scoped(
            account,
            "SELECT conversation_id, title FROM conversation_labels WHERE account_id = :account AND conversation_id IN (??) ORDER BY title",
        )
        .list(labelled)
        .all::<LabelRow, _>(on)
        .await?;
        for row in label_rows {
            labels.entry(row.conversation_id).or_default().push(row.title);
        }
    }
    let last = |c: &conversation::Model| [c.last_message_id, c.last_non_activity_message_id];
    let unknown = |id: &i64| known.is_none_or(|message| message.id.0 != *id);
    let wanted = distinct(rows.iter().flat_map(|row| last(&row.conversation)).flatten().filter(unknown));
    let message_rows = match wanted[..] {
        [] => Vec::new(),
        _ => where_message(account, "m.id IN (??)").list(wanted).all(on).await?,
    };
    let read = messages(on, account, message_rows).await?;
    let messages: HashMap<i64, Message> = read.into_iter().chain(known.cloned()).map(|m| (m.id.0, m)).collect();
    rows.into_iter()
        .filter_map(|row| row.contact.map(|contact| (row.conversation, contact)))
        .map(|(row, contact)| {
            Ok(ConversationView {
                conversation: convert::conversation(&row)?,
                contact: convert::contact(contact)?,
                assignee: row.assignee_id.and_then(|id| agents.get(&id).cloned()),
                team: row.team_id.and_then(|id| teams.get(&id).cloned()),
                unread_count: convert::number("unread_count", row.unread_count)?,
                last_message: row.last_message_id.and_then(|id| messages.get(&id).cloned()),
                last_non_activity_message: row.last_non_activity_message_id.and_then(|id| messages.get(&id).cloned()),
                labels: labels.remove(&row.id).unwrap_or_default(),
            })
        })
        .collect()
}

/// The one whose column (of `c`) has the value. `known` as for [`views_of`].
pub(crate) async fn conversation_view<C: ConnectionTrait>(
    on: &C,
    account: AccountId,
    column: conversation::Column,
    value: i64,
    known: Option<&Message>,
) -> Result<Option<ConversationView>> {
    let condition = format!("c.account_id = :account AND c.{} = ?", column.as_str());
    let rows = where_conversation(account, &condition).bind(value).all(on).await?;
    Ok(views_of(on, account, rows, known).await?.into_iter().next())
}

/// With their attachments, in the order of the rows.
pub(crate) async fn messages<C: ConnectionTrait>(
    on: &C,
    account: AccountId,
    rows: Vec<MessageRow>,
) -> Result<Vec<Message>> {
    let mut attachments: HashMap<i64, Vec<Attachment>> = HashMap::new();
    let with_files: Vec<i64> = rows.iter().filter(|row| row.has_files).map(|row| row.message.id).collect();
    if !with_files.is_empty() {
        let attachment_rows = find_in::<attachment::Entity>(account)
            .filter(attachment::Column::MessageId.is_in(with_files))
            .order_by_asc(attachment::Column::Id)
            .all(on)
            .await?;
        for row in attachment_rows {
            attachments.entry(row.message_id).or_default().push(convert::attachment(row)?);
        }
    }
    rows.into_iter()
        .map(|joined| {
            let row = joined.message;
            let sender = match (joined.contact, joined.user) {
                (Some(contact), _) => Sender::Contact(Box::new(convert::contact(contact)?)),
                (None, Some(user)) => Sender::User(Box::new(convert::user(user))),
                (None, None) => Sender::System,
            };
            let message_type = i32::try_from(row.message_type)
                .ok()
                .and_then(MessageType::from_number)
                .ok_or_else(|| corrupt("message_type", row.message_type))?;
            // What is written beside an incoming message is no delivery of it.
            let delivery = joined.delivery.filter(|_| message_type == MessageType::Outgoing);
            Ok(Message {
                id: MessageId(row.id),
                account_id: account,
                inbox_id: InboxId(joined.inbox_id),
                conversation_id: ConversationId(row.conversation_id),
                display_id: DisplayId(joined.display_id),
                message_type,
                private: row.private,
                content: row.content,
                content_type: convert::code("content_type", &row.content_type, ContentType::parse)?,
                content_attributes: convert::json("content_attributes", &row.content_attributes)?,
                source_id: row.source_id,
                sender,
                sent_at: Timestamp(row.sent_at),
                created_at: Timestamp(row.created_at),
                updated_at: Timestamp(row.updated_at),
                deleted: row.deleted,
                attachments: attachments.remove(&row.id).unwrap_or_default(),
                delivery: delivery.as_ref().map(convert::delivery).transpose()?,
            })
        })
        .collect()
}

fn distinct(ids: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut ids: Vec<i64> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

async fn agents<C: ConnectionTrait>(
    on: &C,
    account: AccountId,
    ids: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, Agent>> {
    let ids = distinct(ids);
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<AgentRow> = scoped(
        account,
        format!(
            "SELECT {AGENT_COLUMNS} FROM account_users au JOIN users u ON u.id = au.user_id \
             WHERE au.account_id = :account AND au.user_id IN (??)"
        ),
    )
    .list(ids)
    .all(on)
    .await?;
    rows.into_iter().map(|row| Ok((row.user_id, row.agent()?))).collect()
}
