//! `postroom account`: tenants, for whoever runs the installation. Works beside a serving process.

use crate::config::Config;
use crate::output::say;
use crate::parts::Parts;
use anyhow::Result;
use app::accounts::{NewAccount, create_account, vouch_for};
use domain::Secret;
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make an account with its first administrator, and an API token that opens it
    Create(Create),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// The account's name
    #[arg(long)]
    name: String,
    /// The administrator signs in with this address
    #[arg(long)]
    admin_email: String,
    /// At least 8 characters. Of an administrator who exists already the password stays as it is
    #[arg(long)]
    admin_password: String,
    /// How the administrator is called; the address's first part when it is not given
    #[arg(long)]
    admin_name: Option<String>,
    /// The administrator's address is theirs, whoever added somebody under it before: they have this password, and every session and token ends
    /// that others may know. Nothing changes for somebody who has shown that the address is theirs
    #[arg(long)]
    vouch: bool,
    /// Print exactly one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, config: Config) -> Result<ExitCode> {
    let Command::Create(create) = args.command;
    let is_sqlite = config.database.is_sqlite;
    let parts = Parts::assemble(config, "account").await?;
    if is_sqlite {
        // A first account is made before the first `run` as often as after it.
        parts.app.store().migrate().await?;
    } else {
        parts.app.store().check_schema().await?;
    }
    let password = Secret::new(create.admin_password);
    if create.vouch {
        vouch_for(&parts.app, &create.admin_email, password.clone()).await?;
    }
    let created = create_account(
        &parts.app,
        NewAccount {
            name: create.name,
            admin_email: create.admin_email,
            admin_name: create.admin_name,
            admin_password: password,
        },
    )
    .await?;
    if create.json {
        say(json!({
            "account_id": created.account_id,
            "user_id": created.user_id,
            "access_token": created.access_token.expose(),
        }));
    } else {
        say(format!("Account {} is made; its administrator is user {}.", created.account_id, created.user_id));
        say(format!("API token (shown once): {}", created.access_token.expose()));
    }
    parts.app.store().close().await;
    Ok(ExitCode::SUCCESS)
}
