//! One account's rows.
use crate::*;
use domain::account::{Account, Role};
use domain::user::Agent;
use domain::*;
/// One account, and nothing else. Made only from a proof.
#[derive(Clone, Debug)]
pub struct AccountScope {
    pub(crate) id: AccountId,
}
impl AccountScope {
    pub fn account_id(&self) -> AccountId {
        self.id
    }
    pub async fn account(&self) -> Result<Account> {
        todo!()
    }
    pub async fn agents(&self) -> Result<Vec<Agent>> {
        todo!()
    }
    pub async fn agent(&self, _user: UserId) -> Result<Option<Agent>> {
        todo!()
    }
    /// Adds a user (found by e-mail, or made) to the account. `Conflict` when they are a member already.
    pub async fn create_agent(&self, _user: &NewUser, _role: Role) -> Result<Agent> {
        todo!()
    }
    pub async fn update_agent(&self, _user: UserId, _change: &AgentChange) -> Result<Option<Agent>> {
        todo!()
    }
    /// Takes the user out of the account; their conversations become unassigned.
    pub async fn remove_agent(&self, _user: UserId) -> Result<bool> {
        todo!()
    }
    /// The keys that sign and check Message-IDs, newest first: (version, key).
    pub async fn message_id_keys(&self) -> Result<Vec<(i64, Secret)>> {
        todo!()
    }
    /// A transaction that may write: BEGIN IMMEDIATE on SQLite's one writer. No network call while it is open.
    pub async fn begin(&self) -> Result<Tx> {
        todo!()
    }
}
