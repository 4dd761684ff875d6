//! The discovery document: where the endpoints are, and what issuers look like.
//!
//! It decides where our secret and every refresh token are sent, so an endpoint on another host than the configured one is refused.
//! OIDC's own rule, issuer = prefix of the URL = token's issuer, does not hold at Microsoft: for `common` and `organizations` the
//! issuer is a template with `{tenantid}` in it.

use crate::{Authority, Microsoft, call::unreachable, errors::classify_token_error};
use domain::{Failure, FailureClass};
use serde::Deserialize;
use std::sync::Arc;
use url::{Host, Url};

/// The document, checked.
#[derive(Clone, Debug)]
pub struct Document {
    pub token_endpoint: Url,
    pub jwks_uri: Url,
    pub issuer: Issuer,
    /// Which of Microsoft's clouds this is; keys may say theirs too, and then it must be the same.
    pub cloud_instance_name: Option<String>,
}

#[derive(Deserialize)]
struct Raw {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    cloud_instance_name: Option<String>,
}

/// The issuer as discovery or a key gives it: a template, or one tenant's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(String);

const PLACEHOLDER: &str = "{tenantid}";

impl Issuer {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it stands for every tenant.
    pub fn is_template(&self) -> bool {
        self.placeholder().is_some()
    }

    /// The issuer of `tenant`. `None` when this is another tenant's.
    pub fn of(&self, tenant: &str) -> Option<String> {
        match self.placeholder() {
            Some(at) => Some(format!("{}{tenant}{}", &self.0[..at], &self.0[at + PLACEHOLDER.len()..])),
            None => {
                let mut segments = self.0.split('/').skip(3);
                segments.any(|segment| segment == tenant).then(|| self.0.clone())
            }
        }
    }

    /// The placeholder's name is compared without case, as Microsoft's own libraries do; its length does not change by that.
    fn placeholder(&self) -> Option<usize> {
        self.0.to_ascii_lowercase().find(PLACEHOLDER)
    }

    fn url(&self) -> Option<Url> {
        Url::parse(&self.of("tenant").unwrap_or_else(|| self.0.clone())).ok()
    }
}

impl Microsoft {
    pub(crate) async fn discovery(&self) -> Result<Arc<Document>, Failure> {
        self.inner.documents.discovery.get(self.inner.clock.as_ref(), self.fetch_discovery()).await
    }

    async fn fetch_discovery(&self) -> Result<Document, Failure> {
        let url = self.url(self.inner.authority.as_str(), "/v2.0/.well-known/openid-configuration");
        let answer = self.inner.connector.http().get(&url).await.map_err(|error| unreachable(&error))?;
        if answer.status != 200 {
            return Err(classify_token_error(answer.status, answer.retry_after(), &answer.body));
        }
        let raw: Raw = answer.json().map_err(|_| {
            Failure::new(FailureClass::SignInUnavailable).detail("the discovery document cannot be read")
        })?;
        check(raw, &self.inner.settings.login_url, &self.inner.authority)
    }
}

fn check(raw: Raw, login_url: &Url, authority: &Authority) -> Result<Document, Failure> {
    let refused = |what: &str| {
        Failure::new(FailureClass::AppMisconfigured)
            .detail(format!("the discovery document's {what} is not on the sign-in host"))
    };
    let endpoint = |what: &str, text: &str| {
        Url::parse(text).ok().filter(|url| same_place(url, login_url)).ok_or_else(|| refused(what))
    };
    if let Some(authorize) = &raw.authorization_endpoint {
        endpoint("authorization_endpoint", authorize)?;
    }
    let issuer = Issuer::new(raw.issuer);
    if !issuer.url().is_some_and(|url| same_place(&url, login_url)) {
        return Err(refused("issuer"));
    }
    // With a template, any tenant's token would do; whoever configured one tenant meant that one.
    if issuer.is_template() && matches!(authority, Authority::Domain(_)) {
        return Err(Failure::new(FailureClass::AppMisconfigured)
            .detail("the discovery document of a domain has no issuer of its own"));
    }
    Ok(Document {
        token_endpoint: endpoint("token_endpoint", &raw.token_endpoint)?,
        jwks_uri: endpoint("jwks_uri", &raw.jwks_uri)?,
        issuer,
        cloud_instance_name: raw.cloud_instance_name,
    })
}

/// Same scheme, host and port. A stand-in over plain http (development) may be reached through another port of the same machine.
fn same_place(url: &Url, login_url: &Url) -> bool {
    if !url.username().is_empty() || url.password().is_some() || url.scheme() != login_url.scheme() {
        return false;
    }
    match login_url.scheme() {
        "http" => url.host_str() == login_url.host_str() || (is_loopback(url) && is_loopback(login_url)),
        _ => url.origin() == login_url.origin(),
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIN: &str = "https://login.microsoftonline.com";

    fn checked(change: impl FnOnce(&mut Raw), authority: &Authority) -> Result<Document, Failure> {
        let mut raw = Raw {
            issuer: format!("{LOGIN}/{{tenantid}}/v2.0"),
            authorization_endpoint: Some(format!("{LOGIN}/common/oauth2/v2.0/authorize")),
            token_endpoint: format!("{LOGIN}/common/oauth2/v2.0/token"),
            jwks_uri: format!("{LOGIN}/common/discovery/v2.0/keys"),
            cloud_instance_name: None,
        };
        change(&mut raw);
        check(raw, &Url::parse(LOGIN).expect("a URL"), authority)
    }

    #[test]
    fn an_endpoint_on_another_host_is_refused() {
        assert!(checked(|_| {}, &Authority::Common).is_ok());
        type Change = (&'static str, fn(&mut Raw));
        let elsewhere: [Change; 7] = [
            ("token", |raw| raw.token_endpoint = "https://evil.example/token".to_owned()),
            ("token, longer name", |raw| raw.token_endpoint = format!("{LOGIN}.evil.example/token")),
            ("token, plain", |raw| raw.token_endpoint = "http://login.microsoftonline.com/token".to_owned()),
            ("token, port", |raw| raw.token_endpoint = "https://login.microsoftonline.com:444/token".to_owned()),
            ("keys", |raw| raw.jwks_uri = "https://evil.example/keys".to_owned()),
            ("authorize", |raw| raw.authorization_endpoint = Some("https://evil.example/authorize".to_owned())),
            ("issuer", |raw| raw.issuer = "https://sts.windows.net/{tenantid}/".to_owned()),
        ];
        for (what, change) in elsewhere {
            let refused = checked(change, &Authority::Common).expect_err(what);
            assert_eq!(refused.class, FailureClass::AppMisconfigured, "{what}");
        }
    }

    #[test]
    fn a_domains_document_must_name_its_tenant() {
        let domain = Authority::Domain("contoso.com".to_owned());
        assert!(checked(|_| {}, &domain).is_err());
        let tenant = format!("{LOGIN}/3338040d-6c67-4c5b-b112-36a304b66dad/v2.0");
        assert!(checked(|raw| raw.issuer = tenant, &domain).is_ok());
    }

    #[test]
    fn a_template_stands_for_every_tenant_and_a_concrete_issuer_for_its_own() {
        let template = Issuer::new("https://h/{TenantId}/v2.0");
        assert_eq!(template.of("t1").as_deref(), Some("https://h/t1/v2.0"));
        let concrete = Issuer::new("https://h/t1/v2.0");
        assert_eq!(concrete.of("t1").as_deref(), Some("https://h/t1/v2.0"));
        assert_eq!(concrete.of("t2"), None);
    }
}
