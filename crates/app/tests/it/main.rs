//! The use cases on a real database and at the sandbox's Microsoft, one file a theme.

mod accounts;
mod connect;
mod health;
mod links;
mod meanwhile;
mod people;
mod refresh;
mod sending_sign_in;
mod support;
