//! A Redis of the test's own: Debian's server on a free port, without persistence.

use crate::process::{Process, accepts, free_port};
use anyhow::Result;
use std::process::Command;
use tempfile::TempDir;

pub struct Redis {
    process: Option<Process>,
    port: u16,
    dir: TempDir,
}

impl Redis {
    pub fn start() -> Result<Self> {
        let mut redis = Self { process: None, port: free_port()?, dir: tempfile::tempdir()? };
        redis.start_again()?;
        Ok(redis)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Ends the server; what it held is lost.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it on the same port, empty.
    pub fn start_again(&mut self) -> Result<()> {
        let mut process = Process::start(
            "redis-server",
            Command::new("redis-server")
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
                .arg(self.port.to_string())
                .arg("--dir")
                .arg(self.dir.path()),
            &self.dir.path().join("redis.log"),
        )?;
        process.wait_until(|| accepts(self.port))?;
        self.process = Some(process);
        Ok(())
    }

    pub fn flush(&self) -> Result<()> {
        self.tell(&["FLUSHALL"])
    }

    /// A command, as its operator would give it.
    pub fn tell(&self, command: &[&str]) -> Result<()> {
        let said = crate::process::run(Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(command))?;
        // redis-cli ends well whatever the server answers.
        anyhow::ensure!(!said.starts_with("ERR") && !said.starts_with("Error"), "{command:?}: {said}");
        Ok(())
    }
}
