//! What may happen to a process at a kill point: it dies, it stands still while others go on, or its connections are cut there.
//!
//! Time is not waited for: leases end because the rows say so, as they would after minutes.

use crate::chaos::{ChaosProxy, Mode};
use crate::check;
use crate::process::Signal;
use crate::world::World;
use anyhow::{Context, Result};
use std::time::Duration;

/// How long after a stop is asked a worker may still be at something.
const STOPS_WITHIN: Duration = Duration::from_secs(40);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Database,
    Redis,
    Imap,
    Smtp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Dies,
    /// Past every lease it holds.
    Stalls,
    /// These connections are dead when it goes on, and new ones are refused for a moment.
    IsCut(&'static [Link]),
}

/// Leases that ended, and work that is due, as they are when minutes have passed. Rows that an open transaction holds are left out: whoever
/// wants them waits for it.
const MINUTES_PASS: &[&str] = &[
    "UPDATE worker_sessions SET heartbeat_at = heartbeat_at - 60000000",
    "UPDATE grants SET lease_until = 1 WHERE lease_until > 1",
    // Long enough ago that a refusal is not one of the token that was just fetched.
    "UPDATE grants SET refreshed_at = refreshed_at - 60000000",
    "UPDATE email_channels SET send_lease_until = 1 WHERE send_lease_until > 1",
    "UPDATE owed_work SET lease_until = 1, handed_until = 0, ready_at = 1, due_at = 1 WHERE state = 'waiting'",
    "UPDATE raw_emails SET lease_until = 0, ready_at = 1 WHERE state = 'waiting'",
];

impl World {
    pub fn proxy(&self, link: Link) -> Result<&ChaosProxy> {
        let proxies = self.proxies.as_ref().context("the world has proxies")?;
        match link {
            Link::Database => proxies.database.as_ref(),
            Link::Redis => proxies.redis.as_ref(),
            Link::Imap => Some(&proxies.imap),
            Link::Smtp => Some(&proxies.smtp),
        }
        .with_context(|| format!("there is no proxy before {link:?}"))
    }

    /// Starts a process that ends at `point` in this way.
    pub fn start_towards(&mut self, name: &'static str, point: &str, way: Way) -> Result<()> {
        let at = match way {
            Way::Dies => point.to_owned(),
            Way::Stalls | Way::IsCut(_) => format!("{point}:stop"),
        };
        self.start_process_with(name, &[("POSTROOM_TEST_KILL_AT", &at)])
    }

    /// Waits until the last process of this name has met its kill point: it is dead, or stands still.
    pub async fn meets_its_point(&mut self, name: &str, way: Way) -> Result<()> {
        if way == Way::Dies {
            let status = self.ended(name)?;
            anyhow::ensure!(status.code().is_none(), "{name} ended with {status} instead of dying at its kill point");
            return Ok(());
        }
        let id = self.process_id(name)?;
        self.eventually(&format!("{name} stands still at its kill point"), async |_| Ok(stands_still(id))).await
    }

    /// What happens next to the process that stands still. `others`: the rest of the story, told while it does where that is the point.
    pub async fn befalls(
        &mut self,
        name: &'static str,
        way: Way,
        others: impl AsyncFnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        match way {
            Way::Dies => {
                self.start_processes().await?;
                others(self).await
            }
            Way::Stalls => {
                let id = self.process_id(name)?;
                self.minutes_pass().await?;
                // Another API process would want a port of its own; what is owed is the workers'.
                if name == "work" {
                    self.start_process(name)?;
                }
                if name == self.api_name() {
                    Signal::Continue.send(id);
                    return others(self).await;
                }
                others(self).await?;
                Signal::Continue.send(id);
                Ok(())
            }
            Way::IsCut(links) => {
                let id = self.process_id(name)?;
                for link in links {
                    self.proxy(*link)?.set(Mode::Cut);
                }
                let before: u32 = links.iter().map(|link| self.proxy(*link).map_or(0, ChaosProxy::connections)).sum();
                Signal::Continue.send(id);
                // It notices, and is refused at least once.
                self.eventually("it tries to connect again", async |w| {
                    let now: u32 = links.iter().map(|link| w.proxy(*link).map_or(0, ChaosProxy::connections)).sum();
                    Ok(now > before)
                })
                .await?;
                for link in links {
                    self.proxy(*link)?.set(Mode::Pass);
                }
                self.minutes_pass().await?;
                others(self).await
            }
        }
    }

    /// Every lease has ended, and whatever waits is due.
    pub async fn minutes_pass(&self) -> Result<()> {
        check::run_where_free(self.database_url(), MINUTES_PASS).await
    }

    /// Asks every process of this name to stop, and waits until what it was at is done.
    pub fn stop_all(&mut self, name: &str) -> Result<()> {
        while self.process_id(name).is_ok() {
            let ended = self.stop(name, STOPS_WITHIN)?;
            anyhow::ensure!(ended.success(), "{name} ended with {ended}");
        }
        Ok(())
    }

    /// A worker begins, meets its point, and what `way` says befalls it. `others`: as in [`World::befalls`].
    pub async fn worker_meets(
        &mut self,
        point: &str,
        way: Way,
        others: impl AsyncFnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.start_towards("work", point, way)?;
        self.meets_its_point("work", way).await?;
        self.befalls("work", way, others).await
    }

    /// Every worker ends as it should, and one that meets nothing begins.
    pub async fn workers_begin_anew(&mut self) -> Result<()> {
        self.stop_all("work")?;
        self.start_processes().await
    }

    /// Waits until the API answers reads again; meanwhile it refuses plainly.
    pub async fn reads_again(&mut self) -> Result<()> {
        self.eventually("the API answers again", async |w| {
            let answer = w.api.call("GET", &w.path("/conversations"), None).await?;
            if answer.status != 200 {
                answer.is_plainly_unavailable()?;
            }
            Ok(answer.status == 200)
        })
        .await
    }

    /// What must hold after every story, in the middle of one.
    pub async fn holds(&self) -> Result<()> {
        check::invariants(self.database_url()).await?;
        self.check_mailboxes().await
    }
}

/// All threads are stopped (proc(5): the state behind the name).
pub fn stands_still(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}
