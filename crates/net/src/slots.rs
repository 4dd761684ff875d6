//! How many connections may be open to one mail server at a time: each holds a slot of its host for as long as it lives.
//!
//! Who finds none free waits in line. There may be far more mailboxes in it than jobs, and each of those comes again when it was read; so
//! mailboxes step back while a job waits, of which there are few. Those who hold a slot only in case something happens ([`Slot::wanted`])
//! are asked, one for each that waits and the longest idle first, to give theirs up. It closes nothing by itself, and knows nothing of other
//! processes.

use crate::{Endpoint, NetError};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tracing::warn;

/// The hosts that somebody is connected to, or waits for.
#[derive(Debug)]
pub(crate) struct Slots {
    each: Option<NonZeroU32>,
    hosts: Mutex<HashMap<(String, u16), Weak<Host>>>,
}

#[derive(Debug)]
struct Host {
    name: String,
    most: NonZeroU32,
    free: Arc<Semaphore>,
    /// Jobs that wait: mailboxes step back meanwhile.
    jobs: watch::Sender<u32>,
    /// Whose turn it is, of the mailboxes.
    first: Semaphore,
    waiting: AtomicUsize,
    /// Somebody began to wait.
    asked: Notify,
    /// It was said once that there are too few.
    said: AtomicBool,
}

/// The right to one connection, given back when the last of its clones is dropped.
#[derive(Clone, Debug)]
pub struct Slot(Option<Arc<Held>>);

#[derive(Debug)]
struct Held {
    host: Arc<Host>,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    /// `None`: as many as anybody wants.
    pub(crate) fn new(each: Option<NonZeroU32>) -> Self {
        Self { each, hosts: Mutex::default() }
    }

    /// A slot, when there is one, however long it takes.
    pub(crate) async fn take(&self, endpoint: &Endpoint) -> Slot {
        let host = match self.at_once(endpoint) {
            Ok(slot) => return slot,
            Err(host) => host,
        };
        let _waiting = Waiting::at(&host);
        let _first = host.first.acquire().await.expect("nobody closes it");
        let mut jobs = host.jobs.subscribe();
        let permit = loop {
            drop(jobs.wait_for(|jobs| *jobs == 0).await.expect("it lives as long as the host"));
            tokio::select! {
                biased;
                permit = host.free.clone().acquire_owned() => break permit.expect("nobody closes it"),
                _ = jobs.wait_for(|jobs| *jobs > 0) => {}
            }
        };
        Slot::of(host.clone(), permit)
    }

    /// A slot for whoever has something better to do than to wait for longer.
    pub(crate) async fn take_within(&self, endpoint: &Endpoint, within: Duration) -> Result<Slot, NetError> {
        let host = match self.at_once(endpoint) {
            Ok(slot) => return Ok(slot),
            Err(host) => host,
        };
        let (_waiting, _job) = (Waiting::at(&host), WaitingJob::at(&host));
        match tokio::time::timeout(within, host.free.clone().acquire_owned()).await {
            Ok(permit) => Ok(Slot::of(host.clone(), permit.expect("nobody closes it"))),
            Err(_) => Err(NetError::NoSlot { host: endpoint.host.clone(), most: host.most.get() }),
        }
    }

    /// Where there is no bound, or one is free. `Err`: the host at which to wait.
    fn at_once(&self, endpoint: &Endpoint) -> Result<Slot, Arc<Host>> {
        let Some(host) = self.host(endpoint) else { return Ok(Slot(None)) };
        match host.free.clone().try_acquire_owned() {
            Ok(permit) => Ok(Slot::of(host, permit)),
            Err(_) => Err(host),
        }
    }

    /// `None`: there is no bound.
    fn host(&self, endpoint: &Endpoint) -> Option<Arc<Host>> {
        let most = self.each?;
        // No code panics while it holds this, so a poisoned lock holds a good state.
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (endpoint.host.to_ascii_lowercase(), endpoint.port);
        if let Some(host) = hosts.get(&name).and_then(Weak::upgrade) {
            return Some(host);
        }
        hosts.retain(|_, host| host.strong_count() > 0);
        let host = Arc::new(Host {
            name: endpoint.to_string(),
            most,
            free: Arc::new(Semaphore::new(usize::try_from(most.get()).unwrap_or(Semaphore::MAX_PERMITS))),
            jobs: watch::Sender::new(0),
            first: Semaphore::new(1),
            waiting: AtomicUsize::new(0),
            asked: Notify::new(),
            said: AtomicBool::new(false),
        });
        hosts.insert(name, Arc::downgrade(&host));
        Some(host)
    }
}

impl Slot {
    fn of(host: Arc<Host>, permit: OwnedSemaphorePermit) -> Self {
        Self(Some(Arc::new(Held { host, _permit: permit })))
    }

    /// Somebody waits for a connection to this host.
    pub fn is_wanted(&self) -> bool {
        self.0.as_ref().is_some_and(|held| held.host.waiting.load(Ordering::Acquire) > 0)
    }

    /// Waits until somebody waits for a connection to this host, and it is this one that should be given up.
    pub async fn wanted(&self) {
        let Some(held) = &self.0 else { return std::future::pending().await };
        // A call that came while nobody listened may be answered since.
        while !self.is_wanted() {
            held.host.asked.notified().await;
        }
    }
}

/// One that waits, counted for as long as it does.
struct Waiting<'h>(&'h Host);

impl<'h> Waiting<'h> {
    fn at(host: &'h Host) -> Self {
        if !host.said.swap(true, Ordering::Relaxed) {
            let most = host.most;
            warn!(
                host = host.name,
                most, "more connections to a mail server are wanted than it is allowed; mailboxes take turns"
            );
        }
        host.waiting.fetch_add(1, Ordering::AcqRel);
        host.asked.notify_one();
        Self(host)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A job that waits.
struct WaitingJob<'h>(&'h Host);

impl<'h> WaitingJob<'h> {
    fn at(host: &'h Host) -> Self {
        host.jobs.send_modify(|jobs| *jobs += 1);
        Self(host)
    }
}

impl Drop for WaitingJob<'_> {
    fn drop(&mut self) {
        self.0.jobs.send_modify(|jobs| *jobs -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TlsMode;
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    fn slots(each: u32) -> Slots {
        Slots::new(NonZeroU32::new(each))
    }

    fn host(name: &str) -> Endpoint {
        Endpoint::new(name, 993, TlsMode::Implicit)
    }

    #[tokio::test]
    async fn a_host_has_so_many_connections_and_the_next_waits_until_one_and_all_its_clones_have_ended() {
        let slots = slots(2);
        let mail = host("mail.example");
        let (one, _two) = (slots.take(&mail).await, slots.take(&host("MAIL.example")).await);
        let mut third = Box::pin(slots.take(&mail));
        assert!((&mut third).now_or_never().is_none());
        assert!(slots.take(&host("other.example")).now_or_never().is_some(), "another host has its own");
        let clone = one.clone();
        drop(one);
        assert!((&mut third).now_or_never().is_none());
        drop(clone);
        assert!((&mut third).now_or_never().is_some());
    }

    #[tokio::test]
    async fn whoever_waits_asks_one_idle_connection_to_end_and_then_the_next() {
        let slots = slots(2);
        let mail = host("mail.example");
        let (one, two) = (slots.take(&mail).await, slots.take(&mail).await);
        let (mut one_is_idle, mut two_is_idle) = (Box::pin(one.wanted()), Box::pin(two.wanted()));
        assert!((&mut one_is_idle).now_or_never().is_none() && (&mut two_is_idle).now_or_never().is_none());
        let mut third = Box::pin(slots.take(&mail));
        assert!((&mut third).now_or_never().is_none());
        assert!((&mut one_is_idle).now_or_never().is_some(), "the longest idle is asked");
        assert!((&mut two_is_idle).now_or_never().is_none(), "and no other");
        drop(one_is_idle);
        drop(one);
        let third = third.now_or_never().expect("its slot");
        assert!(!two.is_wanted() && (&mut two_is_idle).now_or_never().is_none());
        let mut fourth = Box::pin(slots.take(&mail));
        assert!((&mut fourth).now_or_never().is_none());
        assert!((&mut two_is_idle).now_or_never().is_some() && third.is_wanted());
    }

    #[tokio::test]
    async fn a_call_for_which_nobody_was_idle_is_no_call_any_more_when_it_was_answered() {
        let slots = slots(1);
        let mail = host("mail.example");
        let busy = slots.take(&mail).await;
        let mut next = Box::pin(slots.take(&mail));
        assert!((&mut next).now_or_never().is_none());
        drop(busy);
        let next = next.now_or_never().expect("its slot");
        assert!(next.wanted().now_or_never().is_none(), "nobody waits");
    }

    fn all_wait(mailboxes: &mut [BoxFuture<'_, Slot>]) -> bool {
        mailboxes.iter_mut().all(|mailbox| mailbox.now_or_never().is_none())
    }

    #[tokio::test]
    async fn a_job_goes_before_all_mailboxes_that_wait_and_they_go_on_after_it() {
        let slots = slots(1);
        let mail = host("mail.example");
        let busy = slots.take(&mail).await;
        let mut mailboxes: Vec<_> = (0..100).map(|_| slots.take(&mail).boxed()).collect();
        assert!(all_wait(&mut mailboxes));
        // However often a job gives up and comes again, it is not behind a mailbox that came meanwhile.
        for _ in 0..3 {
            let mut job = Box::pin(slots.take_within(&mail, Duration::from_secs(3600)));
            assert!((&mut job).now_or_never().is_none());
            assert!(all_wait(&mut mailboxes));
        }
        let mut job = Box::pin(slots.take_within(&mail, Duration::from_secs(3600)));
        assert!((&mut job).now_or_never().is_none());
        assert!(all_wait(&mut mailboxes));
        drop(busy);
        assert!(all_wait(&mut mailboxes));
        drop(job.now_or_never().expect("its slot").expect("in time"));
        let taken = mailboxes.remove(0).now_or_never().expect("the mailboxes go on");
        assert!(all_wait(&mut mailboxes));
        drop(taken);
        assert!(mailboxes.remove(0).now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_that_stopped_waiting_waits_no_more_and_hosts_that_nobody_uses_are_forgotten() {
        let slots = slots(1);
        let mail = host("mail.example");
        let busy = slots.take(&mail).await;
        let given_up = slots.take_within(&mail, Duration::from_millis(1)).await;
        assert!(matches!(given_up, Err(NetError::NoSlot { most: 1, .. })) && !busy.is_wanted());
        drop(busy);
        for name in ["a.example", "b.example", "c.example"] {
            drop(slots.take(&host(name)).await);
        }
        assert_eq!(slots.hosts.lock().expect("no panic").len(), 1);
    }
}
