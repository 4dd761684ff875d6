//! How many connections may be open to one mail server at a time: each holds a slot of its host for as long as it lives.
//!
//! Who finds none free waits in line, and those who hold one only in case something happens ([`Slot::wanted`]) are asked, one for each that
//! waits and the longest idle first, to give theirs up. It closes nothing by itself, and knows nothing of other processes.

use crate::{Endpoint, NetError};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::warn;

/// The hosts that somebody is connected to, or waits for.
#[derive(Debug)]
pub(crate) struct Slots {
    each: Option<NonZeroU32>,
    hosts: Mutex<HashMap<(String, u16), Weak<Host>>>,
}

#[derive(Debug)]
struct Host {
    free: Arc<Semaphore>,
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

    /// A slot, when there is one.
    pub(crate) async fn take(&self, endpoint: &Endpoint) -> Slot {
        let Some(each) = self.each else { return Slot(None) };
        let host = self.host(endpoint, each);
        let permit = if let Ok(permit) = host.free.clone().try_acquire_owned() {
            permit
        } else {
            if !host.said.swap(true, Ordering::Relaxed) {
                warn!(host = %endpoint, most = each, "more connections to a mail server are wanted than it is allowed; mailboxes take turns");
            }
            let _waiting = Waiting::at(&host);
            host.free.clone().acquire_owned().await.expect("nobody closes it")
        };
        Slot(Some(Arc::new(Held { host, _permit: permit })))
    }

    pub(crate) async fn take_within(&self, endpoint: &Endpoint, within: Duration) -> Result<Slot, NetError> {
        let taken = tokio::time::timeout(within, self.take(endpoint)).await;
        taken.map_err(|_| NetError::NoSlot { host: endpoint.host.clone(), most: self.each.map_or(0, NonZeroU32::get) })
    }

    fn host(&self, endpoint: &Endpoint, each: NonZeroU32) -> Arc<Host> {
        // No code panics while it holds this, so a poisoned lock holds a good state.
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (endpoint.host.to_ascii_lowercase(), endpoint.port);
        if let Some(host) = hosts.get(&name).and_then(Weak::upgrade) {
            return host;
        }
        hosts.retain(|_, host| host.strong_count() > 0);
        let host = Arc::new(Host {
            free: Arc::new(Semaphore::new(usize::try_from(each.get()).unwrap_or(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            asked: Notify::new(),
            said: AtomicBool::new(false),
        });
        hosts.insert(name, Arc::downgrade(&host));
        host
    }
}

impl Slot {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TlsMode;
    use futures_util::FutureExt;

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
