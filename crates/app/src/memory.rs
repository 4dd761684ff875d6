//! How much of this process's memory mail may have at once, whoever's mail it is.
//!
//! Whoever fetches, stores and reads mail asks for room first, by the sizes that the server announces, and gives it back when nothing of the mail
//! is in memory any more. There are two queues, each first come, first served: one for usual mail in batches, one for long mails, of which each
//! is fetched alone. So a mailbox with huge mails, or a slow one, never holds up the usual mail of the others. A mail that needs more than there
//! is takes all the room for long mails, alone, and so still comes. Nobody asks for room while they hold some.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room is counted in pieces of this size.
const PIECE_BYTES: u64 = 1024;
/// What a mail takes beside its bytes: the buffer it was received into, and what is made of it.
const EACH_MAIL_BYTES: u64 = 16 * 1024;
/// A usual batch takes no more than this part of the room for usual mail.
const BATCHES_AT_ONCE: u64 = 4;
/// A mail shorter than this is usual, where there is room for it.
const LONG_BYTES: u64 = 2 * 1024 * 1024;
/// Announced bytes of one batch, where there is room for it.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;

#[derive(Debug)]
pub struct MailMemory {
    usual: Queue,
    long: Queue,
    parse_limit_bytes: u64,
}

/// Given back when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Room {
    _held: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Queue {
    room: Arc<Semaphore>,
    pieces: u32,
}

/// What room is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Needed {
    /// A batch of so many mails and bytes.
    Batch { mails: usize, bytes: u64 },
    /// One mail of so many bytes.
    Long { bytes: u64 },
    /// One mail whose length nobody knows.
    Unknown,
}

impl MailMemory {
    pub fn new(bytes: u64, parse_limit_bytes: usize) -> Self {
        let usual = bytes / 8 * 3;
        Self { usual: Queue::new(usual), long: Queue::new(bytes - usual), parse_limit_bytes: parse_limit_bytes as u64 }
    }

    /// Announced bytes of one batch.
    pub fn batch_bytes(&self) -> u64 {
        (self.usual.bytes() / BATCHES_AT_ONCE / 3).min(BATCH_BYTES)
    }

    /// Longer mails are fetched alone.
    pub fn long_above_bytes(&self) -> u64 {
        self.batch_bytes().min(LONG_BYTES)
    }

    /// A stored mail that is read again.
    pub async fn room_for_one(&self, bytes: u64) -> Room {
        self.room(if bytes > self.long_above_bytes() {
            Needed::Long { bytes }
        } else {
            Needed::Batch { mails: 1, bytes }
        })
        .await
    }

    /// Waits until there is room.
    pub async fn room(&self, needed: Needed) -> Room {
        match needed {
            Needed::Batch { mails, bytes } => {
                let beside = (mails as u64).saturating_mul(EACH_MAIL_BYTES);
                self.usual.take(self.at_its_most(bytes).saturating_add(beside)).await
            }
            Needed::Long { bytes } => self.long.take(self.at_its_most(bytes).saturating_add(EACH_MAIL_BYTES)).await,
            Needed::Unknown => self.long.take(u64::MAX).await,
        }
    }

    /// While a mail is read there are its bytes, the decoded ones, and for some mails a copy that is safe to parse. Of a long mail only the
    /// beginning is read.
    fn at_its_most(&self, bytes: u64) -> u64 {
        bytes.saturating_add(bytes.min(self.parse_limit_bytes).saturating_mul(2))
    }
}

impl Queue {
    fn new(bytes: u64) -> Self {
        let pieces = u32::try_from(bytes / PIECE_BYTES).unwrap_or(u32::MAX).max(1);
        Self { room: Arc::new(Semaphore::new(pieces as usize)), pieces }
    }

    fn bytes(&self) -> u64 {
        u64::from(self.pieces) * PIECE_BYTES
    }

    async fn take(&self, bytes: u64) -> Room {
        let pieces = u32::try_from(bytes.div_ceil(PIECE_BYTES)).unwrap_or(u32::MAX).min(self.pieces);
        let held = Arc::clone(&self.room).acquire_many_owned(pieces).await;
        Room { _held: held.expect("nobody closes it") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const MB: u64 = 1024 * 1024;

    fn long(bytes: u64) -> Needed {
        Needed::Long { bytes }
    }

    #[tokio::test]
    async fn a_mail_that_needs_more_than_there_is_comes_alone_and_holds_up_no_usual_mail() {
        let memory = MailMemory::new(64 * MB, 32 << 20);
        let huge = memory.room(long(1000 * MB)).now_or_never().expect("there is room");
        assert!(memory.room(long(MB)).now_or_never().is_none(), "beside a mail that takes everything");
        let batch = Needed::Batch { mails: 100, bytes: memory.batch_bytes() };
        let batches: Vec<Room> = (0..3).map(|_| memory.room(batch).now_or_never().expect("there is room")).collect();
        assert!(memory.room(Needed::Batch { mails: 1, bytes: 8 * MB }).now_or_never().is_none());
        drop((huge, batches));
        assert!(memory.room(Needed::Unknown).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_asks_first_is_served_first_however_much_it_is() {
        let memory = MailMemory::new(64 * MB, 1 << 20);
        let first = memory.room(long(20 * MB)).now_or_never().expect("there is room");
        let mut huge = Box::pin(memory.room(long(1000 * MB)));
        assert!((&mut huge).now_or_never().is_none());
        let mut small = Box::pin(memory.room(long(MB)));
        assert!((&mut small).now_or_never().is_none(), "there is room, but it is the other's turn");
        drop(first);
        let huge = huge.now_or_never().expect("everything is free");
        assert!((&mut small).now_or_never().is_none());
        drop(huge);
        assert!(small.now_or_never().is_some());
    }

    #[test]
    fn every_budget_has_room_for_some_batches_at_once() {
        for bytes in [16 * MB, 256 * MB, 65_536 * MB] {
            let memory = MailMemory::new(bytes, 32 << 20);
            assert!(memory.long_above_bytes() >= 256 * 1024 && memory.long_above_bytes() <= memory.batch_bytes());
            assert!(memory.at_its_most(memory.batch_bytes()) * 2 <= memory.usual.bytes());
        }
    }
}
