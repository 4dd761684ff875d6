//! An app ready for use, by its id; kept while nothing of it changes.
//!
//! Every use asks the database for the app's version first, so that a credential that was replaced is used at once in every process. Where
//! an app's secrets are sent is not the account's to say: always to the installation's own sign-in host.

use crate::{App, Environment};
use domain::oauth_app::CredentialKind;
use domain::{AccountId, Failure, FailureClass, OauthAppCredentialId, OauthAppId, Secret};
use oauth::{
    Authorities, ClientCertificate, Credential, CredentialRefusal, CredentialState, Microsoft, MicrosoftSettings,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use store::{AccountScope, OpenedCredential, OpenedOauthApp, StoreError};
use url::Url;

/// Apps that are kept ready at most. Beyond that, all are opened anew.
const MOST_KEPT: usize = 1000;

#[derive(Debug, Default)]
pub(crate) struct Registry {
    apps: Mutex<HashMap<(AccountId, OauthAppId), Arc<Kept>>>,
    authorities: Authorities,
    pub(super) known: super::blame::Known,
}

#[derive(Debug)]
struct Kept {
    version: i64,
    microsoft: Microsoft,
    credentials: Vec<OauthAppCredentialId>,
    /// What was written down of each credential, by this process.
    noted: Mutex<HashMap<OauthAppCredentialId, CredentialState>>,
}

/// An app as somebody is about to use it.
#[derive(Clone, Debug)]
pub struct RegisteredApp {
    pub microsoft: Microsoft,
    /// `None`: the installation's.
    pub(super) own: Option<OwnApp>,
}

/// An account's own app.
#[derive(Clone, Debug)]
pub(super) struct OwnApp {
    pub(super) id: OauthAppId,
    pub(super) name: String,
    pub(super) failing_class: Option<String>,
    has_refusals: bool,
    kept: Arc<Kept>,
}

impl OwnApp {
    /// What Microsoft has said of its credentials and is not written down yet.
    pub(super) fn news(&self) -> Vec<(OauthAppCredentialId, Option<CredentialRefusal>)> {
        let states = self.kept.microsoft.credential_states();
        let mut noted = self.kept.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = Vec::new();
        for (id, state) in self.kept.credentials.iter().zip(states) {
            let refusal = match &state {
                CredentialState::Untried => continue,
                CredentialState::Works => None,
                CredentialState::Refused(refusal) => Some(refusal.clone()),
            };
            // That it works is the rule, and is said of one alone that did not.
            let is_new = match noted.get(id) {
                Some(before) => *before != state,
                None => refusal.is_some() || self.has_refusals,
            };
            if is_new {
                noted.insert(*id, state);
                news.push((*id, refusal));
            }
        }
        news
    }
}

/// What is sealed of a certificate.
#[derive(Serialize, Deserialize)]
struct SealedCertificate {
    certificate: String,
    private_key: String,
}

pub(super) fn sealed_certificate(certificate: &str, private_key: &Secret) -> Secret {
    let both = SealedCertificate { certificate: certificate.to_owned(), private_key: private_key.expose().to_owned() };
    Secret::new(serde_json::to_string(&both).expect("two texts are JSON"))
}

impl App {
    /// The app of a connection or a grant, `None` being the installation's; or why it cannot be used.
    pub async fn microsoft_of(
        &self,
        scope: &AccountScope,
        id: Option<OauthAppId>,
    ) -> Result<Result<RegisteredApp, Failure>, StoreError> {
        let Some(id) = id else {
            let found = self.microsoft().cloned().map(|microsoft| RegisteredApp { microsoft, own: None });
            return Ok(found.ok_or_else(|| Failure::new(FailureClass::AppUnusable).detail("not configured")));
        };
        let missing = || Failure::new(FailureClass::OwnAppUnusable).detail("the OAuth app is gone");
        let Some(state) = scope.oauth_app_state(id).await? else { return Ok(Err(missing())) };
        let key = (scope.account_id(), id);
        let kept = match self.registry().get(key, state.version) {
            Some(kept) => kept,
            None => {
                let Some(opened) = scope.open_oauth_app(id).await? else { return Ok(Err(missing())) };
                match self.made_ready(&opened) {
                    Ok(kept) => self.registry().put(key, kept),
                    Err(failure) => return Ok(Err(failure)),
                }
            }
        };
        Ok(Ok(RegisteredApp {
            microsoft: kept.microsoft.clone(),
            own: Some(OwnApp {
                id,
                name: state.name,
                failing_class: state.failing_class,
                has_refusals: state.has_refusals,
                kept,
            }),
        }))
    }

    fn made_ready(&self, opened: &OpenedOauthApp) -> Result<Kept, Failure> {
        let unusable = |what: String| {
            Failure::new(FailureClass::OwnAppUnusable).detail(format!("OAuth app {}: {what}", opened.app.id))
        };
        let credentials: Vec<Credential> =
            opened.credentials.iter().map(usable).collect::<Result<_, String>>().map_err(unusable)?;
        let settings = MicrosoftSettings {
            login_url: self.sign_in_host(),
            graph_url: Some(self.settings().graph_url.clone()),
            authority: opened.app.authority.clone(),
            client_id: opened.app.client_id.clone(),
            credentials,
            redirect_uri: self.redirect_uri(),
            production: self.settings().environment == Environment::Production,
        };
        let authorities = &self.registry().authorities;
        let microsoft = Microsoft::among(settings, self.connector().clone(), self.clock().clone(), authorities)
            .map_err(|error| unusable(error.to_string()))?;
        let credentials = opened.credentials.iter().map(|credential| credential.id).collect();
        Ok(Kept { version: opened.version, microsoft, credentials, noted: Mutex::default() })
    }

    /// Of the installation: no account has a say in it.
    fn sign_in_host(&self) -> Url {
        let of_app = self.microsoft().map(|microsoft| microsoft.settings().login_url.clone());
        of_app.unwrap_or_else(|| self.settings().microsoft_login_url.clone())
    }

    /// What must stand in every app's registration.
    pub fn redirect_uri(&self) -> Url {
        let of_app = self.microsoft().map(|microsoft| microsoft.settings().redirect_uri.clone());
        let own = || Url::parse(&self.settings().link("/microsoft/callback"));
        of_app.or_else(|| own().ok()).unwrap_or_else(|| self.settings().frontend_url.clone())
    }

    /// Which of Microsoft's clouds this installation works with.
    pub fn cloud(&self) -> &'static str {
        let host = self.sign_in_host();
        let known = oauth::provider::CLOUDS.iter().find(|cloud| Some(cloud.login_host) == host.host_str());
        known.map_or("global", |cloud| cloud.name)
    }
}

fn usable(held: &OpenedCredential) -> Result<Credential, String> {
    match held.kind {
        CredentialKind::Secret => Ok(Credential::Secret(held.secret.clone())),
        CredentialKind::Certificate => {
            let both: SealedCertificate =
                serde_json::from_str(held.secret.expose()).map_err(|_| "a certificate cannot be read".to_owned())?;
            ClientCertificate::from_pem(&both.certificate, &Secret::new(both.private_key))
                .map(Credential::Certificate)
                .map_err(|error| error.to_string())
        }
    }
}

impl Registry {
    fn get(&self, key: (AccountId, OauthAppId), version: i64) -> Option<Arc<Kept>> {
        let apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.get(&key).filter(|kept| kept.version == version).cloned()
    }

    fn put(&self, key: (AccountId, OauthAppId), kept: Kept) -> Arc<Kept> {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        if apps.len() >= MOST_KEPT {
            apps.clear();
        }
        // Of two who opened it at once, the newer stays; what each credential was refused for is remembered with it.
        match apps.get(&key) {
            Some(there) if there.version >= kept.version => there.clone(),
            _ => {
                let kept = Arc::new(kept);
                apps.insert(key, kept.clone());
                kept
            }
        }
    }
}
