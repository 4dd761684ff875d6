//! Connection attempts as rows of their account.

use super::convert::{self, to_json};
use super::sql::Sql;
use super::tenant::{Only as _, find_in, insert_in};
use crate::connect::Inner;
use crate::entity::connection;
use crate::secret::SealedPlace;
use crate::*;
use domain::channel::ConnectionStatus;
use domain::{AccountId, ConnectionId, Failure, Secret, Timestamp, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter};

pub(crate) const HANDSHAKE: &str = "connection.handshake";
pub(crate) const HELD_TOKENS: &str = "connection.held_tokens";
/// What is held for somebody who was asked is let go of when they have answered, or when nobody has.
const LET_GO: &str = "held_tokens = NULL, held_seal_uid = NULL";

pub(crate) fn open_handshake(inner: &Inner, row: &connection::Model) -> Result<Handshake> {
    let place = SealedPlace { account: AccountId(row.account_id), purpose: HANDSHAKE, uid: &row.seal_uid };
    let plain = inner.keys.open_text(&place, &row.handshake)?;
    let [state, nonce, pkce_verifier]: [String; 3] = convert::json("handshake", plain.expose())?;
    Ok(Handshake { state: Secret::new(state), nonce: Secret::new(nonce), pkce_verifier: Secret::new(pkce_verifier) })
}

pub(crate) async fn load<C: ConnectionTrait>(
    on: &C,
    account: AccountId,
    id: ConnectionId,
) -> Result<Option<Connection>> {
    let row = find_in::<connection::Entity>(account).filter(connection::Column::Id.eq(id.0)).only(on).await?;
    row.as_ref().map(convert::connection).transpose()
}

/// `None`: there is none that could become so.
async fn changed<C: ConnectionTrait>(change: Sql, on: &C) -> Result<Option<Connection>> {
    let row: Option<connection::Model> = change.one(on).await?;
    row.as_ref().map(convert::connection).transpose()
}

/// The uid that it is sealed with, and the sealed texts.
fn seal_handshake(scope: &AccountScope, handshake: &Handshake) -> (String, Vec<u8>) {
    let inner = &scope.inner;
    let uid = inner.random_name();
    let Handshake { state, nonce, pkce_verifier } = handshake;
    let plain = to_json(&[state.expose(), nonce.expose(), pkce_verifier.expose()]);
    let place = SealedPlace { account: scope.id, purpose: HANDSHAKE, uid: &uid };
    let sealed = inner.keys.seal(&place, inner.entropy.as_ref(), plain.as_bytes());
    (uid, sealed)
}

pub(crate) async fn create<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    new: &NewConnection,
    most: u32,
) -> Result<Connection> {
    let inner = &scope.inner;
    let now = inner.now().0;
    let (uid, handshake) = seal_handshake(scope, &new.handshake);
    let row = connection::ActiveModel {
        purpose: Set(new.purpose.as_str().to_owned()),
        provider: Set(new.provider.as_str().to_owned()),
        oauth_app_id: Set(new.oauth_app_id.map(|app| app.0)),
        inbox_id: Set(new.inbox_id.map(|i| i.0)),
        created_by: Set(new.created_by.0),
        email: Set(new.email.clone()),
        mailbox: Set(new.mailbox.clone()),
        connect_link_id: Set(new.connect_link.map(|link| link.0)),
        agreed: Set(new.agreed),
        consent_state: Set(Some(new.consent_state.clone())),
        browser_hash: Set(new.browser.map(|browser| browser.hex())),
        opened_at: Set(new.browser.map(|_| now)),
        send_transport: Set(new.send_transport.map(|transport| transport.as_str().to_owned())),
        status: Set(ConnectionStatus::Pending.as_str().to_owned()),
        state_hash: Set(TokenHash::of(new.handshake.state.expose()).hex()),
        link_hash: Set(new.link_hash.hex()),
        handshake: Set(handshake),
        seal_uid: Set(uid),
        expires_at: Set(new.expires_at.0),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let open = scope
        .sql(
            "SELECT COUNT(*) FROM connections WHERE account_id = :account AND (status = 'proving' \
             OR (status IN ('pending', 'awaiting_confirmation', 'awaiting_address') AND expires_at > ?))",
        )
        .bind(now);
    scope.make_room(on, "open connections", open, most).await?;
    let row = insert_in(on, scope.id, row).await?;
    convert::connection(&row)
}

pub(crate) async fn update<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    id: ConnectionId,
    change: &ConnectionChange,
) -> Result<Connection> {
    let row: Option<connection::Model> = scope
        .sql(format!(
            "UPDATE connections SET status = COALESCE(?, status), identity = COALESCE(?, identity), \
             grant_id = COALESCE(?, grant_id), result_inbox_id = COALESCE(?, result_inbox_id), \
             failure = CASE WHEN ? THEN ? ELSE failure END, confirm_hash = COALESCE(?, confirm_hash), \
             confirmed_at = CASE WHEN ? THEN NULL ELSE confirmed_at END, consent_until = COALESCE(consent_until, ?), \
             expires_at = CASE WHEN ? THEN COALESCE(consent_until, ?) ELSE COALESCE(?, expires_at) END, updated_at = ?, {LET_GO} \
             WHERE account_id = :account AND id = ? RETURNING *"
        ))
        .bind(change.status.map(|s| s.as_str().to_owned()))
        .bind(change.identity.as_ref().map(to_json))
        .bind(change.grant_id.map(|g| g.0))
        .bind(change.result_inbox_id.map(|i| i.0))
        .bind(change.failure.is_some())
        .bind(change.failure.as_ref().and_then(Option::as_ref).map(to_json))
        .bind(change.confirm_hash.map(|h| h.hex()))
        .bind(change.asked_until.is_some())
        .bind(change.consent_until.map(|t| t.0))
        .bind(change.consent_until.is_some())
        .bind(change.consent_until.map(|t| t.0))
        .bind(change.asked_until.map(|t| t.0))
        .bind(scope.inner.now().0)
        .bind(id.0)
        .one(on)
        .await?;
    convert::connection(&row.ok_or(StoreError::NotFound("connection"))?)
}

pub(crate) async fn hold<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    id: ConnectionId,
    held: &HeldTokens,
) -> Result<()> {
    let HeldTokens { refresh_token, access_token, expires_at, scopes } = held;
    let plain = to_json(&(refresh_token.expose(), access_token.expose(), expires_at.0, scopes));
    let uid = scope.inner.random_name();
    let place = SealedPlace { account: scope.id, purpose: HELD_TOKENS, uid: &uid };
    let sealed = scope.inner.keys.seal(&place, scope.inner.entropy.as_ref(), plain.as_bytes());
    let stored = scope
        .sql("UPDATE connections SET held_tokens = ?, held_seal_uid = ? WHERE account_id = :account AND id = ?")
        .bind(sealed)
        .bind(uid)
        .bind(id.0)
        .run(on)
        .await?;
    if stored == 1 { Ok(()) } else { Err(StoreError::NotFound("connection")) }
}

pub(crate) async fn held<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    id: ConnectionId,
) -> Result<Option<HeldTokens>> {
    let row = find_in::<connection::Entity>(scope.id).filter(connection::Column::Id.eq(id.0)).only(on).await?;
    let Some((uid, sealed)) = row.and_then(|row| row.held_seal_uid.zip(row.held_tokens)) else { return Ok(None) };
    let place = SealedPlace { account: scope.id, purpose: HELD_TOKENS, uid: &uid };
    let plain = scope.inner.keys.open_text(&place, &sealed)?;
    let (refresh_token, access_token, expires_at, scopes): (String, String, i64, Vec<String>) =
        convert::json("held tokens", plain.expose())?;
    Ok(Some(HeldTokens {
        refresh_token: Secret::new(refresh_token),
        access_token: Secret::new(access_token),
        expires_at: Timestamp(expires_at),
        scopes,
    }))
}

/// An administrator's approval is waited for, from where a person may say that it is wanted: at Microsoft, or after a try that failed.
pub(crate) async fn await_consent<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    id: ConnectionId,
    failure: &Failure,
    until: Timestamp,
) -> Result<Option<Connection>> {
    let change = scope
        .sql(
            "UPDATE connections SET status = 'awaiting_admin_consent', failure = ?, consent_until = COALESCE(consent_until, ?), \
             expires_at = COALESCE(consent_until, ?), updated_at = ? WHERE account_id = :account AND id = ? \
             AND (status = 'failed' OR (status = 'pending' AND consumed_at IS NULL)) RETURNING *",
        )
        .bind(to_json(failure))
        .bind(until.0)
        .bind(until.0)
        .bind(scope.inner.now().0)
        .bind(id.0);
    changed(change, on).await
}

pub(crate) async fn see_consent<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    id: ConnectionId,
    now: Timestamp,
) -> Result<Option<Connection>> {
    let change = scope
        .sql(
            "UPDATE connections SET consent_seen_at = ?, updated_at = ? WHERE account_id = :account AND id = ? \
             AND status = 'awaiting_admin_consent' AND consent_seen_at IS NULL RETURNING *",
        )
        .bind(now.0)
        .bind(now.0)
        .bind(id.0);
    changed(change, on).await
}

/// A new state, nonce, verifier and browser for an attempt that waited for an approval. `None`: it does not wait for one any more.
pub(crate) async fn resume<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    id: ConnectionId,
    fresh: &ResumedConnection,
) -> Result<Option<Connection>> {
    let now = scope.inner.now().0;
    let (uid, handshake) = seal_handshake(scope, &fresh.handshake);
    let change = scope
        .sql(
            "UPDATE connections SET status = 'pending', state_hash = ?, link_hash = ?, handshake = ?, seal_uid = ?, browser_hash = ?, \
             agreed = ?, opened_at = ?, consumed_at = NULL, confirmed_at = NULL, confirm_hash = NULL, failure = NULL, handover_by = NULL, accepted_by = NULL, expires_at = ?, \
             updated_at = ? WHERE account_id = :account AND id = ? AND consent_until > ? AND (status = 'awaiting_admin_consent' \
             OR (status = 'pending' AND consumed_at IS NULL AND expires_at <= ?)) RETURNING *",
        )
        .bind(TokenHash::of(fresh.handshake.state.expose()).hex())
        .bind(fresh.link_hash.hex())
        .bind(handshake)
        .bind(uid)
        .bind(fresh.browser.map(|browser| browser.hex()))
        .bind(fresh.agreed)
        .bind(fresh.browser.map(|_| now))
        .bind(fresh.expires_at.0)
        .bind(now)
        .bind(id.0)
        .bind(now)
        .bind(now);
    changed(change, on).await
}

/// What an administrator of the account is waited for to say yes to.
#[derive(Clone, Copy)]
pub(crate) enum Asked {
    Handover,
    Acceptance,
}

/// An administrator says yes, and the mailbox is to be proved. `None`: nothing waits for that any more.
pub(crate) async fn confirm<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    id: ConnectionId,
    asked: Asked,
    by: UserId,
) -> Result<Option<Connection>> {
    let (column, waits) = match asked {
        Asked::Handover => ("handover_by", ConnectionStatus::AwaitingHandover),
        Asked::Acceptance => ("accepted_by", ConnectionStatus::AwaitingAcceptance),
    };
    let now = scope.inner.now().0;
    let change = scope
        .sql(format!(
            "UPDATE connections SET status = 'proving', {column} = ?, failure = NULL, updated_at = ? WHERE account_id = :account \
             AND id = ? AND status = ? AND expires_at > ? RETURNING *"
        ))
        .bind(by.0)
        .bind(now)
        .bind(id.0)
        .bind(waits.as_str())
        .bind(now);
    changed(change, on).await
}

/// Its time has run out: it goes back to waiting for an approval, where it may, or it has expired. `None`: it goes on.
pub(crate) async fn expire<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    id: ConnectionId,
    now: Timestamp,
) -> Result<Option<Connection>> {
    let change = scope
        .sql(format!(
            "UPDATE connections SET status = CASE WHEN consent_until > ? THEN 'awaiting_admin_consent' ELSE 'expired' END, \
             expires_at = CASE WHEN consent_until > ? THEN consent_until ELSE expires_at END, updated_at = ?, {LET_GO} \
             WHERE account_id = :account AND id = ? AND expires_at <= ? AND {WAITS} RETURNING *"
        ))
        .bind(now.0)
        .bind(now.0)
        .bind(now.0)
        .bind(id.0)
        .bind(now.0);
    changed(change, on).await
}

/// A person is waited for, and not for ever; or somebody came back, and the process that took them in has died since: for a quarter of an hour,
/// in microseconds, they may be under way still.
pub(crate) const WAITS: &str = "((status = 'pending' AND (consumed_at IS NULL OR consumed_at <= {now} - 900000000)) \
     OR status IN ('awaiting_confirmation', 'awaiting_address', 'awaiting_handover', 'awaiting_acceptance', 'awaiting_admin_consent'))";

/// [`Connection::status_at`], of a row. The time is bound twice.
pub(crate) const STATUS_AT: &str = "(CASE WHEN expires_at <= ? AND status IN ('pending', 'awaiting_confirmation', 'awaiting_address', \
     'awaiting_handover', 'awaiting_acceptance', 'awaiting_admin_consent') THEN CASE WHEN consent_until > ? THEN 'awaiting_admin_consent' ELSE 'expired' END \
     ELSE status END)";
