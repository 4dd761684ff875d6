//! A reply LEAVES.
//!
//! - [`reply`]: message, delivery and owed work in one transaction, before anybody is answered.
//! - [`start`]: an agent begins a conversation.
//! - [`draft`]: what an agent may send, checked. Pure.
//! - [`envelope`]: who gets it and what it refers to.
//! - [`deliver`]: may it leave, and is it its turn? [`attempt`]: one attempt. [`handing`]: the mail given to
//!   the server. [`by_graph`]: the same through Microsoft Graph; [`left_draft`]: what that left when the mailbox sends by SMTP again.
//! - [`line`]: how messages of one mailbox wait for their turn, and the mailbox for better times. [`pace`]: how long.
//! - [`sessions`]: the server's sessions, kept for the next message. [`ids`]: the Message-IDs it leaves under. [`composing`]: the bytes. [`settle`]: how an attempt ended, written down.
//! - [`patience`]: how long it waits between two tries. [`orphans`]: what nobody would look at again.
//! - [`sent_copy`]: a copy into Sent where the provider keeps none.
//! - [`reconcile`]: the connection was lost behind DATA: look into Sent, then decide.
//! - [`retry`]: a person asks again, or deletes a message. [`decide`]: they cancel it, or know whether it left.
//!   [`answering`]: whether the customer waits then.
//! - [`unsent`]: what did not leave, listed.
//! - [`give_up`]: work on a message that always breaks down.

mod answering;
mod attempt;
mod by_graph;
mod composing;
pub mod decide;
pub mod deliver;
pub mod draft;
pub mod envelope;
mod former_from;
pub(crate) mod give_up;
mod handing;
mod ids;
mod left_draft;
mod line;
pub mod orphans;
pub mod pace;
mod patience;
pub mod reconcile;
pub mod reply;
pub mod retry;
pub(crate) mod sent_copy;
mod sessions;
pub(crate) mod settle;
pub mod start;
pub mod unsent;

pub use decide::{DecideError, cancel, resolve};
pub use draft::{Draft, IdempotencyKey, Invalid, UploadedFile};
pub use reply::{ReplyError, reply};
pub use retry::{RetryError, delete_message, retry};
pub(crate) use sessions::KeptSessions;
pub use start::{Beginning, StartError, start};
