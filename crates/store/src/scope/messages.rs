//! Messages and attachments.
use crate::*;
use domain::message::{Attachment, Message};
use domain::*;
impl AccountScope {
    /// Oldest first. `before` and `after` are translated to the message's place `(sent_at, id)`.
    pub async fn messages(&self, _conversation: ConversationId, _page: MessagePage) -> Result<Vec<Message>> {
        todo!()
    }
    pub async fn message(&self, _conversation: ConversationId, _message: MessageId) -> Result<Option<Message>> {
        todo!()
    }
    pub async fn message_by_id(&self, _message: MessageId) -> Result<Option<Message>> {
        todo!()
    }
    pub async fn attachment(&self, _attachment: AttachmentId) -> Result<Option<Attachment>> {
        todo!()
    }
    /// Message-IDs of the conversation, oldest first: what a reply refers to.
    pub async fn message_ids_of_conversation(&self, _conversation: ConversationId, _limit: u32) -> Result<Vec<String>> {
        todo!()
    }
    pub async fn messages_by_message_id(&self, _inbox: InboxId, _message_id: &str) -> Result<Vec<KnownMessage>> {
        todo!()
    }
}
