//! Logging: what is said, how it looks, and what is never said.
//!
//! Some libraries print credentials, mails and queries when they are asked to be talkative, so they stay at `warn` whatever RUST_LOG says.

use crate::config::{LogFormat, Logging};
use std::io::IsTerminal;
use tracing_subscriber::filter::{EnvFilter, FilterFn, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Crates whose debug output may hold tokens, passwords, addresses, bodies or values of queries, or is only noise.
const CAPPED: &[&str] = &[
    "async_imap",
    "imap_proto",
    "lettre",
    "reqwest",
    "hyper",
    "hyper_util",
    "h2",
    "rustls",
    "tokio_rustls",
    "sqlx",
    "sea_orm",
    "sea_orm_migration",
    "redis",
    "apalis",
    "apalis_core",
    "poem",
    "poem_openapi",
];

/// Starts logging to standard error, for the life of the process.
pub fn start(logging: &Logging) {
    let filter = EnvFilter::try_new(&logging.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = std::io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match logging.format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
        LogFormat::Pretty => lines.with_ansi(ansi).with_target(false).boxed(),
    };
    // A second start in one process (a test) keeps the first.
    let _ = tracing_subscriber::registry().with(lines.with_filter(cap()).with_filter(filter)).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("no text");
        tracing::error!(place, text, "a bug: something that cannot happen happened");
    }));
}

fn cap() -> FilterFn<impl Fn(&tracing::Metadata<'_>) -> bool> {
    FilterFn::new(|metadata| allowed(metadata.target(), *metadata.level()))
}

fn allowed(target: &str, level: tracing::Level) -> bool {
    let library = target.split("::").next().unwrap_or(target);
    level <= LevelFilter::WARN || !CAPPED.contains(&library)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_that_print_credentials_stay_at_warn() {
        for target in ["async_imap::client", "lettre::transport::smtp", "sqlx::query", "rustls"] {
            assert!(allowed(target, Level::WARN) && allowed(target, Level::ERROR), "{target}");
            assert!(!allowed(target, Level::INFO) && !allowed(target, Level::TRACE), "{target}");
        }
        assert!(allowed("app::inbound", Level::TRACE) && allowed("lettre_of_ours", Level::DEBUG));
    }
}
