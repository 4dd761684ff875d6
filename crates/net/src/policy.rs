//! Which addresses may be contacted. Pure: an address in, yes or no out.
//!
//! Hosts that the operator configured may live anywhere. A host that a tenant typed may only be on the public internet: otherwise the
//! mail channel is a way to reach the operator's own network, cloud metadata services and databases. The ranges are those of the IANA
//! special-purpose address registries (RFC 6890) plus multicast.

use crate::Trust;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub fn may_contact(trust: Trust, address: IpAddr) -> bool {
    match trust {
        Trust::Operator => true,
        Trust::Tenant => match address {
            IpAddr::V4(v4) => is_public_v4(v4),
            IpAddr::V6(v6) => is_public_v6(v6),
        },
    }
}

/// (network, prefix length) of everything that is not somebody's public host.
const NOT_PUBLIC_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),        // "this network"
    ([10, 0, 0, 0], 8),       // private
    ([100, 64, 0, 0], 10),    // carrier-grade NAT; some clouds keep their metadata service there
    ([127, 0, 0, 0], 8),      // loopback
    ([169, 254, 0, 0], 16),   // link-local; the usual metadata service
    ([172, 16, 0, 0], 12),    // private
    ([192, 0, 0, 0], 24),     // IETF protocol assignments
    ([192, 0, 2, 0], 24),     // documentation
    ([192, 88, 99, 0], 24),   // 6to4 relays
    ([192, 168, 0, 0], 16),   // private
    ([198, 18, 0, 0], 15),    // benchmarking
    ([198, 51, 100, 0], 24),  // documentation
    ([203, 0, 113, 0], 24),   // documentation
    ([224, 0, 0, 0], 4),      // multicast
    ([240, 0, 0, 0], 4),      // reserved, and broadcast
    ([168, 63, 129, 16], 32), // Azure's wire server: a public number that is the host itself
];

/// Inside 2000::/3, which alone is handed out as global unicast.
const NOT_PUBLIC_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: any IPv4 address inside
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !NOT_PUBLIC_V4.iter().any(|(network, length)| {
        let mask = u32::MAX << (32 - length);
        bits & mask == Ipv4Addr::from(*network).to_bits() & mask
    })
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // NAT64's well-known prefix carries an IPv4 address, which is the one that is reached (RFC 6052).
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() {
        return is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    }
    let bits = address.to_bits();
    let within = |network: &Ipv6Addr, length: u32| {
        let mask = u128::MAX << (128 - length);
        bits & mask == network.to_bits() & mask
    };
    // Loopback, unspecified, mapped (::ffff:0:0/96), unique local, link-local and multicast all lie outside 2000::/3.
    within(&Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)
        && !NOT_PUBLIC_V6.iter().any(|(network, length)| within(network, *length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(address: &str) -> bool {
        may_contact(Trust::Tenant, address.parse().expect("an address"))
    }

    #[test]
    fn a_tenants_host_may_not_be_on_a_network_of_ours() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
        ] {
            assert!(!tenant(address), "{address} was allowed");
        }
    }

    #[test]
    fn a_tenants_host_may_be_on_the_public_internet() {
        for address in [
            "8.8.8.8",
            "52.96.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "2603:1026:c02::2",
            "2a00:1450:4001::1",
            "64:ff9b::808:808",
        ] {
            assert!(tenant(address), "{address} was refused");
        }
    }

    #[test]
    fn the_operators_host_may_be_anywhere() {
        for address in ["127.0.0.1", "10.0.0.1", "::1", "fd00::1"] {
            assert!(may_contact(Trust::Operator, address.parse().expect("an address")));
        }
    }
}
