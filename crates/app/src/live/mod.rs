//! Live updates: what happens in an account, told to those who follow it, in order and without a gap.
//!
//! - [`feed`]: one reader for each account that anybody in this process follows. It reads what is new once, and with it what each who
//!   follows may see at that moment; so the number of statements does not grow with the number of streams.
//! - [`passing`]: what is not kept: who types, who looks at what, who is there.
//! - [`stream`]: one who follows. It has its own place in the events and takes from the feed what comes after it, or reads it itself when
//!   it is further behind than the feed remembers: it can be as slow as it likes, holds nothing meanwhile, and misses nothing.
//!
//! The database is the truth. A hint ([`crate::Hint::Account`]) only says that looking is worth while; under it lies a slow poll of all
//! accounts that are followed, one statement for a thousand of them.

mod feed;
mod passing;
mod stream;

use crate::App;
use crate::accounts::Member;
use crate::conversations::{ReadError, list};
use bytes::Bytes;
use domain::{AccountId, DisplayId, UserId};
use feed::Feed;
pub use passing::{Passed, Passing, What};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use store::{StoreError, StoredEvent, Watcher};
pub use stream::{LiveStream, News};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// The net under hints: how often it is looked whether anything was missed.
const POLL: Duration = Duration::from_secs(2);
/// So far back at most a stream is resumed event by event; who is further behind reads everything anew sooner.
const MOST_BEHIND: i64 = 10_000;
/// Streams of one person at most, in one process. A device that vanished keeps its stream until the system notices.
pub const STREAMS_OF_A_PERSON: usize = 32;

/// One event, as it waits to be shown. What it is shown as is made once, however many see it.
#[derive(Debug)]
pub struct LiveEvent {
    pub event: StoredEvent,
    read_at: Instant,
    shown: OnceLock<Bytes>,
}

impl LiveEvent {
    fn new(event: StoredEvent, read_at: Instant) -> Self {
        Self { event, read_at, shown: OnceLock::new() }
    }

    /// What it is shown as: the first caller's.
    pub fn shown(&self, show: impl FnOnce(&StoredEvent) -> Bytes) -> Bytes {
        self.shown.get_or_init(|| show(&self.event)).clone()
    }

    fn is_for(&self, watcher: &Watcher, sees: &store::Visibility) -> bool {
        self.event.user.is_none_or(|user| user == watcher.user) && self.event.inbox.is_none_or(|inbox| sees.sees(inbox))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error("this person has as many streams as they may have")]
    TooMany,
    /// As many streams as the process may have, or it is about to end.
    #[error("no more streams are taken here")]
    Full,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The streams of this process.
#[derive(Debug)]
pub(crate) struct Live {
    most: u32,
    open: Mutex<Open>,
    stop: CancellationToken,
    poll: OnceLock<AbortOnDropHandle<()>>,
}

#[derive(Debug, Default)]
struct Open {
    feeds: HashMap<AccountId, Arc<Feed>>,
    people: HashMap<UserId, usize>,
    streams: u32,
}

impl Live {
    pub(crate) fn new(most: u32) -> Self {
        Self { most, open: Mutex::default(), stop: CancellationToken::new(), poll: OnceLock::new() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something may have happened there.
    pub(crate) fn look(&self, account: AccountId) {
        if let Some(feed) = self.open().feeds.get(&account) {
            feed.look();
        }
    }
}

/// Something may have happened in the account: whoever follows it looks at once.
pub fn look(app: &App, account: AccountId) {
    app.live().look(account);
}

/// Hints were lost: whoever follows anything looks.
pub fn look_everywhere(app: &App) {
    for feed in app.live().open().feeds.values() {
        feed.look();
    }
}

/// What another process told.
pub fn hear(app: &App, passing: Passing) {
    let feed = app.live().open().feeds.get(&passing.account).cloned();
    if let Some(feed) = feed {
        feed.hear(passing.what);
    }
}

/// Tells it here and to the other processes.
fn tell(app: &App, account: AccountId, what: What) {
    let passing = Passing { account, what };
    app.tell(&passing);
    hear(app, passing);
}

/// Somebody has said how available they are, or is no member any more.
pub(crate) fn availability_changed(app: &App, account: AccountId) {
    tell(app, account, What::Availability);
}

/// The member begins or ends to write in the conversation.
pub async fn typing(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    on: bool,
    is_private: bool,
) -> Result<(), ReadError> {
    let inbox = list::seen(member, conversation).await?.inbox_id;
    let (user, name) = (member.agent.user.id, member.agent.user.available_name().to_owned());
    let what = What::Typing { inbox, conversation, user, name, on, is_private };
    tell(app, member.scope.account_id(), what);
    Ok(())
}

/// The member looks at the conversation, or looks away. Who does not say it again within 45 seconds looks no more.
pub async fn viewing(app: &App, member: &Member, conversation: DisplayId, viewing: bool) -> Result<(), ReadError> {
    let inbox = list::seen(member, conversation).await?.inbox_id;
    let (user, name) = (member.agent.user.id, member.agent.user.available_name().to_owned());
    tell(app, member.scope.account_id(), What::Viewing { inbox, conversation, user, name, viewing });
    Ok(())
}

/// Ends all streams of this process, and takes no more: those who follow go on where they find another process.
pub fn close(app: &App) {
    app.live().stop.cancel();
}

/// Begins a stream. `after`: the number of the last event that they have seen; `None`: what happens from now on.
pub async fn follow(app: &App, member: &Member, after: Option<i64>) -> Result<LiveStream, FollowError> {
    let watcher = Watcher { user: member.agent.user.id, token: member.token_id };
    let place = Place::take(app, member, watcher)?;
    tell(app, member.scope.account_id(), What::Here { users: vec![watcher.user] });
    app.live().poll.get_or_init(|| AbortOnDropHandle::new(tokio::spawn(poll(app.weak()))));
    Ok(LiveStream::begin(app, place, member.visibility.clone(), after).await?)
}

/// A stream's place among those of its account, its person and its process; given back when it is dropped.
#[derive(Debug)]
struct Place {
    app: App,
    account: AccountId,
    watcher: Watcher,
    feed: Arc<Feed>,
}

impl Place {
    fn take(app: &App, member: &Member, watcher: Watcher) -> Result<Self, FollowError> {
        let live = app.live();
        let account = member.scope.account_id();
        let mut open = live.open();
        if live.stop.is_cancelled() || open.streams >= live.most {
            return Err(FollowError::Full);
        }
        let of_theirs = open.people.entry(watcher.user).or_default();
        if *of_theirs >= STREAMS_OF_A_PERSON {
            return Err(FollowError::TooMany);
        }
        *of_theirs += 1;
        open.streams += 1;
        let feed = match open.feeds.entry(account) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => new.insert(Feed::start(&member.scope)).clone(),
        };
        feed.join(watcher);
        Ok(Self { app: app.clone(), account, watcher, feed })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.app.live().open();
        open.streams -= 1;
        if let Some(of_theirs) = open.people.get_mut(&self.watcher.user) {
            *of_theirs -= 1;
            if *of_theirs == 0 {
                open.people.remove(&self.watcher.user);
            }
        }
        if self.feed.leave(self.watcher) {
            open.feeds.remove(&self.account);
        }
    }
}

/// Looks now and then whether anything happened that nobody told, says who is here, and lets go of what is over.
async fn poll(app: crate::context::WeakApp) {
    let mut said = Instant::now();
    loop {
        tokio::time::sleep(POLL).await;
        let Some(app) = app.upgrade() else { return };
        let feeds: HashMap<AccountId, Arc<Feed>> = app.live().open().feeds.clone();
        let accounts: Vec<AccountId> = feeds.keys().copied().collect();
        if accounts.is_empty() {
            continue;
        }
        let is_time = said.elapsed() + POLL > passing::SAID_AGAIN;
        if is_time {
            said = Instant::now();
        }
        for (account, feed) in &feeds {
            if is_time {
                tell(&app, *account, What::Here { users: feed.users() });
            }
            feed.forget_old();
        }
        match app.store().live().newest_events(&accounts).await {
            Ok(newest) => {
                for (account, seq) in newest {
                    if let Some(feed) = feeds.get(&account).filter(|feed| feed.is_elsewhere(seq)) {
                        feed.look();
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "it could not be looked for new events"),
        }
    }
}
