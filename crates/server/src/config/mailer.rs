//! The server that takes the installation's own mails: SMTP_* and MAILER_SENDER_EMAIL, as Chatwoot names them.

use super::reader::Reader;
use super::web::Web;
use app::{Environment, MailPassword, MailRelay, Mechanism, SystemMailer};
use domain::{EmailAddress, Mailbox, Secret};
use net::{Endpoint, TlsMode};

/// TLS from the first byte (RFC 8314).
const IMPLICIT_TLS_PORT: u16 = 465;

/// `None`: nothing is mailed.
pub fn read(reader: &mut Reader, web: &Web) -> Option<SystemMailer> {
    let port = reader.number("SMTP_PORT", 587, 1, u32::from(u16::MAX));
    let port = u16::try_from(port).unwrap_or(587);
    let mechanism = mechanism(reader);
    let starttls = reader.parsed("SMTP_ENABLE_STARTTLS_AUTO", true, "Set true or false, or remove it for true.");
    let (user, password) = (reader.text("SMTP_USERNAME"), reader.text("SMTP_PASSWORD").map(Secret::new));
    let hello = reader.text("SMTP_DOMAIN");
    let from = sender(reader);
    let Some(host) = reader.text("SMTP_ADDRESS") else {
        if user.is_some() || password.is_some() {
            reader.problem("SMTP_ADDRESS", "SMTP_USERNAME or SMTP_PASSWORD is set and this is not", "Name the server.");
        }
        return None;
    };
    if hello.as_deref().is_some_and(|name| !is_host_name(name)) {
        reader.problem("SMTP_DOMAIN", "it is no host name", "Write a name such as desk.example.com, or remove it.");
    }
    let tls = match (port, starttls) {
        (IMPLICIT_TLS_PORT, _) => TlsMode::Implicit,
        (_, true) => TlsMode::StartTls,
        (_, false) => TlsMode::None,
    };
    let endpoint = match Endpoint::parse(&shown(&host, port), tls) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            reader.problem("SMTP_ADDRESS", &error.to_string(), "Write the server's name, without a port.");
            return None;
        }
    };
    if tls == TlsMode::None {
        plain(reader, web, &endpoint, user.is_some());
    }
    let password = match (user, password) {
        (Some(user), Some(password)) => Some(MailPassword { user, password, mechanism }),
        (None, None) => None,
        (Some(_), None) => {
            reader.problem("SMTP_PASSWORD", "SMTP_USERNAME is set and this is not", "Set both, or neither.");
            None
        }
        (None, Some(_)) => {
            reader.problem("SMTP_USERNAME", "SMTP_PASSWORD is set and this is not", "Set both, or neither.");
            None
        }
    };
    let Some(from) = from else {
        if reader.text("MAILER_SENDER_EMAIL").is_none() {
            let cure = "Write in whose name mails go, such as Desk <desk@example.com>.";
            reader.problem("MAILER_SENDER_EMAIL", "SMTP_ADDRESS is set and this is not", cure);
        }
        return None;
    };
    Some(SystemMailer { relay: MailRelay { endpoint, hello, password }, from })
}

/// The mails carry links that open an account: only a server on this machine hears them in the clear.
fn plain(reader: &mut Reader, web: &Web, endpoint: &Endpoint, signs_in: bool) {
    const NAME: &str = "SMTP_ENABLE_STARTTLS_AUTO";
    let here = endpoint.host == "localhost"
        || endpoint.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if signs_in {
        reader.problem(NAME, "it is false, and a password is said over TLS only", "Remove it, or SMTP_USERNAME.");
    } else if !here && web.environment == Environment::Production {
        let what = "it is false, and the server is not on this machine: whoever listens could set people's passwords";
        reader.problem(NAME, what, "Remove it.");
    }
}

fn mechanism(reader: &mut Reader) -> Option<Mechanism> {
    const NAME: &str = "SMTP_AUTHENTICATION";
    match reader.text(NAME)?.to_ascii_lowercase().as_str() {
        "plain" => Some(Mechanism::Plain),
        "login" => Some(Mechanism::Login),
        other => {
            let what = format!("{other:?} is neither plain nor login");
            reader.problem(NAME, &what, "Set one of the two, or remove it: then it is whichever the server offers.");
            None
        }
    }
}

/// `desk@example.com`, or `Desk <desk@example.com>`.
fn sender(reader: &mut Reader) -> Option<Mailbox> {
    const NAME: &str = "MAILER_SENDER_EMAIL";
    let text = reader.text(NAME)?;
    let (name, address) = match text.split_once('<') {
        Some((name, rest)) => (name.trim().trim_matches('"').trim(), rest.trim_end().trim_end_matches('>')),
        None => ("", text.as_str()),
    };
    let Some(address) = EmailAddress::parse(address) else {
        reader.problem(NAME, &format!("{text:?} is no address"), "Write it such as Desk <desk@example.com>.");
        return None;
    };
    Some(Mailbox { name: (!name.is_empty()).then(|| name.to_owned()), address })
}

fn shown(host: &str, port: u16) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.contains(':') { format!("[{bare}]:{port}") } else { format!("{bare}:{port}") }
}

fn is_host_name(text: &str) -> bool {
    text.len() <= 255 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b))
}
