//! A refresh token becomes a fresh access token, for one resource. Whose turn it is, and where the result is kept, is `app`'s to say.

use crate::{
    Microsoft,
    call::{CallError, ask, into_failure},
    exchange::{Resource, TokenSet},
};
use domain::{Failure, Secret};
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
            .await?;
        TokenSet::from_answer(&answer, resource)
    }
}
