//! How often this installation may be called, and how much one account may have.

use super::reader::Reader;
use app::calls::TrustedProxies;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Limits {
    pub calls_per_minute: u32,
    pub trusted_proxies: TrustedProxies,
    pub account_inboxes: u32,
    pub account_agents: u32,
    /// Connections of one process to those who call the API.
    pub connections: u32,
    pub events_kept: Duration,
    pub webhook_timeout: Duration,
    pub webhook_private_networks: bool,
}

impl Limits {
    pub fn read(reader: &mut Reader) -> Self {
        Self {
            calls_per_minute: reader.number("RACK_ATTACK_LIMIT", 3000, 10, 1_000_000),
            trusted_proxies: trusted_proxies(reader),
            account_inboxes: reader.number("ACCOUNT_INBOXES_LIMIT", 1000, 1, 1_000_000),
            account_agents: reader.number("ACCOUNT_AGENTS_LIMIT", 1000, 1, 1_000_000),
            connections: reader.number("API_CONNECTIONS", 4096, 64, 100_000),
            events_kept: Duration::from_secs(60 * 60 * u64::from(reader.number("EVENTS_KEPT_HOURS", 72, 24, 8_760))),
            webhook_timeout: Duration::from_secs(reader.number("WEBHOOK_TIMEOUT", 5, 1, 30).into()),
            webhook_private_networks: private_networks(reader),
        }
    }

    /// Streams of events stay, and leave a quarter of the connections to calls that come and go.
    pub const fn live_streams(&self) -> u32 {
        self.connections / 4 * 3
    }
}

fn private_networks(reader: &mut Reader) -> bool {
    const NAME: &str = "SAFE_FETCH_ALLOW_PRIVATE_NETWORK";
    match reader.text(NAME).as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            reader.problem(NAME, "it is neither true nor false", "Write true or false.");
            false
        }
    }
}

fn trusted_proxies(reader: &mut Reader) -> TrustedProxies {
    const NAME: &str = "TRUSTED_PROXIES";
    TrustedProxies::parse(&reader.text(NAME).unwrap_or_default()).unwrap_or_else(|wrong| {
        let what = format!("{wrong:?} is neither an address nor a network");
        reader.problem(NAME, &what, "Write addresses and networks separated by commas, such as 127.0.0.1, 10.0.0.0/8.");
        TrustedProxies::default()
    })
}
