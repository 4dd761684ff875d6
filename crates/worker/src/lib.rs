//! The machinery that runs the use cases: it moves ids, holds leases and keeps time, and has no business rule.
//!
//! - [`wake`]: hints that there is something to do, within a process and between processes.
//! - [`queue`]: the transport, in memory or over Redis.
//! - `relay`: rows that are due → the queue. `runner`: the queue → `app::job::run`, on apalis.
//! - `schedule`: this process's session, its heartbeat, and which mailboxes it looks after. `mailbox`: one mailbox, as long as it is ours.

pub mod queue;
mod relay;
mod runner;
#[cfg(test)]
mod tests;
pub mod wake;

pub use queue::{Queue, QueueError};
pub use wake::Hints;
