//! A new account with its first administrator, as the operator makes it from the command line.

use super::{password, token};
use crate::App;
use domain::{AccountId, EmailAddress, Secret, UserId};
use store::{NewUser, StoreError};

#[derive(Clone, Debug)]
pub struct NewAccount {
    pub name: String,
    pub admin_email: String,
    pub admin_name: Option<String>,
    /// Of an administrator who exists already, the password stays as it is.
    pub admin_password: Secret,
}

#[derive(Clone, Debug)]
pub struct CreatedAccount {
    pub account_id: AccountId,
    pub user_id: UserId,
    /// Opens this account only. Shown here and never again.
    pub access_token: Secret,
}

#[derive(Debug, thiserror::Error)]
pub enum CreateAccountError {
    #[error("the account needs a name of 1 to 255 characters")]
    NameInvalid,
    #[error("the administrator's e-mail is not an e-mail address")]
    EmailInvalid,
    #[error("the password needs at least 8 characters")]
    PasswordTooShort,
    /// Some tenant made this user up, and may have given them their password.
    #[error(
        "an account of this installation added somebody under this e-mail address already, and nobody has shown yet that it is theirs: whoever added \
         them may know their password. Let them set a new one with a link that is mailed to them (\"forgot password\"), or vouch for them (--vouch): \
         then they have the password that you give, and every session and token of theirs ends"
    )]
    AdminUnproved,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whoever runs the installation says that this address belongs to whom they hand this password. Of a user whom some tenant made up, and who has
/// not shown that the address is theirs, everything that others may know ends; of anybody else nothing changes (`false`).
pub async fn vouch_for(app: &App, email: &str, password: Secret) -> Result<bool, CreateAccountError> {
    let email = EmailAddress::parse(email).ok_or(CreateAccountError::EmailInvalid)?;
    if !password::is_acceptable(&password) {
        return Err(CreateAccountError::PasswordTooShort);
    }
    let hash = password::hash(app.entropy(), password).await;
    Ok(app.store().operator().vouch_for(&email.key(), &hash).await?)
}

pub async fn create_account(app: &App, new: NewAccount) -> Result<CreatedAccount, CreateAccountError> {
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > 255 {
        return Err(CreateAccountError::NameInvalid);
    }
    let email = EmailAddress::parse(&new.admin_email).ok_or(CreateAccountError::EmailInvalid)?;
    if !password::is_acceptable(&new.admin_password) {
        return Err(CreateAccountError::PasswordTooShort);
    }
    let admin_name = new.admin_name.filter(|n| !n.trim().is_empty()).unwrap_or_else(|| email.local().to_owned());
    let hash = password::hash(app.entropy(), new.admin_password).await;
    let created = app
        .store()
        .operator()
        .create_account(&store::NewAccount {
            name: name.to_owned(),
            locale: "en".to_owned(),
            admin: Some(NewUser { email, name: admin_name, password: Some(hash) }),
        })
        .await
        .map_err(|error| match error {
            StoreError::Conflict(_) => CreateAccountError::AdminUnproved,
            other => other.into(),
        })?;
    let user_id = created.admin.expect("an administrator was asked for").id;
    let account_id = created.account.id;
    let (_, access_token) =
        token::mint(app, user_id, Some(account_id), Some("account create".to_owned()), None).await?;
    Ok(CreatedAccount { account_id, user_id, access_token })
}
