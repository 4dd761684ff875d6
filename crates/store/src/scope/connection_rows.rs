//! Connection attempts as rows of their account.

use super::convert::{self, to_json};
use super::tenant::{Only as _, find_in, insert_in};
use crate::connect::Inner;
use crate::entity::connection;
use crate::secret::SealedPlace;
use crate::*;
use domain::channel::ConnectionStatus;
use domain::{AccountId, ConnectionId, Secret};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter};

const HANDSHAKE: &str = "connection.handshake";

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

pub(crate) async fn create(scope: &AccountScope, new: &NewConnection, most: u32) -> Result<Connection> {
    let inner = &scope.inner;
    let now = inner.now().0;
    let uid = inner.random_name();
    let Handshake { state, nonce, pkce_verifier } = &new.handshake;
    let plain = to_json(&[state.expose(), nonce.expose(), pkce_verifier.expose()]);
    let place = SealedPlace { account: scope.id, purpose: HANDSHAKE, uid: &uid };
    let row = connection::ActiveModel {
        purpose: Set(new.purpose.as_str().to_owned()),
        provider: Set(new.provider.as_str().to_owned()),
        inbox_id: Set(new.inbox_id.map(|i| i.0)),
        created_by: Set(new.created_by.0),
        email: Set(new.email.clone()),
        send_transport: Set(new.send_transport.map(|transport| transport.as_str().to_owned())),
        status: Set(ConnectionStatus::Pending.as_str().to_owned()),
        state_hash: Set(TokenHash::of(state.expose()).hex()),
        link_hash: Set(new.link_hash.hex()),
        handshake: Set(inner.keys.seal(&place, inner.entropy.as_ref(), plain.as_bytes())),
        seal_uid: Set(uid.clone()),
        expires_at: Set(new.expires_at.0),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let tx = inner.begin().await?;
    scope.stand_in_line(&tx).await?;
    let open: Option<i64> = scope
        .sql(
            "SELECT COUNT(*) FROM connections WHERE account_id = :account AND (status = 'proving' \
             OR (status IN ('pending', 'awaiting_confirmation', 'awaiting_address') AND expires_at > ?))",
        )
        .bind(now)
        .value(&tx)
        .await?;
    if open.unwrap_or(0) >= i64::from(most) {
        return Err(StoreError::LimitReached("open connections"));
    }
    let row = insert_in(&tx, scope.id, row).await?;
    tx.commit().await?;
    convert::connection(&row)
}

pub(crate) async fn update<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    id: ConnectionId,
    change: &ConnectionChange,
) -> Result<Connection> {
    let row: Option<connection::Model> = scope
        .sql(
            "UPDATE connections SET status = COALESCE(?, status), identity = COALESCE(?, identity), \
             grant_id = COALESCE(?, grant_id), result_inbox_id = COALESCE(?, result_inbox_id), \
             failure = CASE WHEN ? THEN ? ELSE failure END, confirm_hash = COALESCE(?, confirm_hash), \
             confirmed_at = CASE WHEN ? THEN NULL ELSE confirmed_at END, expires_at = COALESCE(?, expires_at), updated_at = ? \
             WHERE account_id = :account AND id = ? RETURNING *",
        )
        .bind(change.status.map(|s| s.as_str().to_owned()))
        .bind(change.identity.as_ref().map(to_json))
        .bind(change.grant_id.map(|g| g.0))
        .bind(change.result_inbox_id.map(|i| i.0))
        .bind(change.failure.is_some())
        .bind(change.failure.as_ref().and_then(Option::as_ref).map(to_json))
        .bind(change.confirm_hash.map(|h| h.hex()))
        .bind(change.asked_until.is_some())
        .bind(change.asked_until.map(|t| t.0))
        .bind(scope.inner.now().0)
        .bind(id.0)
        .one(on)
        .await?;
    convert::connection(&row.ok_or(StoreError::NotFound("connection"))?)
}
