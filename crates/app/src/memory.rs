//! How much of this process's memory mail may have at once, whoever's mail it is, and who must wait for whom.
//!
//! Whoever fetches, stores and reads mail asks for room first, by the sizes that the server announces, and gives it back when nothing of the mail
//! is in memory any more. There are four lines, each first come, first served: usual mail in batches and long mails one by one, and both once more
//! for mailboxes whose server was found slow. An account holds half of a line at most, and only so much of it stands in the line before others:
//! whoever comes next waits for that, and for no more of it however many mailboxes it has. Room is held while a server sends, so a server has to
//! send: one that does not loses its place ([`crate::inbound`]'s fetching), and its mailbox waits in the slow lines for an hour after
//! ([`MailMemory::is_slow`]), where it keeps only its like waiting; no process tells another, and none remembers it.
//!
//! Two imports at most stand in the lines of the quick, so that new mail waits for two of them; of one account only one of them stands there,
//! or waits for the account's half, while another may hold room already. A mail that needs more than its line has takes all of it, alone, and
//! so still comes: by as much as two such mails are longer, one of the quick and one of the slow, the budget is exceeded.
//! Nobody asks for room while they hold some.

use domain::{AccountId, ChannelId};
use mail::imap::EACH_MAIL_BYTES;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Room is counted in pieces of this size.
const PIECE_BYTES: u64 = 1024;
/// The bytes of a usual batch take no more than this part of the room for usual mail: with what each mail takes beside them an account, which has
/// half of it, has room for two.
const BATCHES_AT_ONCE: u64 = 5;
/// A mail shorter than this is usual, where there is room for it.
const LONG_BYTES: u64 = 2 * 1024 * 1024;
/// Announced bytes of one batch, where there is room for it.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;

/// Imports that hold room of the lines of the quick, or wait there for it.
const IMPORTS_AT_ONCE: usize = 2;
/// So long a mailbox stays in the slow lines.
const SLOW_FOR: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub struct MailMemory {
    quick: Lines,
    slow: Lines,
    imports: Arc<Semaphore>,
    /// Of each account one import at a time may have a turn and no room yet.
    waiting_imports: Shares,
    found_slow: Mutex<HashMap<ChannelId, Instant>>,
    parse_limit_bytes: u64,
}

/// Given back when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Room {
    _held: Held,
    _turn: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
struct Held {
    _of_line: OwnedSemaphorePermit,
    _of_share: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Lines {
    usual: Queue,
    long: Queue,
}

#[derive(Debug)]
struct Queue {
    room: Arc<Semaphore>,
    pieces: u32,
    shares: Shares,
}

/// So much for each account; known of those that hold some of it, or wait for it.
#[derive(Debug)]
struct Shares {
    each: u32,
    known: Mutex<HashMap<AccountId, Arc<Semaphore>>>,
}

/// Whose turn it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// New mail, and stored mail that is read again.
    New,
    /// The past of a mailbox.
    Import,
    /// Either, of a mailbox whose server was found slow.
    Slow,
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
        let sixteenth = bytes / 16;
        Self {
            quick: Lines { usual: Queue::new(sixteenth * 5), long: Queue::new(bytes - sixteenth * 7) },
            slow: Lines { usual: Queue::new(sixteenth), long: Queue::new(sixteenth) },
            imports: Arc::new(Semaphore::new(IMPORTS_AT_ONCE)),
            waiting_imports: Shares::of(1),
            found_slow: Mutex::new(HashMap::new()),
            parse_limit_bytes: parse_limit_bytes as u64,
        }
    }

    /// In which line the mail of this mailbox waits.
    pub fn line(&self, channel: ChannelId, is_import: bool) -> Line {
        match (self.is_slow(channel), is_import) {
            (true, _) => Line::Slow,
            (false, true) => Line::Import,
            (false, false) => Line::New,
        }
    }

    /// The server of this mailbox did not send while it held room.
    pub fn is_slow(&self, channel: ChannelId) -> bool {
        let found = self.found_slow.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(&channel).is_some_and(|at| at.elapsed() < SLOW_FOR)
    }

    pub fn found_slow(&self, channel: ChannelId) {
        let mut found = self.found_slow.lock().unwrap_or_else(PoisonError::into_inner);
        found.retain(|_, at| at.elapsed() < SLOW_FOR);
        found.insert(channel, Instant::now());
    }

    /// Announced bytes of one batch.
    pub fn batch_bytes(&self, line: Line) -> u64 {
        (self.lines(line).usual.bytes() / BATCHES_AT_ONCE / 3).min(BATCH_BYTES)
    }

    /// Longer mails are fetched alone.
    pub fn long_above_bytes(&self, line: Line) -> u64 {
        self.batch_bytes(line).min(LONG_BYTES)
    }

    /// A stored mail that is read again.
    pub async fn room_for_one(&self, account: AccountId, bytes: u64) -> Room {
        let is_long = bytes > self.long_above_bytes(Line::New);
        let needed = if is_long { Needed::Long { bytes } } else { Needed::Batch { mails: 1, bytes } };
        self.room(account, Line::New, needed).await
    }

    /// Waits until there is room for mail of this account.
    pub async fn room(&self, account: AccountId, line: Line, needed: Needed) -> Room {
        let lines = self.lines(line);
        let (queue, bytes) = match needed {
            Needed::Batch { mails, bytes } => {
                let beside = (mails as u64).saturating_mul(EACH_MAIL_BYTES);
                (&lines.usual, self.at_its_most(bytes).saturating_add(beside))
            }
            Needed::Long { bytes } => (&lines.long, self.at_its_most(bytes).saturating_add(EACH_MAIL_BYTES)),
            Needed::Unknown => (&lines.long, u64::MAX),
        };
        match line {
            Line::Import => self.room_for_import(account, queue, bytes).await,
            Line::New | Line::Slow => Room { _held: queue.take(account, bytes).await, _turn: None },
        }
    }

    /// An account whose new mail takes all that it may have keeps its imports waiting, and no other's: what it may not have yet is waited for
    /// without a turn, and once more, where new mail was quicker, with one turn only.
    async fn room_for_import(&self, account: AccountId, queue: &Queue, bytes: u64) -> Room {
        let _alone = self.waiting_imports.take(account, 1).await;
        drop(queue.take_share(account, bytes).await);
        let turn = Arc::clone(&self.imports).acquire_owned().await.expect("nobody closes it");
        Room { _held: queue.take(account, bytes).await, _turn: Some(turn) }
    }

    fn lines(&self, line: Line) -> &Lines {
        match line {
            Line::New | Line::Import => &self.quick,
            Line::Slow => &self.slow,
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
        let room = Arc::new(Semaphore::new(pieces as usize));
        Self { room, pieces, shares: Shares::of((pieces / 2).max(1)) }
    }

    fn bytes(&self) -> u64 {
        u64::from(self.pieces) * PIECE_BYTES
    }

    async fn take(&self, account: AccountId, bytes: u64) -> Held {
        // Before the line, so that what an account may not have yet stands in nobody's way.
        let of_share = self.take_share(account, bytes).await;
        let of_line =
            Arc::clone(&self.room).acquire_many_owned(self.pieces_for(bytes)).await.expect("nobody closes it");
        Held { _of_line: of_line, _of_share: of_share }
    }

    async fn take_share(&self, account: AccountId, bytes: u64) -> OwnedSemaphorePermit {
        self.shares.take(account, self.pieces_for(bytes)).await
    }

    fn pieces_for(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(PIECE_BYTES)).unwrap_or(u32::MAX).min(self.pieces)
    }
}

impl Shares {
    fn of(each: u32) -> Self {
        Self { each, known: Mutex::default() }
    }

    /// So much of the account's share, or all of it where that is less.
    async fn take(&self, account: AccountId, pieces: u32) -> OwnedSemaphorePermit {
        let share = self.share(account);
        share.acquire_many_owned(pieces.min(self.each)).await.expect("nobody closes it")
    }

    fn share(&self, account: AccountId) -> Arc<Semaphore> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever holds some or waits has it too.
        known.retain(|_, share| Arc::strong_count(share) > 1);
        Arc::clone(known.entry(account).or_insert_with(|| Arc::new(Semaphore::new(self.each as usize))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::atomic::{AtomicI64, Ordering};

    const MB: u64 = 1024 * 1024;

    fn long(bytes: u64) -> Needed {
        Needed::Long { bytes }
    }

    /// For an account that nobody else here is.
    fn at_once(memory: &MailMemory, line: Line, needed: Needed) -> Option<Room> {
        memory.room(another(), line, needed).now_or_never()
    }

    fn another() -> AccountId {
        static LAST: AtomicI64 = AtomicI64::new(1_000);
        AccountId(LAST.fetch_add(1, Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_mail_that_needs_more_than_there_is_comes_alone_and_holds_up_no_usual_mail() {
        let memory = MailMemory::new(64 * MB, 32 << 20);
        let huge = at_once(&memory, Line::New, long(1000 * MB)).expect("there is room");
        assert!(at_once(&memory, Line::New, long(MB)).is_none(), "beside a mail that takes everything");
        let batch = Needed::Batch { mails: 10, bytes: memory.batch_bytes(Line::New) };
        let batches: Vec<Room> = (0..3).map(|_| at_once(&memory, Line::New, batch).expect("there is room")).collect();
        assert!(at_once(&memory, Line::New, Needed::Batch { mails: 1, bytes: 8 * MB }).is_none());
        drop((huge, batches));
        assert!(at_once(&memory, Line::New, Needed::Unknown).is_some());
    }

    #[tokio::test]
    async fn who_asks_first_is_served_first_however_much_it_is() {
        let memory = MailMemory::new(64 * MB, 1 << 20);
        let first = at_once(&memory, Line::New, long(20 * MB)).expect("there is room");
        let mut huge = Box::pin(memory.room(another(), Line::New, long(1000 * MB)));
        assert!((&mut huge).now_or_never().is_none());
        let mut small = Box::pin(memory.room(another(), Line::New, long(MB)));
        assert!((&mut small).now_or_never().is_none(), "there is room, but it is the other's turn");
        drop(first);
        let huge = huge.now_or_never().expect("everything is free");
        assert!((&mut small).now_or_never().is_none());
        drop(huge);
        assert!(small.now_or_never().is_some());
    }

    #[tokio::test]
    async fn new_mail_waits_for_two_imports_at_most_and_never_for_a_slow_mailbox() {
        let memory = MailMemory::new(64 * MB, 32 << 20);
        let batch = Needed::Batch { mails: 10, bytes: memory.batch_bytes(Line::New) };
        let imports: Vec<Room> =
            (0..2).map(|_| at_once(&memory, Line::Import, batch).expect("there is room")).collect();
        let mut third = Box::pin(memory.room(another(), Line::Import, batch));
        assert!((&mut third).now_or_never().is_none(), "it does not even stand in the line");
        let _slow = at_once(&memory, Line::Slow, Needed::Unknown).expect("there is room");
        assert!(at_once(&memory, Line::New, batch).is_some());
        assert!(at_once(&memory, Line::New, Needed::Unknown).is_some());
        drop(imports);
        assert!(third.now_or_never().is_some());
    }

    #[tokio::test]
    async fn imports_that_wait_for_what_their_account_may_have_keep_no_other_accounts_waiting() {
        let memory = MailMemory::new(64 * MB, 32 << 20);
        let (busy, other) = (AccountId(1), AccountId(2));
        let batch = Needed::Batch { mails: 1, bytes: memory.batch_bytes(Line::New) };
        let mut new_mail: Vec<_> = (0..3).map(|_| Box::pin(memory.room(busy, Line::New, batch))).collect();
        let mut held: Vec<Room> = new_mail.iter_mut().filter_map(FutureExt::now_or_never).collect();
        assert_eq!(held.len(), 2, "the third waits for the account's share");
        let mut imports: Vec<_> = (0..3).map(|_| Box::pin(memory.room(busy, Line::Import, batch))).collect();
        assert!(imports.iter_mut().all(|import| import.now_or_never().is_none()));
        let others: Vec<Room> =
            (0..2).map(|_| memory.room(other, Line::Import, batch).now_or_never().expect("a turn")).collect();
        // New mail takes what came free before the import has its turn.
        held.pop();
        held.extend(new_mail[2].as_mut().now_or_never());
        held.pop();
        assert!(imports.iter_mut().all(|import| import.now_or_never().is_none()), "both turns are the other's");
        let later = memory.room(busy, Line::New, batch).now_or_never().expect("no import holds it while it waits");
        drop(others);
        assert!(imports.iter_mut().all(|import| import.now_or_never().is_none()), "the share is taken again");
        drop(memory.room(other, Line::Import, batch).now_or_never().expect("one turn is left to others"));
        drop((later, held));
        assert_eq!(imports.iter_mut().filter_map(FutureExt::now_or_never).count(), 3, "each comes in its turn");
    }

    #[tokio::test]
    async fn an_account_holds_half_of_a_line_at_most_and_the_rest_of_it_stands_in_nobodys_way() {
        let memory = MailMemory::new(64 * MB, 32 << 20);
        let (many, others) = (AccountId(1), [AccountId(2), AccountId(3)]);
        for line in [Line::New, Line::Slow] {
            let batch = Needed::Batch { mails: 1, bytes: memory.batch_bytes(line) };
            let mut waiting: Vec<_> = (0..40).map(|_| Box::pin(memory.room(many, line, batch))).collect();
            let mut held: Vec<Room> = waiting.iter_mut().filter_map(FutureExt::now_or_never).collect();
            assert_eq!(held.len(), 2, "{line:?}");
            for other in others {
                assert!(memory.room(other, line, batch).now_or_never().is_some(), "{line:?}");
            }
            // A long mail that takes everything is one at a time, and the account's next does not stand before another's.
            let huge = memory.room(many, line, long(1000 * MB)).now_or_never().expect("there is room");
            let mut next = Box::pin(memory.room(many, line, long(1000 * MB)));
            assert!((&mut next).now_or_never().is_none());
            let mut another = Box::pin(memory.room(others[0], line, long(1000 * MB)));
            assert!((&mut another).now_or_never().is_none());
            drop(huge);
            assert!((&mut next).now_or_never().is_none() && another.now_or_never().is_some());
            drop(next);
            held.clear();
        }
    }

    #[tokio::test]
    async fn nothing_is_remembered_of_an_account_that_has_nothing_in_memory() {
        let memory = MailMemory::new(64 * MB, 32 << 20);
        for _ in 0..20 {
            drop(at_once(&memory, Line::New, long(MB)).expect("there is room"));
        }
        let _held = at_once(&memory, Line::New, long(MB));
        for _ in 0..3 {
            drop(at_once(&memory, Line::Import, long(MB)).expect("there is room"));
        }
        let known = |shares: &Shares| shares.known.lock().expect("nobody panicked").len();
        // The last that is gone stays until the next comes.
        assert_eq!((known(&memory.quick.long.shares), known(&memory.waiting_imports)), (2, 1));
    }

    /// What docs/OPERATIONS.md says of the worst that there can be.
    #[tokio::test]
    async fn two_mails_at_most_are_in_memory_beyond_the_budget_one_of_the_quick_and_one_of_the_slow() {
        let memory = MailMemory::new(256 * MB, 32 << 20);
        let longest = memory.at_its_most(160 * MB);
        let of_line = |queue: &Queue| u64::from(queue.pieces) * PIECE_BYTES;
        let lines = [&memory.quick.usual, &memory.quick.long, &memory.slow.usual, &memory.slow.long];
        assert!(lines.into_iter().map(of_line).sum::<u64>() <= 256 * MB);
        let _quick = at_once(&memory, Line::New, Needed::Unknown).expect("there is room");
        let _slow = at_once(&memory, Line::Slow, Needed::Unknown).expect("there is room");
        for line in [Line::New, Line::Import, Line::Slow] {
            for needed in [Needed::Unknown, long(160 * MB), long(1)] {
                assert!(at_once(&memory, line, needed).is_none(), "{line:?} {needed:?}");
            }
        }
        let worst = of_line(&memory.quick.usual) + of_line(&memory.slow.usual) + 2 * longest;
        assert_eq!(worst / MB, 544);
    }

    #[test]
    fn a_mailbox_found_slow_waits_in_the_slow_line_and_no_other_does() {
        let memory = MailMemory::new(64 * MB, 32 << 20);
        let (slow, other) = (ChannelId(1), ChannelId(2));
        memory.found_slow(slow);
        assert_eq!((memory.line(slow, false), memory.line(slow, true)), (Line::Slow, Line::Slow));
        assert_eq!((memory.line(other, false), memory.line(other, true)), (Line::New, Line::Import));
    }

    #[test]
    fn every_budget_has_room_for_some_batches_at_once() {
        for bytes in [16 * MB, 256 * MB, 65_536 * MB] {
            let memory = MailMemory::new(bytes, 32 << 20);
            for line in [Line::New, Line::Import, Line::Slow] {
                assert!(memory.long_above_bytes(line) >= 64 * 1024);
                assert!(memory.long_above_bytes(line) <= memory.batch_bytes(line));
                assert!(memory.at_its_most(memory.batch_bytes(line)) * 4 <= memory.lines(line).usual.bytes());
            }
            assert!(memory.long_above_bytes(Line::New) >= 256 * 1024);
        }
    }
}
