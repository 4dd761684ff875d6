//! The way to a server, step by step: for whoever wants to see which step fails, and how long each takes.
//!
//! A [`crate::Connector`] that is watched writes its steps down here, and so do those who speak the protocol over it. Without a watcher nothing is
//! written and nothing costs anything. What is found never holds a token, nor an address of the operator's own network.

use crate::policy;
use domain::{Failure, FailureClass};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// One step that was taken.
#[derive(Clone, Debug)]
pub struct Step {
    /// A stable word, such as `dns`.
    pub name: &'static str,
    pub took: Duration,
    pub failure: Option<Failure>,
    /// What was found, each with a stable word.
    pub found: Vec<(&'static str, String)>,
}

#[derive(Debug, Default)]
struct Log {
    taken: Vec<Step>,
    running: Option<(&'static str, Instant)>,
}

/// What a watched connector has written down. Clones are the same list.
#[derive(Clone, Debug, Default)]
pub struct Steps(Arc<Mutex<Log>>);

impl Steps {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work as the step of this name. A step within another is a step of its own, and ends the outer one's time.
    pub async fn take<T, E: Clone + Into<Failure>>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        self.log().running = Some((name, begun));
        let result = work.await;
        let failure = result.as_ref().err().cloned().map(Into::into);
        let mut log = self.log();
        log.running = None;
        log.taken.push(Step { name, took: begun.elapsed(), failure, found: Vec::new() });
        result
    }

    /// Of the step that was taken last.
    pub fn found(&self, what: &'static str, value: impl Into<String>) {
        if let Some(step) = self.log().taken.last_mut() {
            step.found.push((what, value.into()));
        }
    }

    /// Everything that was written down. A step that never came to its end, because whoever took it was stopped, ran out of time.
    pub fn taken(&self) -> Vec<Step> {
        let mut log = self.log();
        if let Some((name, begun)) = log.running.take() {
            let failure = Some(FailureClass::TimedOut.into());
            log.taken.push(Step { name, took: begun.elapsed(), failure, found: Vec::new() });
        }
        log.taken.clone()
    }
}

/// Addresses for people who may not know the operator's network.
pub(crate) fn shown(addresses: &[SocketAddr]) -> String {
    let public = |address: IpAddr| policy::may_contact(crate::Trust::Tenant, address);
    let mut words: Vec<String> =
        addresses.iter().map(SocketAddr::ip).filter(|ip| public(*ip)).map(|ip| ip.to_string()).collect();
    let hidden = addresses.len() - words.len();
    if hidden > 0 {
        words.push(format!("{hidden} in the operator's own network"));
    }
    words.join(", ")
}
