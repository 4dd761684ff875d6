//! One alarm of an app that Microsoft refuses, or whose credentials it does, until it works again.
//!
//! Hundreds of mailboxes find it out within minutes, in several processes; whoever changes the app's row first says so, to the account's
//! administrators or, of the installation's app, to the operator's log. The mailboxes themselves stay as they are, and go on trying.

use super::registry::{OwnApp, RegisteredApp};
use crate::{App, Hint};
use domain::event::EventKind;
use domain::{Failure, OauthAppId};
use serde_json::json;
use store::{AccountScope, StoreError};

impl RegisteredApp {
    /// What Microsoft answered to a call of this app: remembered where it says something of the app, and of the account's own app said in
    /// words for those who can mend it.
    pub async fn heard<T>(&self, app: &App, scope: &AccountScope, answer: Result<T, Failure>) -> Result<T, Failure> {
        let (answer, is_alarm) = match answer {
            Ok(answer) => (Ok(answer), false),
            Err(failure) => {
                let (failure, is_alarm) = self.blamed(app, failure).await;
                (Err(self.in_words(failure)), is_alarm)
            }
        };
        let found = match &answer {
            Ok(_) => Found::Works,
            Err(failure) if is_alarm => Found::Refused(failure),
            Err(_) => Found::Nothing,
        };
        let noted = match &self.own {
            Some(own) => own_app(app, scope, own, found).await,
            None => installations(app, self.microsoft.client_id(), found).await,
        };
        if let Err(error) = noted {
            // The answer is what counts; the next one is noted.
            tracing::error!(%error, "could not note what an application was answered");
        }
        answer
    }

    /// A failure of the account's own app names the app.
    pub(crate) fn in_words(&self, failure: Failure) -> Failure {
        let class = failure.class.of_own_app();
        match &self.own {
            Some(own) if class != failure.class => {
                let known = failure.detail.as_deref().unwrap_or_default();
                let detail = format!("OAuth app {} ({}): {known}", own.id, own.name);
                Failure { class, detail: Some(detail.trim_end_matches([':', ' ']).to_owned()), ..failure }
            }
            _ => failure,
        }
    }
}

/// What an answer says of the app.
#[derive(Clone, Copy)]
enum Found<'a> {
    Works,
    Refused(&'a Failure),
    Nothing,
}

/// An app cannot even be asked with: nothing is configured, or what is stored of it cannot be used.
pub(crate) async fn unusable(app: &App, scope: &AccountScope, id: Option<OauthAppId>, failure: &Failure) {
    if !failure.class.is_of_the_app() {
        return;
    }
    let noted = match id {
        Some(id) => raise_if_new(app, scope, id, failure).await,
        None => installations(app, super::NOT_CONFIGURED, Found::Refused(failure)).await,
    };
    if let Err(error) = noted {
        tracing::error!(%error, "could not note that an application cannot be used");
    }
}

async fn own_app(app: &App, scope: &AccountScope, own: &OwnApp, found: Found<'_>) -> Result<(), StoreError> {
    for (credential, refusal) in own.news() {
        let refusal = refusal.as_ref().map(|refusal| (refusal.at, &refusal.failure));
        scope.note_credential_refusal(credential, refusal).await?;
    }
    match found {
        Found::Refused(failure) if own.failing_class.as_deref() != Some(failure.class.code()) => {
            raise(app, scope, own.id, failure).await
        }
        Found::Works if own.failing_class.is_some() => clear(app, scope, own.id).await,
        Found::Refused(_) | Found::Works | Found::Nothing => Ok(()),
    }
}

/// Every mailbox of the app comes here again and again: what is known already is only read.
async fn raise_if_new(app: &App, scope: &AccountScope, id: OauthAppId, failure: &Failure) -> Result<(), StoreError> {
    match scope.oauth_app_state(id).await? {
        Some(state) if state.failing_class.as_deref() != Some(failure.class.code()) => {
            raise(app, scope, id, failure).await
        }
        Some(_) | None => Ok(()),
    }
}

async fn raise(app: &App, scope: &AccountScope, id: OauthAppId, failure: &Failure) -> Result<(), StoreError> {
    let mut tx = scope.begin().await?;
    if !tx.raise_oauth_app_alarm(id, failure).await? {
        return tx.rollback().await;
    }
    if app.settings().mailer.is_some() {
        tx.owe_oauth_app_mails(id, None).await?;
    }
    let payload = json!({
        "oauth_app_id": id.0,
        "state": "failing",
        "failure": {
            "code": failure.class.code(), "actor": failure.class.actor(), "text": failure.class.text(),
            "cure": failure.class.cure(), "correlation_id": failure.correlation_id,
        },
    });
    tx.append_event(EventKind::OauthAppHealthChanged, None, None, payload);
    tx.commit().await?;
    tracing::warn!(
        account.id = %scope.account_id(), oauth_app.id = %id, %failure, correlation.id = failure.correlation_id.as_deref(),
        "an account's OAuth app, or its credentials, are refused"
    );
    app.wake(Hint::Owed);
    app.wake(Hint::Account(scope.account_id()));
    Ok(())
}

async fn clear(app: &App, scope: &AccountScope, id: OauthAppId) -> Result<(), StoreError> {
    let mut tx = scope.begin().await?;
    if !tx.clear_oauth_app_alarm(id).await? {
        return tx.rollback().await;
    }
    let payload = json!({ "oauth_app_id": id.0, "state": "working", "failure": null });
    tx.append_event(EventKind::OauthAppHealthChanged, None, None, payload);
    tx.commit().await?;
    tracing::info!(account.id = %scope.account_id(), oauth_app.id = %id, "an account's OAuth app works again");
    app.wake(Hint::Account(scope.account_id()));
    Ok(())
}

async fn installations(app: &App, client_id: &str, found: Found<'_>) -> Result<(), StoreError> {
    let alarms = app.store().app_alarms();
    match found {
        Found::Refused(failure) => {
            if alarms.raise(client_id, failure).await? {
                tracing::error!(
                    %failure, correlation.id = failure.correlation_id.as_deref(), text = failure.class.text(),
                    cure = failure.class.cure(), "this installation's application cannot be used at Microsoft: no mailbox can be signed in to"
                );
            }
        }
        Found::Nothing => {}
        Found::Works => {
            // Looked at first: that it works is the rule, and nothing is written for it.
            if alarms.of(client_id).await?.is_some() && alarms.clear(client_id).await? {
                tracing::info!("Microsoft takes this installation's application again");
            }
        }
    }
    Ok(())
}
