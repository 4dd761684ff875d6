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
    /// Where mailboxes are read and mail is handed in, unless it is said otherwise.
    pub imap: &'static str,
    pub smtp: &'static str,
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
        imap: "outlook.office365.com:993",
        smtp: "smtp.office365.com:587",
        verified: true,
    },
    Cloud {
        name: "us_government",
        login_host: "login.microsoftonline.us",
        outlook_resource: "https://outlook.office365.us",
        graph_resource: "https://graph.microsoft.us",
        imap: "outlook.office365.us:993",
        smtp: "smtp.office365.us:587",
        verified: false,
    },
    // Told apart from the one before by MICROSOFT_GRAPH_URL: both sign in at the same host.
    Cloud {
        name: "us_government_dod",
        login_host: "login.microsoftonline.us",
        outlook_resource: "https://outlook.office365.us",
        graph_resource: "https://dod-graph.microsoft.us",
        imap: "outlook-dod.office365.us:993",
        smtp: "outlook-dod.office365.us:587",
        verified: false,
    },
    Cloud {
        name: "china",
        login_host: "login.partner.microsoftonline.cn",
        outlook_resource: "https://partner.outlook.cn",
        graph_resource: "https://microsoftgraph.chinacloudapi.cn",
        imap: "partner.outlook.cn:993",
        smtp: "smtp.partner.outlook.cn:587",
        verified: false,
    },
    Cloud {
        name: "china_former_name",
        login_host: "login.chinacloudapi.cn",
        outlook_resource: "https://partner.outlook.cn",
        graph_resource: "https://microsoftgraph.chinacloudapi.cn",
        imap: "partner.outlook.cn:993",
        smtp: "smtp.partner.outlook.cn:587",
        verified: false,
    },
];

/// The cloud of a sign-in host; where two share one, the address of Graph says which. `None` for a stand-in's.
pub fn cloud_of(login_url: &Url, graph_url: Option<&Url>) -> Option<&'static Cloud> {
    let host = login_url.host_str()?;
    let here = || CLOUDS.iter().filter(|cloud| cloud.login_host == host);
    let named = graph_url.and_then(|graph| here().find(|cloud| cloud.graph().as_ref() == Some(graph)));
    named.or_else(|| here().next())
}

impl Cloud {
    /// Where Graph is.
    pub fn graph(&self) -> Option<Url> {
        Url::parse(self.graph_resource).ok()
    }
}

/// Whether an address may be given tokens for Graph in production: it is Microsoft's, in the cloud of the sign-in host, over https, and nothing else.
pub fn is_graph(url: &Url, login_url: &Url) -> bool {
    let mut here = CLOUDS.iter().filter(|cloud| Some(cloud.login_host) == login_url.host_str());
    here.any(|cloud| cloud.graph().as_ref() == Some(url))
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
    /// Where Graph is, if it is not the usual place beside `login_url`; its permissions are asked for by that name.
    pub graph_url: Option<Url>,
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
        cloud_of(&self.login_url, self.graph_url.as_ref()).unwrap_or(&CLOUDS[0])
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
#[path = "provider_tests.rs"]
mod tests;
