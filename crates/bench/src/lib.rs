//! What Postroom costs, measured: `just bench` prints the tables of docs/PERFORMANCE.md.
//!
//! In reading order: [`measures`] says what is measured, [`place`] where, [`corpus`] on which mails, [`machine`] how CPU and memory are read,
//! [`rows`] what the product's rows cost by themselves, [`server`] is the mail server, [`report`] the tables.
//!
//! Never a test's condition: figures are for people. Never part of the product: nothing depends on it.

pub mod corpus;
pub mod database;
pub mod machine;
pub mod measures;
pub mod place;
pub mod report;
pub mod rows;
pub mod server;
