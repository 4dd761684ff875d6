//! Inboxes and their members.
use crate::*;
use domain::inbox::Inbox;
use domain::user::Agent;
use domain::*;
impl AccountScope {
    pub async fn inboxes(&self, _visibility: &Visibility) -> Result<Vec<Inbox>> {
        todo!()
    }
    pub async fn inbox(&self, _inbox: InboxId) -> Result<Option<Inbox>> {
        todo!()
    }
    pub async fn update_inbox(&self, _inbox: InboxId, _change: &InboxChange) -> Result<Option<Inbox>> {
        todo!()
    }
    pub async fn inbox_members(&self, _inbox: InboxId) -> Result<Vec<Agent>> {
        todo!()
    }
    pub async fn set_inbox_members(&self, _inbox: InboxId, _users: &[UserId]) -> Result<()> {
        todo!()
    }
}
