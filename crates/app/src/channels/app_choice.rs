//! Through which OAuth app somebody is sent to Microsoft: the one that was named, the one that the inbox was signed in through, the account's
//! default, or the installation's. Never another account's.

use crate::App;
use domain::inbox::Inbox;
use domain::{Failure, OauthAppId};
use store::{AccountScope, StoreError};

/// `named`: `Some(None)` is the installation's. `inbox`: the one that signs in again. The app exists in this account, and somebody can be sent
/// to Microsoft with it.
pub(super) async fn chosen(
    app: &App,
    scope: &AccountScope,
    named: Option<Option<OauthAppId>>,
    inbox: Option<&Inbox>,
) -> Result<Result<Option<OauthAppId>, Unusable>, StoreError> {
    let id = choose(app, scope, named, inbox).await?;
    Ok(usable(app, scope, id).await?.map(|()| id))
}

/// As [`chosen`], whatever became of the app.
pub(super) async fn choose(
    app: &App,
    scope: &AccountScope,
    named: Option<Option<OauthAppId>>,
    inbox: Option<&Inbox>,
) -> Result<Option<OauthAppId>, StoreError> {
    if let Some(named) = named {
        return Ok(named);
    }
    let grant = match inbox.and_then(|inbox| inbox.channel.grant_id) {
        Some(grant) => scope.grant(grant).await?,
        None => None,
    };
    match grant {
        Some(grant) if grant.oauth_app_id.is_some() || app.microsoft().is_some() => Ok(grant.oauth_app_id),
        Some(_) | None => scope.default_oauth_app().await,
    }
}

/// Why nobody can be sent to Microsoft.
#[derive(Debug)]
pub(super) enum Unusable {
    /// The installation has no app.
    NotConfigured,
    /// No such app in this account.
    NotFound,
    /// It has no credential, or none that can be used.
    Failure(Failure),
}

/// The app exists in this account, and somebody can be sent to Microsoft with it.
async fn usable(app: &App, scope: &AccountScope, id: Option<OauthAppId>) -> Result<Result<(), Unusable>, StoreError> {
    Ok(match (app.microsoft_of(scope, id).await?, id) {
        (Ok(_), _) => Ok(()),
        (Err(_), None) => Err(Unusable::NotConfigured),
        (Err(failure), Some(id)) => match scope.oauth_app_state(id).await? {
            Some(_) => Err(Unusable::Failure(failure)),
            None => Err(Unusable::NotFound),
        },
    })
}
