//! Walking through the UIDs of a folder, however many there are: a window of them at a time.
//!
//! One question for all UIDs of a folder of hundreds of thousands of mails is answered with a line of megabytes. So a folder with many mails
//! is asked for ranges of UIDs, narrow where they are dense and wider where nothing is found. Ranges follow each other without a gap, so that
//! a walk passes over no mail; where the server says `*` is, the walk ends.

use super::fetch::uid_sets;
use super::session::Session;
use domain::{Failure, Timestamp};

/// So few can be asked for at once.
const FEW: u32 = 4_000;
/// UIDs of one range: no more can be in its answer.
const NARROW: u32 = 2_000;
/// Each UID takes eleven bytes at most, and an answer must stay below [`super::gauge::MAX_LINE_BYTES`].
const WIDE: u32 = 16_000;

/// Where a walk stands. Made anew for each walk.
#[derive(Clone, Debug)]
pub struct UidWalk {
    /// Everything below was asked for. Beyond the last UID there can be: the walk is over.
    next: u64,
    /// Nothing above is wanted.
    last: u32,
    since: Option<Timestamp>,
    width: u32,
    /// The highest UID in the folder, once it was asked for.
    top: Option<u32>,
    /// What had come into the folder when the walk began.
    came: u64,
}

impl UidWalk {
    /// Through all UIDs above this one.
    pub fn after(uid: u32) -> Self {
        Self { next: u64::from(uid) + 1, last: u32::MAX, since: None, width: NARROW, top: None, came: 0 }
    }

    /// Only mails that arrived on or after that day (UTC; servers compare days without a zone).
    #[must_use]
    pub fn since(self, since: Timestamp) -> Self {
        Self { since: Some(since), ..self }
    }

    /// Only below this UID.
    #[must_use]
    pub fn below(self, uid: u32) -> Self {
        Self { last: uid.saturating_sub(1), ..self }
    }

    fn is_over(&self) -> bool {
        self.next > u64::from(self.last) || self.top.is_some_and(|top| self.next > u64::from(top))
    }

    fn wants(&self, uid: u32) -> bool {
        u64::from(uid) >= self.next && uid <= self.last
    }

    fn key(&self, range: &str) -> String {
        match self.since {
            None => format!("UID {range}"),
            Some(since) => format!("UID {range} SINCE {}", day(since)),
        }
    }
}

impl Session {
    /// The next UIDs of a walk, ascending and never none; `None` when it is over.
    pub async fn walk(&mut self, walk: &mut UidWalk) -> Result<Option<Vec<u32>>, Failure> {
        if walk.is_over() {
            return Ok(None);
        }
        if walk.top.is_none() {
            self.grew = false;
            walk.came = self.came;
            let top = if self.at_most(walk) <= u64::from(FEW) { None } else { self.highest_uid().await? };
            let Some(top) = top else { return self.rest_of(walk).await };
            walk.top = Some(top);
        }
        while !walk.is_over() {
            let first = u32::try_from(walk.next).expect("a walk that is not over stands at a UID");
            let end = walk.top.unwrap_or(u32::MAX).min(walk.last);
            let last = first.saturating_add(walk.width - 1).min(end);
            let mut uids = self.search(&walk.key(&format!("{first}:{last}"))).await?;
            uids.retain(|uid| (first..=last).contains(uid));
            walk.next = u64::from(last) + 1;
            walk.width = if uids.is_empty() { (walk.width * 2).min(WIDE) } else { NARROW };
            if !uids.is_empty() {
                // The highest UID is found by the last question, after which nobody asks this walk again but to hear that it is over.
                if walk.is_over() {
                    self.came_to_its_end(walk, last);
                }
                return Ok(Some(uids));
            }
        }
        self.came_to_its_end(walk, walk.top.unwrap_or(0));
        Ok(None)
    }

    /// No more mails than these can be found.
    fn at_most(&self, walk: &UidWalk) -> u64 {
        match self.walked {
            Some((top, came)) if walk.next > u64::from(top) => self.came - came,
            _ => u64::from(self.exists()),
        }
    }

    /// All that is left of a walk, at once.
    async fn rest_of(&mut self, walk: &mut UidWalk) -> Result<Option<Vec<u32>>, Failure> {
        // `n:*` holds at least the newest mail, even when its UID is below n (RFC 9051 §9, seq-range).
        let mut uids = self.search(&walk.key(&format!("{}:*", walk.next))).await?;
        uids.retain(|uid| walk.wants(*uid));
        let before = u32::try_from(walk.next - 1).unwrap_or(u32::MAX);
        walk.next = u64::from(u32::MAX) + 1;
        self.came_to_its_end(walk, uids.last().copied().unwrap_or(before));
        Ok(Some(uids).filter(|uids| !uids.is_empty()))
    }

    fn came_to_its_end(&mut self, walk: &UidWalk, top: u32) {
        if walk.last == u32::MAX && walk.since.is_none() {
            self.walked = Some((top, walk.came));
        }
    }

    /// The highest UID in the folder; `None` when the server names none.
    pub async fn highest_uid(&mut self) -> Result<Option<u32>, Failure> {
        Ok(self.search("UID *").await?.pop())
    }

    /// UIDs above `last`, ascending.
    pub async fn uids_after(&mut self, last: u32) -> Result<Vec<u32>, Failure> {
        self.all_of(UidWalk::after(last)).await
    }

    /// UIDs of mails that arrived on or after the day of `since`, ascending.
    pub async fn uids_since(&mut self, since: Timestamp) -> Result<Vec<u32>, Failure> {
        self.all_of(UidWalk::after(0).since(since)).await
    }

    async fn all_of(&mut self, mut walk: UidWalk) -> Result<Vec<u32>, Failure> {
        let mut all = Vec::new();
        while let Some(uids) = self.walk(&mut walk).await? {
            all.extend(uids);
        }
        Ok(all)
    }

    /// Which of these UIDs the server still announces.
    pub async fn uids_among(&mut self, uids: &[u32]) -> Result<Vec<u32>, Failure> {
        let mut found = Vec::new();
        for set in uid_sets(uids, self.limits.command_bytes) {
            found.extend(self.search(&format!("UID {set}")).await?);
        }
        found.retain(|uid| uids.contains(uid));
        Ok(found)
    }
}

fn day(since: Timestamp) -> String {
    chrono::DateTime::from_timestamp(since.seconds(), 0).unwrap_or_default().format("%-d-%b-%Y").to_string()
}
