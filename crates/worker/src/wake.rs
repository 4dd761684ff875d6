//! Hints that there is something to do: within the process at once, and between processes over Redis when there is one.
//!
//! A hint is never relied upon: each is thrown away when nobody listens and when Redis is not there. Whoever waits for one also looks by
//! itself now and then. Those of work and of mailboxes are kept once each however often they are said, so nobody who listens for them can
//! fall behind; those of accounts are a stream, and a listener that falls behind is told so and looks at everything.
//!
//! What passes (who types, who is there) goes the same way, and is lost as easily.

use crate::queue::QueueError;
use crate::queue::redis_line::RedisLine;
use app::live::Passing;
use app::{Hint, Wake};
use domain::failure::backoff;
use domain::{AccountId, ChannelId};
use futures_util::StreamExt;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

/// Where processes tell each other. Redis does not divide PUBLISH by database number: a hint of another installation on the same server
/// costs one look.
const WAKE_CHANNEL: &str = "postroom:wake";
const WAITING_HINTS: usize = 256;
const PUBLISH_PATIENCE: Duration = Duration::from_secs(5);

/// Hints said and heard. Clones are the same.
#[derive(Clone, Debug)]
pub struct Hints(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ears: Arc<Ears>,
    to_others: Option<mpsc::Sender<Said>>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

/// What is said to the others.
enum Said {
    Hint(Hint),
    Passing(Box<Passing>),
}

/// Before what passes, which is JSON.
const PASSING: &str = "passing:";

/// Where hints arrive in this process, whoever said them.
#[derive(Debug)]
struct Ears {
    /// Many hints that work is owed are one: the relay looks once.
    owed: Notify,
    /// The mailboxes that were named since somebody last asked.
    channels: watch::Sender<BTreeSet<ChannelId>>,
    accounts: broadcast::Sender<AccountId>,
    /// What other processes told.
    passing: broadcast::Sender<Passing>,
}

impl Ears {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            owed: Notify::new(),
            channels: watch::Sender::new(BTreeSet::new()),
            accounts: broadcast::Sender::new(WAITING_HINTS),
            passing: broadcast::Sender::new(WAITING_HINTS),
        })
    }

    fn hear(&self, hint: Hint) {
        match hint {
            Hint::Owed => self.owed.notify_one(),
            // In a process that looks after no mailbox, nobody would ever take them out again.
            Hint::Channel(channel) if self.channels.receiver_count() > 0 => {
                self.channels.send_modify(|named| {
                    named.insert(channel);
                });
            }
            Hint::Channel(_) => {}
            // An error means that nobody listens.
            Hint::Account(account) => drop(self.accounts.send(account)),
        }
    }
}

impl Ears {
    /// What is not understood comes from a newer version: its own processes understand it.
    fn hear_others(&self, said: &str) {
        if let Some(json) = said.strip_prefix(PASSING) {
            // An error means that nobody listens.
            let _ = serde_json::from_str(json).map(|passing| self.passing.send(passing));
        } else if let Some(hint) = read(said) {
            self.hear(hint);
        }
    }
}

/// Mailboxes that somebody says should be looked at. For one listener: what it takes, no other gets.
#[derive(Debug)]
pub struct NamedChannels {
    ears: Arc<Ears>,
    named: watch::Receiver<BTreeSet<ChannelId>>,
}

impl NamedChannels {
    /// Waits until a mailbox is named, and takes all that were since the last call.
    pub async fn next(&mut self) -> BTreeSet<ChannelId> {
        loop {
            self.named.changed().await.expect("the sender is in our hands");
            let mut taken = BTreeSet::new();
            self.ears.channels.send_if_modified(|named| {
                taken = std::mem::take(named);
                false
            });
            if !taken.is_empty() {
                return taken;
            }
        }
    }
}

impl Hints {
    /// Hints within this process.
    pub fn in_process() -> Self {
        Self(Arc::new(Inner { ears: Ears::new(), to_others: None, _tasks: Vec::new() }))
    }

    /// Hints within this process and to and from the others on the same Redis. `origin` names this process among them. Must be called
    /// within a tokio runtime.
    pub fn over_redis(url: &str, origin: &str) -> Result<Self, QueueError> {
        let line = RedisLine::new(url, PUBLISH_PATIENCE)?;
        let client = line.client().clone();
        let ears = Ears::new();
        let (to_others, waiting) = mpsc::channel(WAITING_HINTS);
        let speaking = tokio::spawn(publish(line, origin.to_owned(), waiting));
        let hearing = tokio::spawn(listen(client, origin.to_owned(), ears.clone()));
        Ok(Self(Arc::new(Inner {
            ears,
            to_others: Some(to_others),
            _tasks: vec![AbortOnDropHandle::new(speaking), AbortOnDropHandle::new(hearing)],
        })))
    }

    /// In process, or over Redis when there is an address of one.
    pub fn new(redis_url: Option<&str>, origin: &str) -> Result<Self, QueueError> {
        redis_url.map_or_else(|| Ok(Self::in_process()), |url| Self::over_redis(url, origin))
    }

    /// The mailboxes named from now on.
    pub fn channels(&self) -> NamedChannels {
        NamedChannels { ears: self.0.ears.clone(), named: self.0.ears.channels.subscribe() }
    }

    /// The accounts in which something happens from now on. A listener that falls behind loses the oldest, and is told so.
    pub fn accounts(&self) -> broadcast::Receiver<AccountId> {
        self.0.ears.accounts.subscribe()
    }

    /// What other processes tell from now on. A listener that falls behind loses the oldest.
    pub fn passing(&self) -> broadcast::Receiver<Passing> {
        self.0.ears.passing.subscribe()
    }

    /// Waits until work is said to be owed; at once when it was said since the last wait.
    pub(crate) async fn owed(&self) {
        self.0.ears.owed.notified().await;
    }
}

impl Wake for Hints {
    fn wake(&self, hint: Hint) {
        self.0.ears.hear(hint);
        if let Some(to_others) = &self.0.to_others {
            // Full means that Redis is slow or away; the others look by themselves.
            let _ = to_others.try_send(Said::Hint(hint));
        }
    }

    fn tell(&self, passing: &Passing) {
        if let Some(to_others) = &self.0.to_others {
            let _ = to_others.try_send(Said::Passing(Box::new(passing.clone())));
        }
    }
}

async fn publish(line: RedisLine, origin: String, mut waiting: mpsc::Receiver<Said>) {
    while let Some(said) = waiting.recv().await {
        let said = match said {
            Said::Hint(hint) => write(hint),
            Said::Passing(passing) => match serde_json::to_string(&passing) {
                Ok(json) => format!("{PASSING}{json}"),
                Err(_) => continue,
            },
        };
        let text = format!("{origin} {said}");
        if let Err(error) = line.ask::<()>(redis::pipe().publish(WAKE_CHANNEL, text).ignore()).await {
            debug!(%error, "a hint was not passed on");
        }
    }
}

async fn listen(client: redis::Client, origin: String, ears: Arc<Ears>) {
    let mut failures = 0u32;
    loop {
        match client.get_async_pubsub().await {
            Ok(mut pubsub) => match pubsub.subscribe(WAKE_CHANNEL).await {
                Ok(()) => {
                    if failures > 0 {
                        info!("hearing the other processes again");
                        failures = 0;
                    }
                    // Whatever was said while nobody listened: look once.
                    ears.hear(Hint::Owed);
                    let mut messages = pubsub.into_on_message();
                    while let Some(message) = messages.next().await {
                        let text: String = message.get_payload().unwrap_or_default();
                        if let Some((from, said)) = text.split_once(' ')
                            && from != origin
                        {
                            ears.hear_others(said);
                        }
                    }
                    warn!("no longer hearing the other processes; polling until Redis is back");
                }
                Err(error) => debug!(%error, "cannot hear the other processes"),
            },
            Err(error) => {
                if failures == 0 {
                    warn!(%error, "cannot hear the other processes; polling until Redis is back");
                }
            }
        }
        failures = failures.saturating_add(1);
        tokio::time::sleep(backoff(failures, Duration::from_millis(100), Duration::from_secs(5), 0.5)).await;
    }
}

fn write(hint: Hint) -> String {
    match hint {
        Hint::Owed => "owed".to_owned(),
        Hint::Channel(id) => format!("channel:{id}"),
        Hint::Account(id) => format!("account:{id}"),
    }
}

fn read(text: &str) -> Option<Hint> {
    match text.split_once(':') {
        None if text == "owed" => Some(Hint::Owed),
        Some(("channel", id)) => Some(Hint::Channel(ChannelId(id.parse().ok()?))),
        Some(("account", id)) => Some(Hint::Account(AccountId(id.parse().ok()?))),
        // From a newer version: its own processes understand it.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_reads_back_as_it_was_written_and_an_unknown_one_is_nothing() {
        for hint in [Hint::Owed, Hint::Channel(ChannelId(7)), Hint::Account(AccountId(9_000_000_000))] {
            assert_eq!(read(&write(hint)), Some(hint));
        }
        for text in ["", "owe", "channel:", "channel:x", "later:3"] {
            assert_eq!(read(text), None);
        }
    }

    #[tokio::test]
    async fn work_said_to_be_owed_before_anybody_waits_is_heard() {
        let hints = Hints::in_process();
        hints.wake(Hint::Owed);
        hints.wake(Hint::Owed);
        tokio::time::timeout(Duration::from_secs(5), hints.owed()).await.expect("heard");
    }

    #[tokio::test]
    async fn a_mailbox_that_is_named_often_is_heard_of_once_and_none_is_forgotten_however_many_there_are() {
        let hints = Hints::in_process();
        hints.wake(Hint::Channel(ChannelId(-1)));
        let mut named = hints.channels();
        for round in 0..3 {
            for id in 0..5_000 {
                hints.wake(Hint::Channel(ChannelId(id)));
                hints.wake(Hint::Owed);
                hints.wake(Hint::Account(AccountId(id)));
            }
            let heard = tokio::time::timeout(Duration::from_secs(5), named.next()).await.expect("heard");
            assert_eq!(heard, (0..5_000).map(ChannelId).collect(), "round {round}");
        }
        // What was taken out is not heard of again.
        tokio::select! {
            biased;
            again = named.next() => panic!("heard again: {again:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
}
