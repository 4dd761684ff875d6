//! Microsoft: the app registration, the sign-in host, the mail servers, and authorities trusted beside the public ones.

use super::app_credentials::{self, AppCredential};
use super::reader::Reader;
use super::web::Web;
use app::{Environment, NamedCredential};
use net::{Endpoint, TlsMode};
use oauth::{Credential, MicrosoftSettings, SettingsError};
use url::Url;

#[derive(Clone, Debug)]
pub struct MicrosoftConfig {
    /// `None`: no app registration, so nobody can connect a mailbox.
    pub settings: Option<MicrosoftSettings>,
    /// What the app proves itself with, in the order of the settings.
    pub credentials: Vec<AppCredential>,
    pub login_url: Url,
    pub authority: String,
    pub imap: Endpoint,
    pub smtp: Endpoint,
    /// For personal accounts.
    pub smtp_personal: Endpoint,
    pub graph_url: Url,
    pub extra_ca_pem: Option<Vec<u8>>,
}

impl MicrosoftConfig {
    pub fn read(reader: &mut Reader, web: &Web) -> Self {
        let production = web.environment == Environment::Production;
        let login_url = reader.parsed(
            "MICROSOFT_LOGIN_URL",
            Url::parse("https://login.microsoftonline.com").expect("a URL"),
            "Remove it, or write the host of your cloud, such as https://login.microsoftonline.us.",
        );
        let graph_url = graph_url(reader, &login_url, production);
        // A stand-in counts as the global one.
        let cloud = oauth::cloud_of(&login_url, Some(&graph_url)).unwrap_or(&oauth::provider::CLOUDS[0]);
        let authority = reader.text("AZURE_TENANT").unwrap_or_else(|| "common".to_owned());
        let credentials = app_credentials::read(reader);
        let settings = match (reader.text("AZURE_APP_ID"), credentials.is_empty()) {
            (Some(client_id), false) => Some(MicrosoftSettings {
                login_url: login_url.clone(),
                graph_url: Some(graph_url.clone()),
                authority: authority.clone(),
                client_id,
                credentials: credentials.iter().map(|named| named.credential.clone()).collect(),
                redirect_uri: redirect_uri(&web.frontend_url),
                production,
            }),
            (None, true) => None,
            (Some(_), true) => {
                // What is wrong with a certificate has been said already.
                if reader.text("AZURE_APP_CERTIFICATE_FILE").or(reader.text("AZURE_APP_PRIVATE_KEY_FILE")).is_none() {
                    reader.problem(
                        "AZURE_APP_SECRET",
                        "AZURE_APP_ID is set and this is not",
                        "Set the value of a client secret of the app registration, or AZURE_APP_CERTIFICATE_FILE and AZURE_APP_PRIVATE_KEY_FILE.",
                    );
                }
                None
            }
            (None, false) => {
                reader.problem(
                    "AZURE_APP_ID",
                    &format!("{} is set and this is not", credentials[0].variable),
                    "Set the application (client) id of the app registration.",
                );
                None
            }
        };
        // The host is checked also while there is no app registration yet: the mistake would show on the day there is one.
        let checked = settings.clone().unwrap_or_else(|| MicrosoftSettings {
            login_url: login_url.clone(),
            graph_url: Some(graph_url.clone()),
            authority: authority.clone(),
            client_id: "none".to_owned(),
            credentials: vec![Credential::secret("none")],
            redirect_uri: Url::parse("https://localhost/").expect("a URL"),
            production,
        });
        if let Err(error) = checked.validate(production) {
            reader.problem(variable(&error), &error.to_string(), "Correct it, or remove it for its default.");
        }
        let smtp = endpoint(reader, "MICROSOFT_SMTP", cloud.smtp, TlsMode::StartTls);
        // Where there is a stand-in for one, or a cloud without personal accounts, there is for the other.
        let usual = oauth::provider::CLOUDS[0].smtp;
        let elsewhere = smtp != Endpoint::parse(usual, TlsMode::StartTls).expect("the default can be used");
        let smtp_personal = match reader.text("MICROSOFT_PERSONAL_SMTP") {
            None if elsewhere => smtp.clone(),
            _ => endpoint(reader, "MICROSOFT_PERSONAL_SMTP", "smtp-mail.outlook.com:587", TlsMode::StartTls),
        };
        Self {
            settings,
            credentials,
            authority,
            imap: endpoint(reader, "MICROSOFT_IMAP", cloud.imap, TlsMode::Implicit),
            smtp,
            smtp_personal,
            graph_url,
            login_url,
            extra_ca_pem: extra_ca(reader),
        }
    }

    pub fn named_credentials(&self) -> Vec<NamedCredential> {
        let named = |held: &AppCredential| NamedCredential {
            name: held.variable.to_owned(),
            hint: held.credential.hint(),
            expires_at: held.expires_at,
        };
        self.credentials.iter().map(named).collect()
    }
}

/// Which variable a refusal is about.
const fn variable(error: &SettingsError) -> &'static str {
    match error {
        SettingsError::Authority(_) => "AZURE_TENANT",
        SettingsError::LoginUrl(_) | SettingsError::LoginHost { .. } => "MICROSOFT_LOGIN_URL",
        SettingsError::ClientIdMissing => "AZURE_APP_ID",
        SettingsError::CredentialMissing => "AZURE_APP_SECRET",
        SettingsError::RedirectUri(_) => "FRONTEND_URL",
    }
}

/// What must stand in the app registration. A FRONTEND_URL with a path keeps it.
pub fn redirect_uri(frontend_url: &Url) -> Url {
    let text = format!("{}/microsoft/callback", frontend_url.as_str().trim_end_matches('/'));
    Url::parse(&text).unwrap_or_else(|_| frontend_url.clone())
}

fn endpoint(reader: &mut Reader, name: &str, default: &str, tls: TlsMode) -> Endpoint {
    if let Some(text) = reader.text(name) {
        match Endpoint::parse(&text, tls) {
            Ok(endpoint) => return endpoint,
            Err(error) => {
                reader.problem(
                    name,
                    &format!("{text:?} cannot be used ({error})"),
                    &format!("Write HOST:PORT, or remove it for {default}."),
                );
            }
        }
    }
    Endpoint::parse(default, tls).expect("the default can be used")
}

/// Tokens that can send as everybody's mailbox go there, so in production it is Microsoft's.
fn graph_url(reader: &mut Reader, login_url: &Url, production: bool) -> Url {
    const NAME: &str = "MICROSOFT_GRAPH_URL";
    let default = oauth::cloud_of(login_url, None).and_then(oauth::Cloud::graph);
    let default = default.unwrap_or_else(|| Url::parse("https://graph.microsoft.com").expect("a URL"));
    let url = reader.parsed(
        NAME,
        default.clone(),
        "Remove it, or write the host of your cloud, such as https://dod-graph.microsoft.us.",
    );
    let fits =
        url == default || oauth::is_graph(&url, login_url) || !production && matches!(url.scheme(), "http" | "https");
    if !fits {
        reader.problem(
            NAME,
            "it is not the address of Microsoft Graph in the cloud of MICROSOFT_LOGIN_URL",
            &format!("Remove it for {default}, or write the host of your cloud."),
        );
        return default;
    }
    url
}

fn extra_ca(reader: &mut Reader) -> Option<Vec<u8>> {
    const NAME: &str = "EXTRA_CA_FILE";
    let path = reader.text(NAME)?;
    match std::fs::read(&path) {
        Ok(pem) if pem.windows(17).any(|window| window == b"BEGIN CERTIFICATE") => Some(pem),
        Ok(_) => {
            reader.problem(
                NAME,
                &format!("{path:?} holds no PEM certificate"),
                "Name a file that begins with -----BEGIN CERTIFICATE-----.",
            );
            None
        }
        Err(error) => {
            reader.problem(
                NAME,
                &format!("{path:?} cannot be read ({error})"),
                "Correct the path, or remove the variable.",
            );
            None
        }
    }
}
