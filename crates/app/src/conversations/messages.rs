//! What was said in a conversation, and a mail's HTML made harmless.
//!
//! HTML is kept as it came and sanitised when somebody looks at it, so that a better sanitiser serves old mail too.

use super::{ReadError, show};
use crate::accounts::Member;
use crate::{App, attachments};
use domain::message::Message;
use domain::{DisplayId, MessageId};
use mail::sanitize::{SanitizeOptions, SanitizedHtml, sanitize};
use store::{ConversationView, MessagePage};

/// Chatwoot's page sizes: the latest twenty, a hundred after a message, a thousand between two.
const PAGE: u32 = store::MESSAGES_PER_PAGE;
const PAGE_AFTER: u32 = 100;
const PAGE_BETWEEN: u32 = 1000;

#[derive(Clone, Debug)]
pub struct MessageList {
    pub conversation: ConversationView,
    /// Oldest first.
    pub messages: Vec<Message>,
}

/// The latest messages, or those before or after a message.
pub async fn messages(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    before: Option<MessageId>,
    after: Option<MessageId>,
    public_only: bool,
) -> Result<MessageList, ReadError> {
    let view = show(app, member, conversation).await?;
    let limit = match (before, after) {
        (Some(_), Some(_)) => PAGE_BETWEEN,
        (None, Some(_)) => PAGE_AFTER,
        (Some(_) | None, None) => PAGE,
    };
    let page = MessagePage { before, after, limit, public_only };
    let messages = member.scope.messages(view.conversation.id, page).await?;
    Ok(MessageList { conversation: view, messages })
}

/// The HTML of a mail, safe to show in a sandboxed frame; `cid:` images point to our own signed addresses. `None`: it has none.
pub async fn message_html(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    message: MessageId,
    block_remote_images: bool,
) -> Result<Option<SanitizedHtml>, ReadError> {
    let view = show(app, member, conversation).await?;
    let message = member.scope.message(view.conversation.id, message).await?.ok_or(ReadError::NotFound)?;
    let html = message.content_attributes.pointer("/email/html_content/full").and_then(serde_json::Value::as_str);
    let Some(html) = html.map(str::to_owned) else { return Ok(None) };
    let options = SanitizeOptions { block_remote_images, ..SanitizeOptions::default() };
    let mut clean = tokio::task::spawn_blocking(move || sanitize(&html, &options))
        .await
        .map_err(|_| store::StoreError::Unavailable("sanitising was cut short".to_owned()))?;
    for cid in clean.cids.clone() {
        let shown = message.attachments.iter().find(|a| a.content_id.as_deref() == Some(cid.as_str()));
        if let Some(attachment) = shown {
            let url = attachments::url(app, &member.scope, attachment).await?;
            clean.html = clean.html.replace(&format!("cid:{cid}\""), &format!("{url}\""));
        }
    }
    Ok(Some(clean))
}
