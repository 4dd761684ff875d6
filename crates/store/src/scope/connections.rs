//! States, links and confirmations: each is consumed once, by the browser that opened the link.
use crate::*;
use domain::*;
#[derive(Clone, Debug)]
pub struct Connections {}
impl Connections {
    /// The first browser binds the attempt to its cookie; the same browser may open it again until the state is consumed.
    pub async fn open_link(
        &self,
        _link: &TokenHash,
        _browser: &TokenHash,
        _now: Timestamp,
    ) -> Result<Result<LinkProof, StateRefusal>> {
        todo!()
    }
    /// Atomic and single-use. `browser` is `None` when the callback came without the attempt's cookie.
    pub async fn consume_state(
        &self,
        _state: &TokenHash,
        _browser: Option<&TokenHash>,
        _now: Timestamp,
    ) -> Result<Result<StateProof, StateRefusal>> {
        todo!()
    }
    /// The POST of the confirmation page; atomic and single-use.
    pub async fn consume_confirmation(
        &self,
        _confirm: &TokenHash,
        _browser: Option<&TokenHash>,
        _now: Timestamp,
    ) -> Result<Result<StateProof, StateRefusal>> {
        todo!()
    }
    /// The attempt whose state this is, for finding the cookie's name; proves nothing.
    pub async fn id_of_state(&self, _state: &TokenHash) -> Result<Option<ConnectionId>> {
        todo!()
    }
    /// What came of an attempt, for the browser that made it (the status page).
    pub async fn seen_by_browser(&self, _connection: ConnectionId, _browser: &TokenHash) -> Result<Option<Connection>> {
        todo!()
    }
    /// Pending attempts that grew old become `expired`. How many.
    pub async fn expire_old(&self, _now: Timestamp) -> Result<u64> {
        todo!()
    }
}
