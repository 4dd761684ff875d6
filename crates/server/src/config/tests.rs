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
fn the_app_has_a_secret_or_a_certificate_or_two_of_these_and_what_does_not_fit_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("text").to_owned()
    };
    let elliptic = write("elliptic.pem", &made.serialize_pem());
    let parameters = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    let certificate = write("certificate.pem", &parameters.self_signed(&made).expect("signed").pem());
    let base = [
        ("FRONTEND_URL", "https://desk.example.com"),
        ("POSTROOM_SECRET_KEY", KEY),
        ("AZURE_APP_ID", "6cb04018-a3f5-46a7-b995-940c78f5aef3"),
    ];
    let with = |more: &[(&'static str, &str)]| {
        let values: Vec<(&str, &str)> = base.into_iter().chain(more.iter().copied()).collect();
        read(&values).map(|config| config.microsoft.named_credentials())
    };
    let (first, second) = (("AZURE_APP_SECRET", "hunter2-the-first"), ("AZURE_APP_SECRET_2", "hunter2-the-second"));
    let both = with(&[first, second, ("AZURE_APP_SECRET_2_EXPIRES_AT", "2027-05-31")]).expect("two");
    let named: Vec<_> =
        both.iter().map(|named| (named.name.as_str(), named.expires_at.map(domain::Timestamp::to_iso))).collect();
    assert_eq!(
        named,
        [("AZURE_APP_SECRET", None), ("AZURE_APP_SECRET_2", Some("2027-05-31T00:00:00.000Z".to_owned()))]
    );
    assert_eq!(with(&[second]).expect("one").len(), 1, "whichever of them is set");
    let files =
        [("AZURE_APP_CERTIFICATE_FILE", certificate.as_str()), ("AZURE_APP_PRIVATE_KEY_FILE", elliptic.as_str())];
    for (values, wanted, words) in [
        (vec![], "AZURE_APP_SECRET", "AZURE_APP_CERTIFICATE_FILE"),
        (vec![first, ("AZURE_APP_SECRET_2", first.1)], "AZURE_APP_SECRET_2", "the same"),
        (vec![first, ("AZURE_APP_SECRET_EXPIRES_AT", "soon")], "AZURE_APP_SECRET_EXPIRES_AT", "2027-05-31"),
        (vec![first, ("AZURE_APP_SECRET_2_EXPIRES_AT", "2027-05-31")], "AZURE_APP_SECRET_2_EXPIRES_AT", "not set"),
        (vec![files[0]], "AZURE_APP_PRIVATE_KEY_FILE", "this is not"),
        (vec![files[1]], "AZURE_APP_CERTIFICATE_FILE", "this is not"),
        (files.to_vec(), "AZURE_APP_PRIVATE_KEY_FILE", "RSA only"),
        (vec![("AZURE_APP_CERTIFICATE_FILE", elliptic.as_str()), files[1]], "AZURE_APP_CERTIFICATE_FILE", "PEM"),
        (vec![files[0], ("AZURE_APP_PRIVATE_KEY_FILE", "/does/not/exist")], "AZURE_APP_PRIVATE_KEY_FILE", "read"),
    ] {
        let said: Vec<String> = match with(&values) {
            Ok(_) => panic!("{wanted}: it was taken"),
            Err(problems) => problems.0.iter().map(ToString::to_string).collect(),
        };
        assert!(said.len() == 1 && said[0].starts_with(&format!("{wanted}: ")), "{wanted}: {said:#?}");
        assert!(said[0].contains(words) && !said[0].contains("hunter2"), "{said:#?}");
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

#[test]
fn the_hosts_of_a_cloud_follow_from_its_sign_in_host_and_from_graph_where_two_share_one() {
    let needed = [("FRONTEND_URL", "https://desk.example.com/"), ("POSTROOM_SECRET_KEY", KEY)];
    let hosts = |values: &[(&str, &str)]| {
        let values: Vec<_> = needed.into_iter().chain(values.iter().copied()).collect();
        let microsoft = read(&values).expect("it fits").microsoft;
        let of = |endpoint: &net::Endpoint| format!("{}:{}", endpoint.host, endpoint.port);
        (of(&microsoft.imap), of(&microsoft.smtp), of(&microsoft.smtp_personal), microsoft.graph_url.to_string())
    };
    let texts = |imap: &str, smtp: &str, personal: &str, graph: &str| {
        (imap.to_owned(), smtp.to_owned(), personal.to_owned(), graph.to_owned())
    };
    let (login, graph) = ("MICROSOFT_LOGIN_URL", "MICROSOFT_GRAPH_URL");
    let (government, defence) = ("https://login.microsoftonline.us", "https://dod-graph.microsoft.us");
    let global = ("outlook.office365.com:993", "smtp.office365.com:587", "smtp-mail.outlook.com:587");
    assert_eq!(hosts(&[]), texts(global.0, global.1, global.2, "https://graph.microsoft.com/"));
    let (imap, smtp) = ("outlook.office365.us:993", "smtp.office365.us:587");
    assert_eq!(hosts(&[(login, government)]), texts(imap, smtp, smtp, "https://graph.microsoft.us/"));
    let (imap, smtp) = ("outlook-dod.office365.us:993", "outlook-dod.office365.us:587");
    let found = hosts(&[(login, government), (graph, defence)]);
    assert_eq!(found, texts(imap, smtp, smtp, "https://dod-graph.microsoft.us/"));
    let own = ("MICROSOFT_IMAP", "mail.apps.example:993");
    assert_eq!(hosts(&[(login, government), own]).0, own.1, "what is said counts");
}
