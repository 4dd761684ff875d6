//! The sign-in against a small stand-in for Microsoft on loopback: real sockets, real keys, a clock that is moved by hand.

mod credentials;
mod fake;
mod id_token;
mod identity;
mod keys;
mod tokens;
