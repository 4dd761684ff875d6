//! The stories: what Postroom promises, told through its public API and the protocols it speaks.

mod bad_mail;
mod conformance;
mod crash_between;
mod delivery_failures;
mod demo;
mod dependencies;
mod docker;
mod kill_points;
mod main_job;
mod microsoft_sign_in;
mod openapi;
mod outages;
mod polling;
mod program;
mod real_servers;
mod reply_leaves;
mod secrets;
mod servers;
mod several_workers;
mod sign_in_names;
mod tenancy;
mod threading;
mod tidy;
