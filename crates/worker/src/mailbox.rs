//! One mailbox, as long as this process holds its lease: open → pull → wait for news → pull …, and after trouble again, later each time.
//!
//! It decides when, never what: what a mail becomes is `app::inbound`'s, and what a failure means for the mailbox's health is
//! `app::channels::health`'s. Everything it writes is fenced by the lease's epoch, so a slow actor whose mailbox was taken over can do no
//! harm. One actor never waits for another, except for its turn to sign in, and for a connection where its host allows fewer than there are
//! mailboxes: then those that have read theirs give it up to those that wait, and look again when it is time to. A mailbox of a person who has
//! more of them than may be kept open is read in turn with those of theirs that came late, and left again.
//!
//! A signal asks for a look, and the row says what it was about. While the mailbox works, a signal is a look at once. While it is left
//! alone after a failure, a signal alone changes nothing: neither our own growing wait nor the time that the server asked for is cut
//! short by a hint that was lost, doubled, or meant for something else. What ends the wait early is a person's act that stands in the row:
//! "try again", or a new sign-in. That tries once, also within a time the server asked for: somebody looks at the result, may have mended
//! something, and one command is no storm; if the server still refuses, it says anew for how long, and that is obeyed. The time it asked
//! for is obeyed by the next keeper of the mailbox too, after a restart or a takeover.

use crate::turns::Turns;
use app::App;
use app::inbound::mailbox::{self, Slot};
use app::inbound::{MailboxError, OpenMailbox, PullError, pull};
use app::tending::{self, ChannelLease, Standing};
use domain::failure::backoff;
use domain::{Failure, FailureClass};
use futures_util::FutureExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// A connection that stayed this long and read the mailbox lived; only that makes the waits short again. A server that lets us in and
/// throws us out is not well.
const LIVED: Duration = Duration::from_secs(60);
/// So often in a row a session may end while its mailbox waits for memory before that is a failure, and the waits grow.
const MOST_STOOD_IDLE: u32 = 3;
/// With IDLE the poll is only a net, and is cast this many times less often. With the default of a minute that is nine minutes, well below
/// the 29 after which RFC 2177 wants an IDLE renewed.
const IDLE_NET_POLLS: u32 = 9;
const LONGEST_IDLE: Duration = Duration::from_secs(25 * 60);
/// How often a mailbox that is well says so in its row.
const WELL_EVERY: Duration = Duration::from_secs(60);
/// The database is asked again after this long at most.
const LONGEST_STORE_WAIT: Duration = Duration::from_secs(30);
/// A stop waits this long for a mailbox to be left in good order: most are at once, a month of mail is not. What was fetched is stored and what
/// was not is fetched by the next keeper, who should not have to wait until our session is thought dead.
const COMES_TO_REST_WITHIN: Duration = Duration::from_secs(10);

/// What an actor is given.
pub(crate) struct Actor {
    pub app: App,
    pub lease: ChannelLease,
    /// Somebody says that this mailbox should be looked at now.
    pub signal: Arc<Notify>,
    pub stop: CancellationToken,
    pub turns: Arc<Turns>,
}

/// Why the actor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Stopped,
    /// The mailbox is somebody else's now, or nobody's: gone, suspended, or waiting for a person.
    NotOurs,
    /// It panicked.
    BrokeDown,
}

/// How one connection ended.
enum Ended {
    Stopped,
    NotOurs,
    /// Another mailbox waits for the connection. Whether there was more to read.
    GaveWay {
        more: bool,
    },
    /// Its server held memory for which others wait, and did not send.
    TooSlow,
    /// It did not outlive the mailbox's wait for memory.
    StoodIdle,
    Trouble(MailboxError),
}

/// What is waited for before the next try.
struct Rest {
    wait: Duration,
    /// The mailbox's row says that it is failing.
    recorded: bool,
    /// The mail server asked for it.
    stated: bool,
}

impl Rest {
    /// Nothing is known to be wrong with the mailbox.
    fn unrecorded(wait: Duration) -> Self {
        Self { wait, recorded: false, stated: false }
    }

    /// Whether something in the row ends it early.
    fn is_over(&self, standing: Standing) -> bool {
        match standing {
            Standing::NotOurs | Standing::AskedAgain => true,
            Standing::Connected => self.recorded || !self.stated,
            Standing::Failing => false,
        }
    }
}

impl Actor {
    /// Looks after the mailbox until it is stopped or the mailbox is no longer ours.
    pub(crate) async fn run(self) -> End {
        let mut failures = 0u32;
        let mut expired_at: Option<Instant> = None;
        let mut stood_idle = 0u32;
        if let Some(end) = self.obey_what_was_asked().await {
            return end;
        }
        loop {
            let turn = match self.turn().await {
                Ok(turn) => turn,
                Err(end) => return end,
            };
            let slot = match self.slot().await {
                Ok(slot) => slot,
                Err(end) => return end,
            };
            let begun = Instant::now();
            let mut read = false;
            let ended = self.connection(failures > 0, turn.is_some(), &slot, &mut read).await;
            drop((slot, turn));
            if read {
                stood_idle = 0;
            }
            let lived = read && begun.elapsed() >= LIVED;
            if lived {
                failures = 0;
            }
            let error = match ended {
                Ended::Stopped => return End::Stopped,
                Ended::NotOurs => return End::NotOurs,
                // No failure: it is read again at once, the slow in a line of their own. Who is too slow there has failed.
                Ended::TooSlow => continue,
                Ended::StoodIdle if stood_idle < MOST_STOOD_IDLE => {
                    stood_idle += 1;
                    continue;
                }
                Ended::StoodIdle => Failure::new(FailureClass::ConnectionLost)
                    .detail("the server ends its sessions sooner than there is memory for their mail")
                    .into(),
                // It was read well, and ended by us.
                Ended::GaveWay { more } => {
                    failures = 0;
                    if !more && let Some(end) = self.rest(Rest::unrecorded(self.until_next_look())).await {
                        return end;
                    }
                    continue;
                }
                Ended::Trouble(error) => error,
            };
            failures = failures.saturating_add(1);
            let rest = match error {
                MailboxError::LeaseLost => return End::NotOurs,
                MailboxError::Store(error) => {
                    warn!(channel.id = %self.lease.channel_id, %error, "the database failed while reading a mailbox");
                    Rest::unrecorded(backoff(failures, FIRST_WAIT, LONGEST_STORE_WAIT, self.app.jitter()))
                }
                // A token runs out after an hour or so, in the middle of a session: nothing is wrong. Twice within a minute something is.
                MailboxError::Failure(failure)
                    if failure.class == FailureClass::SessionExpired
                        && read
                        && expired_at.is_none_or(|at| at.elapsed() >= LIVED) =>
                {
                    expired_at = Some(Instant::now());
                    failures = 0;
                    debug!(channel.id = %self.lease.channel_id, "the session's token ran out; signing in again");
                    continue;
                }
                // Servers end connections that lived, when they are restarted or move a mailbox. It is told only when the next one fails.
                MailboxError::Failure(failure) if lived && failure.class == FailureClass::ConnectionLost => {
                    debug!(channel.id = %self.lease.channel_id, "the connection was lost; connecting again");
                    Rest::unrecorded(wait_after(&failure, failures, self.app.jitter()))
                }
                MailboxError::Failure(failure) => {
                    let wait = wait_after(&failure, failures, self.app.jitter());
                    info!(channel.id = %self.lease.channel_id, failure = %failure, failures, wait_s = wait.as_secs(), "a mailbox cannot be read");
                    let stated = failure.retry_after().is_some();
                    match tending::fetching_failed(&self.app, &self.lease, &failure, wait).await {
                        Ok(true) => Rest { wait, recorded: true, stated },
                        Ok(false) => return End::NotOurs,
                        Err(error) => {
                            warn!(channel.id = %self.lease.channel_id, %error, "a mailbox's health could not be written");
                            Rest { wait, recorded: false, stated }
                        }
                    }
                }
            };
            if let Some(end) = self.rest(rest).await {
                return end;
            }
        }
    }

    /// The turn of a mailbox that is not kept open; `None`: it may be.
    async fn turn(&self) -> Result<Option<OwnedSemaphorePermit>, End> {
        // Where the database does not answer, opening the mailbox meets the same.
        let Ok(Some(grant)) = tending::takes_turns(&self.lease).await else { return Ok(None) };
        let turn = tokio::select! {
            () = self.stop.cancelled() => return Err(End::Stopped),
            turn = self.turns.of_person(grant).acquire_owned() => turn.expect("nobody closes it"),
            () = self.lost() => return Err(End::NotOurs),
        };
        if matches!(tending::holds(&self.app, &self.lease).await, Ok(false)) {
            Err(End::NotOurs)
        } else {
            Ok(Some(turn))
        }
    }

    /// The right to a connection to the mailbox's host. Whoever waited for it asks whether the mailbox is still ours.
    async fn slot(&self) -> Result<Slot, End> {
        let mut waiting = std::pin::pin!(mailbox::slot(&self.app));
        if let Some(slot) = (&mut waiting).now_or_never() {
            return Ok(slot);
        }
        let slot = tokio::select! {
            () = self.stop.cancelled() => return Err(End::Stopped),
            slot = &mut waiting => slot,
            () = self.lost() => return Err(End::NotOurs),
        };
        // Where the database does not answer, opening the mailbox meets the same.
        if matches!(tending::holds(&self.app, &self.lease).await, Ok(false)) { Err(End::NotOurs) } else { Ok(slot) }
    }

    /// Waits until a signal says that the mailbox is no longer to be read. Whatever else is signalled while we stand in a line is answered by the look
    /// that follows.
    async fn lost(&self) {
        loop {
            self.signal.notified().await;
            if matches!(tending::standing(&self.app, &self.lease).await, Ok(Standing::NotOurs)) {
                return;
            }
        }
    }

    /// Spread, so that mailboxes that came together do not look together.
    fn until_next_look(&self) -> Duration {
        self.app.settings().poll_interval.mul_f64(0.9 + 0.1 * self.app.jitter())
    }

    /// Whoever read the mailbox before us may have been told to leave it alone for a while.
    async fn obey_what_was_asked(&self) -> Option<End> {
        let mut failures = 0u32;
        loop {
            let rest = match tending::stated_wait(&self.app, &self.lease).await {
                Ok(None) => return None,
                Ok(Some(wait)) => {
                    info!(channel.id = %self.lease.channel_id, wait_s = wait.as_secs(), "the mail server asked to leave this mailbox alone");
                    return self.rest(Rest { wait, recorded: true, stated: true }).await;
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    warn!(channel.id = %self.lease.channel_id, %error, "the database failed before a mailbox was opened");
                    Rest::unrecorded(backoff(failures, FIRST_WAIT, LONGEST_STORE_WAIT, self.app.jitter()))
                }
            };
            if let Some(end) = self.rest(rest).await {
                return Some(end);
            }
        }
    }

    /// Leaves the mailbox alone. `Some`: the actor ends.
    async fn rest(&self, rest: Rest) -> Option<End> {
        let until = Instant::now() + rest.wait;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Some(End::Stopped),
                () = tokio::time::sleep_until(until) => return None,
                () = self.signal.notified() => {}
            }
            match tending::standing(&self.app, &self.lease).await {
                Ok(Standing::NotOurs) => return Some(End::NotOurs),
                Ok(standing) if rest.is_over(standing) => return None,
                Ok(_) => {}
                Err(error) => {
                    warn!(channel.id = %self.lease.channel_id, %error, "it could not be seen why a mailbox was signalled");
                }
            }
        }
    }

    /// One connection from opening to its end. `read` tells whether the mailbox was read over it.
    async fn connection(&self, is_failing: bool, in_turn: bool, slot: &Slot, read: &mut bool) -> Ended {
        tokio::select! {
            ended = self.connected(is_failing, in_turn, slot, read) => ended.unwrap_or_else(|error| match error {
                PullError::TooSlow => Ended::TooSlow,
                PullError::StoodIdle => Ended::StoodIdle,
                PullError::Mailbox(error) => Ended::Trouble(error),
            }),
            // A month of mail, or a server that does not even answer our goodbye.
            () = self.stopped_for(COMES_TO_REST_WITHIN) => Ended::Stopped,
        }
    }

    async fn connected(
        &self,
        is_failing: bool,
        in_turn: bool,
        slot: &Slot,
        read: &mut bool,
    ) -> Result<Ended, PullError> {
        let since = Instant::now();
        let mut open = tokio::select! {
            () = self.stop.cancelled() => return Ok(Ended::Stopped),
            opened = self.turns.take(is_failing, Box::pin(mailbox::open_in(slot, &self.app, &self.lease))) => opened?,
        };
        // What was asked for until now is answered by the look that follows.
        let _ = self.signal.notified().now_or_never();
        let mut said_well: Option<Instant> = None;
        let ended = loop {
            let begins_after = open.last_uid();
            let pulled = pull::pull(&self.app, &self.lease, &mut open).await;
            // Also a session that ended on the way has read what came over it.
            *read |= pulled.is_ok() || open.last_uid() > begins_after;
            let pulled = pulled?;
            debug!(channel.id = %self.lease.channel_id, ?pulled, "looked into a mailbox");
            if said_well.is_none_or(|at| at.elapsed() >= WELL_EVERY) {
                if !tending::fetching_works(&self.app, &self.lease).await? {
                    break Ended::NotOurs;
                }
                said_well = Some(Instant::now());
            }
            if self.stop.is_cancelled() {
                break Ended::Stopped;
            }
            if in_turn && !pulled.more {
                break Ended::GaveWay { more: false };
            }
            if pulled.more {
                if (in_turn || slot.is_wanted()) && since.elapsed() >= self.app.settings().poll_interval {
                    break Ended::GaveWay { more: true };
                }
                continue;
            }
            let news = self.news(&mut open, slot).await?;
            if news == News::GiveWay {
                break Ended::GaveWay { more: false };
            }
            if news == News::Signal {
                if !tending::holds(&self.app, &self.lease).await? {
                    break Ended::NotOurs;
                }
                // Perhaps a person asked to try again: they are told what came of it, and not a minute later.
                said_well = None;
                mailbox::look_again(&self.app, &self.lease, &mut open).await?;
            }
            if self.stop.is_cancelled() {
                break Ended::Stopped;
            }
        };
        open.close().await;
        Ok(ended)
    }

    /// Waits until the stop is so long ago.
    async fn stopped_for(&self, long: Duration) {
        self.stop.cancelled().await;
        tokio::time::sleep(long).await;
    }

    /// Waits until there may be news: the server says so, somebody says so, or it is time to look; or until the connection is wanted.
    async fn news(&self, open: &mut OpenMailbox, slot: &Slot) -> Result<News, MailboxError> {
        let poll = self.app.settings().poll_interval;
        let (mut news, stop) = (News::Look, &self.stop);
        let until = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.signal.notified() => news = News::Signal,
                () = slot.wanted() => news = News::GiveWay,
            }
        };
        if open.can_idle() {
            open.idle((poll * IDLE_NET_POLLS).min(LONGEST_IDLE), until).await?;
        } else {
            let _ = tokio::time::timeout(self.until_next_look(), until).await;
        }
        Ok(news)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Look,
    Signal,
    GiveWay,
}

/// What the server asked for, or our own growing wait when that is longer.
fn wait_after(failure: &Failure, failures: u32, jitter: f64) -> Duration {
    let own = backoff(failures, FIRST_WAIT, LONGEST_WAIT, jitter);
    failure.retry_after().map_or(own, |asked| asked.max(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stated_wait_is_obeyed_and_our_own_grows_beyond_it() {
        let throttled = Failure::new(FailureClass::Throttled).after(Duration::from_millis(299_961));
        assert_eq!(wait_after(&throttled, 1, 0.0), Duration::from_secs(300));
        assert_eq!(wait_after(&throttled, 30, 1.0), LONGEST_WAIT);
        let lost = Failure::new(FailureClass::ConnectionLost);
        assert_eq!(wait_after(&lost, 1, 1.0), FIRST_WAIT);
        assert!(wait_after(&lost, 3, 0.0) >= Duration::from_secs(4));
    }

    #[test]
    fn only_what_stands_in_the_row_ends_a_rest_early() {
        let told = Rest { wait: Duration::from_secs(300), recorded: true, stated: true };
        assert!(!told.is_over(Standing::Failing));
        assert!(
            told.is_over(Standing::AskedAgain) && told.is_over(Standing::Connected) && told.is_over(Standing::NotOurs)
        );
        // It could not be written that the server asked for the wait: that the row says nothing of it is no person's act.
        let untold = Rest { recorded: false, ..told };
        assert!(!untold.is_over(Standing::Connected) && untold.is_over(Standing::AskedAgain));
        assert!(Rest::unrecorded(FIRST_WAIT).is_over(Standing::Connected));
    }
}
