//! Hands due rows to the queue: woken by a commit, when the next row falls due, when this process has made room, or by a slow poll.
//!
//! It moves ids and decides nothing: which rows are due, and in which order, is `app::owed`. It never claims more rows than a lane of the
//! queue has room for, so neither memory nor Redis grows with the work that is owed; and what is full of one lane says nothing of another.
//!
//! It is quiet. While a lane is full it waits for this process's own pumps to take half of what waits, and looks for what other processes
//! took ever more rarely, once a second at last. While nothing is due it waits until something is.

use crate::places::Places;
use crate::queue::{Lane, Payload, Queue, Rooms};
use crate::wake::Hints;
use async_trait::async_trait;
use domain::AccountId;
use domain::failure::backoff;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Where rows are due.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// Marks due rows as handed over, of each lane up to so many, and names them; none of an account in its lane of `full`.
    async fn due(&self, rooms: Rooms, full: &[(Lane, AccountId)]) -> Result<Vec<(Lane, Payload)>, String>;

    /// How long until the next row falls due, at most `most`; zero when one is due.
    async fn next_due_in(&self, most: Duration) -> Result<Duration, String>;
}

/// How long a row waits at most that became due without a hint, where all who owe give hints: a net.
pub(crate) const NET: Duration = Duration::from_secs(5);
/// The same where other processes cannot give hints; and how soon to look again when something is due that nobody here can take.
pub(crate) const POLL: Duration = Duration::from_secs(1);
/// Rows that fall due at almost the same time are handed over together.
const SOONEST: Duration = Duration::from_millis(20);
/// How soon to look for what others took while a lane is full: first, and at last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

pub(crate) struct Relay {
    pub source: Arc<dyn Source>,
    pub queue: Arc<dyn Queue>,
    pub places: Arc<Places>,
    pub hints: Hints,
    /// [`NET`] or [`POLL`].
    pub poll: Duration,
}

/// What one look found.
struct Look {
    handed: usize,
    /// Lanes of which more may be due than there was room for, with how much waits in them now.
    full: Vec<(Lane, u32)>,
    /// The accounts that were left alone.
    left_alone: Vec<(Lane, AccountId)>,
}

impl Relay {
    pub(crate) async fn run(self, stop: CancellationToken) {
        let (mut failures, mut pauses) = (0u32, 0u32);
        while !stop.is_cancelled() {
            match self.look().await {
                Ok(look) => {
                    if failures > 0 {
                        info!(failures, "owed work is handed over again");
                        failures = 0;
                    }
                    pauses = if look.handed > 0 { 0 } else { pauses.saturating_add(1) };
                    tokio::select! { () = stop.cancelled() => {}, () = self.rest(&look, pauses) => {} }
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    if failures == 1 {
                        warn!(%error, "owed work cannot be handed over; it waits in the database");
                    }
                    let wait = backoff(failures, Duration::from_millis(200), Duration::from_secs(5), 0.5);
                    tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(wait) => {} }
                }
            }
        }
    }

    async fn look(&self) -> Result<Look, String> {
        let left_alone = self.places.full();
        self.places.count_anew();
        // The queue is asked first: rows claimed for a queue that is not there would wait for their hold to end.
        let mut rooms = self.queue.room().await.map_err(|error| error.to_string())?;
        let capacity = self.queue.capacity();
        let mut waiting = Rooms::default();
        for lane in Lane::ALL {
            *waiting.of_mut(lane) = capacity.saturating_sub(rooms.of(lane));
            // A look at the database is worth it when a quarter of the lane is free.
            if rooms.of(lane) < capacity.div_ceil(4) {
                *rooms.of_mut(lane) = 0;
            }
        }
        let jobs = self.source.due(rooms, &left_alone).await?;
        let mut full = Vec::new();
        for lane in Lane::ALL {
            let handed = u32::try_from(jobs.iter().filter(|(of, _)| *of == lane).count()).unwrap_or(u32::MAX);
            if handed >= rooms.of(lane) {
                full.push((lane, waiting.of(lane).saturating_add(handed)));
            }
        }
        let handed = jobs.len();
        self.queue.push(jobs).await.map_err(|error| error.to_string())?;
        Ok(Look { handed, full, left_alone })
    }

    /// Until it is worth to look again.
    async fn rest(&self, look: &Look, pauses: u32) {
        // Once the lanes that are not full have been looked into, only a hint says something new of them.
        let hint = async {
            if look.full.len() < Lane::ALL.len() {
                self.hints.owed().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let wait = if look.full.is_empty() && self.poll <= POLL {
            // To ask when the next row falls due costs more than the look that it may save.
            POLL
        } else if look.full.is_empty() {
            match self.source.next_due_in(self.poll).await {
                // Nobody here can take it: a newer version's, or an account's that has all its places.
                Ok(wait) if wait.is_zero() => POLL,
                Ok(wait) => wait.max(SOONEST),
                Err(_) => POLL,
            }
        } else {
            backoff(pauses + 1, PAUSES.0, PAUSES.1, 1.0)
        };
        tokio::select! {
            () = hint => {}
            () = self.room_is_made(look) => {}
            () = tokio::time::sleep_until(Instant::now() + wait) => {}
        }
    }

    /// This process took half of what waited in a full lane, or an account that was left alone need be no more.
    async fn room_is_made(&self, look: &Look) {
        loop {
            let taken = self.places.taken();
            if look.full.iter().any(|(lane, waiting)| taken.of(*lane).saturating_mul(2) >= *waiting)
                || (!look.left_alone.is_empty() && self.places.full() != look.left_alone)
            {
                return;
            }
            self.places.moved().await;
        }
    }
}
