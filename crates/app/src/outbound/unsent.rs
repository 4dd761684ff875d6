//! What did not leave: one list for everybody who can do something about it. Retrying goes the way of the message itself ([`super::retry`]).

use crate::App;
use crate::accounts::Member;
use domain::InboxId;
use domain::message::DeliveryState;
use store::StoreError;
pub use store::{LEFT_BEHIND_PER_PAGE, Unsent, UnsentFilter};

/// What waits for a person: without a state asked for, these.
const FOR_A_PERSON: [DeliveryState; 3] = [DeliveryState::Failed, DeliveryState::OutcomeUnknown, DeliveryState::Bounced];

/// One page of the inboxes that the member sees, newest first, and how many there are in all.
pub async fn list(
    _app: &App,
    member: &Member,
    state: Option<DeliveryState>,
    inbox_id: Option<InboxId>,
    page: u32,
) -> Result<(Vec<Unsent>, u64), StoreError> {
    let states = state.map_or_else(|| FOR_A_PERSON.to_vec(), |state| vec![state]);
    member.scope.unsent(&member.visibility, &UnsentFilter { states, inbox_id, page }).await
}
