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

/// A user, and what may be believed of them.
pub(crate) struct Standing {
    pub user: User,
    /// Made just now, as they were described.
    pub is_new: bool,
    pub has_password: bool,
    /// Somebody showed that the address is theirs.
    pub is_proved: bool,
    /// The address is one that they chose themselves.
    pub chose_address: bool,
}

/// Locked until the end. One statement decides who is new: of two who make the same user up at once, the second finds somebody else's.
pub(crate) async fn find_or_create_user<C: ConnectionTrait>(inner: &Inner, on: &C, new: &NewUser) -> Result<Standing> {
    let now = inner.now().0;
    let made: Option<user::Model> = system(
        "INSERT INTO users (email, email_key, name, password_hash, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (email_key) DO NOTHING RETURNING *",
    )
    .bind(new.email.as_str())
    .bind(new.email.key())
    .bind(new.name.as_str())
    .bind(new.password.as_ref().map(|p| p.0.clone()))
    .bind(now)
    .bind(now)
    .one(on)
    .await?;
    let is_new = made.is_some();
    let row = match made {
        Some(row) => row,
        None => system("UPDATE users SET updated_at = updated_at WHERE email_key = ? RETURNING *")
            .bind(new.email.key())
            .one(on)
            .await?
            .ok_or_else(|| StoreError::Unavailable("a user went while they were looked at".to_owned()))?,
    };
    Ok(Standing {
        is_new,
        has_password: row.password_hash.is_some(),
        is_proved: row.email_proved_at.is_some(),
        chose_address: row.email_changed_at.is_some(),
        user: convert::user(row),
    })
}

/// Whoever runs the installation says that the address is theirs.
pub(crate) async fn vouch_for<C: ConnectionTrait>(inner: &Inner, on: &C, user: UserId) -> Result<()> {
    system("UPDATE users SET email_proved_at = ? WHERE id = ? AND email_proved_at IS NULL")
        .bind(inner.now().0)
        .bind(user.0)
        .run(on)
        .await?;
    Ok(())
}

/// Who changes a person takes this first, and after it what they have in accounts.
pub(crate) async fn lock_user<C: ConnectionTrait>(on: &C, user: UserId) -> Result<()> {
    system("UPDATE users SET updated_at = updated_at WHERE id = ?").bind(user.0).run(on).await?;
    Ok(())
}

/// Ends tokens of a person, of these kinds, and every link with which they could set a password.
pub(crate) async fn end_keys<C: ConnectionTrait>(inner: &Inner, on: &C, user: UserId, kinds: &[&str]) -> Result<()> {
    let now = inner.now().0;
    system("UPDATE api_tokens SET revoked_at = ? WHERE user_id = ? AND revoked_at IS NULL AND kind IN (??)")
        .bind(now)
        .bind(user.0)
        .list(kinds.iter().copied())
        .run(on)
        .await?;
    system("UPDATE password_links SET used_at = ? WHERE user_id = ? AND used_at IS NULL")
        .bind(now)
        .bind(user.0)
        .run(on)
        .await?;
    Ok(())
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
