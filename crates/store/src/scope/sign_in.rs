//! Signing in.
use crate::*;
use domain::user::{Membership, User};
use domain::*;
#[derive(Clone, Debug)]
pub struct SignIn {}
impl SignIn {
    /// `key`: `EmailAddress::key()`.
    pub async fn user_by_email(&self, _key: &str) -> Result<Option<(User, Option<PasswordHash>)>> {
        todo!()
    }
    pub async fn user(&self, _user: UserId) -> Result<Option<User>> {
        todo!()
    }
    pub async fn authenticate_token(&self, _hash: &TokenHash, _now: Timestamp) -> Result<Option<Authenticated>> {
        todo!()
    }
    /// `None` when the user is not a member. A suspended account is returned as such.
    pub async fn member(&self, _account: AccountId, _user: UserId) -> Result<Option<Member>> {
        todo!()
    }
    pub async fn memberships(&self, _user: UserId) -> Result<Vec<Membership>> {
        todo!()
    }
    pub async fn create_token(&self, _token: &NewToken) -> Result<TokenId> {
        todo!()
    }
    pub async fn tokens(&self, _user: UserId, _now: Timestamp) -> Result<Vec<TokenInfo>> {
        todo!()
    }
    /// `false` when it is not the user's, or was revoked before.
    pub async fn revoke_token(&self, _user: UserId, _token: TokenId, _now: Timestamp) -> Result<bool> {
        todo!()
    }
    pub async fn update_user(&self, _user: UserId, _change: &UserChange) -> Result<Option<User>> {
        todo!()
    }
}
