//! Who we sign in with: the settings, the clouds they may name, and [`Microsoft`], ready for use.
//!
//! Never fetches anything by itself; the documents come when they are first needed.

use crate::{
    cache::Cached,
    client_auth::{self, HeldCredential, OauthClient},
    credential::Credential,
    crypto,
    discovery::{Document, is_loopback},
    jwks::KeySet,
};
use domain::Clock;
use net::Connector;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use url::{Host, Url};

/// The tenant that all personal Microsoft accounts live in.
pub const CONSUMERS_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// One of Microsoft's clouds. Source: "National clouds" (Microsoft identity platform).
#[derive(Debug, PartialEq, Eq)]
pub struct Cloud {
    pub name: &'static str,
    pub login_host: &'static str,
    /// Prefix of the mail scopes.
    pub outlook_resource: &'static str,
    /// Microsoft Graph: prefix of its scopes, and where it is asked.
    pub graph_resource: &'static str,
    /// Whether the mail scopes are documented by Microsoft, or only known from others' practice (docs/COMPATIBILITY.md).
    pub verified: bool,
}

/// The closed list of hosts that may be given our client secret in production.
pub const CLOUDS: &[Cloud] = &[
    Cloud {
        name: "global",
        login_host: "login.microsoftonline.com",
        outlook_resource: "https://outlook.office.com",
        graph_resource: "https://graph.microsoft.com",
        verified: true,
    },
    Cloud {
        name: "us_government",
        login_host: "login.microsoftonline.us",
        outlook_resource: "https://outlook.office365.us",
        graph_resource: "https://graph.microsoft.us",
        verified: false,
    },
    Cloud {
        name: "china",
        login_host: "login.partner.microsoftonline.cn",
        outlook_resource: "https://partner.outlook.cn",
        graph_resource: "https://microsoftgraph.chinacloudapi.cn",
        verified: false,
    },
    Cloud {
        name: "china_former_name",
        login_host: "login.chinacloudapi.cn",
        outlook_resource: "https://partner.outlook.cn",
        graph_resource: "https://microsoftgraph.chinacloudapi.cn",
        verified: false,
    },
];

/// Graph of the United States' Department of Defense, whose sign-in host it shares with the other government cloud.
const DOD_GRAPH: &str = "https://dod-graph.microsoft.us";

/// Where Graph is, beside a sign-in host; `None` for a stand-in's.
pub fn graph_of(login_url: &Url) -> Option<Url> {
    let host = login_url.host_str()?;
    let cloud = CLOUDS.iter().find(|cloud| cloud.login_host == host)?;
    Url::parse(cloud.graph_resource).ok()
}

/// Whether an address may be given tokens for Graph in production: it is one of Microsoft's, over https, and nothing else.
pub fn is_graph(url: &Url) -> bool {
    let known = CLOUDS.iter().map(|cloud| cloud.graph_resource).chain([DOD_GRAPH]);
    known.filter_map(|known| Url::parse(known).ok()).any(|known| known == *url)
}

/// Who may sign in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Authority {
    /// Work, school and personal accounts.
    Common,
    /// Work and school accounts.
    Organizations,
    /// Personal accounts.
    Consumers,
    /// One tenant, by its id in lower case.
    Tenant(String),
    /// One tenant, by a domain name of its.
    Domain(String),
}

impl Authority {
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let text = text.trim().to_ascii_lowercase();
        match text.as_str() {
            "common" => Ok(Self::Common),
            "organizations" => Ok(Self::Organizations),
            "consumers" => Ok(Self::Consumers),
            other if is_guid(other) => Ok(Self::Tenant(text)),
            other if is_domain(other) => Ok(Self::Domain(text)),
            _ => Err(SettingsError::Authority(text)),
        }
    }

    /// As it stands in URLs.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Common => "common",
            Self::Organizations => "organizations",
            Self::Consumers => "consumers",
            Self::Tenant(id) => id,
            Self::Domain(name) => name,
        }
    }
}

/// It becomes a segment of a path, so nothing that is not a plain name may pass.
fn is_domain(text: &str) -> bool {
    text.contains('.')
        && text
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        && matches!(Host::parse(text), Ok(Host::Domain(_)))
}

/// Eight, four, four, four and twelve hexadecimal digits.
pub(crate) fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|g| g.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|g| g.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[derive(Clone, Debug)]
pub struct MicrosoftSettings {
    /// `https://login.microsoftonline.com`; in development also a stand-in's, over plain http.
    pub login_url: Url,
    /// `common`, `organizations`, `consumers`, a tenant id or a domain.
    pub authority: String,
    pub client_id: String,
    /// Two while one is being replaced; the first is used as long as Microsoft takes it.
    pub credentials: Vec<Credential>,
    pub redirect_uri: Url,
    /// Whether this installation is a real one: then `login_url` must be one of Microsoft's.
    pub production: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error(
        "{0:?} is neither common, organizations, consumers, a tenant id nor a domain name (set AZURE_TENANT to one of them)"
    )]
    Authority(String),
    #[error("the sign-in URL {0} cannot be used: it must be https://HOST, without user, query or fragment")]
    LoginUrl(String),
    #[error("in production the sign-in host must be one of Microsoft's ({list}), not {host}", list = login_hosts())]
    LoginHost { host: String },
    #[error("the application's client id is missing (AZURE_APP_ID)")]
    ClientIdMissing,
    #[error("the application has no credential: a client secret, or a certificate with its key")]
    CredentialMissing,
    #[error("the redirect URI {0} cannot be used: in production it must be https, and it must not have a fragment")]
    RedirectUri(String),
}

fn login_hosts() -> String {
    CLOUDS.iter().map(|cloud| cloud.login_host).collect::<Vec<_>>().join(", ")
}

impl MicrosoftSettings {
    /// Whether these settings can work, and in production whether they are safe: the client secret and every refresh token are sent
    /// to `login_url`, so a wrong host there is not a misconfiguration but a theft.
    pub fn validate(&self, production: bool) -> Result<(), SettingsError> {
        Authority::parse(&self.authority)?;
        if self.client_id.trim().is_empty() {
            return Err(SettingsError::ClientIdMissing);
        }
        let empty = |credential: &Credential| matches!(credential, Credential::Secret(secret) if secret.is_empty());
        if self.credentials.is_empty() || self.credentials.iter().any(empty) {
            return Err(SettingsError::CredentialMissing);
        }
        let url = &self.login_url;
        let scheme_fits = url.scheme() == "https" || (url.scheme() == "http" && !production);
        let bare =
            url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        let Some(host) = url.host_str().filter(|_| scheme_fits && bare) else {
            return Err(SettingsError::LoginUrl(shown(url)));
        };
        if production {
            if !CLOUDS.iter().any(|cloud| cloud.login_host == host) {
                return Err(SettingsError::LoginHost { host: host.to_owned() });
            }
            if url.port().is_some() || url.path() != "/" {
                return Err(SettingsError::LoginUrl(shown(url)));
            }
        }
        let redirect = &self.redirect_uri;
        // Microsoft takes plain http for a redirect to the person's own machine alone.
        let scheme_fits = match redirect.scheme() {
            "https" => true,
            "http" => !production || is_loopback(redirect),
            _ => false,
        };
        if !scheme_fits || redirect.fragment().is_some() {
            return Err(SettingsError::RedirectUri(shown(redirect)));
        }
        Ok(())
    }

    /// The cloud that `login_url` belongs to; a stand-in counts as the global one.
    pub fn cloud(&self) -> &'static Cloud {
        let host = self.login_url.host_str().unwrap_or_default();
        CLOUDS.iter().find(|cloud| cloud.login_host == host).unwrap_or(&CLOUDS[0])
    }
}

/// A URL without what might be secret in it.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// Microsoft, as one application sees it. Cheap to clone: all clones share the cached documents.
#[derive(Clone)]
pub struct Microsoft {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: MicrosoftSettings,
    pub(crate) authority: Authority,
    pub(crate) cloud: &'static Cloud,
    pub(crate) client: OauthClient,
    pub(crate) credentials: Vec<HeldCredential>,
    pub(crate) connector: Connector,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) documents: Arc<Documents>,
    authorities: Authorities,
}

/// What one authority publishes. Whoever asks for it, it is the same.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) discovery: Cached<Document>,
    pub(crate) keys: Cached<KeySet>,
}

/// More authorities than an installation's applications have; one that finds no room keeps its documents for itself.
const MOST_AUTHORITIES: usize = 1000;

/// The documents of all authorities, shared by the applications that sign in there.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Arc<Mutex<DocumentsByAuthority>>);

type DocumentsByAuthority = HashMap<(Url, Authority), Arc<Documents>>;

impl Authorities {
    fn documents(&self, login_url: &Url, authority: &Authority) -> Arc<Documents> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (login_url.clone(), authority.clone());
        match known.get(&key) {
            Some(documents) => documents.clone(),
            None => {
                let documents = Arc::<Documents>::default();
                if known.len() < MOST_AUTHORITIES {
                    known.insert(key, documents.clone());
                }
                documents
            }
        }
    }
}

impl std::fmt::Debug for Microsoft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Microsoft")
            .field("login_url", &shown(&self.inner.settings.login_url))
            .field("authority", &self.inner.authority)
            .finish_non_exhaustive()
    }
}

impl Microsoft {
    pub fn new(
        settings: MicrosoftSettings,
        connector: Connector,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SettingsError> {
        Self::among(settings, connector, clock, &Authorities::default())
    }

    /// One of several applications: what their authorities publish is fetched once.
    pub fn among(
        settings: MicrosoftSettings,
        connector: Connector,
        clock: Arc<dyn Clock>,
        authorities: &Authorities,
    ) -> Result<Self, SettingsError> {
        settings.validate(settings.production)?;
        crypto::install();
        let authority = Authority::parse(&settings.authority)?;
        Ok(Self {
            inner: Arc::new(Inner {
                cloud: settings.cloud(),
                client: client_auth::client(&settings, &authority),
                credentials: settings.credentials.iter().cloned().map(HeldCredential::new).collect(),
                documents: authorities.documents(&settings.login_url, &authority),
                authorities: authorities.clone(),
                authority,
                connector,
                clock,
                settings,
            }),
        })
    }

    pub fn authorities(&self) -> &Authorities {
        &self.inner.authorities
    }

    pub fn settings(&self) -> &MicrosoftSettings {
        &self.inner.settings
    }

    pub fn authority(&self) -> &Authority {
        &self.inner.authority
    }

    pub fn client_id(&self) -> &str {
        &self.inner.settings.client_id
    }

    /// `{login_url}/{authority}{rest}`.
    pub(crate) fn url(&self, authority: &str, rest: &str) -> Url {
        endpoint(&self.inner.settings.login_url, authority, rest)
    }
}

pub(crate) fn endpoint(login_url: &Url, authority: &str, rest: &str) -> Url {
    let mut url = login_url.clone();
    let path = format!("{}/{authority}{rest}", login_url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(login_url: &str) -> MicrosoftSettings {
        MicrosoftSettings {
            login_url: Url::parse(login_url).expect("a URL"),
            authority: "common".to_owned(),
            client_id: "6cb04018-a3f5-46a7-b995-940c78f5aef3".to_owned(),
            credentials: vec![Credential::secret("s3cret-value")],
            redirect_uri: Url::parse("https://desk.example/microsoft/callback").expect("a URL"),
            production: true,
        }
    }

    #[test]
    fn in_production_only_microsofts_hosts_are_given_the_secret() {
        for host in ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"] {
            assert_eq!(settings(&format!("https://{host}")).validate(true), Ok(()), "{host}");
        }
        for url in [
            "https://login.microsoftonline.com.evil.example",
            "https://evil.example",
            "https://127.0.0.1",
            "https://login.microsoftonline.com:8443",
            "https://login.microsoftonline.com/prefix",
            "https://user@login.microsoftonline.com",
            "http://login.microsoftonline.com",
        ] {
            assert!(settings(url).validate(true).is_err(), "{url}");
        }
    }

    #[test]
    fn graph_is_where_the_cloud_says_and_nowhere_else() {
        let graph = |login: &str| graph_of(&Url::parse(login).expect("a URL")).map(String::from);
        assert_eq!(graph("https://login.microsoftonline.com").as_deref(), Some("https://graph.microsoft.com/"));
        assert_eq!(graph("https://login.microsoftonline.us").as_deref(), Some("https://graph.microsoft.us/"));
        assert_eq!(graph("http://127.0.0.1:4000"), None);
        let may = |url: &str| is_graph(&Url::parse(url).expect("a URL"));
        for url in [
            "https://graph.microsoft.com",
            "https://dod-graph.microsoft.us",
            "https://microsoftgraph.chinacloudapi.cn/",
        ] {
            assert!(may(url), "{url}");
        }
        for url in [
            "http://graph.microsoft.com",
            "https://graph.microsoft.com.evil.example",
            "https://graph.microsoft.com:8443",
            "https://graph.microsoft.com/beta",
            "https://user@graph.microsoft.com",
        ] {
            assert!(!may(url), "{url}");
        }
    }

    #[test]
    fn the_refusal_names_the_host_and_what_would_do() {
        let refused = settings("https://login.example").validate(true).expect_err("refused").to_string();
        assert!(refused.contains("login.example") && refused.contains("login.microsoftonline.com"), "{refused}");
    }

    #[test]
    fn in_production_the_code_comes_back_over_https_or_to_this_machine() {
        let with = |uri: &str| {
            let redirect_uri = Url::parse(uri).expect("a URL");
            MicrosoftSettings { redirect_uri, ..settings("https://login.microsoftonline.com") }.validate(true)
        };
        assert_eq!(with("http://localhost:3000/microsoft/callback"), Ok(()));
        assert!(with("http://desk.example/microsoft/callback").is_err());
        assert!(with("https://desk.example/microsoft/callback#x").is_err());
    }

    #[test]
    fn a_stand_in_over_plain_http_is_for_development() {
        assert_eq!(settings("http://127.0.0.1:4000").validate(false), Ok(()));
        assert!(settings("http://127.0.0.1:4000").validate(true).is_err());
    }

    #[test]
    fn an_authority_is_one_of_five_kinds() {
        assert_eq!(Authority::parse("Common"), Ok(Authority::Common));
        assert_eq!(Authority::parse("organizations"), Ok(Authority::Organizations));
        assert_eq!(Authority::parse("consumers"), Ok(Authority::Consumers));
        assert_eq!(Authority::parse("contoso.com"), Ok(Authority::Domain("contoso.com".to_owned())));
        assert_eq!(
            Authority::parse("3338040D-6C67-4C5B-B112-36A304B66DAD"),
            Ok(Authority::Tenant("3338040d-6c67-4c5b-b112-36a304b66dad".to_owned()))
        );
        for text in ["", "..", "a/b", "common?x=", "3338040d", "contoso.com/x", "127.0.0.1"] {
            assert!(Authority::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_secret_is_not_in_the_settings_debug() {
        assert!(!format!("{:?}", settings("https://login.microsoftonline.com")).contains("s3cret-value"));
    }
}
