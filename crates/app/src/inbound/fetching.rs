//! One batch of mail comes over the network, within the memory that all mailboxes share.
//!
//! Room is held while a server sends, and others wait for it, so a server that does not send is left: silent, dribbling, or lying about what there
//! is. Its mailbox is read again at once, in the line of the slow ([`crate::memory`]), with more patience; who is too slow even there has failed as
//! any server that does not answer. It decides nothing about mails: a fetch that was left is as if it had not been begun.

use super::PullError;
use crate::App;
use crate::memory::{Line, Needed, Room};
use domain::{ChannelId, Failure, FailureClass};
use mail::imap::{Batch, FetchedEmail, Session};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tracing::info;

/// What a server that holds room has to send: so many bytes in every such time. What comes within the first is not judged.
struct Pace {
    every: Duration,
    least_bytes: u64,
}

/// 2 Mbit/s.
const PACE: Pace = Pace { every: Duration::from_secs(10), least_bytes: 10 * 256 * 1024 };
/// 128 kbit/s, as [`mail::imap::Limits`] has it.
const SLOW_PACE: Pace = Pace { every: Duration::from_secs(60), least_bytes: 60 * 16 * 1024 };

/// The mails of a batch, and the room they are in: to be kept as long as anything of them.
pub(super) struct Fetched {
    pub emails: Vec<FetchedEmail>,
    pub room: Room,
}

/// Which mailbox it is, and what for.
#[derive(Clone, Copy)]
pub(super) struct Whose {
    pub channel: ChannelId,
    pub is_import: bool,
}

/// Waits for room, and fetches.
pub(super) async fn fetch(app: &App, whose: Whose, session: &mut Session, batch: &Batch) -> Result<Fetched, PullError> {
    let memory = app.mail_memory();
    let line = memory.line(whose.channel, whose.is_import);
    let room = memory.room(line, needed(app, batch)).await;
    let pace = if line == Line::Slow { SLOW_PACE } else { PACE };
    let received = session.received();
    let mut fetching = std::pin::pin!(session.fetch_batch(batch));
    loop {
        let before = received.load(Ordering::Relaxed);
        match tokio::time::timeout(pace.every, &mut fetching).await {
            Ok(fetched) => return Ok(Fetched { emails: fetched?, room }),
            Err(_) => {
                let sent = received.load(Ordering::Relaxed).saturating_sub(before);
                if sent >= pace.least_bytes {
                    continue;
                }
                memory.found_slow(whose.channel);
                if line == Line::Slow {
                    let detail = format!("the server sent {sent} bytes of mail in {} s", pace.every.as_secs());
                    return Err(Failure::new(FailureClass::TimedOut).detail(detail).into());
                }
                info!(channel.id = %whose.channel, bytes = sent, "a mail server sends too slowly; its mailbox waits with the slow ones");
                return Err(PullError::TooSlow);
            }
        }
    }
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
