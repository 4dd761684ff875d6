//! The account itself: what it is called and where it is reached.

use crate::auth::Auth;
use crate::error::{Reading, Refusal, Writing};
use crate::tags::Tag;
use app::accounts;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use wire::account::{Account, AccountParts, AccountUpdate};

pub struct AccountsApi;

#[OpenApi(tag = "Tag::Accounts")]
impl AccountsApi {
    /// Show the account
    #[oai(path = "/api/v1/accounts/:account_id", method = "get", operation_id = "get_account")]
    async fn show(&self, auth: Auth, account_id: Path<i64>) -> Result<Json<Account>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        Ok(Json(shown(&accounts::show_account(auth.app(), &member).await?)))
    }

    /// Change the account
    ///
    /// Administrators only. What is absent stays as it is; null clears `domain` and `support_email`.
    #[oai(path = "/api/v1/accounts/:account_id", method = "patch", operation_id = "update_account")]
    async fn update(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<AccountUpdate>,
    ) -> Result<Json<Account>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let text = |given: MaybeUndefined<String>| match given {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(text) => Some(Some(text)),
        };
        let change = accounts::AccountChange {
            name: body.0.name,
            locale: body.0.locale,
            domain: text(body.0.domain),
            support_email: text(body.0.support_email),
        };
        Ok(Json(shown(&accounts::update_account(auth.app(), &member, change).await?)))
    }
}

fn shown(details: &accounts::AccountDetails) -> Account {
    let (domain, support_email) = (details.domain.as_deref(), details.support_email.as_deref());
    AccountParts { account: &details.account, domain, support_email }.into()
}
