//! Grants and the refreshing of their tokens.
use crate::*;
use domain::*;
use std::time::Duration;
impl AccountScope {
    pub async fn grant(&self, _grant: GrantId) -> Result<Option<Grant>> {
        todo!()
    }
    pub async fn access_token(&self, _grant: GrantId, _resource: &str) -> Result<Option<AccessToken>> {
        todo!()
    }
    /// Single flight: `None` while somebody else refreshes, or when the grant is gone or waits for its owner.
    pub async fn claim_refresh(&self, _grant: GrantId, _lease: Duration) -> Result<Option<RefreshClaim>> {
        todo!()
    }
    /// Compare-and-swap on the version the claim saw; ends the claim. `false`: somebody stored newer tokens, nothing was written.
    pub async fn store_refreshed(&self, _claim: &RefreshClaim, _tokens: &RefreshedTokens) -> Result<bool> {
        todo!()
    }
    pub async fn release_refresh(&self, _claim: &RefreshClaim) -> Result<()> {
        todo!()
    }
    /// The provider said that the owner must sign in again. Ends the claim; `false` when newer tokens were stored meanwhile.
    pub async fn refresh_refused(&self, _claim: &RefreshClaim) -> Result<bool> {
        todo!()
    }
    pub async fn connection(&self, _connection: ConnectionId) -> Result<Option<Connection>> {
        todo!()
    }
    pub async fn create_connection(&self, _new: &NewConnection) -> Result<Connection> {
        todo!()
    }
    pub async fn update_connection(&self, _connection: ConnectionId, _change: &ConnectionChange) -> Result<Connection> {
        todo!()
    }
}
