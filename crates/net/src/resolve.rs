//! A name's addresses, each of them asked about. What comes out of here is what is connected to; nothing resolves a name again.

use crate::{NetError, Trust, policy};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

#[derive(Clone, Debug)]
pub struct Resolver {
    fixed: Arc<BTreeMap<String, Vec<IpAddr>>>,
    timeout: Duration,
}

impl Resolver {
    /// `fixed` names are answered from here instead of by the system's resolver.
    pub fn new(fixed: BTreeMap<String, Vec<IpAddr>>, timeout: Duration) -> Self {
        Self { fixed: Arc::new(fixed), timeout }
    }

    /// Every address of `host`, in an order in which the two families take turns. One forbidden address refuses the host: a name that
    /// answers with a public and a private address is an attempt to get at the private one.
    pub async fn resolve(&self, host: &str, port: u16, trust: Trust) -> Result<Vec<SocketAddr>, NetError> {
        let addresses = self.addresses(host, port).await?;
        for address in &addresses {
            if !policy::may_contact(trust, address.ip()) {
                return Err(NetError::Forbidden { host: host.to_owned(), address: address.ip() });
            }
        }
        if addresses.is_empty() {
            return Err(NetError::Unresolved { host: host.to_owned(), reason: "it has no address".to_owned() });
        }
        Ok(taking_turns(addresses))
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, NetError> {
        if let Ok(literal) = bare(host).parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(literal, port)]);
        }
        if let Some(fixed) = self.fixed.get(&host.to_ascii_lowercase()) {
            return Ok(fixed.iter().map(|ip| SocketAddr::new(*ip, port)).collect());
        }
        let looked_up = tokio::time::timeout(self.timeout, tokio::net::lookup_host((host, port)))
            .await
            .map_err(|_| NetError::TimedOut { host: host.to_owned(), during: "resolving its name" })?;
        match looked_up {
            Ok(found) => Ok(found.collect()),
            Err(error) => Err(NetError::Unresolved { host: host.to_owned(), reason: error.to_string() }),
        }
    }
}

/// A host as URLs write it may be an IPv6 address in brackets.
pub(crate) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
}

/// The resolver's first family first, then alternating (RFC 8305 §4), without repetitions.
fn taking_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut one, mut other): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    for address in addresses {
        let side = if address.is_ipv6() == first_is_v6 { &mut one } else { &mut other };
        if !side.contains(&address) {
            side.push(address);
        }
    }
    let mut turns = Vec::with_capacity(one.len() + other.len());
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    loop {
        match (one.next(), other.next()) {
            (None, None) => return turns,
            (a, b) => turns.extend(a.into_iter().chain(b)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(host: &str, addresses: &[&str]) -> Resolver {
        let addresses = addresses.iter().map(|a| a.parse().expect("an address")).collect();
        Resolver::new(BTreeMap::from([(host.to_owned(), addresses)]), Duration::from_secs(5))
    }

    #[tokio::test]
    async fn one_private_address_among_public_ones_refuses_a_tenants_host() {
        let resolver = resolver("mail.example", &["8.8.8.8", "10.0.0.7"]);
        let refused = resolver.resolve("Mail.Example", 993, Trust::Tenant).await;
        assert!(matches!(refused, Err(NetError::Forbidden { .. })), "{refused:?}");
        assert_eq!(resolver.resolve("mail.example", 993, Trust::Operator).await.expect("allowed").len(), 2);
    }

    #[tokio::test]
    async fn an_address_written_as_the_host_is_asked_about_too() {
        let resolver = resolver("x", &[]);
        for host in ["127.0.0.1", "::1", "[::1]", "::ffff:10.0.0.1", "169.254.169.254"] {
            let refused = resolver.resolve(host, 80, Trust::Tenant).await;
            assert!(matches!(refused, Err(NetError::Forbidden { .. })), "{host}: {refused:?}");
        }
    }

    #[tokio::test]
    async fn the_families_take_turns() {
        let resolver = resolver("x", &["2a00::1", "2a00::2", "2a00::2", "8.8.8.8", "8.8.4.4", "1.1.1.1"]);
        let found = resolver.resolve("x", 1, Trust::Tenant).await.expect("public");
        let ips: Vec<String> = found.iter().map(|a| a.ip().to_string()).collect();
        assert_eq!(ips, ["2a00::1", "8.8.8.8", "2a00::2", "8.8.4.4", "1.1.1.1"]);
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_unresolved() {
        let nothing = resolver("x", &[]).resolve("x", 1, Trust::Operator).await;
        assert!(matches!(nothing, Err(NetError::Unresolved { .. })), "{nothing:?}");
    }
}
