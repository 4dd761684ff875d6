//! Where a request comes from: what a stranger is counted by.
//!
//! Whoever sits behind a proxy is known by what the proxy says of them, and only proxies that the operator named are believed: anybody
//! can write such a header.

use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A place that is counted as one. Of IPv6 it is the network of 64 bits: whoever has one address there has all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    V4(Ipv4Addr),
    V6Network(u64),
    Unknown,
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6Network(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

impl Address {
    /// For people; `None` where nothing is known.
    pub fn shown(self) -> Option<String> {
        match self {
            Self::V4(address) => Some(address.to_string()),
            Self::V6Network(network) => Some(format!("{}/64", Ipv6Addr::from(u128::from(network) << 64))),
            Self::Unknown => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6Network(network) => write!(f, "{network:016x}/64"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// Networks whose word on who asks is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Addresses and networks (`10.0.0.0/8`), separated by commas. `Err`: the first that is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| network(part).ok_or_else(|| part.to_owned())).collect::<Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who asks: `peer`, or, as long as that is a proxy that is believed, whom it names. Each proxy adds at the end of `forwarded` from whom
    /// it had the request; what stands before the first one that is not believed may be anybody's invention.
    pub fn client<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut client = peer.to_canonical();
        for named in forwarded.rev() {
            if !self.contains(client) {
                break;
            }
            let Some(before) = address_of(named) else { break };
            client = before;
        }
        client
    }
}

/// An address is a network of one.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address =
        bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, peer: &str, forwarded: &[&str]) -> String {
        let trusted = TrustedProxies::parse(trusted).expect("networks");
        trusted.client(peer.parse().expect("an address"), forwarded.iter().copied()).to_string()
    }

    #[test]
    fn a_header_is_believed_as_far_as_proxies_that_were_named_wrote_it() {
        assert_eq!(client("", "192.0.2.1", &["198.51.100.7"]), "192.0.2.1", "nobody was named");
        assert_eq!(client("10.0.0.0/8", "192.0.2.1", &["198.51.100.7"]), "192.0.2.1", "a stranger wrote it");
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &["203.0.113.9", "198.51.100.7"]), "198.51.100.7", "invented");
        assert_eq!(client("10.0.0.0/8,::1", "::1", &["198.51.100.7", "10.9.9.9"]), "198.51.100.7", "two proxies");
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &["198.51.100.7", "nonsense"]), "10.1.2.3");
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &[]), "10.1.2.3");
        assert_eq!(client("0.0.0.0/0", "10.1.2.3", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(client("::1", "::1", &["[2001:db8::7]:80"]), "2001:db8::7");
        assert_eq!(client("127.0.0.1", "::ffff:127.0.0.1", &[" 198.51.100.7 "]), "198.51.100.7");
        assert_eq!(client("127.0.0.0/31", "127.0.0.2", &["198.51.100.7"]), "127.0.0.2");
    }

    #[test]
    fn what_is_no_network_is_named() {
        for wrong in ["10.0.0.0/33", "::/129", "proxy.example", "10.0.0.0/", "10.0.0.0/x"] {
            assert_eq!(TrustedProxies::parse(&format!("::1, {wrong}")), Err(wrong.to_owned()));
        }
        assert!(TrustedProxies::parse(" , ").expect("nothing").is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        let place = |text: &str| Address::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(place("2001:db8:1:2::1"), place("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(place("2001:db8:1:2::1"), place("2001:db8:1:3::1"));
        assert_eq!(place("::ffff:192.0.2.1"), place("192.0.2.1"));
        assert_ne!(place("192.0.2.1"), place("192.0.2.2"));
    }
}
