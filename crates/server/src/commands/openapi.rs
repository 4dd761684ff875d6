//! `postroom openapi`: the API's document, made from the code. It is committed as openapi/openapi.json, and `--check` says whether that is it.

use crate::output::say;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write the document to the file instead of printing it
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Fail when the file is not what the code says
    #[arg(long)]
    check: bool,
    #[arg(long, default_value = "openapi/openapi.json")]
    file: PathBuf,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let document = api::openapi_json();
    let document = format!("{}\n", document.trim_end());
    let file = args.file.display();
    if args.write {
        if let Some(folder) = args.file.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        std::fs::write(&args.file, document).with_context(|| format!("writing {file}"))?;
        say(format!("{file} is written."));
    } else if args.check {
        let written = std::fs::read_to_string(&args.file).with_context(|| format!("reading {file}"))?;
        if written != document {
            say(format!("{file} is not what the code says. Run `postroom openapi --write` and commit it."));
            return Ok(ExitCode::FAILURE);
        }
        say(format!("{file} is what the code says."));
    } else {
        say(document.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
