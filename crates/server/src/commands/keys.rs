//! `postroom keys`: the keys that seal tokens and secrets at rest. Works beside serving processes, and never shows what is sealed.

use super::configure;
use crate::output::say;
use crate::parts::open_store;
use anyhow::Result;
use app::system::SystemEntropy;
use base64::Engine as _;
use domain::Entropy as _;
use serde_json::json;
use std::process::ExitCode;
use store::{KeyUse, Store};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print a new key for POSTROOM_SECRET_KEY; it is kept nowhere
    New {
        /// What it is called: letters, digits, - and _
        #[arg(long, default_value = "k1")]
        id: String,
    },
    /// What each key seals, and which can be taken out of POSTROOM_SECRET_KEY
    Status {
        /// Print exactly one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Seal everything with the first key of POSTROOM_SECRET_KEY
    Rotate {
        /// Print exactly one JSON object
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let (rotate, as_json) = match args.command {
        Command::New { id } => return Ok(new(&id)),
        Command::Status { json } => (false, json),
        Command::Rotate { json } => (true, json),
    };
    let store = open_store(&configure()?).await?;
    store.check_schema().await?;
    let rotated = if rotate { Some(store.keys().rotate().await?) } else { None };
    let uses = store.keys().uses().await?;
    store.close().await;
    let lost = uses.iter().any(|key| !key.is_known);
    if as_json {
        say(json!({
            "resealed": rotated.map(|rotated| rotated.resealed),
            "unreadable": rotated.map(|rotated| rotated.unreadable),
            "keys": uses.iter().map(|key| json!({
                "id": key.key_id,
                "known": key.is_known,
                "seals": key.count(),
            })).collect::<Vec<_>>(),
        }));
    } else {
        if let Some(rotated) = rotated {
            say(format!("Sealed anew: {}.", rotated.resealed));
        }
        for (place, key) in uses.iter().enumerate() {
            say(described(place, key));
        }
        if lost {
            say(LOST);
        }
    }
    Ok(if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

pub const LOST: &str = "Put the keys that are missing back at the end of POSTROOM_SECRET_KEY and restart. If they are gone for good, the mailboxes must be \
     signed in again and the webhooks need new secrets.";

fn new(id: &str) -> ExitCode {
    if id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        say("--id: 1 to 64 letters, digits, - and _");
        return ExitCode::FAILURE;
    }
    let mut key = [0; 32];
    SystemEntropy::new().fill(&mut key);
    say(format!("{id}:{}", base64::engine::general_purpose::STANDARD.encode(key)));
    ExitCode::SUCCESS
}

fn described(place: usize, key: &KeyUse) -> String {
    let seals =
        key.seals.iter().map(|sealed| format!("{} {}", sealed.count, sealed.what)).collect::<Vec<_>>().join(", ");
    let what = if seals.is_empty() { "seals nothing".to_owned() } else { format!("seals {seals}") };
    let advice = match (key.is_known, place, key.count()) {
        (false, ..) => "is MISSING: what it seals cannot be opened",
        (true, 0, _) => "is the first: it seals what is new",
        (true, _, 0) => "can be taken out once every process runs with the first",
        (true, ..) => "must stay until `postroom keys rotate` has run",
    };
    format!("{}: {what}; {advice}.", key.key_id)
}

/// Says in the log what a start must not be silent about. A database that cannot say is no reason not to start.
pub async fn warn_of_missing(store: &Store) {
    match store.keys().some_are_missing().await {
        Ok(false) => {}
        Ok(true) => tracing::error!(
            "secrets are sealed with a key that is not in POSTROOM_SECRET_KEY: mailboxes cannot be opened until it is; see `postroom keys status`"
        ),
        Err(error) => tracing::warn!(%error, "it could not be seen whether a key is missing"),
    }
}
