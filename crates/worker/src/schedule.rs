//! This process's session: its heartbeat, the mailboxes it looks after, and what is put right every hour.
//!
//! A mailbox is leased by a session, and a session is alive while its heart beats; so a process that dies loses all its mailboxes at once,
//! and none is renewed one by one. Leasing takes what nobody holds and never takes from the living.
//!
//! With every beat the database is asked once which mailboxes are ours. Whatever was lost on the way to us is mended by that: the answer
//! to a lease, a release, a hint that a person asked to try again, that an account was suspended or an inbox removed.

use crate::WorkerConfig;
use crate::mailbox::{Actor, End};
use crate::turns::Turns;
use crate::wake::Hints;
use app::outbound::orphans;
use app::stopwatch::Stopwatch;
use app::tending::{self, ChannelLease};
use app::{App, owed};
use domain::{ChannelId, WorkerSessionId};
use futures_util::FutureExt as _;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

/// A mailbox whose actor panicked is not read again before this: whatever broke it is probably still in it.
pub const REST_AFTER_BREAKDOWN: Duration = Duration::from_secs(60);
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Mailboxes taken at once; the next ones follow with the next beat, or at once when another process takes its share meanwhile.
const LEASES_AT_ONCE: u32 = 200;
const KEEP_HOUSE_EVERY: Duration = Duration::from_secs(60 * 60);
/// So much later at most comes back what was snoozed, and somebody looks whether people must be told of a mailbox.
const LOOK_FOR_SNOOZED_EVERY: Duration = Duration::from_secs(15);
/// A stop waits this long for the actors, which end sooner by themselves, and then drops them: there must be time left to give their
/// mailboxes back.
const ACTORS_END_WITHIN: Duration = Duration::from_secs(14);
/// A database that hangs does not hold up a stop.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(4);
/// Whoever's heart has not beaten for so long is thought dead, and others take what it held.
const THOUGHT_DEAD_AFTER: Duration = Duration::from_secs(30);
/// Mailboxes that are named in one line of the log.
const NAMED: usize = 50;

pub(crate) struct Schedule {
    app: App,
    name: String,
    hints: Hints,
    max_mailboxes: usize,
    rest_after_breakdown: Duration,
    turns: Arc<Turns>,
    session: Option<WorkerSessionId>,
    held: HashMap<ChannelId, Held>,
    actors: JoinSet<(ChannelLease, End)>,
    /// Ends every actor of the present session.
    session_stop: CancellationToken,
    database_failures: u32,
    /// When the heart last beat.
    beaten_at: Stopwatch,
}

struct Held {
    epoch: i64,
    signal: Arc<Notify>,
    /// The database says that it is not ours any more; its actor has been told.
    lost: bool,
}

impl Schedule {
    pub(crate) fn new(app: App, config: &WorkerConfig) -> Self {
        let beaten_at = Stopwatch::start(&app);
        Self {
            app,
            name: config.name.clone(),
            hints: config.hints.clone(),
            max_mailboxes: config.max_mailboxes,
            rest_after_breakdown: config.rest_after_breakdown,
            turns: Arc::new(Turns::new()),
            session: None,
            held: HashMap::new(),
            actors: JoinSet::new(),
            session_stop: CancellationToken::new(),
            database_failures: 0,
            beaten_at,
        }
    }

    /// Runs until `stop`; then lets every actor finish what it is at, and gives all mailboxes back.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut named = self.hints.channels();
        let mut beat = tokio::time::interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut keep_house_at = Instant::now();
        let mut look_for_snoozed_at = Instant::now();
        loop {
            tokio::select! {
                // Whoever stood still first finds out what happened meanwhile.
                biased;
                () = stop.cancelled() => break,
                _ = beat.tick() => {
                    // A database that hangs does not hold up a stop.
                    tokio::select! { () = stop.cancelled() => break, () = self.beat() => {} }
                    if Instant::now() >= keep_house_at {
                        keep_house_at = Instant::now() + KEEP_HOUSE_EVERY;
                        tokio::spawn(keep_house(self.app.clone()));
                    }
                    if Instant::now() >= look_for_snoozed_at {
                        look_for_snoozed_at = Instant::now() + LOOK_FOR_SNOOZED_EVERY;
                        tokio::spawn(wake_snoozed(self.app.clone()));
                        tokio::spawn(tell_of_health(self.app.clone()));
                    }
                }
                Some(ended) = self.actors.join_next() => self.ended(ended).await,
                channels = named.next() => self.look_at(channels).await,
            }
        }
        self.finish().await;
    }

    async fn beat(&mut self) {
        let away = self.beaten_at.elapsed(&self.app);
        let held: Vec<ChannelId> = self.held.keys().copied().collect();
        let alive = match self.session {
            None => self.begin().await,
            Some(session) => match tending::heartbeat(&self.app, session).await {
                Ok(true) => Ok(()),
                Ok(false) => {
                    // Others take our mailboxes now. What our actors still write is fenced off; end them and begin anew.
                    warn!(mailboxes = self.held.len(), "this worker was thought dead; beginning a new session");
                    self.forget_session();
                    self.begin().await
                }
                Err(error) => Err(error.to_string()),
            },
        };
        match alive {
            Ok(()) => {
                if self.database_failures > 0 {
                    info!("the database answers again");
                    self.database_failures = 0;
                }
                self.beaten_at = Stopwatch::start(&self.app);
                self.lease().await;
                self.compare().await;
                if away >= THOUGHT_DEAD_AFTER {
                    self.tell_what_was_lost(away, held);
                }
            }
            Err(error) => {
                self.database_failures = self.database_failures.saturating_add(1);
                if self.database_failures == 1 {
                    error!(%error, "the database does not answer; mailboxes wait");
                }
            }
        }
    }

    /// After the process or the database stood still: nothing is lost or doubled by it, and whoever looks for the reason of a delay finds it here.
    fn tell_what_was_lost(&self, away: Duration, held: Vec<ChannelId>) {
        let is_lost = |channel: &ChannelId| self.held.get(channel).is_none_or(|held| held.lost);
        let lost: Vec<ChannelId> = held.into_iter().filter(is_lost).collect();
        warn!(
            away_s = away.as_secs(), mailboxes = self.held.len(), lost = lost.len(),
            channels = %lost.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(" "),
            "this worker was away for longer than it is thought alive; others may have taken its mailboxes"
        );
    }

    async fn begin(&mut self) -> Result<(), String> {
        let session = tending::begin_session(&self.app, &self.name).await.map_err(|error| error.to_string())?;
        debug!(session.id = %session, "the worker's session begins");
        self.session = Some(session);
        self.session_stop = CancellationToken::new();
        Ok(())
    }

    fn forget_session(&mut self) {
        self.session = None;
        self.session_stop.cancel();
        self.held.clear();
    }

    async fn look_at(&mut self, channels: BTreeSet<ChannelId>) {
        let mut unknown = false;
        for channel in channels {
            match self.held.get(&channel) {
                Some(held) => held.signal.notify_one(),
                None => unknown = true,
            }
        }
        if unknown {
            self.lease().await;
        }
    }

    /// Makes what we do fit what the database says: every mailbox that is ours has an actor, and an actor whose mailbox may no longer be
    /// read, or should be tried again, is told to look.
    async fn compare(&mut self) {
        let Some(session) = self.session else { return };
        let ours = match tending::held_mailboxes(&self.app, session).await {
            Ok(ours) => ours,
            Err(error) => {
                warn!(%error, "it could not be seen which mailboxes are ours");
                return;
            }
        };
        let listed: HashSet<ChannelId> = ours.iter().map(|channel| channel.lease.channel_id).collect();
        for (_, held) in self.held.iter_mut().filter(|(channel, _)| !listed.contains(channel)) {
            held.lost = true;
            held.signal.notify_one();
        }
        for channel in ours {
            match self.held.get(&channel.lease.channel_id) {
                Some(held) if held.epoch == channel.lease.epoch => {
                    if channel.asked_again {
                        held.signal.notify_one();
                    }
                }
                Some(_) | None => self.tend(channel.lease),
            }
        }
    }

    async fn lease(&mut self) {
        let Some(session) = self.session else { return };
        let free = u32::try_from(self.max_mailboxes.saturating_sub(self.held.len())).unwrap_or(u32::MAX);
        if free == 0 {
            return;
        }
        match tending::lease_mailboxes(&self.app, session, free.min(LEASES_AT_ONCE)).await {
            Ok(leases) => {
                for lease in leases {
                    self.tend(lease);
                }
            }
            Err(error) => warn!(%error, "mailboxes could not be leased"),
        }
    }

    fn tend(&mut self, lease: ChannelLease) {
        let signal = Arc::new(Notify::new());
        let held = Held { epoch: lease.epoch, signal: signal.clone(), lost: false };
        self.held.insert(lease.channel_id, held);
        debug!(channel.id = %lease.channel_id, lease.epoch, "looking after a mailbox");
        let actor = Actor {
            app: self.app.clone(),
            lease: lease.clone(),
            signal,
            stop: self.session_stop.clone(),
            turns: self.turns.clone(),
        };
        let (stop, resting) = (self.session_stop.clone(), self.rest_after_breakdown);
        self.actors.spawn(async move {
            // What breaks one mailbox's actor ends that actor alone; its mailbox rests and is then leased anew.
            let end = AssertUnwindSafe(actor.run()).catch_unwind().await;
            let end = match end {
                Ok(end) => end,
                Err(_panic) => {
                    error!(channel.id = %lease.channel_id, rest_s = resting.as_secs(), "a mailbox's actor broke down; the mailbox rests");
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(resting) => {}
                    }
                    End::BrokeDown
                }
            };
            (lease, end)
        });
    }

    async fn ended(&mut self, ended: Result<(ChannelLease, End), tokio::task::JoinError>) {
        let (lease, end) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // Its lease stays ours and nobody reads the mailbox: give everything back and begin anew.
                error!(%error, "a mailbox's actor broke down");
                if let Some(session) = self.session {
                    self.forget_session();
                    if let Err(error) = tending::end_session(&self.app, session).await {
                        warn!(%error, "the worker's session could not be ended");
                    }
                }
                return;
            }
        };
        debug!(channel.id = %lease.channel_id, ?end, "no longer looking after a mailbox");
        if self.held.get(&lease.channel_id).is_some_and(|held| held.epoch == lease.epoch) {
            self.held.remove(&lease.channel_id);
        }
        if let Err(error) = tending::release(&self.app, &lease).await {
            debug!(channel.id = %lease.channel_id, %error, "a lease could not be given back; it ends with the session");
        }
    }

    async fn finish(&mut self) {
        self.session_stop.cancel();
        let ending = async { while self.actors.join_next().await.is_some() {} };
        if tokio::time::timeout(ACTORS_END_WITHIN, ending).await.is_err() {
            warn!(
                mailboxes = self.actors.len(),
                "mailboxes did not come to rest in time; what they were at is dropped"
            );
            self.actors.abort_all();
        }
        let Some(session) = self.session else { return };
        match tokio::time::timeout(GIVEN_BACK_WITHIN, tending::end_session(&self.app, session)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn!(%error, "the worker's session could not be ended; its mailboxes are free in half a minute");
            }
            Err(_) => warn!("the worker's session does not end; its mailboxes are free in half a minute"),
        }
    }
}

/// Conversations whose time has come, and attempts to connect whose time has run out. Two looks at once open none twice.
async fn wake_snoozed(app: App) {
    if let Err(error) = app::conversations::wake_snoozed(&app).await {
        debug!(%error, "snoozed conversations could not be looked for; trying again in a moment");
    }
    if let Err(error) = tending::end_overdue_attempts(&app).await {
        debug!(%error, "sign-ins that nobody finished could not be ended; trying again in a moment");
    }
}

async fn tell_of_health(app: App) {
    if let Err(error) = tending::tell_of_health(&app).await {
        debug!(%error, "it could not be told which mailboxes do not work; trying again in a minute");
    }
}

/// What nobody waits for.
async fn keep_house(app: App) {
    if let Err(error) = tending::sweep(&app).await {
        warn!(%error, "what nothing refers to could not be swept; trying again tomorrow");
    }
    if let Err(error) = tending::forget_old_submissions(&app).await {
        warn!(%error, "sendings that count no more could not be forgotten; trying again in an hour");
    }
    match owed::give_up_unknown(&app).await {
        Ok(0) => {}
        Ok(count) => error!(count, "owed work of kinds that no version here knows was given up"),
        Err(error) => warn!(%error, "owed work of unknown kinds could not be looked at"),
    }
    if let Err(error) = orphans::owe_again(&app).await {
        warn!(%error, "deliveries that nobody owes could not be looked for; trying again in an hour");
    }
    match tending::keep_grants_alive(&app).await {
        Ok(0) => {}
        Ok(count) => info!(count, "idle grants were kept alive"),
        Err(error) => warn!(%error, "idle grants could not be kept alive; trying again in an hour"),
    }
    if let Err(error) = app::oauth_apps::expiry::warn_of_ending_credentials(&app).await {
        warn!(%error, "credentials that end soon could not be looked for; trying again in an hour");
    }
}
