//! What did not leave, and what did not become a message.

use crate::DeliveryRecord;
use domain::InboxId;
use domain::message::{DeliveryState, Message};

/// A page of either list.
pub const LEFT_BEHIND_PER_PAGE: u32 = 25;

#[derive(Clone, Debug)]
pub struct UnsentFilter {
    pub states: Vec<DeliveryState>,
    pub inbox_id: Option<InboxId>,
    /// From 1.
    pub page: u32,
}

/// A message that did not leave.
#[derive(Clone, Debug)]
pub struct Unsent {
    pub message: Message,
    pub record: DeliveryRecord,
}

/// Why a mail is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOutState {
    /// It could not be understood.
    Quarantined,
    /// On purpose.
    Dropped,
    /// It could not be understood yet, and is tried again.
    Waiting,
}

#[derive(Clone, Debug, Default)]
pub struct LeftOutFilter {
    pub inbox_id: Option<InboxId>,
    /// `None`: what is final, and nobody has dismissed.
    pub state: Option<LeftOutState>,
    /// From 1.
    pub page: u32,
}
