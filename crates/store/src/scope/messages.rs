//! Messages in their order `(sent_at, id)`, attachments, and the map of Message-IDs.

use super::convert;
use super::message_rows::{MessageRow, where_message};
use super::sql::scoped;
use super::tenant::{Only as _, find_in};
use super::views;
use crate::entity::{attachment, message};
use crate::*;
use domain::message::{Attachment, Message, MessageType};
use domain::{AccountId, AttachmentId, ConversationId, InboxId, MessageId};
use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult, QueryFilter};

#[derive(Debug, FromQueryResult)]
struct KnownRow {
    message_id: i64,
    conversation_id: i64,
    origin: String,
    fingerprint: Option<String>,
}

impl AccountScope {
    /// Oldest first: the latest `limit`; with `before`, the latest ones before that message; with `after`, the first ones after it;
    /// with both, those from `after` (included) up to `before`. An id that is not in the conversation answers nothing.
    pub async fn messages(&self, conversation: ConversationId, page: MessagePage) -> Result<Vec<Message>> {
        let place = async |id: Option<MessageId>| -> Result<Option<Option<(i64, i64)>>> {
            let Some(id) = id else { return Ok(Some(None)) };
            let row = load_row(&self.inner.read, self.id, conversation, id).await?;
            Ok(row.map(|row| Some((row.sent_at, row.id))))
        };
        let (Some(before), Some(after)) = (place(page.before).await?, place(page.after).await?) else {
            return Ok(Vec::new());
        };
        let mut text = "m.conversation_id = ?".to_owned();
        let mut values = vec![conversation.0];
        if let Some((sent_at, id)) = before {
            text.push_str(" AND (m.sent_at, m.id) < (?, ?)");
            values.extend([sent_at, id]);
        }
        if let Some((sent_at, id)) = after {
            text.push_str(if before.is_some() {
                " AND (m.sent_at, m.id) >= (?, ?)"
            } else {
                " AND (m.sent_at, m.id) > (?, ?)"
            });
            values.extend([sent_at, id]);
        }
        if page.public_only {
            text.push_str(" AND NOT m.private AND m.message_type <> 2");
        }
        let forwards = after.is_some();
        text.push_str(if forwards {
            " ORDER BY m.sent_at, m.id LIMIT ?"
        } else {
            " ORDER BY m.sent_at DESC, m.id DESC LIMIT ?"
        });
        let limit = if page.limit == 0 { MESSAGES_PER_PAGE } else { page.limit };
        values.push(i64::from(limit));
        let sql = values.into_iter().fold(where_message(self.id, &text), super::sql::Sql::bind);
        let mut rows: Vec<MessageRow> = sql.all(&self.inner.read).await?;
        if !forwards {
            rows.reverse();
        }
        views::messages(&self.inner.read, self.id, rows).await
    }

    /// Of the latest `among` messages that are not private: the last mail that came in, and the last that left, those that bear a Message-ID.
    pub async fn last_mails(
        &self,
        conversation: ConversationId,
        among: u32,
    ) -> Result<(Option<Message>, Option<Message>)> {
        // The bodies of two are read, not those of all.
        let rows: Vec<MessageRow> = where_message(
            self.id,
            "m.id IN (SELECT ranked.id FROM (SELECT latest.id, \
             ROW_NUMBER() OVER (PARTITION BY latest.message_type ORDER BY latest.sent_at DESC, latest.id DESC) AS place FROM \
             (SELECT id, message_type, source_id, sent_at FROM messages WHERE account_id = :account AND conversation_id = ? \
             AND NOT private AND message_type <> 2 ORDER BY sent_at DESC, id DESC LIMIT ?) AS latest \
             WHERE latest.source_id IS NOT NULL AND latest.message_type IN (0, 1)) AS ranked WHERE ranked.place = 1)",
        )
        .bind(conversation.0)
        .bind(i64::from(among))
        .all(&self.inner.read)
        .await?;
        let messages = views::messages(&self.inner.read, self.id, rows).await?;
        let (incoming, outgoing): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| message.message_type == MessageType::Incoming);
        Ok((incoming.into_iter().next(), outgoing.into_iter().next()))
    }

    pub async fn message(&self, conversation: ConversationId, message: MessageId) -> Result<Option<Message>> {
        let rows = where_message(self.id, "m.conversation_id = ? AND m.id = ?").bind(conversation.0).bind(message.0);
        Ok(views::messages(&self.inner.read, self.id, rows.all(&self.inner.read).await?).await?.pop())
    }

    pub async fn message_by_id(&self, message: MessageId) -> Result<Option<Message>> {
        load_message(&self.inner.read, self.id, message).await
    }

    pub async fn attachment(&self, attachment: AttachmentId) -> Result<Option<Attachment>> {
        let row = find_in::<attachment::Entity>(self.id)
            .filter(attachment::Column::Id.eq(attachment.0))
            .only(&self.inner.read)
            .await?;
        row.map(convert::attachment).transpose()
    }

    /// The files of a conversation, newest first, without those that stand inside a mail's HTML; and how many there are.
    pub async fn attachments_of_conversation(
        &self,
        conversation: ConversationId,
        page: u32,
    ) -> Result<(Vec<Attachment>, u64)> {
        const FROM: &str = "FROM attachments a JOIN messages m ON m.account_id = a.account_id AND m.id = a.message_id \
             WHERE a.account_id = :account AND m.conversation_id = ? AND NOT a.inline";
        let count: Vec<i64> =
            self.sql(format!("SELECT COUNT(*) {FROM}")).bind(conversation.0).column(&self.inner.read).await?;
        let rows: Vec<attachment::Model> = self
            .sql(format!("SELECT a.* {FROM} ORDER BY m.sent_at DESC, a.id DESC LIMIT ? OFFSET ?"))
            .bind(conversation.0)
            .bind(i64::from(ATTACHMENTS_PER_PAGE))
            .bind(i64::from(page.saturating_sub(1)) * i64::from(ATTACHMENTS_PER_PAGE))
            .all(&self.inner.read)
            .await?;
        let attachments = rows.into_iter().map(convert::attachment).collect::<Result<Vec<_>>>()?;
        Ok((attachments, count.first().and_then(|n| u64::try_from(*n).ok()).unwrap_or_default()))
    }

    pub async fn messages_by_message_id(&self, inbox: InboxId, message_id: &str) -> Result<Vec<KnownMessage>> {
        known_messages(&self.inner.read, self.id, inbox, message_id).await
    }
}

async fn load_row<C: ConnectionTrait>(
    on: &C,
    account: AccountId,
    conversation: ConversationId,
    id: MessageId,
) -> Result<Option<message::Model>> {
    find_in::<message::Entity>(account)
        .filter(message::Column::ConversationId.eq(conversation.0))
        .filter(message::Column::Id.eq(id.0))
        .only(on)
        .await
}

pub(crate) async fn load_message<C: ConnectionTrait>(
    on: &C,
    account: AccountId,
    id: MessageId,
) -> Result<Option<Message>> {
    let rows = where_message(account, "m.id = ?").bind(id.0).all(on).await?;
    Ok(views::messages(on, account, rows).await?.pop())
}

pub(crate) async fn known_messages<C: ConnectionTrait>(
    on: &C,
    account: AccountId,
    inbox: InboxId,
    header: &str,
) -> Result<Vec<KnownMessage>> {
    scoped(
        account,
        "SELECT message_id, conversation_id, origin, fingerprint FROM message_ids \
         WHERE account_id = :account AND inbox_id = ? AND header = ? ORDER BY id",
    )
    .bind(inbox.0)
    .bind(header)
    .all::<KnownRow, _>(on)
    .await?
    .into_iter()
    .map(|row| {
        Ok(KnownMessage {
            message_id: MessageId(row.message_id),
            conversation_id: ConversationId(row.conversation_id),
            origin: convert::code("message id origin", &row.origin, MessageIdOrigin::parse)?,
            fingerprint: row.fingerprint,
        })
    })
    .collect()
}
