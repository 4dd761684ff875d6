//! OAuth apps: the installation's, and those that accounts have registered for themselves.
//!
//! - [`manage`]: administrators make apps and give them credentials, which are never shown again.
//! - `registry`: an app ready for use. Connections and grants refer to one, and nothing of it is copied.
//! - `alarms`: that Microsoft refuses an app or its credential is one alarm of the app, however many mailboxes find it out.
//! - `blame`: whether it is the app that Microsoft refuses, or one organisation that does not let it in.
//! - [`expiry`]: who can replace a credential is reminded before it ends.
//! - [`check`]: whether an app works, step by step.

mod alarms;
mod blame;
pub mod check;
pub mod expiry;
pub mod manage;
mod registry;

pub(crate) use alarms::unusable;
pub use registry::RegisteredApp;
pub(crate) use registry::Registry;
pub use store::InstallationAlarm;

/// Stands for the client id of an installation that has no app, and mailboxes that were signed in to through one.
pub const NOT_CONFIGURED: &str = "";

/// Whether Microsoft refuses the installation's app, as far as any process has found out.
pub async fn installation_alarm(app: &crate::App) -> Result<Option<InstallationAlarm>, store::StoreError> {
    app.store().app_alarms().of(app.microsoft().map_or(NOT_CONFIGURED, |microsoft| microsoft.client_id())).await
}
