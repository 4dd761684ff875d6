//! Owed work: handing over, claiming, finishing.
use crate::*;
use domain::*;
use std::time::Duration;
#[derive(Clone, Debug)]
pub struct Relay {}
impl Relay {
    /// Due rows of owed work and raw mail, round-robin by account, human replies first; not handed over again before `hold` has passed.
    pub async fn hand_over(&self, _window: u32, _hold: Duration) -> Result<Vec<DueWork>> {
        todo!()
    }
    /// `None` when it is done, somebody else's, or not due (any more). Counts an attempt. `worker` is for diagnosis.
    pub async fn claim(
        &self,
        _account: AccountId,
        _kind: OwedKind,
        _owed: OwedId,
        _worker: &str,
        _lease: Duration,
    ) -> Result<Option<ClaimedWork>> {
        todo!()
    }
    /// The lease starts anew. `false`: it was lost.
    pub async fn extend(&self, _work: &ClaimedWork, _lease: Duration) -> Result<bool> {
        todo!()
    }
    /// Done. `false`: the lease was lost. (`Tx::finish_work` does the same together with its effects.)
    pub async fn finish(&self, _work: &ClaimedWork) -> Result<bool> {
        todo!()
    }
    pub async fn retry(&self, _work: &ClaimedWork, _after: Duration, _failure: &Failure) -> Result<bool> {
        todo!()
    }
    /// Never tried again by itself; kept with its failure.
    pub async fn fail(&self, _work: &ClaimedWork, _failure: &Failure) -> Result<bool> {
        todo!()
    }
    /// Given back untried: the attempt is not counted.
    pub async fn release(&self, _work: &ClaimedWork, _after: Duration) -> Result<bool> {
        todo!()
    }
    /// When the next row falls due, at most `most` from now; zero when one is due.
    pub async fn next_due_in(&self, _most: Duration) -> Result<Duration> {
        todo!()
    }
    pub async fn stuck_deliveries(&self, _limit: u32) -> Result<Vec<StuckDelivery>> {
        todo!()
    }
}
