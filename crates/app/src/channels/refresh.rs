//! Access tokens that are fresh enough to use, one refresh at a time across all processes.
//!
//! Whoever gets the lease on the grant asks Microsoft, with no transaction open, and stores by compare-and-swap; everybody else waits
//! for what comes of it. A token with less than five minutes left is not used. Only a definitive answer about the *person's* permission
//! ends a grant: a timeout, a throttle, or a wrong secret of ours never asks anybody to sign in again. What nobody understands does, when it has
//! lasted for a day.

use super::health::{Part, remember};
use super::settle::resource_key;
use crate::{App, jobs};
use domain::{Actor, Failure, FailureClass, GrantId, Retry, Secret, Timestamp};
use oauth::Resource;
use std::convert::Infallible;
use std::time::Duration;
use store::{AccessToken, AccountScope, GrantStatus, KillPoint, RefreshClaim, RefreshedTokens, StoreError};

/// A token with less left may run out while it is used.
pub const LEAST_LIFE_LEFT: Duration = Duration::from_secs(5 * 60);
/// Less than any lifetime that Microsoft documents (ten minutes are the least that a tenant can set). A fresh token with less is none: it would run
/// out while a mail server looks at it, and whoever it is refused to would fetch the next one at once.
const LEAST_LIFE: Duration = Duration::from_secs(60);
/// After a crash, the next one refreshes when it has passed. Whoever waits for Microsoft's answer renews it.
const LEASE: Duration = Duration::from_secs(15);
const RENEW_EVERY: Duration = Duration::from_secs(4);
/// How long one waits for another's refresh.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often a refusal is put aside because somebody signed in again while Microsoft was asked.
const SIGN_INS_MEANWHILE: u32 = 3;
/// A refusal within this of the last refresh was a refusal of the fresh token: another one would be refused as well.
const STILL_FRESH: Duration = Duration::from_secs(30);

/// A token with at least five minutes left.
pub async fn access_token(
    app: &App,
    scope: &AccountScope,
    grant: GrantId,
    resource: Resource,
) -> Result<Secret, Failure> {
    let wanted = |token: &AccessToken, now: Timestamp| token.expires_at >= now.plus(LEAST_LIFE_LEFT);
    Box::pin(obtain(app, scope, grant, resource, wanted)).await
}

/// For the one retry after a mail server refused a token: a token that is newer than the refused one, whatever that had left. When
/// the stored one has been refreshed within half a minute, it is that one.
pub async fn fresh_access_token(
    app: &App,
    scope: &AccountScope,
    grant: GrantId,
    resource: Resource,
) -> Result<Secret, Failure> {
    // Each resource's token is as old as it is, whatever was refreshed for another one meanwhile.
    let stored = scope.access_token(grant, resource_key(resource)).await.map_err(|e| store_failure(&e))?;
    let refused = match stored {
        Some(token) if app.now().since(token.stored_at) >= STILL_FRESH => token.version,
        Some(_) | None => return access_token(app, scope, grant, resource).await,
    };
    newer_than(app, scope, grant, resource, refused).await
}

/// A token that is newer than what is stored, however young that is: whoever asks wants to know what Microsoft says now.
pub(crate) async fn newer_access_token(
    app: &App,
    scope: &AccountScope,
    grant: GrantId,
    resource: Resource,
) -> Result<Secret, Failure> {
    let stored = scope.access_token(grant, resource_key(resource)).await.map_err(|e| store_failure(&e))?;
    let known = stored.map_or(0, |token| token.version);
    newer_than(app, scope, grant, resource, known).await
}

async fn newer_than(
    app: &App,
    scope: &AccountScope,
    grant: GrantId,
    resource: Resource,
    version: i64,
) -> Result<Secret, Failure> {
    let wanted = move |token: &AccessToken, now: Timestamp| {
        token.version > version && token.expires_at >= now.plus(LEAST_LIFE_LEFT)
    };
    Box::pin(obtain(app, scope, grant, resource, wanted)).await
}

/// Keeps a grant alive that nobody uses: Microsoft forgets refresh tokens after 90 days without use.
pub(crate) async fn keep_alive(app: &App, scope: &AccountScope, grant: GrantId) -> Result<(), Failure> {
    fresh_access_token(app, scope, grant, Resource::Outlook).await.map(|_| ())
}

async fn obtain(
    app: &App,
    scope: &AccountScope,
    grant: GrantId,
    resource: Resource,
    wanted: impl Fn(&AccessToken, Timestamp) -> bool + Send,
) -> Result<Secret, Failure> {
    let until = tokio::time::Instant::now() + PATIENCE;
    let mut outdated = 0;
    loop {
        let cached = scope.access_token(grant, resource_key(resource)).await.map_err(|e| store_failure(&e))?;
        if let Some(token) = cached.filter(|token| wanted(token, app.now())) {
            return Ok(token.token);
        }
        if let Some(failure) = needs_sign_in(scope, Some(grant)).await.map_err(|e| store_failure(&e))? {
            // Whoever was refused may have died before they said so.
            tell_channels(app, scope, grant, &failure, Untold::Only).await.map_err(|e| store_failure(&e))?;
            return Err(failure);
        }
        let claim = scope.claim_refresh(grant, LEASE).await.map_err(|e| store_failure(&e))?;
        match claim {
            // Between looking and claiming, somebody may have finished: the claim's version tells.
            Some(claim) => {
                let newer = scope.access_token(grant, resource_key(resource)).await.map_err(|e| store_failure(&e))?;
                if let Some(token) = newer.filter(|token| wanted(token, app.now())) {
                    give_back(scope, &claim).await;
                    return Ok(token.token);
                }
                match refresh(app, scope, &claim, resource).await? {
                    Refreshed::Token(token) => return Ok(token),
                    Refreshed::SignedInMeanwhile if outdated < SIGN_INS_MEANWHILE => outdated += 1,
                    Refreshed::SignedInMeanwhile => {
                        let failure = Failure::new(FailureClass::SignInUnavailable);
                        return Err(failure.detail("signed in anew again and again"));
                    }
                }
            }
            None if tokio::time::Instant::now() >= until => {
                return Err(Failure::new(FailureClass::SignInUnavailable).detail("another refresh does not end"));
            }
            None => app.until_changed(LOOK_EVERY).await,
        }
    }
}

enum Refreshed {
    Token(Secret),
    /// What was refused is not what is stored now: it says nothing about the permission that was given since.
    SignedInMeanwhile,
}

async fn refresh(
    app: &App,
    scope: &AccountScope,
    claim: &RefreshClaim,
    resource: Resource,
) -> Result<Refreshed, Failure> {
    // Whom it was given to, and nobody else: a refresh token is nothing to another app.
    let registered = match app.microsoft_of(scope, claim.oauth_app_id).await {
        Ok(Ok(registered)) => registered,
        Ok(Err(failure)) => {
            crate::oauth_apps::unusable(app, scope, claim.oauth_app_id, &failure).await;
            give_back(scope, claim).await;
            return Err(failure);
        }
        Err(error) => {
            give_back(scope, claim).await;
            return Err(store_failure(&error));
        }
    };
    // Counted from before the call: what the answer took on its way is not life that is left.
    let asked_at = app.now();
    let asking = async {
        let answer = registered.microsoft.refresh(&claim.refresh_token, resource).await;
        registered.heard(app, scope, answer).await
    };
    match jobs::keeping(asking, held(scope, claim)).await {
        Ok(tokens) => {
            app.passes(KillPoint::TokenAnswered);
            let refreshed = RefreshedTokens {
                resource: resource_key(resource).to_owned(),
                access_token: tokens.access_token.clone(),
                expires_at: asked_at.plus(tokens.expires_in),
                refresh_token: tokens.refresh_token,
                scopes: tokens.scope,
            };
            let stored = scope.store_refreshed(claim, &refreshed).await;
            app.changed();
            match stored {
                Ok(true) => {}
                // Somebody signed in again meanwhile; ours is as good for now, theirs is what is kept.
                Ok(false) => tracing::info!(grant.id = %claim.grant_id, "newer tokens were stored during a refresh"),
                // The token is good. What is lost is its successor, and Microsoft keeps the old refresh token valid.
                Err(error) => tracing::error!(grant.id = %claim.grant_id, %error, "could not store refreshed tokens"),
            }
            // Its refresh token is kept all the same.
            if refreshed.expires_at < app.now().plus(LEAST_LIFE) {
                let detail = format!("the access token is good for {} s", tokens.expires_in.as_secs());
                return Err(Failure::new(FailureClass::SignInUnavailable).detail(detail));
            }
            Ok(Refreshed::Token(tokens.access_token))
        }
        Err(failure) => {
            let failure = match resource {
                Resource::Outlook => lasting(app, scope, claim, failure).await,
                // What Graph refuses ends no permission to read.
                Resource::Graph | Resource::GraphShared => failure,
            };
            let outdated = refused(app, scope, claim, resource, &failure).await;
            app.changed();
            if outdated { Ok(Refreshed::SignedInMeanwhile) } else { Err(failure) }
        }
    }
}

/// Microsoft may take longer than a claim lasts. Should it be lost all the same, two ask, and one of the answers is stored.
async fn held(scope: &AccountScope, claim: &RefreshClaim) -> Infallible {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        if let Err(error) = scope.renew_refresh(claim, LEASE).await {
            tracing::warn!(grant.id = %claim.grant_id, %error, "could not renew a refresh claim");
        }
    }
}

/// What nobody understands is put down to the service, and to the permission when a mailbox of this grant has met it for a day.
async fn lasting(app: &App, scope: &AccountScope, claim: &RefreshClaim, failure: Failure) -> Failure {
    if failure.class != FailureClass::RefusalUnknown {
        return failure;
    }
    let now = app.now();
    match scope.channels_of_grant(claim.grant_id).await {
        Ok(channels) if channels.iter().any(|one| one.fetch_health.outlasts(now)) => {
            Failure { class: FailureClass::RefusalLasting, ..failure }
        }
        Ok(_) => failure,
        Err(error) => {
            tracing::warn!(grant.id = %claim.grant_id, %error, "it could not be looked up for how long a refusal has lasted");
            failure
        }
    }
}

/// `true`: somebody has signed in again since, or the grant is gone; nobody is told of this refusal.
async fn refused(app: &App, scope: &AccountScope, claim: &RefreshClaim, resource: Resource, failure: &Failure) -> bool {
    tracing::warn!(
        account.id = %scope.account_id(), grant.id = %claim.grant_id, %failure,
        correlation.id = failure.correlation_id.as_deref(), "a refresh was refused"
    );
    let told = if ends_the_grant(failure) {
        match scope.refresh_refused(claim, failure).await {
            Ok(true) => {
                app.passes(KillPoint::GrantRefused);
                tell_channels(app, scope, claim.grant_id, failure, Untold::AndOthers).await.map(|()| false)
            }
            // They signed in again while we asked with the old token.
            Ok(false) => Ok(true),
            Err(error) => Err(error),
        }
    } else {
        give_back(scope, claim).await;
        match (failure.class.retry(), failure.class.actor()) {
            // What keeps us from Graph need not keep us from the mailbox; whoever asked says so of sending.
            _ if resource != Resource::Outlook => Ok(false),
            (Retry::Never, Actor::TenantAdmin) => blocked(app, scope, claim, failure).await,
            _ => Ok(false),
        }
    };
    told.unwrap_or_else(|error| {
        tracing::error!(grant.id = %claim.grant_id, %error, "could not store a refusal");
        false
    })
}

/// The grant stays, and its channels wait for an administrator; unless it is another grant by now.
async fn blocked(app: &App, scope: &AccountScope, claim: &RefreshClaim, failure: &Failure) -> Result<bool, StoreError> {
    let outdated = scope.grant(claim.grant_id).await?.is_none_or(|grant| grant.version != claim.version);
    if !outdated {
        tell_channels(app, scope, claim.grant_id, failure, Untold::AndOthers).await?;
    }
    Ok(outdated)
}

/// Only the person themselves can give a new permission. What an administrator changes may make the old one work again; and a mail
/// server that may not be contacted says nothing about a permission, nor does a further one that was never given.
pub(super) fn ends_the_grant(failure: &Failure) -> bool {
    let class = failure.class;
    !matches!(class, FailureClass::HostForbidden | FailureClass::GraphConsentMissing)
        && class.retry() == Retry::Never
        && class.actor() == Actor::Owner
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Untold {
    /// Only what is still tried is told to wait.
    Only,
    AndOthers,
}

/// Fetching and sending stop for the same reason, in every inbox of this grant.
async fn tell_channels(
    app: &App,
    scope: &AccountScope,
    grant: GrantId,
    failure: &Failure,
    whom: Untold,
) -> Result<(), StoreError> {
    let now = app.now();
    for channel in scope.channels_of_grant(grant).await? {
        for (part, before) in [(Part::Fetch, &channel.fetch_health), (Part::Send, &channel.send_health)] {
            if whom == Untold::AndOthers || before.state.is_tried() {
                remember(app, scope, &channel, part, &before.failed(failure.clone(), now, None)).await?;
            }
        }
    }
    Ok(())
}

async fn give_back(scope: &AccountScope, claim: &RefreshClaim) {
    if let Err(error) = scope.release_refresh(claim).await {
        // It runs out by itself.
        tracing::warn!(grant.id = %claim.grant_id, %error, "could not end a refresh claim");
    }
}

/// Why nothing is refreshed under this grant until somebody signs in again, if so.
pub(super) async fn needs_sign_in(scope: &AccountScope, grant: Option<GrantId>) -> Result<Option<Failure>, StoreError> {
    let Some(grant) = grant else { return Ok(Some(FailureClass::ChannelRemoved.into())) };
    let Some(stored) = scope.grant(grant).await? else { return Ok(Some(FailureClass::ChannelRemoved.into())) };
    if stored.status == GrantStatus::Active {
        return Ok(None);
    }
    // It was not written down before m0035_refused_grants.
    Ok(Some(stored.failure.unwrap_or_else(|| FailureClass::GrantExpired.into())))
}

/// What a use case that speaks in failures says about the database.
fn store_failure(error: &StoreError) -> Failure {
    match error {
        StoreError::SecretUnreadable(_) => FailureClass::SecretUnreadable.into(),
        StoreError::Unavailable(_)
        | StoreError::TakenBack(_)
        | StoreError::Full(_)
        | StoreError::ReadOnly(_)
        | StoreError::Conflict(_)
        | StoreError::NotFound(_)
        | StoreError::LeaseLost
        | StoreError::SchemaTooOld { .. }
        | StoreError::SchemaTooNew { .. }
        | StoreError::Unstorable(_)
        | StoreError::LimitReached(_)
        | StoreError::AlreadyServing
        | StoreError::Corrupt(_)
        | StoreError::Config(_) => {
            tracing::error!(%error, "the database failed under a token");
            FailureClass::Internal.into()
        }
    }
}
