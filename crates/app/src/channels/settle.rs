//! From a consumed state to an attempt that is being proved, waits for a confirmation, or has failed with its reason.
//!
//! The network is asked first (code, keys), then one transaction stores the grant, the attempt and the work that is owed.

use super::callback::CallbackQuery;
use super::examine::Trouble;
use crate::{App, Hint};
use domain::account::AccountStatus;
use domain::channel::ConnectionStatus;
use domain::{EmailAddress, Failure, FailureClass, Secret, Timestamp};
use oauth::{Identity, Microsoft, PkceVerifier, Resource, TokenSet};
use std::time::Duration;
use store::{
    AccountScope, Connection, ConnectionChange, ConnectionIdentity, KillPoint, NewGrant, OwedKind, OwedPriority,
    StateProof, StoreError, TokenHash,
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
        Err(Trouble::Failure(failure)) => refuse(app, &proof.scope, &proof.connection, failure).await,
    }
}

/// Ends an attempt, or leaves it waiting for an administrator's approval, with its reason.
pub(super) async fn refuse(
    app: &App,
    scope: &AccountScope,
    connection: &Connection,
    failure: Failure,
) -> Result<Connection, StoreError> {
    let status = match failure.class {
        FailureClass::AdminConsentRequired => ConnectionStatus::AwaitingAdminConsent,
        _ => ConnectionStatus::Failed,
    };
    tracing::info!(account.id = %connection.account_id, connection.id = %connection.id, failure = %failure, "refused a sign-in");
    let change = ConnectionChange { status: Some(status), failure: Some(Some(failure)), ..ConnectionChange::default() };
    let connection = scope.update_connection(connection.id, &change).await?;
    app.changed();
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
    if let Some(error) = &query.error {
        let failure =
            oauth::error_from_callback(error, query.error_subcode.as_deref(), query.error_description.as_deref());
        return Err(failure.into());
    }
    let code = query
        .code
        .filter(|code| !code.is_empty())
        .ok_or_else(|| Failure::new(FailureClass::SignInUnavailable).detail("no code"))?;
    let microsoft = app.microsoft().ok_or(FailureClass::AppMisconfigured)?;
    let verifier = PkceVerifier::restore(proof.handshake.pkce_verifier.clone())
        .ok_or_else(|| StoreError::Corrupt("a stored PKCE verifier".to_owned()))?;
    let received_at = app.now();
    let tokens = microsoft.redeem(code.expose(), &verifier).await?;
    app.passes(KillPoint::CodeRedeemed);
    let raw = tokens.id_token.as_deref().ok_or_else(|| Failure::new(FailureClass::IdTokenInvalid).detail("missing"))?;
    let identity = validated(app, microsoft, raw, proof.handshake.nonce.expose()).await?;
    let who = who(&identity, proof.connection.email.as_deref());
    same_principal(proof, &identity).await?;
    let next = match (&who.principal, trusted) {
        // The page that asks for the address names the account as well.
        (None, _) => ConnectionStatus::AwaitingAddress,
        (Some(_), false) => ConnectionStatus::AwaitingConfirmation,
        (Some(_), true) => ConnectionStatus::Proving,
    };
    Ok(store_sign_in(app, proof, tokens, who, received_at, next, confirmation).await?)
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
    ConnectionIdentity {
        tid: identity.tid.clone(),
        oid: identity.oid.clone(),
        sub: identity.sub.clone(),
        mailbox: match &principal {
            Some(principal) => Some(from_address(identity, principal)),
            // What the page that asks proposes.
            None => identity.proposed_address().map(|address| address.as_str().to_owned()),
        },
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

/// An inbox that signs in again must be signed in by the same person. Addresses are no help here: they move between people.
async fn same_principal(proof: &StateProof, identity: &Identity) -> Result<(), Trouble> {
    let Some(inbox) = proof.connection.inbox_id else { return Ok(()) };
    let inbox = proof.scope.inbox(inbox).await?.ok_or(FailureClass::ChannelRemoved)?;
    let Some(grant) = inbox.channel.grant_id else { return Ok(()) };
    match proof.scope.grant(grant).await? {
        Some(grant) if (&grant.tid, &grant.oid) != (&identity.tid, &identity.oid) => {
            Err(FailureClass::OtherPrincipal.into())
        }
        Some(_) | None => Ok(()),
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
    let mut tx = proof.scope.begin().await?;
    let grant = tx
        .upsert_grant(&NewGrant {
            provider: proof.connection.provider,
            tid: who.tid.clone(),
            oid: who.oid.clone(),
            sub: who.sub.clone(),
            principal: who.principal.clone().unwrap_or_default(),
            refresh_token,
            scopes: tokens.scope,
        })
        .await?;
    let expires_at = received_at.plus(tokens.expires_in);
    tx.store_access_token(grant.id, resource_key(Resource::Outlook), &tokens.access_token, expires_at).await?;
    let asks = next == ConnectionStatus::AwaitingAddress;
    let connection = tx
        .update_connection(
            proof.connection.id,
            &ConnectionChange {
                status: Some(next),
                identity: Some(who),
                grant_id: Some(grant.id),
                failure: Some(asks.then(|| FailureClass::AddressUnknown.into())),
                confirm_hash: Some(TokenHash::of(confirmation.expose())),
                asked_until: asks.then(|| app.now().plus(app.settings().connection_lifetime)),
                ..ConnectionChange::default()
            },
        )
        .await?;
    if next == ConnectionStatus::Proving {
        owe_proof(app, &mut tx, &connection).await?;
    }
    tx.commit().await?;
    app.changed();
    app.wake(Hint::Owed);
    Ok(connection)
}

/// The person confirmed, or said which mailbox it is: it is to be proved.
pub(super) async fn start_proving(
    app: &App,
    scope: &AccountScope,
    connection: &Connection,
    told: Option<&EmailAddress>,
) -> Result<Connection, StoreError> {
    let mut tx = scope.begin().await?;
    let identity = told.and_then(|address| {
        let address = Some(address.as_str().to_owned());
        let who = connection.identity.clone()?;
        Some(ConnectionIdentity { principal: address.clone(), mailbox: address, ..who })
    });
    let change = ConnectionChange {
        status: Some(ConnectionStatus::Proving),
        identity,
        failure: Some(None),
        ..ConnectionChange::default()
    };
    let connection = tx.update_connection(connection.id, &change).await?;
    owe_proof(app, &mut tx, &connection).await?;
    tx.commit().await?;
    app.changed();
    app.wake(Hint::Owed);
    Ok(connection)
}

/// `since`: proving is given up when it has lasted too long.
async fn owe_proof(app: &App, tx: &mut store::Tx, connection: &Connection) -> Result<(), StoreError> {
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
