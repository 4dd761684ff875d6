//! Users, accounts and memberships as rows: shared by signing in, the operator and an account's own administration.

use super::account::SIGNING_KEY;
use super::convert;
use super::sql::{scoped, system};
use super::tenant::{insert_global, insert_in};
use crate::connect::Inner;
use crate::entity::{account, account_key, user};
use crate::secret::SealedPlace;
use crate::*;
use base64::Engine as _;
use domain::account::{Account, AccountStatus, Availability, Role};
use domain::user::User;
use domain::{AccountId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::ConnectionTrait;

pub(crate) async fn create_user<C: ConnectionTrait>(inner: &Inner, on: &C, new: &NewUser) -> Result<User> {
    let now = inner.now().0;
    let row = user::ActiveModel {
        email: Set(new.email.as_str().to_owned()),
        email_key: Set(new.email.key()),
        name: Set(new.name.clone()),
        password_hash: Set(new.password.as_ref().map(|p| p.0.clone())),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    Ok(convert::user(insert_global(on, row).await?))
}

pub(crate) async fn find_or_create_user<C: ConnectionTrait>(inner: &Inner, on: &C, new: &NewUser) -> Result<User> {
    let known = system("SELECT * FROM users WHERE email_key = ?").bind(new.email.key()).one(on).await?;
    match known {
        Some(row) => Ok(convert::user(row)),
        None => create_user(inner, on, new).await,
    }
}

/// `Conflict` when they are a member already. Somebody who was removed comes back to what they wrote.
pub(crate) async fn add_member<C: ConnectionTrait>(
    inner: &Inner,
    on: &C,
    account: AccountId,
    user: UserId,
    role: Role,
) -> Result<()> {
    let now = inner.now().0;
    let added = scoped(
        account,
        "INSERT INTO account_users (account_id, user_id, role, availability, auto_offline, created_at, updated_at) \
         VALUES (:account, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (account_id, user_id) DO UPDATE SET role = excluded.role, removed_at = NULL, updated_at = excluded.updated_at \
         WHERE account_users.removed_at IS NOT NULL",
    )
    .bind(user.0)
    .bind(role.as_str())
    .bind(Availability::Online.as_str())
    .bind(true)
    .bind(now)
    .bind(now)
    .run(on)
    .await?;
    if added == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict("the user is a member of the account already".to_owned()))
    }
}

/// The account with what every account has: its counters and the first key that signs its Message-IDs.
pub(crate) async fn create_account<C: ConnectionTrait>(
    inner: &Inner,
    on: &C,
    name: &str,
    locale: &str,
) -> Result<Account> {
    let now = inner.now().0;
    let row = account::ActiveModel {
        name: Set(name.to_owned()),
        locale: Set(locale.to_owned()),
        status: Set(AccountStatus::Active.as_str().to_owned()),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let account = convert::account(insert_global(on, row).await?)?;
    scoped(account.id, "INSERT INTO account_counters (account_id, next_display_id, event_seq) VALUES (:account, 1, 0)")
        .run(on)
        .await?;
    let mut key = [0; 32];
    inner.entropy.fill(&mut key);
    let text = base64::engine::general_purpose::STANDARD.encode(key);
    let uid = inner.random_name();
    let place = SealedPlace { account: account.id, purpose: SIGNING_KEY, uid: &uid };
    let row = account_key::ActiveModel {
        purpose: Set(SIGNING_KEY.to_owned()),
        version: Set(1),
        sealed: Set(inner.keys.seal(&place, inner.entropy.as_ref(), text.as_bytes())),
        seal_uid: Set(uid.clone()),
        created_at: Set(now),
        ..Default::default()
    };
    insert_in(on, account.id, row).await?;
    Ok(account)
}
