//! Conversations: the list with its counts, and one.
use crate::*;
use domain::*;
impl AccountScope {
    pub async fn conversations(&self, _filter: &ConversationFilter) -> Result<ConversationPage> {
        todo!()
    }
    pub async fn conversation_counts(&self, _filter: &ConversationFilter) -> Result<ConversationCounts> {
        todo!()
    }
    pub async fn conversation(&self, _id: DisplayId) -> Result<Option<ConversationView>> {
        todo!()
    }
    pub async fn conversation_by_id(&self, _id: ConversationId) -> Result<Option<ConversationView>> {
        todo!()
    }
}
