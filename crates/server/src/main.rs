//! `postroom`: one program for the API, the worker, and whoever runs them.
//!
//! This crate knows environment, signals, logging and commands, and wires the others together. It has no business rule.

mod commands;
mod config;
mod connections;
mod database;
mod folder;
mod open_files;
mod output;
mod parts;
mod shutdown;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything speaks TLS: reqwest and rustls take the process's default.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return fail(&anyhow::anyhow!("another cryptography provider was installed first"));
    }
    let cli = commands::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let ended = runtime.block_on(commands::run(cli));
    // What still hangs outside the runtime's reach, such as a name that is being resolved, is not waited for.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "postroom: {error:#}");
    ExitCode::FAILURE
}
