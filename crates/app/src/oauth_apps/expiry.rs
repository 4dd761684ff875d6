//! Reminds, before a credential ends, whoever can replace it: 30, 14, 7 and 1 days before, once each, and only where no other credential of
//! the app lasts longer.

use crate::{App, Hint};
use domain::Timestamp;
use domain::event::EventKind;
use domain::oauth_app::{WARNED_BEFORE_DAYS, is_outlasted, warning_due};
use serde_json::json;
use std::time::Duration;
use store::{EndingCredential, StoreError};

const DAY: Duration = Duration::from_secs(24 * 3600);
const AT_ONCE: u32 = 500;

/// Every hour, in every process: of two who look at the same credential, one reminds. How many reminders.
pub async fn warn_of_ending_credentials(app: &App) -> Result<u32, StoreError> {
    let now = app.now();
    let mut count = of_installation(app, now).await?;
    let within = u32::try_from(WARNED_BEFORE_DAYS[0]).unwrap_or(30);
    for ending in app.store().app_alarms().ending(now.plus(DAY * within), AT_ONCE).await? {
        let Some(days) = warning_due(ending.expires_at, ending.warned_days, now) else { continue };
        if warn(app, &ending, days).await? {
            count += 1;
        }
    }
    Ok(count)
}

async fn warn(app: &App, ending: &EndingCredential, days: i64) -> Result<bool, StoreError> {
    let mut tx = ending.scope.begin().await?;
    if !tx.warn_of_credential(ending.id, days).await? {
        tx.rollback().await?;
        return Ok(false);
    }
    if app.settings().mailer.is_some() {
        tx.owe_oauth_app_mails(ending.oauth_app_id, Some(ending.id)).await?;
    }
    let payload = json!({
        "oauth_app_id": ending.oauth_app_id.0, "credential_id": ending.id.0, "expires_at": ending.expires_at.seconds(),
        "days": days,
    });
    tx.append_event(EventKind::OauthAppCredentialEnding, None, None, payload);
    tx.commit().await?;
    tracing::info!(
        account.id = %ending.scope.account_id(), oauth_app.id = %ending.oauth_app_id, days,
        "a credential of an account's OAuth app ends soon"
    );
    app.wake(Hint::Owed);
    app.wake(Hint::Account(ending.scope.account_id()));
    Ok(true)
}

async fn of_installation(app: &App, now: Timestamp) -> Result<u32, StoreError> {
    let Some(microsoft) = app.microsoft() else { return Ok(0) };
    // There is one again.
    app.store().app_alarms().clear(super::NOT_CONFIGURED).await?;
    let mut count = 0;
    for (name, ends_at) in ending_of_installation(app) {
        let Some(days) = warning_due(ends_at, None, now) else { continue };
        if app.store().app_alarms().warned(microsoft.client_id(), &name, ends_at, days).await? {
            count += 1;
            tracing::warn!(
                credential = name,
                ends_at = ends_at.to_iso(),
                days,
                "a credential of this installation's application ends soon"
            );
        }
    }
    Ok(count)
}

/// Those of them that end within the time in which reminders come, or have ended.
pub fn soon_ending_of_installation(app: &App) -> Vec<(String, Timestamp)> {
    let within = u32::try_from(WARNED_BEFORE_DAYS[0]).unwrap_or(30);
    let horizon = app.now().plus(DAY * within);
    ending_of_installation(app).into_iter().filter(|(_, ends_at)| *ends_at <= horizon).collect()
}

/// The installation's credentials whose end nothing outlasts, by the variable that they came from.
pub fn ending_of_installation(app: &App) -> Vec<(String, Timestamp)> {
    let named = &app.settings().app_credentials;
    let ends = |index: usize| {
        let others = named.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, one)| one.expires_at);
        named[index].expires_at.filter(|at| !is_outlasted(*at, others))
    };
    (0..named.len()).filter_map(|index| Some((named[index].name.clone(), ends(index)?))).collect()
}
