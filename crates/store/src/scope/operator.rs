//! What whoever runs the installation may do, from the command line.
use crate::*;
use domain::account::{Account, AccountStatus, Role};
use domain::user::User;
use domain::*;
#[derive(Clone, Debug)]
pub struct Operator {}
impl Operator {
    pub async fn create_account(&self, _new: &NewAccount) -> Result<CreatedAccount> {
        todo!()
    }
    pub async fn accounts(&self) -> Result<Vec<Account>> {
        todo!()
    }
    pub async fn account(&self, _account: AccountId) -> Result<Option<AccountScope>> {
        todo!()
    }
    pub async fn set_account_status(&self, _account: AccountId, _status: AccountStatus) -> Result<bool> {
        todo!()
    }
    pub async fn create_user(&self, _user: &NewUser) -> Result<User> {
        todo!()
    }
    pub async fn add_member(&self, _account: AccountId, _user: UserId, _role: Role) -> Result<()> {
        todo!()
    }
    pub async fn owed_counts(&self) -> Result<OwedCounts> {
        todo!()
    }
    /// Unfinished and failed rows, oldest first: what invariants look at.
    pub async fn owed_rows(&self, _limit: u32) -> Result<Vec<OwedRow>> {
        todo!()
    }
}
