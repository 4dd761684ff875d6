//! One who follows an account: where they are in its events, and what they are told next.

use super::feed::{Found, PAGE};
use super::{LiveEvent, MOST_BEHIND, Passed, Place};
use crate::App;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use store::{AccountScope, Standing, StoreError, Visibility};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// So often something is said when nothing happens, which keeps the connection and shows who is still there.
const BEAT: Duration = Duration::from_secs(15);

/// What one who follows is told.
#[derive(Debug)]
pub enum News {
    /// The stream begins here: what happens after event `seq` is told.
    Ready {
        seq: i64,
    },
    /// What happened between is not told: whoever follows must look at everything anew. It goes on after event `seq`.
    Reset {
        seq: i64,
    },
    Events(Vec<Arc<LiveEvent>>),
    /// Something that is not kept and has no number.
    Passing(Arc<Passed>),
    /// Nothing happened that they may know. They have seen all up to event `seq`.
    Beat {
        seq: i64,
    },
}

/// Events in order, from one place on.
#[derive(Debug)]
pub struct LiveStream {
    app: App,
    place: Place,
    changes: watch::Receiver<()>,
    seq: i64,
    lives: u32,
    /// What is told first.
    first: VecDeque<News>,
    passing: broadcast::Receiver<Arc<Passed>>,
    /// What they saw when they were let in.
    at_first: Visibility,
    beat: Interval,
}

impl LiveStream {
    pub(super) async fn begin(
        app: &App,
        place: Place,
        at_first: Visibility,
        after: Option<i64>,
    ) -> Result<Self, StoreError> {
        let changes = place.feed.changes();
        let lives = place.feed.lives();
        let scope = &place.feed.scope;
        let newest = scope.newest_event().await?;
        let first = match after {
            None => News::Ready { seq: newest },
            Some(seq) if seq == newest => News::Ready { seq },
            Some(seq) => {
                let is_near = seq < newest && newest - seq <= MOST_BEHIND;
                let next = if is_near { scope.events_after(seq, 1).await? } else { Vec::new() };
                let is_kept = next.first().is_some_and(|next| next.seq == seq + 1);
                if is_kept { News::Ready { seq } } else { News::Reset { seq: newest } }
            }
        };
        let seq = match first {
            News::Ready { seq } | News::Reset { seq } | News::Beat { seq } => seq,
            News::Events(_) | News::Passing(_) => newest,
        };
        let (passing, all) = place.feed.come_in();
        let passed = all.into_iter().filter(|passed| passed.is_for(&place.watcher, &at_first));
        let first = std::iter::once(first).chain(passed.map(|passed| News::Passing(Arc::new(passed)))).collect();
        let mut beat = tokio::time::interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { app: app.clone(), place, changes, seq, lives, first, passing, at_first, beat })
    }

    pub fn scope(&self) -> &AccountScope {
        &self.place.feed.scope
    }

    /// What comes next. `None`: it is over, because the process ends or they may not follow any more; whoever follows asks again, and is
    /// told which.
    pub async fn next(&mut self) -> Option<News> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        let stop = self.app.live().stop.clone();
        loop {
            if stop.is_cancelled() {
                return None;
            }
            self.changes.mark_unchanged();
            let look = self.place.feed.after(self.seq);
            if look.lives != self.lives {
                self.lives = look.lives;
                return self.reset().await;
            }
            let (events, known) = match look.found {
                Found::Nothing => (None, look.audience.of(&self.place.watcher)),
                Found::Events(events) => (Some(events), look.audience.of(&self.place.watcher)),
                // Read later than the feed asked who may see what.
                Found::Forgotten => (Some(self.page().await?), Standing::Unknown),
            };
            let Some(events) = events else {
                if known == Standing::Gone {
                    return None;
                }
                // The beat first: in a busy account something changes all the time, perhaps nothing that they may see.
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return None,
                    _ = self.beat.tick() => return Some(News::Beat { seq: self.seq }),
                    passed = self.passing.recv() => {
                        // What was lost of it is lost.
                        let visibility = if let Standing::Sees(now) = known { now } else { &self.at_first };
                        if let Ok(passed) = passed && passed.is_for(&self.place.watcher, visibility) {
                            return Some(News::Passing(passed));
                        }
                    }
                    changed = self.changes.changed() => changed.ok()?,
                }
                continue;
            };
            let visibility = match known {
                Standing::Sees(visibility) => visibility.clone(),
                Standing::Gone => return None,
                Standing::Unknown => self.visibility().await?,
            };
            match (events.first(), events.last()) {
                (Some(first), Some(last)) if first.event.seq == self.seq + 1 => self.seq = last.event.seq,
                _ => return self.reset().await,
            }
            let theirs: Vec<_> =
                events.into_iter().filter(|event| event.is_for(&self.place.watcher, &visibility)).collect();
            if !theirs.is_empty() {
                return Some(News::Events(theirs));
            }
        }
    }

    /// Further behind than the feed remembers. `None`: the stream ends, to be resumed.
    async fn page(&self) -> Option<Vec<Arc<LiveEvent>>> {
        match self.scope().events_after(self.seq, PAGE).await {
            Ok(events) => {
                let now = Instant::now();
                Some(events.into_iter().map(|event| Arc::new(LiveEvent::new(event, now))).collect())
            }
            Err(error) => {
                tracing::debug!(%error, "events could not be read; the stream ends, to be resumed");
                None
            }
        }
    }

    async fn visibility(&self) -> Option<Visibility> {
        let watcher = self.place.watcher;
        let audience = self.scope().audience(&[watcher]).await.ok()?;
        match audience.of(&watcher) {
            Standing::Sees(visibility) => Some(visibility.clone()),
            Standing::Gone | Standing::Unknown => None,
        }
    }

    async fn reset(&mut self) -> Option<News> {
        self.seq = self.scope().newest_event().await.ok()?;
        Some(News::Reset { seq: self.seq })
    }
}
