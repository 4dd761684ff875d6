//! The configuration: read from the environment and from `.env`, checked all at once, and never read again.
//!
//! Whatever is wrong is said together, each with what to do about it. No value of a secret appears in a message.

mod app_credentials;
mod database;
mod limits;
mod logging;
mod mailer;
mod microsoft;
mod reader;
mod secrets;
#[cfg(test)]
mod tests;
mod variables;
mod web;
mod work;

pub use database::Database;
pub use limits::Limits;
pub use logging::{LogFormat, Logging};
pub use microsoft::{MicrosoftConfig, redirect_uri};
pub use reader::Reader;
pub use variables::described;
pub use web::Web;
pub use work::Work;

use app::{Settings, SystemMailer};
use domain::Entropy;
use net::ConnectorConfig;
use store::KeyRing;

/// Everything the program was told.
#[derive(Clone, Debug)]
pub struct Config {
    pub web: Web,
    pub database: Database,
    pub keys: KeyRing,
    pub microsoft: MicrosoftConfig,
    /// `None`: nothing is mailed.
    pub mailer: Option<SystemMailer>,
    pub work: Work,
    pub limits: Limits,
    pub logging: Logging,
    /// What a person should know, to be logged once logging has begun.
    pub notes: Vec<String>,
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The variable, or `.env`.
    pub name: String,
    pub what: String,
    pub cure: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}. {}", self.name, self.what, self.cure)
    }
}

/// Everything that is wrong with it; one line each.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "the configuration cannot be used:")?;
        for problem in &self.0 {
            writeln!(f, "  - {problem}")?;
        }
        write!(f, "`postroom --help` lists every variable.")
    }
}

impl std::error::Error for Problems {}

impl Config {
    pub fn read(mut reader: Reader, entropy: &dyn Entropy) -> Result<Self, Problems> {
        let web = Web::read(&mut reader);
        let logging = Logging::read(&mut reader, web.environment);
        let database = Database::read(&mut reader);
        let keys = secrets::read(&mut reader, web.environment, &database.data_dir, entropy);
        let microsoft = MicrosoftConfig::read(&mut reader, &web);
        let mailer = mailer::read(&mut reader, &web);
        let work = Work::read(&mut reader);
        let limits = Limits::read(&mut reader);
        let (problems, notes) = reader.finish();
        match keys {
            Some(keys) if problems.is_empty() => {
                Ok(Self { web, database, keys, microsoft, mailer, work, limits, logging, notes })
            }
            _ => Err(Problems(problems)),
        }
    }

    pub fn settings(&self) -> Settings {
        let mut settings = Settings::new(
            self.web.environment,
            self.web.frontend_url.clone(),
            self.microsoft.imap.clone(),
            self.microsoft.smtp.clone(),
        );
        settings.smtp_personal.clone_from(&self.microsoft.smtp_personal);
        settings.return_urls.clone_from(&self.web.return_urls);
        settings.graph_url.clone_from(&self.microsoft.graph_url);
        settings.mailer.clone_from(&self.mailer);
        settings.microsoft_login_url.clone_from(&self.microsoft.login_url);
        settings.app_credentials = self.microsoft.named_credentials();
        settings.poll_interval = self.work.poll_interval;
        settings.import_days = self.work.import_days;
        settings.reconcile_looks.clone_from(&self.work.outcome_looks);
        settings.fetch_limit_bytes = self.work.fetch_limit_bytes;
        settings.mail_memory_bytes = self.work.mail_memory_bytes;
        settings.full_parse_limit_bytes = self.work.full_parse_limit_bytes;
        settings.calls_per_minute = self.limits.calls_per_minute;
        settings.trusted_proxies.clone_from(&self.limits.trusted_proxies);
        settings.account_inboxes_limit = self.limits.account_inboxes;
        settings.account_agents_limit = self.limits.account_agents;
        settings.live_streams = self.limits.live_streams();
        settings.events_kept = self.limits.events_kept;
        settings.webhook_timeout = self.limits.webhook_timeout;
        settings.webhook_private_networks = self.limits.webhook_private_networks;
        settings
    }

    /// What is said of a proxy that is there and was not named: Postroom speaks plain HTTP, so where people reach it by https there is one.
    pub fn unnamed_proxy(&self) -> Option<&'static str> {
        let is_there = self.web.frontend_url.scheme() == "https" && self.limits.trusted_proxies.is_empty();
        is_there.then_some(
            "FRONTEND_URL is https and TRUSTED_PROXIES is empty: all strangers who come through the proxy are counted as one address, and one of them can lock the others out",
        )
    }

    pub fn connector(&self) -> ConnectorConfig {
        ConnectorConfig {
            extra_ca_pem: self.microsoft.extra_ca_pem.clone(),
            // Only the sign-in host may be plain, and only in development: validated with it.
            plain_http: self.microsoft.login_url.scheme() == "http",
            host_connections: Some(self.work.host_connections),
            ..ConnectorConfig::default()
        }
    }
}
