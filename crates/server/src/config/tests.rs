//! What a person who sets variables is told.

use super::variables::VARIABLES;
use super::{Config, Problems, Reader};
use app::Environment;
use app::system::SystemEntropy;

const KEY: &str = "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

fn read(values: &[(&str, &str)]) -> Result<Config, Problems> {
    Config::read(Reader::from_values(values.iter().copied()), &SystemEntropy::new())
}

fn problems(values: &[(&str, &str)]) -> Vec<String> {
    read(values).expect_err("something is wrong with it").0.iter().map(ToString::to_string).collect()
}

#[test]
fn production_needs_an_address_and_a_key_and_nothing_else() {
    let missing = problems(&[]);
    assert_eq!(missing.len(), 2, "{missing:#?}");
    assert!(missing[0].starts_with("FRONTEND_URL: ") && missing[1].contains("openssl rand -base64 32"), "{missing:#?}");
    let config = read(&[("FRONTEND_URL", "https://desk.example.com/"), ("POSTROOM_SECRET_KEY", KEY)]).expect("enough");
    assert_eq!(config.web.environment, Environment::Production);
    assert!(config.database.is_sqlite && config.microsoft.settings.is_none());
    assert_eq!((config.microsoft.imap.host.as_str(), config.microsoft.imap.port), ("outlook.office365.com", 993));
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_cure() {
    let values = [
        ("POSTROOM_ENV", "staging"),
        ("LISTEN_ADDR", "localhost"),
        ("FRONTEND_URL", "http://desk.example.com?x=1"),
        ("DATABASE_URL", "mysql://root:hunter2@db/x"),
        ("DATABASE_CONNECTIONS", "0"),
        ("REDIS_URL", "localhost:6379"),
        ("POSTROOM_SECRET_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="),
        ("AZURE_APP_ID", "x"),
        ("MICROSOFT_IMAP", "nonsense"),
        ("EXTRA_CA_FILE", "/does/not/exist"),
        ("POLL_INTERVAL_SECONDS", "soon"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "loud=very"),
        ("TRUSTED_PROXIES", "127.0.0.1, proxy.example"),
        ("RACK_ATTACK_LIMIT", "0"),
        ("ACCOUNT_INBOXES_LIMIT", "none"),
        ("ACCOUNT_AGENTS_LIMIT", "0"),
        ("SMTP_ADDRESS", "mail.example.com:587"),
        ("SMTP_PORT", "0"),
        ("SMTP_AUTHENTICATION", "cram_md5"),
        ("SMTP_ENABLE_STARTTLS_AUTO", "perhaps"),
        ("MAILER_SENDER_EMAIL", "nobody"),
    ];
    let problems = problems(&values);
    for (name, _) in values {
        let wanted = if name == "AZURE_APP_ID" { "AZURE_APP_SECRET" } else { name };
        assert!(problems.iter().any(|problem| problem.starts_with(&format!("{wanted}: "))), "{name}: {problems:#?}");
    }
    assert!(!problems.iter().any(|problem| problem.contains("hunter2")), "no password is shown");
}

#[test]
fn in_production_the_client_secret_goes_to_microsoft_only() {
    let base = [
        ("FRONTEND_URL", "https://desk.example.com"),
        ("POSTROOM_SECRET_KEY", KEY),
        ("AZURE_APP_ID", "6cb04018-a3f5-46a7-b995-940c78f5aef3"),
        ("AZURE_APP_SECRET", "s"),
    ];
    assert!(read(&base).is_ok());
    for url in ["https://login.example.com", "http://login.microsoftonline.com", "http://127.0.0.1:9"] {
        let values: Vec<_> = base.into_iter().chain([("MICROSOFT_LOGIN_URL", url)]).collect();
        let said = problems(&values);
        assert!(said.len() == 1 && said[0].starts_with("MICROSOFT_LOGIN_URL: "), "{url}: {said:#?}");
    }
}

#[test]
fn development_makes_a_key_once_and_finds_it_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let values = [("POSTROOM_ENV", "development"), ("POSTROOM_DATA_DIR", dir.path().to_str().expect("text"))];
    read(&values).expect("nothing else is needed");
    let kept = std::fs::read_to_string(dir.path().join("development-secret-key")).expect("kept");
    read(&values).expect("again");
    assert_eq!(std::fs::read_to_string(dir.path().join("development-secret-key")).expect("kept"), kept);
}

#[test]
fn whoever_only_looks_leaves_no_key_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    let data_dir = dir.path().join("data");
    let values = [("POSTROOM_ENV", "development"), ("POSTROOM_DATA_DIR", data_dir.to_str().expect("text"))];
    Config::read(Reader::from_values(values).only_looking(), &SystemEntropy::new()).expect("nothing else is needed");
    assert!(!data_dir.exists());
}

#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    let dir = tempfile::tempdir().expect("a folder");
    let data_dir = dir.path().to_str().expect("text");
    let mut values: Vec<(&str, &str)> = VARIABLES.iter().map(|variable| (variable.name, "")).collect();
    values.extend([("POSTROOM_ENV", "development"), ("POSTROOM_DATA_DIR", data_dir)]);
    assert_eq!(read(&values).expect("as if nothing were set").web.frontend_url.as_str(), "http://127.0.0.1:3000/");
}

#[test]
fn the_mailer_says_passwords_and_links_over_tls_only() {
    let base = [
        ("FRONTEND_URL", "https://desk.example.com"),
        ("POSTROOM_SECRET_KEY", KEY),
        ("SMTP_ADDRESS", "mail.example.com"),
        ("MAILER_SENDER_EMAIL", "\"Our Desk\" <desk@example.com>"),
    ];
    let with = |more: &[(&'static str, &'static str)]| base.iter().chain(more).copied().collect::<Vec<_>>();
    let mailer = read(&base).expect("enough").mailer.expect("a mailer");
    assert_eq!((mailer.from.name.as_deref(), mailer.from.address.as_str()), (Some("Our Desk"), "desk@example.com"));
    assert_eq!((mailer.relay.endpoint.port, mailer.relay.endpoint.tls), (587, net::TlsMode::StartTls));
    let mailer = read(&with(&[("SMTP_PORT", "465")])).expect("enough").mailer.expect("a mailer");
    assert_eq!(mailer.relay.endpoint.tls, net::TlsMode::Implicit);
    let plain = ("SMTP_ENABLE_STARTTLS_AUTO", "false");
    for wrong in [
        with(&[plain]),
        with(&[plain, ("SMTP_USERNAME", "u"), ("SMTP_PASSWORD", "hunter2")]),
        with(&[("SMTP_USERNAME", "u")]),
        with(&[("SMTP_PASSWORD", "hunter2")]),
        base[..3].to_vec(),
    ] {
        let said = problems(&wrong);
        assert!(said.len() == 1 && !said[0].contains("hunter2"), "{wrong:?}: {said:#?}");
    }
    let here = with(&[plain])
        .into_iter()
        .map(|(name, value)| (name, if name == "SMTP_ADDRESS" { "127.0.0.1" } else { value }));
    assert!(read(&here.collect::<Vec<_>>()).is_ok(), "a server on this machine");
}
