//! Several processes of one world: more than one API, clocks that differ, processes that stand still, and what each of them said.
//!
//! It starts and watches them; what they should do is the story's.

use crate::check;
use crate::client::ApiClient;
use crate::process::free_port;
use crate::ways::stands_still;
use crate::world::World;
use anyhow::{Context, Result};

/// The variables that put a process's clock off, with Debian's `faketime`. Only what the time of day is changes: timers run as they do.
pub fn clock_off_by(off: &str) -> Result<Vec<(&'static str, String)>> {
    let libraries =
        std::fs::read_dir("/usr/lib")?.flatten().map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    let library =
        libraries.into_iter().find(|path| path.exists()).context("faketime is missing: run ./scripts/install")?;
    Ok(vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", off.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ])
}

impl World {
    /// Starts a process with variables of its own, as [`World::start_process_with`] does.
    pub fn start_with(&mut self, name: &'static str, environment: &[(&'static str, String)]) -> Result<()> {
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.start_process_with(name, &environment)
    }

    /// One more process that answers the API, on a port of its own, and the administrator's client for it.
    pub async fn start_another_api(&mut self, environment: &[(&'static str, String)]) -> Result<ApiClient> {
        let port = free_port()?;
        let token = self.api.token().map(str::to_owned);
        let client = ApiClient::new(format!("http://127.0.0.1:{port}"), token.as_deref());
        self.start_at(&client, environment).await?;
        Ok(client)
    }

    /// Starts the API where `client` asks, and waits until it is ready.
    pub async fn start_at(&mut self, client: &ApiClient, environment: &[(&'static str, String)]) -> Result<()> {
        let address = client.base().trim_start_matches("http://").to_owned();
        let mut environment = environment.to_vec();
        environment.push(("LISTEN_ADDR", address));
        self.start_with("serve", &environment)?;
        self.eventually("the other API is ready", async |_| {
            Ok(client.call("GET", "/health/ready", None).await.is_ok_and(|answer| answer.status == 200))
        })
        .await
    }

    /// Everything that processes of this name have said since the world began, whether they still run or not.
    pub fn said_by(&self, name: &str) -> Result<String> {
        let mut said = String::new();
        for entry in std::fs::read_dir(self.dir.path())?.flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            if file.starts_with(&format!("{name}-")) && file.ends_with(".log") {
                said.push_str(&std::fs::read_to_string(entry.path())?);
            }
        }
        Ok(said)
    }

    /// Waits until a process of this name has said so, as often as `times`.
    pub async fn says(&mut self, name: &str, words: &str, times: usize) -> Result<()> {
        let what = format!("{name} says {words:?}");
        self.eventually(&what, async |w| Ok(w.said_by(name)?.matches(words).count() >= times)).await
    }

    /// Waits until the `nth` running process of this name has stopped itself at a kill point.
    pub async fn stands_still(&mut self, name: &str, nth: usize) -> Result<()> {
        let mut named = self.processes.iter().filter(|(running, _)| *running == name);
        let id = named.nth(nth).context("it is running")?.1.id();
        self.eventually("the process stands still", async |_| Ok(stands_still(id))).await
    }

    /// A number that a query finds in the world's database.
    pub async fn number(&self, query: &str) -> Result<i64> {
        check::number(self.database_url(), query).await
    }
}
