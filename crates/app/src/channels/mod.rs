//! A mailbox is connected, proved, kept alive, and says how it is doing.
//!
//! In the order of its life: [`connect`] makes a link and opens it, [`callback`] takes what Microsoft sends back, [`verify`] proves the
//! mailbox and makes the inbox, [`refresh`] keeps the tokens fresh, [`health`] remembers what works, [`notices`] tells who must act, [`inboxes`] shows and changes it, [`diagnose`] looks
//! at it step by step.
//!
//! Identity is `(tid, oid)`; an address proves nothing, only the mail server does.

mod attempt;
pub mod callback;
pub mod connect;
pub mod diagnose;
mod examine;
pub(crate) mod give_up;
pub mod health;
pub mod inboxes;
pub mod notices;
pub mod refresh;
mod settle;
pub mod snapshot;
mod status;
pub mod verify;

pub use attempt::{BrowserCookie, CookieLookup};
pub use health::Part;
pub use status::{ConnectionStatusError, ConnectionView, connection_status};
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
