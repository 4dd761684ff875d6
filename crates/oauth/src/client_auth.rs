//! How this application proves itself at the token endpoint, and the `oauth2` client that does it.
//!
//! With a client secret in the body (`client_secret_post`), which every version of Microsoft's endpoints takes. Certificates
//! (`private_key_jwt`) would be a second variant here.

use crate::provider::{Authority, MicrosoftSettings, SettingsError, endpoint};
use oauth2::{
    AuthType, AuthUrl, ClientId, ClientSecret, EndpointNotSet, EndpointSet, ExtraTokenFields, RedirectUrl,
    StandardRevocableToken, StandardTokenResponse,
    basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType},
};
use serde::{Deserialize, Serialize};

/// What Microsoft answers beyond RFC 6749.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct MicrosoftFields {
    #[serde(default)]
    pub(crate) id_token: Option<String>,
}

impl std::fmt::Debug for MicrosoftFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MicrosoftFields").field("id_token", &self.id_token.is_some()).finish()
    }
}

impl ExtraTokenFields for MicrosoftFields {}

pub(crate) type TokenAnswer = StandardTokenResponse<MicrosoftFields, BasicTokenType>;

pub(crate) type OauthClient<HasTokenUrl = EndpointNotSet> = oauth2::Client<
    BasicErrorResponse,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    HasTokenUrl,
>;

/// The authorization endpoint is Microsoft's documented one, so that starting a sign-in does not wait for a document; the token
/// endpoint comes from the discovery document.
pub(crate) fn client(settings: &MicrosoftSettings, authority: &Authority) -> Result<OauthClient, SettingsError> {
    let authorize = endpoint(&settings.login_url, authority.as_str(), "/oauth2/v2.0/authorize");
    // RedirectUrl::from_url keeps the registered text as Url writes it; Microsoft compares it character by character.
    Ok(oauth2::Client::new(ClientId::new(settings.client_id.trim().to_owned()))
        .set_client_secret(ClientSecret::new(settings.client_secret.expose().to_owned()))
        .set_auth_type(AuthType::RequestBody)
        .set_auth_uri(AuthUrl::from_url(authorize))
        .set_redirect_uri(RedirectUrl::from_url(settings.redirect_uri.clone())))
}
