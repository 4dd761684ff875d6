//! Where the browser goes, and the secrets that go with it: state, nonce, PKCE verifier (RFC 7636, S256 always).
//!
//! Microsoft's discovery document does not announce PKCE although it is supported, so it is never asked whether to use it.

use crate::{Microsoft, exchange::Resource, provider::Authority};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{ClaimsChallenge, Entropy, Secret};
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, Scope};
use url::Url;

/// Random bytes as URL-safe text, for states, nonces and links. 16 bytes are the least for anything that must not be guessed.
pub fn random_token(entropy: &dyn Entropy, bytes: usize) -> String {
    let mut random = vec![0; bytes];
    entropy.fill(&mut random);
    URL_SAFE_NO_PAD.encode(random)
}

/// The secret half of PKCE: 43 to 128 characters from RFC 7636's alphabet, by construction.
#[derive(Clone, PartialEq, Eq)]
pub struct PkceVerifier(Secret);

impl PkceVerifier {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(Secret::new(random_token(entropy, 32)))
    }

    /// One that was stored. `None` when it cannot have come from [`generate`](Self::generate).
    pub fn restore(secret: Secret) -> Option<Self> {
        let text = secret.expose();
        let fits =
            (43..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        fits.then_some(Self(secret))
    }

    pub fn secret(&self) -> &Secret {
        &self.0
    }

    pub(crate) fn for_request(&self) -> PkceCodeVerifier {
        PkceCodeVerifier::new(self.0.expose().to_owned())
    }
}

impl std::fmt::Debug for PkceVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PkceVerifier(…)")
    }
}

/// What Microsoft should ask the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prompt {
    /// Which account: a browser that is signed in to another one must not decide.
    #[default]
    SelectAccount,
    /// Consent again.
    Consent,
    /// The password again.
    Login,
}

impl Prompt {
    fn as_str(self) -> &'static str {
        match self {
            Self::SelectAccount => "select_account",
            Self::Consent => "consent",
            Self::Login => "login",
        }
    }
}

#[derive(Clone)]
pub struct AuthorizeRequest {
    pub state: String,
    pub nonce: String,
    pub pkce_verifier: PkceVerifier,
    pub login_hint: Option<String>,
    pub prompt: Prompt,
    /// Permissions to be consented to beside those for IMAP and SMTP; a token for them is fetched later.
    pub also: Option<Resource>,
    /// What Microsoft said it wants of this sign-in. Without it the person would come back with a permission that is refused once more.
    pub claims: Option<ClaimsChallenge>,
}

impl std::fmt::Debug for AuthorizeRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorizeRequest").field("prompt", &self.prompt).finish_non_exhaustive()
    }
}

/// Scopes for who is there, and for a refresh token.
pub(crate) const OIDC_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

impl Microsoft {
    /// Everything is asked for at once here; a token is later for one resource.
    pub fn authorize_url(&self, request: &AuthorizeRequest) -> Url {
        let state = CsrfToken::new(request.state.clone());
        let mut url = self
            .inner
            .client
            .authorize_url(|| state)
            .add_scopes(self.scopes(Resource::Outlook).into_iter().map(Scope::new))
            .add_scopes(request.also.into_iter().flat_map(|also| self.permissions(also)).map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&request.pkce_verifier.for_request()))
            .add_extra_param("response_mode", "query")
            .add_extra_param("nonce", request.nonce.clone())
            .add_extra_param("prompt", request.prompt.as_str());
        if let Some(hint) = request.login_hint.as_deref().map(str::trim).filter(|hint| !hint.is_empty()) {
            url = url.add_extra_param("login_hint", hint.to_owned());
        }
        if let Some(claims) = &request.claims {
            url = url.add_extra_param("claims", claims.as_str().to_owned());
        }
        url.url().0
    }

    /// Where an administrator approves the application for a whole tenant. Microsoft wants a tenant or `organizations` here, never
    /// `common` ("Admin consent on the Microsoft identity platform").
    /// `also`: what beside the mailbox is to be approved.
    pub fn admin_consent_url(&self, state: &str, also: Option<Resource>) -> Url {
        let authority = match &self.inner.authority {
            Authority::Common | Authority::Consumers | Authority::Organizations => "organizations",
            Authority::Tenant(tenant) | Authority::Domain(tenant) => tenant,
        };
        let scopes: Vec<String> = self
            .scopes(Resource::Outlook)
            .into_iter()
            .chain(also.into_iter().flat_map(|also| self.permissions(also)))
            .collect();
        let mut url = self.url(authority, "/v2.0/adminconsent");
        url.query_pairs_mut()
            .append_pair("client_id", self.client_id())
            .append_pair("scope", &scopes.join(" "))
            .append_pair("redirect_uri", self.inner.settings.redirect_uri.as_str())
            .append_pair("state", state);
        url
    }

    /// The OIDC scopes and those of one resource. Without the resource's prefix a scope's name means Microsoft Graph, whose tokens
    /// IMAP refuses.
    pub(crate) fn scopes(&self, resource: Resource) -> Vec<String> {
        OIDC_SCOPES.iter().map(|scope| (*scope).to_owned()).chain(self.permissions(resource)).collect()
    }

    fn permissions(&self, resource: Resource) -> impl Iterator<Item = String> {
        let prefix = resource.prefix(self.inner.cloud);
        resource.permissions().iter().map(move |permission| format!("{prefix}/{permission}"))
    }
}
