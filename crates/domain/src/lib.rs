//! The words of Postroom and the rules that need nothing but themselves.
//!
//! Read the modules in this order; each word means the same in table, type, path and page.
//!
//! - [`id`]: a number that names a row; one type per kind of row.
//! - [`clock`]: a moment, in microseconds UTC, and where it comes from.
//! - [`account`]: an Account is a tenant. A [`user`] has a Role in each account.
//! - [`inbox`]: where conversations land.
//! - [`channel`]: an Email channel is the mailbox behind an inbox: provider, settings, health.
//! - [`oauth_app`]: what an application is known and proved by at a provider.
//! - [`email_address`]: an address as it is written, and as it is compared.
//! - [`contact`]: a person outside.
//! - [`conversation`]: a thread with a contact; which mail belongs to which.
//! - [`message`]: what was said, its attachments, and its delivery.
//! - [`search`]: the words of a text, and those somebody looks for.
//! - [`organising`]: what agents sort and share their work with: labels, teams, canned responses, saved views.
//! - [`failure`]: what went wrong, who must act, and whether to try again.
//! - [`claims_challenge`]: what a provider wants of the next sign-in.
//! - [`secret`]: text that must never be shown, and where randomness comes from.
//! - [`notification`]: what a person is told about.
//! - [`event`]: what happened, in the order it happened.
//! - [`audit`]: what administrators did.
//!
//! This crate never does I/O, reads no clock, draws no random number, and knows neither web nor database.

pub mod account;
pub mod audit;
pub mod channel;
pub mod claims_challenge;
pub mod clock;
pub mod contact;
pub mod conversation;
pub mod email_address;
pub mod event;
pub mod failure;
pub mod id;
pub mod inbox;
pub mod message;
pub mod notification;
pub mod oauth_app;
pub mod organising;
pub mod search;
pub mod secret;
pub mod user;
pub mod webhook;

pub use claims_challenge::ClaimsChallenge;
pub use clock::{Clock, Timestamp};
pub use email_address::{EmailAddress, Mailbox};
pub use failure::{Actor, Failure, FailureClass, Retry};
pub use id::*;
pub use secret::{Entropy, Secret};
