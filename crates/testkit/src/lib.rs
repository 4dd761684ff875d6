//! What the stories stand on: worlds with everything running, real servers, a chaos proxy, and the invariants that must hold after all.
//!
//! Never a dependency of the product. Servers are processes in temporary folders on free ports, ended by their ids.

pub mod agent;
pub mod browser;
pub mod builders;
pub mod chaos;
pub mod check;
pub mod client;
pub mod connecting;
pub mod dovecot;
pub mod follower;
mod given_out;
pub mod installation;
mod leaks;
pub mod load;
pub mod post;
pub mod post_office;
pub mod postfix;
pub mod postgres;
pub mod postgres_server;
pub mod process;
pub mod real_mail;
pub mod receiver;
pub mod redis;
pub mod setup;
pub mod several;
pub mod small_disk;
pub mod tls;
pub mod ways;
pub mod world;
