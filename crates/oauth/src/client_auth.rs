//! How this application proves itself at the token endpoint, and the `oauth2` client that does it.
//!
//! With a client secret in the body (`client_secret_post`), which every version of Microsoft's endpoints takes, or with an assertion that a
//! certificate's key has signed (`private_key_jwt`). Where an application has two credentials and Microsoft refuses the first, the second
//! is tried in the same call, so that one can be replaced while everything runs; which was refused, and why, is remembered
//! ([`Microsoft::credential_states`]).

use crate::{
    Microsoft,
    credential::{ASSERTION_TYPE, Credential},
    provider::{Authority, MicrosoftSettings, endpoint},
};
use domain::{Failure, FailureClass, Timestamp};
use oauth2::{
    AuthType, AuthUrl, ClientId, ClientSecret, EndpointNotSet, EndpointSet, ExtraTokenFields, RedirectUrl,
    StandardRevocableToken, StandardTokenResponse, TokenUrl,
    basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType},
};
use serde::{Deserialize, Serialize};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use url::Url;

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
/// endpoint comes from the discovery document, and the credential with each call.
pub(crate) fn client(settings: &MicrosoftSettings, authority: &Authority) -> OauthClient {
    let authorize = endpoint(&settings.login_url, authority.as_str(), "/oauth2/v2.0/authorize");
    // RedirectUrl::from_url keeps the registered text as Url writes it; Microsoft compares it character by character.
    oauth2::Client::new(ClientId::new(settings.client_id.trim().to_owned()))
        .set_auth_type(AuthType::RequestBody)
        .set_auth_uri(AuthUrl::from_url(authorize))
        .set_redirect_uri(RedirectUrl::from_url(settings.redirect_uri.clone()))
}

/// A credential that was refused goes behind the others for so long: with thousands of mailboxes, each refresh would else begin with a
/// refusal.
const REFUSED_FOR: Duration = Duration::from_secs(5 * 60);

/// One credential, and what Microsoft said of it last.
pub(crate) struct HeldCredential {
    credential: Credential,
    state: Mutex<CredentialState>,
}

/// What Microsoft said last of a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CredentialState {
    #[default]
    Untried,
    Works,
    Refused(CredentialRefusal),
}

/// That Microsoft did not take a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialRefusal {
    pub at: Timestamp,
    pub failure: Failure,
}

impl HeldCredential {
    pub(crate) fn new(credential: Credential) -> Self {
        Self { credential, state: Mutex::default() }
    }

    fn state(&self) -> CredentialState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is(&self, state: CredentialState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// A client that proves itself with one credential; the parameters belong into the request's body.
pub(crate) struct Authenticated {
    pub(crate) client: OauthClient<EndpointSet>,
    pub(crate) parameters: Vec<(&'static str, String)>,
}

impl Microsoft {
    /// What Microsoft said last of each credential, in their order, as far as this process has asked.
    pub fn credential_states(&self) -> Vec<CredentialState> {
        self.inner.credentials.iter().map(HeldCredential::state).collect()
    }

    /// One credential after the other, until Microsoft takes one. When it takes none, the answer is what it said of the first.
    pub(crate) async fn with_credentials<A, F>(&self, call: impl Fn(Authenticated) -> F) -> Result<A, Failure>
    where
        F: Future<Output = Result<A, Failure>>,
    {
        let document = self.discovery().await?;
        let mut first_refusal: Option<(usize, Failure)> = None;
        for index in self.order() {
            match self.with_credential(index, &document.token_endpoint, &call).await {
                Err(failure) if failure.class.is_app_credential() => {
                    if first_refusal.as_ref().is_none_or(|(first, _)| index < *first) {
                        first_refusal = Some((index, failure));
                    }
                }
                answered => return answered,
            }
        }
        let (_, failure) = first_refusal.unwrap_or_else(|| {
            (0, Failure::new(FailureClass::AppCredentialRefused).detail("the app has no credential"))
        });
        Err(failure)
    }

    /// With this one and no other.
    pub(crate) async fn with_credential<A, F>(
        &self,
        index: usize,
        token_endpoint: &Url,
        call: impl Fn(Authenticated) -> F,
    ) -> Result<A, Failure>
    where
        F: Future<Output = Result<A, Failure>>,
    {
        let held = &self.inner.credentials[index];
        let answered = call(self.authenticated(&held.credential, token_endpoint)?).await;
        match &answered {
            Err(failure) if failure.class.is_app_credential() => {
                let at = self.inner.clock.now();
                tracing::warn!(credential = index + 1, %failure, "a credential of an application was refused");
                held.is(CredentialState::Refused(CredentialRefusal { at, failure: failure.clone() }));
            }
            Ok(_) => held.is(CredentialState::Works),
            Err(failure) if crate::errors::is_about_the_grant(failure) => held.is(CredentialState::Works),
            Err(_) => {}
        }
        answered
    }

    /// The first comes first, unless it was refused a moment ago.
    fn order(&self) -> Vec<usize> {
        let now = self.inner.clock.now();
        let lately = |index: &usize| {
            let state = self.inner.credentials[*index].state();
            matches!(state, CredentialState::Refused(refusal) if now.since(refusal.at) < REFUSED_FOR)
        };
        let mut order: Vec<usize> = (0..self.inner.credentials.len()).collect();
        order.sort_by_key(lately);
        order
    }

    fn authenticated(&self, credential: &Credential, token_endpoint: &Url) -> Result<Authenticated, Failure> {
        let client = self.inner.client.clone();
        let (client, parameters) = match credential {
            Credential::Secret(secret) => {
                (client.set_client_secret(ClientSecret::new(secret.expose().to_owned())), Vec::new())
            }
            Credential::Certificate(certificate) => {
                let now = self.inner.clock.now();
                let assertion = certificate.assertion(self.client_id(), token_endpoint.as_str(), now)?;
                let parameters = vec![
                    ("client_assertion_type", ASSERTION_TYPE.to_owned()),
                    ("client_assertion", assertion.expose().to_owned()),
                ];
                (client, parameters)
            }
        };
        Ok(Authenticated { client: client.set_token_uri(TokenUrl::from_url(token_endpoint.clone())), parameters })
    }
}
