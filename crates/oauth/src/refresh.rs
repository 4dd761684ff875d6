//! A refresh token becomes a fresh access token, for one resource. Whose turn it is, and where the result is kept, is `app`'s to say.

use crate::{
    Microsoft,
    call::{CallError, ask, into_failure},
    exchange::{Resource, TokenSet},
};
use domain::{Failure, FailureClass, Secret};
use oauth2::{RefreshToken, Scope};

impl Microsoft {
    /// The scope is named on every call: without it the token is for whatever resource Microsoft chooses. An answer may carry a new
    /// refresh token, or none; the old one stays valid either way.
    pub async fn refresh(&self, refresh_token: &Secret, resource: Resource) -> Result<TokenSet, Failure> {
        let token = RefreshToken::new(refresh_token.expose().to_owned());
        let answer = self
            .with_credentials(|us| {
                // Owned by each request: a future that borrowed it could not be moved between threads.
                let http = self.inner.connector.http().clone();
                let (token, scopes) = (token.clone(), self.scopes(resource));
                async move {
                    let mut request =
                        us.client.exchange_refresh_token(&token).add_scopes(scopes.into_iter().map(Scope::new));
                    for (name, value) in us.parameters {
                        request = request.add_extra_param(name, value);
                    }
                    request
                        .request_async(&move |request| {
                            let http = http.clone();
                            async move { Ok::<_, CallError>(ask(&http, request).await?) }
                        })
                        .await
                        .map_err(into_failure)
                }
            })
            .await
            .map_err(|failure| about(resource, failure))?;
        TokenSet::from_answer(&answer, resource).map_err(|failure| about(resource, failure))
    }
}

/// That Graph was not consented to, or wants a second factor of its own, says nothing about reading the mailbox and sending by SMTP, which the same refresh token serves. Personal
/// accounts are told so as an invalid grant of which only the words say what is missing.
fn about(resource: Resource, failure: Failure) -> Failure {
    let names_a_scope = failure.server_said.as_deref().is_some_and(|said| said.contains("scopes requested"));
    let missing = match failure.class {
        FailureClass::ConsentRequired
        | FailureClass::AdminConsentRequired
        | FailureClass::InteractionRequired
        | FailureClass::ScopesMissing => true,
        FailureClass::GrantExpired => names_a_scope,
        _ => false,
    };
    match resource {
        Resource::Graph | Resource::GraphShared if missing => {
            Failure { class: FailureClass::GraphConsentMissing, ..failure }
        }
        Resource::Outlook | Resource::Graph | Resource::GraphShared => failure,
    }
}
