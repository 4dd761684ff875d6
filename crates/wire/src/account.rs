//! An account, as its members see it.

use crate::JsonObject;
use crate::words::AccountStatus;
use domain::Timestamp;
use poem_openapi::Object;
use poem_openapi::types::MaybeUndefined;

#[derive(Clone, Debug, Object)]
pub struct Account {
    pub id: i64,
    pub name: String,
    /// The language of the account, such as `en` or `pt_BR`.
    pub locale: String,
    /// The organisation's own domain, for people; nothing is sent from it.
    #[oai(nullable)]
    pub domain: Option<String>,
    /// Where people of the account get help; nothing is sent from it.
    #[oai(nullable)]
    pub support_email: Option<String>,
    pub status: AccountStatus,
    pub created_at: String,
    /// Always null: conversations are not resolved by themselves.
    #[oai(nullable)]
    pub auto_resolve_duration: Option<i64>,
    pub custom_attributes: JsonObject,
    pub features: JsonObject,
    pub settings: JsonObject,
}

/// What an account shows beside what everybody knows of it.
#[derive(Clone, Debug)]
pub struct AccountParts<'a> {
    pub account: &'a domain::account::Account,
    pub domain: Option<&'a str>,
    pub support_email: Option<&'a str>,
}

impl From<AccountParts<'_>> for Account {
    fn from(parts: AccountParts<'_>) -> Self {
        let account = parts.account;
        Self {
            id: account.id.0,
            name: account.name.clone(),
            locale: account.locale.clone(),
            domain: parts.domain.map(str::to_owned),
            support_email: parts.support_email.map(str::to_owned),
            status: account.status.into(),
            created_at: Timestamp::to_iso(account.created_at),
            auto_resolve_duration: None,
            custom_attributes: JsonObject::default(),
            features: JsonObject::default(),
            settings: JsonObject::default(),
        }
    }
}

/// Absent leaves as it is; null clears where that makes sense.
#[derive(Clone, Debug, Default, Object)]
pub struct AccountUpdate {
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub name: Option<String>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 16))]
    pub locale: Option<String>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 255))]
    pub domain: MaybeUndefined<String>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 320))]
    pub support_email: MaybeUndefined<String>,
}
