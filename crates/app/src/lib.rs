//! The use cases of Postroom, in the order of a mail's life. Plain code: no web framework, no queue, no SQL.
//!
//! - [`context`]: what every use case is given: store, clock, entropy, connector, Microsoft, settings, and the [`context::Wake`] port.
//! - `memory`: how much of this process's memory mail may have at once.
//! - [`shared_clock`]: the one clock by which all processes go.
//! - [`stopwatch`]: how long something took.
//! - [`system`]: the real clock and the real randomness, which only the server hands in.
//! - [`calls`]: how often the API may be called. [`shared_counts`]: the port by which processes count together.
//! - [`accounts`]: who is asking: sign-in, sessions, members, agents; how they come to a password, and the mails that tell them.
//! - [`channels`]: a mailbox is connected, proved, kept alive, and says how it is doing.
//! - [`oauth_apps`]: what an application is known and proved by at Microsoft, the installation's and accounts' own.
//! - [`inbound`]: a mail ENTERS (pull), and BECOMES a message in a conversation (ingest).
//! - [`conversations`], [`contacts`], [`attachments`]: what agents see and do. [`search`]: how they find it.
//! - [`live`]: what happens, told to those who follow an account. [`notifications`]: what one person is told about.
//! - [`organising`]: what agents sort and share their work with: labels, teams, canned responses, saved views.
//! - [`outbound`]: a reply LEAVES (reply, deliver, reconcile).
//! - [`audit`]: what administrators did, for administrators.
//! - [`webhooks`]: other programs are told.
//! - [`tending`]: which mailboxes this process looks after.
//! - [`owed`]: what is due is named for the queue. [`job`]: what the queue hands back is run.
//!
//! This crate never names poem, apalis or Redis, and no network call is made while a transaction is open.

pub mod calls;
pub mod context;
mod memory;
pub mod shared_clock;
pub mod shared_counts;
pub mod stopwatch;
pub mod system;

pub mod accounts;
pub mod channels;
pub mod oauth_apps;

pub mod inbound;

pub mod attachments;
pub mod audit;
pub mod contacts;
pub mod conversations;
pub mod live;
pub mod notifications;
pub mod organising;
pub mod search;

pub mod outbound;

pub mod webhooks;

pub mod job;
pub mod jobs;
pub mod owed;
pub mod tending;

pub use context::{App, AppParts, Environment, Hint, NamedCredential, Settings, SystemMailer, Wake};
pub use mail::smtp::{Mechanism, Password as MailPassword, Relay as MailRelay};

/// What callers of the use cases must be able to name.
pub use net::TlsMode;
pub use store::StoreError;
