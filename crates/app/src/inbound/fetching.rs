//! One batch of mail comes over the network, within the memory that all mailboxes share.
//!
//! Room is held while a server sends, and others wait for it, so a server that does not send is left: silent, dribbling, or lying about what there
//! is. That holds from the first word to the last, so everything that is asked while room is held is asked here. The mailbox is read again at once,
//! in the line of the slow ([`crate::memory`]), with more patience; who is too slow even there has failed as any server that does not answer. It
//! decides nothing about mails: a fetch that was left is as if it had not been begun.
//!
//! A session says nothing while its mailbox waits for room, for minutes if need be, and may be gone by then. So it is asked whether it is there
//! before a mail is asked for: what breaks afterwards broke under the mails, and what broke before says nothing of them ([`NotFetched`]).

use super::PullError;
use crate::App;
use crate::memory::{Line, Needed, Room};
use crate::stopwatch::Stopwatch;
use domain::{AccountId, ChannelId, Failure, FailureClass};
use mail::imap::{Batch, FetchedEmail, Session};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tracing::info;

/// What a server that holds room has to send: so many bytes in every such time. Who comes to the end sooner has sent enough.
struct Pace {
    every: Duration,
    least_bytes: u64,
}

/// 2 Mbit/s.
const PACE: Pace = Pace { every: Duration::from_secs(10), least_bytes: 10 * 256 * 1024 };
/// 24 kbit/s on average: 64 kbit/s, although the server was silent for as long as a session lets it be ([`mail::imap::Limits::silence`]).
const SLOW_PACE: Pace = Pace { every: Duration::from_secs(180), least_bytes: 180 * 3 * 1024 };

/// A session over which the server has said nothing for so long is asked whether it is there. It costs one exchange.
const QUIET: Duration = Duration::from_secs(10);

/// The mails of a batch, and the room they are in: to be kept as long as anything of them.
pub(super) struct Fetched {
    pub emails: Vec<FetchedEmail>,
    /// Those that were not delivered. Of new mail those only that the folder still announces: the others were deleted in between.
    pub missing: Vec<u32>,
    pub room: Room,
}

/// Which mailbox it is, and what for.
#[derive(Clone, Copy)]
pub(super) struct Whose {
    pub account: AccountId,
    pub channel: ChannelId,
    pub is_import: bool,
}

/// Why a batch did not come.
pub(super) enum NotFetched {
    /// The session broke when its mails were asked for: perhaps one of them did it.
    Under(Failure),
    /// No mail was asked for, or none can have been the reason.
    Otherwise(PullError),
}

impl From<NotFetched> for PullError {
    fn from(not: NotFetched) -> Self {
        match not {
            NotFetched::Under(failure) => failure.into(),
            NotFetched::Otherwise(error) => error,
        }
    }
}

/// Waits for room, fetches, and asks for what did not come.
pub(super) async fn fetch(
    app: &App,
    whose: Whose,
    session: &mut Session,
    batch: &Batch,
) -> Result<Fetched, NotFetched> {
    let memory = app.mail_memory();
    let line = memory.line(whose.channel, whose.is_import);
    let waiting = Stopwatch::start(app);
    let room = memory.room(whose.account, line, needed(app, batch)).await;
    let was_quiet = session.quiet_for().max(waiting.elapsed(app)) >= QUIET;
    let pace = if line == Line::Slow { SLOW_PACE } else { PACE };
    let received = session.received();
    let fetching = async {
        if was_quiet {
            session.still_answers().await.map_err(gone_before)?;
        }
        let emails = session.fetch_batch(batch).await.map_err(blames_mail)?;
        let missing = not_in(&batch.uids, emails.iter().map(|mail| mail.uid));
        // An import looks through everything once more, and the mailbox's actor asks for what is missing.
        let missing =
            if whose.is_import { missing } else { still_there(session, missing).await.map_err(blames_mail)? };
        Ok((emails, missing))
    };
    match at_a_pace(&pace, &received, fetching).await {
        Ok(fetched) => {
            let (emails, missing) = fetched?;
            Ok(Fetched { emails, missing, room })
        }
        Err(TooFew { sent }) => {
            memory.found_slow(whose.channel);
            if line == Line::Slow {
                let detail = format!("the server sent {sent} bytes of mail in {} s", pace.every.as_secs());
                return Err(NotFetched::Under(Failure::new(FailureClass::TimedOut).detail(detail)));
            }
            info!(channel.id = %whose.channel, bytes = sent, "a mail server sends too slowly; its mailbox waits with the slow ones");
            Err(NotFetched::Otherwise(PullError::TooSlow))
        }
    }
}

/// The session did not survive the wait for room, which is nobody's failure, or the server says something of us or of itself.
fn gone_before(failure: Failure) -> NotFetched {
    match failure.class {
        FailureClass::ConnectionLost => NotFetched::Otherwise(PullError::StoodIdle),
        _ => NotFetched::Otherwise(failure.into()),
    }
}

/// What the server says about us or itself is no mail's fault.
fn blames_mail(failure: Failure) -> NotFetched {
    match failure.class {
        FailureClass::ConnectionLost
        | FailureClass::ProtocolError
        | FailureClass::TimedOut
        | FailureClass::ServerUnavailable => NotFetched::Under(failure),
        _ => NotFetched::Otherwise(failure.into()),
    }
}

/// A server sent no more than this in the time of its pace.
#[derive(Debug, PartialEq, Eq)]
struct TooFew {
    sent: u64,
}

/// Drives `fetching` as long as `received` grows as it has to.
async fn at_a_pace<T>(pace: &Pace, received: &AtomicU64, fetching: impl Future<Output = T>) -> Result<T, TooFew> {
    let mut fetching = std::pin::pin!(fetching);
    loop {
        let before = received.load(Ordering::Relaxed);
        if let Ok(fetched) = tokio::time::timeout(pace.every, &mut fetching).await {
            return Ok(fetched);
        }
        let sent = received.load(Ordering::Relaxed).saturating_sub(before);
        if sent < pace.least_bytes {
            return Err(TooFew { sent });
        }
    }
}

/// Those of these UIDs that the folder still announces.
pub(super) async fn still_there(session: &mut Session, uids: Vec<u32>) -> Result<Vec<u32>, Failure> {
    if uids.is_empty() {
        return Ok(uids);
    }
    let there: HashSet<u32> = session.uids_among(&uids).await?.into_iter().collect();
    Ok(uids.into_iter().filter(|uid| there.contains(uid)).collect())
}

/// A UID whose size the server does not tell is in no batch.
pub(super) fn unplanned(uids: &[u32], batches: &[Batch]) -> Vec<u32> {
    not_in(uids, batches.iter().flat_map(|batch| batch.uids.iter().copied()))
}

pub(super) fn not_in(all: &[u32], known: impl Iterator<Item = u32>) -> Vec<u32> {
    let known: HashSet<u32> = known.collect();
    all.iter().copied().filter(|uid| !known.contains(uid)).collect()
}

fn needed(app: &App, batch: &Batch) -> Needed {
    let longest = app.settings().fetch_limit_bytes as u64;
    if batch.at_any_length {
        Needed::Unknown
    } else if batch.in_parts {
        Needed::Long { bytes: batch.claimed_bytes.min(longest) }
    } else {
        Needed::Batch { mails: batch.uids.len(), bytes: batch.claimed_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::imap::Limits;
    use tokio::time::{interval, sleep};

    const WINDOW: Duration = Duration::from_millis(40);

    fn thousand() -> Pace {
        Pace { every: WINDOW, least_bytes: 1_000 }
    }

    /// Sends so many bytes at once, so often, one window's tenth apart.
    async fn sends(received: &AtomicU64, bytes: u64, times: usize) {
        let mut beat = interval(WINDOW / 10);
        for _ in 0..times {
            beat.tick().await;
            received.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn who_sends_is_waited_for_and_who_stops_is_left_whatever_came_before() {
        let received = AtomicU64::new(0);
        assert_eq!(at_a_pace(&thousand(), &received, sends(&received, 10_000, 60)).await, Ok(()));
        let then_nothing = async {
            sends(&received, 10_000, 60).await;
            std::future::pending::<()>().await;
        };
        assert_eq!(at_a_pace(&thousand(), &received, then_nothing).await, Err(TooFew { sent: 0 }));
        // A word now and then is nothing.
        let chatting = sends(&received, 16, usize::MAX);
        let left = at_a_pace(&thousand(), &received, chatting).await.expect_err("left");
        assert!(left.sent < 1_000, "{left:?}");
    }

    #[tokio::test]
    async fn who_ends_within_the_first_time_is_not_judged() {
        let received = AtomicU64::new(0);
        assert_eq!(at_a_pace(&thousand(), &received, sleep(WINDOW / 20)).await, Ok(()));
    }

    #[test]
    fn sixty_four_kbit_a_second_are_enough_in_the_slow_line_after_the_longest_silence_that_a_session_bears() {
        let silence = Limits::default().silence;
        assert!(SLOW_PACE.every > silence && SLOW_PACE.every < Limits::default().command_timeout);
        // One twentieth is not mail.
        let bytes_per_second = 64_000 / 8 * 19 / 20;
        assert!((SLOW_PACE.every - silence).as_secs() * bytes_per_second >= SLOW_PACE.least_bytes);
    }
}
