//! OAuth apps: the installation's, and those that accounts have registered for themselves.
//!
//! - [`manage`]: administrators make apps and give them credentials, which are never shown again.
//! - `registry`: an app ready for use. Connections and grants refer to one, and nothing of it is copied.
//! - `alarms`: that an app's credential is refused is one alarm of the app, however many mailboxes find it out.
//! - [`expiry`]: who can replace a credential is reminded before it ends.
//! - [`check`]: whether an app works, step by step.

mod alarms;
pub mod check;
pub mod expiry;
pub mod manage;
mod registry;

pub use registry::RegisteredApp;
pub(crate) use registry::Registry;
pub use store::InstallationAlarm;

/// Whether Microsoft refuses the installation's app, as far as any process has found out.
pub async fn installation_alarm(app: &crate::App) -> Result<Option<InstallationAlarm>, store::StoreError> {
    match app.microsoft() {
        Some(microsoft) => app.store().app_alarms().of(microsoft.client_id()).await,
        None => Ok(None),
    }
}
