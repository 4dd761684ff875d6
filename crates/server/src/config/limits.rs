//! How often this installation may be called, and how much one account may have.

use super::reader::Reader;
use app::calls::TrustedProxies;

#[derive(Clone, Debug)]
pub struct Limits {
    pub calls_per_minute: u32,
    pub trusted_proxies: TrustedProxies,
    pub account_inboxes: u32,
    pub account_agents: u32,
}

impl Limits {
    pub fn read(reader: &mut Reader) -> Self {
        Self {
            calls_per_minute: reader.number("RACK_ATTACK_LIMIT", 3000, 10, 1_000_000),
            trusted_proxies: trusted_proxies(reader),
            account_inboxes: reader.number("ACCOUNT_INBOXES_LIMIT", 1000, 1, 1_000_000),
            account_agents: reader.number("ACCOUNT_AGENTS_LIMIT", 1000, 1, 1_000_000),
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
