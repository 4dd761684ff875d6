//! A mailbox is connected, proved, kept alive, and says how it is doing.
//!
//! In the order of its life: [`connect`] makes a link and opens it, or [`links`] makes one for somebody without an account here, who
//! [`agree`]s on its page; [`callback`] takes what Microsoft sends back, [`verify`] proves the
//! mailbox and makes the inbox, [`refresh`] keeps the tokens fresh, [`health`] remembers what works, [`notices`] tells who must act, [`inboxes`]
//! shows and changes it, [`switch_send_transport`] sends another way, [`set_from_address`] under
//! another From, [`diagnose`] looks at it step by step. On the way an administrator of the
//! organisation may have to approve ([`consent`]), or one of the account to hand an inbox over ([`handover`]) or
//! to accept who signed in with a link ([`accept`]).
//!
//! Identity is `(tid, oid)`; an address proves nothing, only the mail server does.

pub mod accept;
mod access;
pub mod agree;
mod app_choice;
mod attempt;
pub mod callback;
pub mod connect;
pub mod consent;
pub(crate) mod crowded;
pub mod diagnose;
mod examine;
mod from_address;
pub(crate) mod give_up;
pub mod handover;
pub mod health;
pub mod inboxes;
pub mod links;
pub mod notices;
pub(crate) mod overdue;
pub mod refresh;
mod return_urls;
mod send_transport;
pub(crate) mod sender;
pub(crate) mod sending;
mod settle;
pub mod shared;
pub mod snapshot;
mod status;
mod steps;
pub mod verify;

pub use attempt::{BrowserCookie, CookieLookup};
pub(crate) use examine::open_mailbox;
pub use from_address::{FromAddressError, set_from_address};
pub use health::Part;
pub use return_urls::ReturnUrls;
pub use send_transport::{SwitchError, switch_send_transport};
pub use status::{ConnectionStatusError, ConnectionView, connection_status, connections};
pub use store::{HealthChange, HealthNotice, HealthPart};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::App;

    fn may_move_between_threads<T: Send>(_: T) {}

    /// Never called: it compiles, or the workers and the API could not run these.
    #[expect(dead_code, reason = "compiling is the test")]
    fn the_use_cases_may_move_between_threads(app: &App, work: &store::ClaimedWork, scope: &store::AccountScope) {
        may_move_between_threads(verify::prove(app, work));
        may_move_between_threads(notices::look(app));
        may_move_between_threads(refresh::access_token(app, scope, domain::GrantId(1), oauth::Resource::Outlook));
        may_move_between_threads(callback::handle(app, callback::CallbackQuery::default(), &|_| None, None));
    }
}
