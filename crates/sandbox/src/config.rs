//! What the owner of a sandbox may choose. Everything has a default that fits a demonstration and a test.
//!
//! It never reads the environment.

use std::net::{IpAddr, Ipv4Addr};

use crate::ambient::ClockFn;
use crate::directory::{self, Tenant, TenantUser};

/// The settings of one sandbox.
#[derive(Clone)]
pub struct SandboxConfig {
    /// The application (client) id of the first app registration; [`crate::Sandbox::register_app`] makes more.
    pub client_id: String,
    pub client_secret: String,
    /// Compared byte for byte, as Microsoft does; [`crate::Sandbox::set_redirect_uris`] changes them later.
    pub redirect_uris: Vec<String>,
    /// Must be a loopback address: a pretended Microsoft has no business on a network.
    pub bind: IpAddr,
    /// Zero takes any free port, here and below.
    pub login_port: u16,
    pub page_port: u16,
    pub imap_port: u16,
    pub smtp_port: u16,
    /// What stands before `/{tid}/v2.0` in `iss`; the sandbox's own sign-in address when `None`, as in a national cloud.
    pub issuer_base: Option<String>,
    /// `None` is what Microsoft's documentation says: random 3600 to 5399 for work accounts, 3600 for personal ones.
    pub token_lifetime_seconds: Option<u32>,
    /// `None`: opaque access tokens, as Outlook's are. `Some(issuer)`: RS256 JWTs of that issuer with a `upn`, for real mail servers
    /// that validate tokens by themselves; [`crate::Sandbox::signing_keys`] are the keys.
    pub jwt_access_tokens: Option<String>,
    /// An authorization code lives about ten minutes.
    pub code_lifetime_seconds: u32,
    /// Whether a code is taken apart before anybody looks at the client's secret, so that a made-up one is a malformed request whatever the
    /// secret is. Microsoft does not document the order.
    pub reads_codes_first: bool,
    /// A refresh token dies after so much inactivity: 90 days.
    pub refresh_inactivity_seconds: i64,
    /// `Set-ImapSettings -MaxConnectionsPerUser`, 16.
    pub imap_connections_per_user: usize,
    /// Whether IMAP offers IDLE, as Exchange does. `false` is for trying out what a client does on a server or behind a proxy without it.
    pub imap_idle: bool,
    /// SMTP AUTH allows three connections for one mailbox.
    pub smtp_connections_per_user: usize,
    /// Exchange delays what exceeds 30 messages a minute; `None` (the default) does not, so that tests need not wait.
    pub submissions_per_minute: Option<u32>,
    pub unknown_recipients: UnknownRecipients,
    pub tenants: Vec<Tenant>,
    pub users: Vec<TenantUser>,
    /// Mailboxes outside of Microsoft, shown on the customer's page.
    pub customers: Vec<String>,
    /// The machine's clock when `None`.
    pub clock: Option<ClockFn>,
}

/// What becomes of a mail to an address that nobody has. Addresses in the domains of a tenant always bounce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownRecipients {
    /// A customer's mailbox appears, so that one may write to anybody.
    BecomeCustomers,
    /// The server accepts the mail and a non-delivery report arrives later, as Exchange Online does.
    Bounce(NdrLanguage),
    /// The server refuses the recipient in the session.
    Refuse,
}

/// The language Exchange writes a non-delivery report in: that of the mailbox, not of the reader's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NdrLanguage {
    English,
    Estonian,
    German,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            client_id: "6cb04018-a3f5-46a7-b995-940c78f5aef3".into(),
            client_secret: "sandbox-secret~not-a-real-one".into(),
            redirect_uris: vec!["http://127.0.0.1:3000/microsoft/callback".into()],
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            login_port: 0,
            page_port: 0,
            imap_port: 0,
            smtp_port: 0,
            issuer_base: None,
            token_lifetime_seconds: None,
            jwt_access_tokens: None,
            code_lifetime_seconds: 600,
            reads_codes_first: false,
            refresh_inactivity_seconds: 90 * 86_400,
            imap_connections_per_user: 16,
            imap_idle: true,
            smtp_connections_per_user: 3,
            submissions_per_minute: None,
            unknown_recipients: UnknownRecipients::BecomeCustomers,
            tenants: directory::predefined_tenants(),
            users: directory::predefined_users(),
            customers: vec![
                "ada@customer.example".into(),
                "grace@customer.example".into(),
                "linus@elsewhere.example".into(),
            ],
            clock: None,
        }
    }
}
