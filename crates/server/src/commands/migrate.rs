//! `postroom migrate`: brings the schema up to date. Safe to run from several places at once, and while an older version serves.

use crate::config::Config;
use crate::output::say;
use crate::parts::open_store;
use anyhow::Result;
use std::process::ExitCode;
use store::SchemaState;

pub async fn run(config: Config) -> Result<ExitCode> {
    let store = open_store(&config).await?;
    let before = store.schema().await?;
    store.migrate().await?;
    match before {
        SchemaState::Current => say("The schema is up to date."),
        SchemaState::NewerCompatible { found } => {
            say(format!("The schema is newer ({found} migrations) than this version, which can work with it."));
        }
        SchemaState::Empty => say("The schema was made."),
        SchemaState::TooOld { found, wanted } => {
            say(format!("The schema was brought from {found} to {wanted} migrations."));
        }
        SchemaState::TooNew { .. } => {}
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
