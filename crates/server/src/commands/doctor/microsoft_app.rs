//! The installation's app registration: whether Microsoft takes what it proves itself with, when that ends, and what the registration must hold.
//!
//! Each credential is tried by itself, with a code that nobody was given: nothing is granted by it.

use super::{PATIENCE, Report};
use crate::config::{Config, redirect_uri};
use app::oauth_apps::check::credentials_of;
use app::system::{SystemClock, SystemEntropy};
use domain::oauth_app::is_outlasted;
use domain::{Clock, Failure};
use net::Connector;
use oauth::Microsoft;
use std::sync::Arc;
use store::InstallationAlarm;
use url::Host;

const WHAT: &str = "microsoft app";
const SOON_DAYS: u64 = 30;

/// What the registration's manifest should say of id_tokens: it spares people questions, and tells the mail
/// address where it is not the sign-in name (docs/MICROSOFT.md).
const OPTIONAL_CLAIMS: &[&str] = &[
    "email",
    "upn",
    "xms_edov",
    "verified_primary_email",
    "verified_secondary_email",
    "family_name",
    "given_name",
    "login_hint",
];

pub(super) async fn check(connector: &Connector, config: &Config, report: &mut Report) {
    match &config.microsoft.settings {
        Some(settings) => {
            report.ok(WHAT, &format!("client id {}, sign-in for {}", settings.client_id, settings.authority));
            match Microsoft::new(settings.clone(), connector.clone(), Arc::new(SystemClock)) {
                Ok(microsoft) => credentials(&microsoft, config, report).await,
                Err(error) => report.fail(WHAT, &error.to_string(), "Correct the AZURE_… variables."),
            }
            expiry(config, report);
        }
        None => report.note(
            WHAT,
            "AZURE_APP_ID and AZURE_APP_SECRET are not set: only accounts with an OAuth app of their own can connect a Microsoft mailbox",
        ),
    }
    // Said without an app as well: whoever registers one needs it first.
    report.note(
        "redirect URI",
        &format!("the app registration must have exactly {}", redirect_uri(&config.web.frontend_url)),
    );
    let is_ip = matches!(config.web.frontend_url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)));
    if is_ip && config.web.frontend_url.scheme() == "http" {
        report.note(
            "redirect URI",
            "Microsoft takes plain http for localhost only: name that in FRONTEND_URL, and not an address",
        );
    }
    report.note("manifest", &format!("optional claims of the app registration: {}", optional_claims()));
}

/// As it stands in the manifest.
fn optional_claims() -> String {
    let claim =
        |name: &&str| serde_json::json!({"name": name, "source": null, "essential": false, "additionalProperties": []});
    let claims: Vec<_> = OPTIONAL_CLAIMS.iter().map(claim).collect();
    let manifest = serde_json::json!({"idToken": claims, "accessToken": [], "saml2Token": []});
    format!("\"optionalClaims\": {manifest}")
}

async fn credentials(microsoft: &Microsoft, config: &Config, report: &mut Report) {
    let asked = tokio::time::timeout(PATIENCE, credentials_of(microsoft, &SystemEntropy::new())).await;
    let said = match asked {
        Ok(Ok(said)) => said,
        // The check of the sign-in host says why.
        Ok(Err(failure)) => return report.note(WHAT, &format!("its credentials could not be tried: {failure}")),
        Err(_) => return report.note(WHAT, "its credentials could not be tried: no answer in time"),
    };
    let works = said.iter().any(Result::is_ok);
    for (named, said) in config.microsoft.credentials.iter().zip(said) {
        let name = named.variable;
        match said {
            Ok(()) => report.ok(WHAT, &format!("Microsoft takes {name}")),
            Err(failure) if failure.class.is_of_the_app() => {
                let found = format!("Microsoft does not take {name}: {}", words(&failure));
                if works { report.note(WHAT, &found) } else { report.fail(WHAT, &found, failure.class.cure()) }
            }
            Err(failure) => {
                report.note(WHAT, &format!("whether Microsoft takes {name} is not known: {}", words(&failure)));
            }
        }
    }
}

fn words(failure: &Failure) -> String {
    let id = failure.correlation_id.as_deref().map(|id| format!(", correlation id {id}")).unwrap_or_default();
    format!("{failure}{id}")
}

fn expiry(config: &Config, report: &mut Report) {
    let now = SystemClock.now();
    let credentials = &config.microsoft.credentials;
    for (index, named) in credentials.iter().enumerate() {
        let Some(at) = named.expires_at else { continue };
        let others = credentials.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, one)| one.expires_at);
        let day = at.to_iso();
        let day = day.split('T').next().unwrap_or_default();
        let outlasted = is_outlasted(at, others);
        if now >= at && !outlasted {
            report.fail(
                WHAT,
                &format!("{} expired on {day}", named.variable),
                "Make another one in the app registration.",
            );
        } else if at.since(now).as_secs() / 86_400 < SOON_DAYS && !outlasted {
            report.note(WHAT, &format!("{} expires on {day}, and no other credential lasts longer", named.variable));
        }
    }
}

/// What the running processes have said of it.
pub(super) fn alarm(alarm: Option<&InstallationAlarm>, report: &mut Report) {
    if let Some(alarm) = alarm {
        let found = format!("cannot be used at Microsoft since {}: {}", alarm.since.to_iso(), words(&alarm.failure));
        report.fail(WHAT, &found, alarm.failure.class.cure());
    }
}
