//! The address a request is counted by: the connection's, or what a proxy that the operator named says of it.

use app::App;
use app::calls::Address;
use poem::Request;
use std::net::IpAddr;
use std::sync::Once;

const FORWARDED_FOR: &str = "x-forwarded-for";

pub fn of(request: &Request, app: &App) -> Address {
    let Some(peer) = request.remote_addr().as_socket_addr().map(std::net::SocketAddr::ip) else {
        return Address::Unknown;
    };
    let trusted = &app.settings().trusted_proxies;
    let headers = request.headers().get_all(FORWARDED_FOR);
    if trusted.is_empty() {
        if headers.iter().next().is_some() && is_near(peer) {
            say_once();
        }
        return peer.into();
    }
    // Several headers are one list (RFC 9110 §5.3).
    let named: Vec<&str> = headers.iter().flat_map(|value| value.to_str().unwrap_or_default().split(',')).collect();
    trusted.client(peer, named.into_iter()).into()
}

/// Where a proxy of one's own usually is.
fn is_near(peer: IpAddr) -> bool {
    match peer.to_canonical() {
        IpAddr::V4(peer) => peer.is_loopback() || peer.is_private(),
        IpAddr::V6(peer) => peer.is_loopback() || peer.is_unique_local(),
    }
}

fn say_once() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            "a proxy says who asks and is not named in TRUSTED_PROXIES: strangers who come through it are counted as one"
        );
    });
}
