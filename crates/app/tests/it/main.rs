//! The use cases on a real database and at the sandbox's Microsoft, one file a theme.

mod accounts;
mod claims_challenge;
mod connect;
mod diagnose;
mod every_failure;
mod health;
mod left_draft;
mod links;
mod made_up_codes;
mod meanwhile;
mod oauth_apps;
mod people;
mod refresh;
mod refused_apps;
mod sending_sign_in;
mod shared_mailbox;
mod support;
mod token_faults;
mod two_resources;
