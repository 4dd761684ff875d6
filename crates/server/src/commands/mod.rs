//! What can be typed: one file a command.

mod account;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
pub mod keys;
mod migrate;
mod openapi;
mod run;
mod serve;
mod work;

use crate::config::{self, Config, Reader};
use crate::{open_files, telemetry};
use anyhow::Result;
use app::system::SystemEntropy;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "postroom", version, about = "The e-mail channel of a multi-tenant helpdesk")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and do the work in one process; brings the schema up to date first
    Run,
    /// Serve the API only (PostgreSQL; the work is done by `work`)
    Serve,
    /// Do the work only: fetch, send, run jobs (PostgreSQL; the API is served by `serve`)
    Work,
    /// Bring the database's schema up to date
    Migrate,
    /// Check configuration, database, Redis, mail servers and clock, and say how to mend what is wrong
    Doctor(doctor::Args),
    /// Print the OpenAPI document
    Openapi(openapi::Args),
    /// The keys that seal tokens and secrets at rest: make one, see what each seals, seal everything with the first
    Keys(keys::Args),
    /// Accounts (tenants) of this installation
    Account(account::Args),
    /// See it work: a local Microsoft, a tenant, a customer, and the whole story
    #[cfg(feature = "demo")]
    Demo(demo::Args),
}

/// Reads the command line; ends the process on a wrong one, and after `--help`.
pub fn parse() -> Cli {
    let matches = Cli::command().after_long_help(config::described()).get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

pub async fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Run => run::run(begin()?).await,
        Command::Serve => serve::run(begin()?).await,
        Command::Work => work::run(begin()?).await,
        Command::Migrate => migrate::run(configure()?).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Openapi(args) => openapi::run(&args),
        Command::Keys(args) => keys::run(args).await,
        Command::Account(args) => account::run(args, configure()?).await,
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(args).await,
    }
}

/// For what runs on: it may have as many mailboxes as the system lets it.
fn begin() -> Result<Config> {
    let config = configure()?;
    open_files::raise(&config);
    Ok(config)
}

/// Reads the configuration and starts logging as it says.
fn configure() -> Result<Config> {
    let config = Config::read(Reader::from_environment(), &SystemEntropy::new())?;
    telemetry::start(&config.logging);
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    Ok(config)
}
