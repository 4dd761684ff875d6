//! What an account is called and where it is reached. Everybody in it sees it; administrators change it.

use super::Member;
use crate::App;
use domain::EmailAddress;
pub use store::AccountDetails;
use store::StoreError;

/// `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    pub name: Option<String>,
    pub locale: Option<String>,
    pub domain: Option<Option<String>>,
    pub support_email: Option<Option<String>>,
}

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("only administrators change the account")]
    Forbidden,
    #[error("the name needs 1 to 255 characters")]
    NameInvalid,
    #[error("the locale is no language")]
    LocaleInvalid,
    #[error("the domain is none")]
    DomainInvalid,
    #[error("the e-mail is not an e-mail address")]
    EmailInvalid,
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub async fn show_account(_app: &App, member: &Member) -> Result<AccountDetails, StoreError> {
    member.scope.account_details().await
}

pub async fn update_account(
    _app: &App,
    member: &Member,
    change: AccountChange,
) -> Result<AccountDetails, AccountError> {
    if !member.agent.role.may_manage_people() {
        return Err(AccountError::Forbidden);
    }
    let name = change.name.map(|name| name.trim().to_owned());
    if name.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > 255) {
        return Err(AccountError::NameInvalid);
    }
    if change.locale.as_deref().is_some_and(|locale| !is_locale(locale)) {
        return Err(AccountError::LocaleInvalid);
    }
    let text = |given: Option<Option<String>>| {
        given.map(|text| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    };
    let (domain, support_email) = (text(change.domain), text(change.support_email));
    // A domain is what may stand behind an @.
    if domain.iter().flatten().any(|domain| EmailAddress::parse(&format!("a@{domain}")).is_none()) {
        return Err(AccountError::DomainInvalid);
    }
    if support_email.iter().flatten().any(|email| EmailAddress::parse(email).is_none()) {
        return Err(AccountError::EmailInvalid);
    }
    let change = store::AccountChange { name, locale: change.locale, domain, support_email };
    Ok(member.scope.update_account(&change).await?)
}

/// A language, and perhaps where: `en`, `pt_BR`, `zh-Hant`.
fn is_locale(text: &str) -> bool {
    let mut parts = text.split(['_', '-']);
    let language = parts.next().unwrap_or_default();
    let word = |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    (2..=3).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_lowercase()) && parts.all(word)
}
