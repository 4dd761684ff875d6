//! A code becomes tokens: redeemed once, with its PKCE verifier, for one resource, and checked to be enough.

use crate::{
    Microsoft, PkceVerifier,
    call::{CallError, ask, into_failure},
    client_auth::{Authenticated, TokenAnswer},
    provider::Cloud,
};
use domain::{Failure, FailureClass, Secret};
use oauth2::{AuthorizationCode, TokenResponse};
use std::time::Duration;

/// What an access token is good for. Microsoft gives one resource per token; one refresh token serves them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// IMAP and SMTP.
    Outlook,
    /// Sending one's own mailbox's mail through Microsoft Graph.
    Graph,
    /// Sending through Graph from mailboxes that the person was given access to.
    GraphShared,
}

impl Resource {
    /// What a token for it must permit.
    pub(crate) fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Outlook => &["IMAP.AccessAsUser.All", "SMTP.Send"],
            Self::Graph => &["Mail.Send", "Mail.ReadWrite"],
            Self::GraphShared => &["Mail.Send", "Mail.ReadWrite", "Mail.Send.Shared", "Mail.ReadWrite.Shared"],
        }
    }

    /// The scope prefixes under which the permissions count: Microsoft has renamed the host more than once.
    fn hosts(self) -> &'static [&'static str] {
        match self {
            Self::Outlook => {
                &["outlook.office.com", "outlook.office365.com", "outlook.office365.us", "partner.outlook.cn"]
            }
            Self::Graph | Self::GraphShared => &[
                "graph.microsoft.com",
                "graph.microsoft.us",
                "dod-graph.microsoft.us",
                "microsoftgraph.chinacloudapi.cn",
            ],
        }
    }

    /// What stands before its permissions' names in a request.
    pub(crate) fn prefix(self, cloud: &Cloud) -> &'static str {
        match self {
            Self::Outlook => cloud.outlook_resource,
            Self::Graph | Self::GraphShared => cloud.graph_resource,
        }
    }

    /// The permissions that `granted` lacks.
    pub(crate) fn missing_from(self, granted: &[String]) -> Vec<&'static str> {
        let has = |permission: &str| granted.iter().any(|scope| self.grants(scope, permission));
        self.permissions().iter().copied().filter(|permission| !has(permission)).collect()
    }

    fn grants(self, scope: &str, permission: &str) -> bool {
        match scope.rsplit_once('/') {
            // Some answers leave the prefix away.
            None => scope.eq_ignore_ascii_case(permission),
            Some((prefix, name)) => {
                let host = prefix.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                name.eq_ignore_ascii_case(permission)
                    && self.hosts().iter().any(|known| known.eq_ignore_ascii_case(host))
            }
        }
    }
}

/// What the token endpoint gave. Its `Debug` shows no token.
#[derive(Clone, Debug)]
pub struct TokenSet {
    pub access_token: Secret,
    pub expires_in: Duration,
    /// The newest one replaces the stored one; `None` means that the stored one stays.
    pub refresh_token: Option<Secret>,
    /// Unvalidated: [`Microsoft::validate_id_token`] says what it is worth. Never a proof of sign-in when it came from a refresh.
    pub id_token: Option<IdToken>,
    pub scope: Vec<String>,
}

/// An id_token as it came. It names a person, so its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct IdToken(String);

impl IdToken {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for IdToken {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for IdToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdToken(…)")
    }
}

/// The shortest lifetime that Microsoft documents for an access token, for an answer that names none.
const UNNAMED_LIFETIME: Duration = Duration::from_secs(3600);

impl TokenSet {
    pub(crate) fn from_answer(answer: &TokenAnswer, resource: Resource) -> Result<Self, Failure> {
        let tokens = Self {
            access_token: Secret::new(answer.access_token().secret().clone()),
            expires_in: answer.expires_in().unwrap_or(UNNAMED_LIFETIME),
            refresh_token: answer
                .refresh_token()
                .filter(|token| !token.secret().is_empty())
                .map(|token| Secret::new(token.secret().clone())),
            id_token: answer.extra_fields().id_token.as_deref().map(IdToken::new),
            scope: answer.scopes().map(|scopes| scopes.iter().map(|s| s.to_string()).collect()).unwrap_or_default(),
        };
        if tokens.access_token.is_empty() {
            return Err(Failure::new(FailureClass::SignInUnavailable).detail("the access token is empty"));
        }
        // RFC 6749 §5.1: an answer without scope granted what was asked for.
        if answer.scopes().is_some() {
            let missing = resource.missing_from(&tokens.scope);
            if !missing.is_empty() {
                return Err(Failure::new(FailureClass::ScopesMissing).detail(missing.join(" ")));
            }
        }
        Ok(tokens)
    }
}

/// Whoever signs in has no permission yet that could have expired: their code has (AADSTS70008), or it was redeemed before (AADSTS54005).
fn of_a_code(failure: Failure) -> Failure {
    match failure.class {
        FailureClass::GrantExpired => Failure { class: FailureClass::StateExpired, ..failure },
        _ => failure,
    }
}

impl Microsoft {
    /// The code from the callback, redeemed. A set that comes out of here has a refresh token and an id_token.
    pub async fn redeem(&self, code: &str, pkce_verifier: &PkceVerifier) -> Result<TokenSet, Failure> {
        let answer = self.with_credentials(|us| self.redeem_as(us, code, pkce_verifier)).await.map_err(of_a_code)?;
        let tokens = TokenSet::from_answer(&answer, Resource::Outlook)?;
        if tokens.refresh_token.is_none() {
            return Err(FailureClass::RefreshTokenMissing.into());
        }
        if tokens.id_token.is_none() {
            return Err(Failure::new(FailureClass::IdTokenInvalid).detail("missing"));
        }
        Ok(tokens)
    }

    /// A code that a credential which was refused could not use up can be redeemed with the next.
    pub(crate) fn redeem_as(
        &self,
        us: Authenticated,
        code: &str,
        pkce_verifier: &PkceVerifier,
    ) -> impl Future<Output = Result<TokenAnswer, Failure>> + Send + use<> {
        // Owned by each request: a future that borrowed it could not be moved between threads.
        let http = self.inner.connector.http().clone();
        let (code, verifier) = (AuthorizationCode::new(code.to_owned()), pkce_verifier.for_request());
        // Left to itself, Microsoft picks one of the resources that were consented to.
        let scopes = self.scopes(Resource::Outlook).join(" ");
        async move {
            let mut request =
                us.client.exchange_code(code).set_pkce_verifier(verifier).add_extra_param("scope", scopes);
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(scope: &str) -> Vec<&'static str> {
        let granted: Vec<String> = scope.split(' ').map(str::to_owned).collect();
        Resource::Outlook.missing_from(&granted)
    }

    #[test]
    fn granted_scopes_count_under_each_of_outlooks_names_and_in_any_case() {
        for scope in [
            "openid https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send",
            "https://outlook.office365.com/imap.accessasuser.all https://outlook.office365.com/smtp.send profile",
            "https://outlook.office.com//IMAP.AccessAsUser.All https://outlook.office.com//SMTP.Send",
            "IMAP.AccessAsUser.All SMTP.Send",
        ] {
            assert!(missing(scope).is_empty(), "{scope}");
        }
    }

    #[test]
    fn scopes_of_another_resource_or_fewer_of_them_do_not_count() {
        assert_eq!(missing("https://outlook.office.com/IMAP.AccessAsUser.All"), ["SMTP.Send"]);
        assert_eq!(missing("openid profile"), ["IMAP.AccessAsUser.All", "SMTP.Send"]);
        assert_eq!(
            missing("https://graph.microsoft.com/IMAP.AccessAsUser.All https://graph.microsoft.com/SMTP.Send"),
            ["IMAP.AccessAsUser.All", "SMTP.Send"]
        );
    }
}
