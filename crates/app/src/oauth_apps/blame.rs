//! Whose trouble it is that Microsoft refuses an application: everybody's who uses it, or one organisation's that does not let it in.
//!
//! The answers are the same (AADSTS700016, AADSTS7000112; COMPATIBILITY.md says what of this was not seen at Microsoft). So Microsoft is asked about the application where it is registered, without
//! anybody's sign-in: what it does not know there either is the application's alarm. Hundreds of mailboxes find it out within minutes, and one asks.

use super::registry::RegisteredApp;
use crate::App;
use domain::{Failure, FailureClass, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as Waiting;

/// What was found out is believed for so long.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// A refresh waits for it, and holds its claim meanwhile.
const WITHIN: Duration = Duration::from_secs(15);
/// Applications whose answers are kept at most. Beyond that, all are asked about anew.
const MOST_KEPT: usize = 1000;

/// When Microsoft was asked about an application, and whether it knows it; `None`: it could not be found out.
type Asked = Option<(Timestamp, Option<bool>)>;

/// Whoever asks keeps the others waiting.
type OneAsks = Arc<Waiting<Asked>>;

/// What Microsoft said of applications, by client id and authority.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<(String, String), OneAsks>>);

impl Known {
    fn of(&self, registered: &RegisteredApp) -> OneAsks {
        let settings = registered.microsoft.settings();
        let key = (settings.client_id.clone(), settings.authority.clone());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KEPT && !known.contains_key(&key) {
            known.clear();
        }
        known.entry(key).or_default().clone()
    }
}

impl RegisteredApp {
    /// The failure as it is to be told of, and whether it is the application's alarm.
    pub(super) async fn blamed(&self, app: &App, failure: Failure) -> (Failure, bool) {
        if !oauth::errors::may_be_of_a_tenant(&failure) {
            let of_the_app = failure.class.is_of_the_app();
            return (failure, of_the_app);
        }
        match self.is_known(app).await {
            Some(true) => (Failure { class: FailureClass::AppBlockedByTenant, ..failure }, false),
            Some(false) => (Failure { class: FailureClass::AppUnusable, ..failure }, true),
            // A minute later it is asked again. Until somebody knows, it is told of the mailbox.
            None => (failure, false),
        }
    }

    async fn is_known(&self, app: &App) -> Option<bool> {
        let known = app.registry().known.of(self);
        let mut asked = known.lock().await;
        match *asked {
            Some((at, said)) if app.now().since(at) < BELIEVED_FOR => said,
            Some(_) | None => {
                let answer = tokio::time::timeout(WITHIN, self.microsoft.probe_application(app.entropy())).await;
                let said = match answer {
                    Ok(Ok(is_known)) => Some(is_known),
                    Ok(Err(failure)) => {
                        tracing::warn!(%failure, "it could not be found out whether Microsoft knows an application");
                        None
                    }
                    Err(_) => None,
                };
                *asked = Some((app.now(), said));
                said
            }
        }
    }
}
