//! From a consumed state to an attempt that is being proved, waits for a confirmation, or has failed with its reason.
//!
//! The network is asked first (code, keys), then one transaction stores the grant, the attempt and the work that is owed.

use super::agree::Expectation;
use super::callback::CallbackQuery;
use super::examine::Trouble;
use super::{consent, handover, steps};
use crate::{App, Hint};
use domain::account::AccountStatus;
use domain::channel::{ConnectLinkStatus, ConnectionStatus};
use domain::{EmailAddress, Failure, FailureClass, GrantId, Secret, Timestamp};
use oauth::{Identity, Microsoft, PkceVerifier, Resource, TokenSet};
use std::time::Duration;
use store::{
    AccountScope, ConnectLink, Connection, ConnectionChange, ConnectionIdentity, HeldTokens, KillPoint, NewGrant,
    OwedKind, OwedPriority, StateProof, StoreError, TokenHash, Tx,
};

/// Clocks that differ by less are the same to an id_token, which allows for more.
const CLOCKS_AGREE: Duration = Duration::from_secs(1);

/// The key under which a grant's access token for this resource is kept.
pub(super) const fn resource_key(resource: Resource) -> &'static str {
    match resource {
        Resource::Outlook => "outlook",
        Resource::Graph => "graph",
        Resource::GraphShared => "graph_shared",
    }
}

/// `trusted`: the browser has a session of somebody who may manage inboxes here, so nothing needs to be confirmed.
pub(super) async fn settle(
    app: &App,
    proof: StateProof,
    query: CallbackQuery,
    trusted: bool,
    confirmation: &Secret,
) -> Result<Connection, StoreError> {
    match Box::pin(sign_in(app, &proof, query, trusted, confirmation)).await {
        Ok(connection) => Ok(connection),
        Err(Trouble::Store(error)) => Err(error),
        Err(Trouble::Failure(failure)) => refuse(app, &proof.scope, &proof.connection, failure, false).await,
        Err(Trouble::Approval(failure)) => refuse(app, &proof.scope, &proof.connection, failure, true).await,
    }
}

/// Ends an attempt, or leaves it waiting for an administrator's approval, with its reason.
pub(super) async fn refuse(
    app: &App,
    scope: &AccountScope,
    connection: &Connection,
    failure: Failure,
    wants_approval: bool,
) -> Result<Connection, StoreError> {
    let now = app.now();
    // A try in between that led nowhere takes nothing away from those who wait.
    let waited = connection.consent_until.is_some_and(|until| now < until) && consent::may_help(&failure);
    let waits = wants_approval || waited || failure.class == FailureClass::AdminConsentRequired;
    let status = if waits { ConnectionStatus::AwaitingAdminConsent } else { ConnectionStatus::Failed };
    tracing::info!(account.id = %connection.account_id, connection.id = %connection.id, failure = %failure, "refused a sign-in");
    let change = ConnectionChange {
        status: Some(status),
        failure: Some(Some(failure)),
        consent_until: waits.then(|| now.plus(consent::WAITS_FOR)),
        ..ConnectionChange::default()
    };
    let mut tx = scope.begin().await?;
    let connection = steps::step(&mut tx, connection, &change).await?;
    tx.commit().await?;
    steps::seen(app, &connection);
    Ok(connection)
}

async fn sign_in(
    app: &App,
    proof: &StateProof,
    query: CallbackQuery,
    trusted: bool,
    confirmation: &Secret,
) -> Result<Connection, Trouble> {
    if proof.scope.account().await?.status == AccountStatus::Suspended {
        return Err(FailureClass::AccountSuspended.into());
    }
    let link = link_of(&proof.scope, &proof.connection).await?;
    if let Some(error) = &query.error {
        let failure =
            oauth::error_from_callback(error, query.error_subcode.as_deref(), query.error_description.as_deref());
        return Err(failure.into());
    }
    let code = query
        .code
        .filter(|code| !code.is_empty())
        .ok_or_else(|| Failure::new(FailureClass::SignInUnavailable).detail("no code"))?;
    let registered = app.microsoft_of(&proof.scope, proof.connection.oauth_app_id).await??;
    let verifier = PkceVerifier::restore(proof.handshake.pkce_verifier.clone())
        .ok_or_else(|| StoreError::Corrupt("a stored PKCE verifier".to_owned()))?;
    let received_at = app.now();
    let answer = registered.microsoft.redeem(code.expose(), &verifier).await;
    let tokens = registered.heard(app, &proof.scope, answer).await.map_err(|failure| match failure.class {
        // Microsoft let them through to us without a consent, and says so only now: theirs is not enough.
        FailureClass::ConsentRequired => Trouble::Approval(failure),
        _ => failure.into(),
    })?;
    app.passes(KillPoint::CodeRedeemed);
    let raw = tokens.id_token.as_deref().ok_or_else(|| Failure::new(FailureClass::IdTokenInvalid).detail("missing"))?;
    let identity = validated(app, &registered.microsoft, raw, proof.handshake.nonce.expose()).await?;
    let who = who(&identity, proof.connection.email.as_deref());
    if Expectation::of(link.as_ref(), &who) == Expectation::Missed {
        return Err(FailureClass::UnexpectedAccount.into());
    }
    let next = match (&who.principal, trusted) {
        // The page that asks for the address names the account as well.
        (None, _) => ConnectionStatus::AwaitingAddress,
        (Some(_), false) => ConnectionStatus::AwaitingConfirmation,
        (Some(_), true) => next(&proof.scope, &proof.connection, link.as_ref(), &who).await?,
    };
    // It may have connected a mailbox, or been withdrawn, while Microsoft was asked.
    link_of(&proof.scope, &proof.connection).await?;
    Ok(store_sign_in(app, proof, tokens, who, received_at, next, confirmation).await?)
}

/// What comes once the person wants it: the proof of the mailbox, or first the yes of an administrator of the account.
async fn next(
    scope: &AccountScope,
    connection: &Connection,
    link: Option<&ConnectLink>,
    who: &ConnectionIdentity,
) -> Result<ConnectionStatus, StoreError> {
    Ok(if handover::is_needed(scope, connection, who).await? {
        ConnectionStatus::AwaitingHandover
    } else if connection.confirmed_by().is_none()
        && Expectation::of(link, who) == Expectation::Claimed
        // Whoever an inbox is signed in by already is known by more than an address.
        && !handover::is_own(scope, connection, who).await?
    {
        ConnectionStatus::AwaitingAcceptance
    } else {
        ConnectionStatus::Proving
    })
}

/// Microsoft stamps the token by the true time, and where the database's clock and this computer's differ, nobody here knows which of them
/// tells it: the token must be of now by one of them. It came a moment ago from Microsoft itself, for our nonce.
async fn validated(app: &App, microsoft: &Microsoft, raw: &str, nonce: &str) -> Result<Identity, Failure> {
    let (shared, own) = (app.now(), app.clock().uncorrected());
    let by_the_shared_clock = microsoft.validate_id_token(raw, nonce, shared).await;
    if by_the_shared_clock.is_ok() || shared.since(own).max(own.since(shared)) < CLOCKS_AGREE {
        return by_the_shared_clock;
    }
    microsoft.validate_id_token(raw, nonce, own).await
}

/// Who signed in, under the names that mail servers know them by, as far as the token says.
fn who(identity: &Identity, expected: Option<&str>) -> ConnectionIdentity {
    let named = identity.xoauth2_user().map(str::to_owned);
    let typed = named.is_none();
    // The address that was typed when the connection was asked for is taken only where the token names none; the mailbox's server is
    // the one who says whether this person may open it.
    let expected = || expected.and_then(EmailAddress::parse).map(|address| address.as_str().to_owned());
    let principal = named.or_else(expected);
    let proposed = identity.proposed_address().map(|address| address.as_str().to_owned());
    let mailbox = match &principal {
        Some(principal) => Some(from_address(identity, principal)),
        // What the page that asks proposes.
        None => proposed.clone(),
    };
    ConnectionIdentity {
        tid: identity.tid.clone(),
        oid: identity.oid.clone(),
        sub: identity.sub.clone(),
        // What Microsoft says to be nobody's is not even a claim.
        claimed_email: proposed.filter(|proposed| Some(proposed) != mailbox.as_ref()),
        mailbox,
        principal,
        name: identity.claims.name.clone(),
        typed,
        is_guest: identity.claims.is_guest || identity.claims.idp.is_some(),
    }
}

/// What From should say: the address that the tenant is known to own, else the sign-in name. An administrator of any tenant can write
/// any address into `email`, so it counts only in the sign-in name's own domain or where Microsoft vouches for it.
fn from_address(identity: &Identity, principal: &str) -> String {
    let domain = EmailAddress::parse(principal).map(|address| address.domain().to_lowercase());
    let claims = &identity.claims;
    identity
        .proposed_address()
        .filter(|proposed| {
            let vouched = claims.email_domain_owner_verified == Some(true)
                || claims.verified_primary_email.iter().any(|a| a.eq_ignore_ascii_case(proposed.as_str()));
            vouched || domain.as_deref() == Some(proposed.domain().to_lowercase().as_str())
        })
        .map_or_else(|| principal.to_owned(), |proposed| proposed.as_str().to_owned())
}

/// The link that the attempt was begun with, if it is still good for anything.
async fn link_of(scope: &AccountScope, connection: &Connection) -> Result<Option<ConnectLink>, Trouble> {
    let Some(id) = connection.connect_link_id else { return Ok(None) };
    match scope.connect_link(id).await? {
        Some(link) if !matches!(link.status, ConnectLinkStatus::Connected | ConnectLinkStatus::Revoked) => {
            Ok(Some(link))
        }
        Some(_) | None => Err(FailureClass::ConnectLinkOver.into()),
    }
}

async fn store_sign_in(
    app: &App,
    proof: &StateProof,
    tokens: TokenSet,
    who: ConnectionIdentity,
    received_at: Timestamp,
    next: ConnectionStatus,
    confirmation: &Secret,
) -> Result<Connection, StoreError> {
    let refresh_token = tokens
        .refresh_token
        .ok_or_else(|| StoreError::Corrupt("a redeemed code without a refresh token".to_owned()))?;
    let held = HeldTokens {
        refresh_token,
        access_token: tokens.access_token,
        expires_at: received_at.plus(tokens.expires_in),
        scopes: tokens.scope,
    };
    // Whoever is asked may not want it, and may be somebody whose permission is in use: theirs is not touched before they have said yes.
    let is_asked = matches!(next, ConnectionStatus::AwaitingConfirmation | ConnectionStatus::AwaitingAddress);
    let mut tx = proof.scope.begin().await?;
    let grant = if is_asked { None } else { Some(granted(&mut tx, &proof.connection, &who, &held).await?) };
    let (failure, asked_for) = waiting_for(app, next);
    let change = ConnectionChange {
        status: Some(next),
        identity: Some(who),
        grant_id: grant,
        failure: Some(failure),
        confirm_hash: Some(TokenHash::of(confirmation.expose())),
        asked_until: asked_for.map(|long| app.now().plus(long)),
        ..ConnectionChange::default()
    };
    let connection = steps::step(&mut tx, &proof.connection, &change).await?;
    if is_asked {
        tx.hold_tokens(connection.id, &held).await?;
    }
    if next == ConnectionStatus::Proving {
        owe_proof(app, &mut tx, &connection).await?;
    }
    tx.commit().await?;
    steps::seen(app, &connection);
    app.wake(Hint::Owed);
    Ok(connection)
}

/// The person's permission, as this sign-in has given it.
async fn granted(
    tx: &mut Tx,
    connection: &Connection,
    who: &ConnectionIdentity,
    held: &HeldTokens,
) -> Result<GrantId, StoreError> {
    let new = NewGrant {
        provider: connection.provider,
        oauth_app_id: connection.oauth_app_id,
        tid: who.tid.clone(),
        oid: who.oid.clone(),
        sub: who.sub.clone(),
        principal: who.principal.clone().unwrap_or_default(),
        refresh_token: held.refresh_token.clone(),
        scopes: held.scopes.clone(),
    };
    let grant = tx.upsert_grant(&new).await?.id;
    tx.store_access_token(grant, resource_key(Resource::Outlook), &held.access_token, held.expires_at).await?;
    Ok(grant)
}

/// What is told while somebody is waited for, and how long that may take where it is not the time that the sign-in had.
fn waiting_for(app: &App, status: ConnectionStatus) -> (Option<Failure>, Option<Duration>) {
    match status {
        ConnectionStatus::AwaitingAddress => {
            (Some(FailureClass::AddressUnknown.into()), Some(app.settings().connection_lifetime))
        }
        ConnectionStatus::AwaitingHandover => (Some(FailureClass::OtherPrincipal.into()), Some(handover::WAITS_FOR)),
        ConnectionStatus::AwaitingAcceptance => {
            (Some(FailureClass::AddressUnvouched.into()), Some(handover::WAITS_FOR))
        }
        ConnectionStatus::Pending
        | ConnectionStatus::AwaitingConfirmation
        | ConnectionStatus::AwaitingAdminConsent
        | ConnectionStatus::Proving
        | ConnectionStatus::Connected
        | ConnectionStatus::Failed
        | ConnectionStatus::Expired => (None, None),
    }
}

/// The person confirmed, or said which mailbox it is: it is to be proved, once an administrator has handed it over where that is needed.
pub(super) async fn start_proving(
    app: &App,
    scope: &AccountScope,
    connection: &Connection,
    told: Option<&EmailAddress>,
) -> Result<Connection, StoreError> {
    let identity = connection.identity.clone().map(|who| match told.map(|address| address.as_str().to_owned()) {
        Some(address) => ConnectionIdentity { principal: Some(address.clone()), mailbox: Some(address), ..who },
        None => who,
    });
    let who = identity.as_ref().ok_or_else(|| StoreError::Corrupt("a yes of nobody".to_owned()))?;
    let link = match link_of(scope, connection).await {
        // Whoever types an address has said who they are not.
        Ok(link) if Expectation::of(link.as_ref(), who) == Expectation::Missed => {
            return refuse(app, scope, connection, FailureClass::UnexpectedAccount.into(), false).await;
        }
        Ok(link) => link,
        Err(Trouble::Store(error)) => return Err(error),
        Err(Trouble::Failure(failure) | Trouble::Approval(failure)) => {
            return refuse(app, scope, connection, failure, false).await;
        }
    };
    let next = next(scope, connection, link.as_ref(), who).await?;
    let mut tx = scope.begin().await?;
    // A mailbox that could not be opened under an address that was told before has its permission already.
    let grant = match (&identity, tx.held_tokens(connection.id).await?) {
        (Some(who), Some(held)) => Some(granted(&mut tx, connection, who, &held).await?),
        (None, _) | (_, None) => None,
    };
    let (failure, asked_for) = waiting_for(app, next);
    let change = ConnectionChange {
        status: Some(next),
        identity,
        grant_id: grant,
        failure: Some(failure),
        asked_until: asked_for.map(|long| app.now().plus(long)),
        ..ConnectionChange::default()
    };
    let connection = steps::step(&mut tx, connection, &change).await?;
    if next == ConnectionStatus::Proving {
        owe_proof(app, &mut tx, &connection).await?;
    }
    tx.commit().await?;
    steps::seen(app, &connection);
    app.wake(Hint::Owed);
    Ok(connection)
}

/// An administrator of the account has said yes, in this transaction: the mailbox is proved, and the attempt can be followed. `was`: what it
/// waited for.
pub(super) async fn confirmed(
    app: &App,
    mut tx: Tx,
    was: ConnectionStatus,
    connection: &Connection,
) -> Result<(), StoreError> {
    steps::told(&mut tx, was, connection).await?;
    owe_proof(app, &mut tx, connection).await?;
    tx.commit().await?;
    steps::seen(app, connection);
    app.wake(Hint::Owed);
    Ok(())
}

/// `since`: proving is given up when it has lasted too long.
pub(super) async fn owe_proof(app: &App, tx: &mut Tx, connection: &Connection) -> Result<(), StoreError> {
    let payload = serde_json::json!({ "since": app.now().0 });
    tx.owe(OwedKind::ProveConnection, connection.id.0, payload, OwedPriority::Human, None).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use oauth::Claims;

    fn identity(claims: Claims) -> Identity {
        Identity { tid: "t".into(), oid: "o".into(), sub: "s".into(), claims }
    }

    fn named(name: &str, email: Option<&str>) -> Claims {
        Claims { preferred_username: Some(name.to_owned()), email: email.map(str::to_owned), ..Claims::default() }
    }

    #[test]
    fn mail_comes_from_the_email_claim_only_when_its_domain_is_the_sign_ins_or_vouched_for() {
        let from = |claims| who(&identity(claims), None).mailbox.expect("an address");
        assert_eq!(from(named("ada@contoso.com", Some("support@contoso.com"))), "support@contoso.com");
        assert_eq!(from(named("ada@evil.example", Some("ceo@victim.example"))), "ada@evil.example");
        let mut vouched = named("ada@contoso.onmicrosoft.com", Some("ada@contoso.com"));
        assert_eq!(from(vouched.clone()), "ada@contoso.onmicrosoft.com");
        vouched.email_domain_owner_verified = Some(true);
        assert_eq!(from(vouched.clone()), "ada@contoso.com");
        vouched.email_domain_owner_verified = Some(false);
        assert_eq!(from(vouched), "ada@contoso.onmicrosoft.com");
    }

    #[test]
    fn an_address_that_nobody_vouches_for_is_a_claim_unless_microsoft_denies_it() {
        let claimed = |claims| who(&identity(claims), None).claimed_email;
        let mut claims = named("ada@contoso.onmicrosoft.com", Some("ada@contoso.com"));
        assert_eq!(claimed(claims.clone()).as_deref(), Some("ada@contoso.com"));
        claims.email_domain_owner_verified = Some(true);
        assert_eq!(claimed(claims.clone()), None, "it is what From says");
        claims.email_domain_owner_verified = Some(false);
        assert_eq!(claimed(claims), None);
    }

    #[test]
    fn the_sign_in_name_opens_the_mailbox_whatever_the_email_claim_says() {
        let found = who(&identity(named("ada@contoso.com", Some("alias@contoso.com"))), Some("other@contoso.com"));
        assert_eq!((found.principal.as_deref(), found.typed), (Some("ada@contoso.com"), false));
    }

    #[test]
    fn a_sign_in_without_any_address_takes_the_expected_one_or_asks_and_proposes_the_email() {
        let nameless = || identity(named("ada", None));
        let expected = who(&nameless(), Some("ada@contoso.com"));
        assert_eq!((expected.principal.as_deref(), expected.typed), (Some("ada@contoso.com"), true));
        let asked = who(&nameless(), None);
        assert_eq!((asked.principal, asked.mailbox, asked.typed), (None, None, true));
        let proposed = who(&identity(named("+49 170 1234567", Some("ada@contoso.com"))), None);
        assert_eq!((proposed.principal, proposed.mailbox.as_deref()), (None, Some("ada@contoso.com")));
    }
}
