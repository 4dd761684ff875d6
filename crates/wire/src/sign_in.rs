//! Signing in with an e-mail address and a password.

use crate::profile::Profile;
use poem_openapi::Object;
use poem_openapi::types::Password;

#[derive(Clone, Debug, Object)]
pub struct SignIn {
    #[oai(deserialize_with = "crate::json::text", validator(max_length = 320))]
    pub email: String,
    #[oai(validator(max_length = 1024))]
    pub password: Password,
}

#[derive(Clone, Debug, Object)]
pub struct PasswordAsked {
    #[oai(deserialize_with = "crate::json::text", validator(max_length = 320))]
    pub email: String,
}

#[derive(Clone, Debug, Object)]
pub struct PasswordSet {
    /// From the link that was mailed.
    #[oai(validator(max_length = 256))]
    pub reset_password_token: Password,
    #[oai(validator(max_length = 1024))]
    pub password: Password,
    #[oai(validator(max_length = 1024))]
    pub password_confirmation: Option<Password>,
}

#[derive(Clone, Debug, Object)]
pub struct SignedIn {
    pub data: Profile,
}

#[derive(Clone, Debug, Object)]
pub struct TokenValid {
    pub success: bool,
    pub data: Profile,
}

#[derive(Clone, Debug, Object)]
pub struct TokenValidity {
    pub payload: TokenValid,
}

#[derive(Clone, Debug, Object)]
pub struct SignedOut {
    pub success: bool,
}
