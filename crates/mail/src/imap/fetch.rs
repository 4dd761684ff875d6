//! Fetching mails: sizes first, then batches that fit in memory, long mails alone and in parts.
//!
//! Sizes are the server's claim (Exchange estimates), so they plan the work and decide nothing else: parts are fetched until one is shorter than
//! was asked for and the size is reached, or nothing more comes. A UID without an answer is absent from the result; Exchange finds mails by
//! SEARCH that it does not deliver. All that is said during a fetch, in however many commands, is bounded as a whole, so a server that talks
//! beside the matter comes to an end as well.

use super::answers::{self, During};
use super::session::{Allowance, Done, SMALL_ANSWER, Session, mails_of};
use super::{Batch, FetchedEmail, FetchedHeader};
use async_imap::imap_proto::{AttributeValue, MessageSection, Response, SectionPath};
use bytes::{Bytes, BytesMut};
use domain::{Failure, FailureClass, Timestamp};
use std::collections::{HashMap, HashSet};

const PART_BYTES: usize = 256 * 1024;
/// Exchange takes headers of up to 256 kB; nobody sends one that is longer than this.
const MAX_HEADER_BYTES: u64 = 1024 * 1024;
/// What a server may say beside the mails that were asked for, in all of a fetch: a long mail comes in some hundred answers.
const BY_THE_WAY: u64 = 1024 * 1024;
/// A server that lies about one header has no more room than this many may need.
const HEADERS_AT_ONCE: usize = 16;
const MAX_UIDS_PER_BATCH: usize = 250;
/// Room on the command line for everything that is not the UID set.
const COMMAND_OVERHEAD: usize = 100;

const HEADER: SectionPath = SectionPath::Full(MessageSection::Header);

impl Session {
    /// RFC822.SIZE of each (an estimate on Exchange), and INTERNALDATE where it can be read.
    async fn overview(&mut self, uids: &[u32]) -> Result<HashMap<u32, (u64, Option<Timestamp>)>, Failure> {
        let mut found = HashMap::new();
        for set in uid_sets(uids, self.limits.command_bytes) {
            self.fetch_items(&set, "(UID RFC822.SIZE INTERNALDATE)", SMALL_ANSWER, |uid, items| {
                let arrived_at = internal_date_of(items);
                let size = items.iter().find_map(|item| match item {
                    AttributeValue::Rfc822Size(size) => Some(u64::from(*size)),
                    _ => None,
                });
                if let Some(size) = size {
                    found.insert(uid, (size, arrived_at));
                }
            })
            .await?;
        }
        Ok(found)
    }

    /// Splits `uids` into batches that can be fetched and stored one after the other, in the order given. UIDs that the server no longer
    /// knows are in none.
    pub async fn plan(&mut self, uids: &[u32]) -> Result<Vec<Batch>, Failure> {
        let mut batches: Vec<Batch> = Vec::new();
        let overview = self.overview(uids).await?;
        for uid in uids {
            let Some((size, arrived_at)) = overview.get(uid).copied() else { continue };
            let in_parts = size > self.limits.whole_below_bytes;
            match batches.last_mut() {
                Some(last)
                    if !in_parts
                        && !last.in_parts
                        && last.uids.len() < MAX_UIDS_PER_BATCH
                        && last.claimed_bytes + size <= self.limits.batch_bytes =>
                {
                    last.uids.push(*uid);
                    last.claimed_bytes += size;
                }
                _ => {
                    batches.push(Batch { uids: vec![*uid], claimed_bytes: size, in_parts, ..Batch::default() });
                }
            }
            if let (Some(batch), Some(arrived_at)) = (batches.last_mut(), arrived_at) {
                batch.arrived_at.insert(*uid, arrived_at);
            }
        }
        Ok(batches)
    }

    /// The mails of a batch, in its order. UIDs that the server does not answer for are absent.
    pub async fn fetch_batch(&mut self, batch: &Batch) -> Result<Vec<FetchedEmail>, Failure> {
        // Of the whole fetch.
        let mut left = batch.most_bytes(&self.limits).saturating_add(BY_THE_WAY);
        if batch.in_parts || batch.at_any_length {
            let mut fetched = Vec::new();
            for uid in &batch.uids {
                fetched.extend(self.fetch_in_parts(*uid, batch, &mut left).await?);
            }
            return Ok(fetched);
        }
        let mut fetched = HashMap::new();
        for set in uid_sets(&batch.uids, self.limits.command_bytes) {
            let literal = left;
            self.fetch_bodies(&set, "(UID INTERNALDATE BODY.PEEK[])", literal, &mut left, |body| {
                let Body { uid, internal_date, bytes, .. } = body;
                fetched.insert(uid, FetchedEmail { uid, internal_date, bytes, truncated: false });
            })
            .await?;
        }
        Ok(batch.uids.iter().filter_map(|uid| fetched.remove(uid)).collect())
    }

    /// [`Session::plan`] and [`Session::fetch_batch`] of everything: for few mails.
    pub async fn fetch(&mut self, uids: &[u32]) -> Result<Vec<FetchedEmail>, Failure> {
        let mut fetched = Vec::new();
        for batch in self.plan(uids).await? {
            fetched.extend(self.fetch_batch(&batch).await?);
        }
        Ok(fetched)
    }

    /// The header of each mail, without its body. UIDs that the server does not answer for are absent.
    pub async fn fetch_headers(&mut self, uids: &[u32]) -> Result<Vec<FetchedHeader>, Failure> {
        let mut fetched = HashMap::new();
        let command_bytes = self.limits.command_bytes;
        for set in uids.chunks(HEADERS_AT_ONCE).flat_map(|some| uid_sets(some, command_bytes)) {
            let allowance = mails_of(uids_in(&set).len() as u64 * MAX_HEADER_BYTES);
            self.fetch_items(&set, "(UID BODY.PEEK[HEADER])", allowance, |uid, items| {
                for item in items {
                    if let AttributeValue::BodySection { section: Some(HEADER), data: Some(data), .. }
                    | AttributeValue::Rfc822Header(Some(data)) = item
                    {
                        fetched.insert(uid, FetchedHeader { uid, bytes: data.to_vec() });
                    }
                }
            })
            .await?;
        }
        Ok(uids.iter().filter_map(|uid| fetched.remove(uid)).collect())
    }

    /// `left`: how many bytes the server may still send.
    async fn fetch_in_parts(
        &mut self,
        uid: u32,
        batch: &Batch,
        left: &mut u64,
    ) -> Result<Option<FetchedEmail>, Failure> {
        let longest = self.limits.max_mail_bytes;
        let most = batch.most_bytes(&self.limits).min(longest as u64);
        // Room that is not filled is not taken either; without it, growing would copy the mail several times.
        let foreseen = usize::try_from(batch.claimed_bytes).unwrap_or(usize::MAX).min(longest);
        let mut bytes: Vec<u8> = Vec::with_capacity(foreseen.saturating_add(PART_BYTES));
        let mut arrived_at = None;
        // A server that ignores the range sends the whole mail, and there is room for that.
        let mut literal = most.saturating_add(BY_THE_WAY);
        let mut was_short = false;
        loop {
            let offset = bytes.len();
            let items = format!("(UID INTERNALDATE BODY.PEEK[]<{offset}.{PART_BYTES}>)");
            let mut part: Option<Body> = None;
            self.fetch_bodies(&uid.to_string(), &items, literal, left, |body| {
                if part.as_ref().is_none_or(|part| part.bytes.is_empty()) {
                    part = Some(body);
                }
            })
            .await?;
            let Some(part) = part else {
                // A server may say OK and leave the answer out: after a full part, much before the announced size, that is no end, and the mail
                // is asked for again later; after a short one it is, for announced sizes are estimates. Before the first part the mail itself
                // has gone.
                let ends = was_short
                    || offset > 0
                        && self
                            .overview(&[uid])
                            .await?
                            .get(&uid)
                            .is_some_and(|(size, _)| *size <= (offset + PART_BYTES) as u64);
                let mail = FetchedEmail { uid, internal_date: arrived_at, bytes: bytes.into(), truncated: false };
                return Ok(ends.then_some(mail));
            };
            arrived_at = arrived_at.or(part.internal_date);
            let received = part.bytes.len();
            if !part.is_part && received > PART_BYTES {
                let bytes = part.bytes.slice(..received.min(longest));
                return Ok(Some(FetchedEmail { uid, internal_date: arrived_at, bytes, truncated: received > longest }));
            }
            if part.is_part {
                literal = PART_BYTES as u64 + BY_THE_WAY;
            }
            bytes.extend_from_slice(&part.bytes[..received.min(PART_BYTES)]);
            let truncated = bytes.len() > longest;
            if !truncated && bytes.len() as u64 > most {
                self.overran = true;
                let detail =
                    format!("a mail is longer than {most} bytes, although {} were announced", batch.claimed_bytes);
                return Err(Failure::new(FailureClass::ProtocolError).detail(detail));
            }
            // A part is cut off where the mail ends (RFC 9051 §6.4.5). A server that cuts it elsewhere, before what it announced, is asked for the
            // rest: bytes that are there must not be lost, and how much may be said in all is bounded.
            // What was sent without saying where it begins is all there is.
            was_short = received < PART_BYTES;
            let is_last = was_short && (!part.is_part || bytes.len() as u64 >= batch.claimed_bytes);
            if truncated || is_last || received == 0 {
                bytes.truncate(longest);
                return Ok(Some(FetchedEmail { uid, internal_date: arrived_at, bytes: bytes.into(), truncated }));
            }
        }
    }

    /// One UID FETCH of bodies; `each` is given those that were asked for, as they were received. `left`: how many bytes the server may still
    /// send, `literal`: for how many there is room at once.
    async fn fetch_bodies(
        &mut self,
        set: &str,
        items: &str,
        literal: u64,
        left: &mut u64,
        mut each: impl FnMut(Body),
    ) -> Result<(), Failure> {
        let asked = uids_in(set);
        let wanted = |body: Body| {
            if asked.contains(&body.uid) {
                each(body);
            }
        };
        let before = self.inner.get_ref().received();
        let allowance = Allowance { bytes: *left, literal };
        let outcome = self.command_for_bodies(&format!("UID FETCH {set} {items}"), allowance, wanted).await;
        *left = left.saturating_sub(self.inner.get_ref().received() - before);
        self.unless_only_expunged(outcome)
    }

    /// One UID FETCH; `each` sees the answers for the UIDs asked for, each UID with the items of one response.
    async fn fetch_items(
        &mut self,
        set: &str,
        items: &str,
        allowance: Allowance,
        mut each: impl FnMut(u32, &[AttributeValue<'_>]),
    ) -> Result<(), Failure> {
        let asked = uids_in(set);
        let outcome = self
            .command(&format!("UID FETCH {set} {items}"), During::Command, allowance, |response| {
                if let Response::Fetch(_, attributes) = response
                    && let Some(uid) = uid_of(attributes).filter(|uid| asked.contains(uid))
                {
                    each(uid, attributes);
                }
            })
            .await;
        self.unless_only_expunged(outcome)
    }

    fn unless_only_expunged(&self, outcome: Result<Done, Failure>) -> Result<(), Failure> {
        match outcome {
            Ok(_) => Ok(()),
            Err(failure) if self.is_usable() && failure.server_said.as_deref().is_some_and(answers::only_expunged) => {
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }
}

/// A mail or a part of it, as it was received.
pub(super) struct Body {
    uid: u32,
    internal_date: Option<Timestamp>,
    bytes: Bytes,
    /// The server says that this is a part of the body (`BODY[]<0>`).
    is_part: bool,
}

/// Where in the buffer of an answer the body is: the buffer is kept, and no byte of it copied.
pub(super) struct Place {
    uid: u32,
    internal_date: Option<Timestamp>,
    start: usize,
    length: usize,
    is_part: bool,
}

impl Place {
    pub fn of_body(response: &Response<'_>, buffer: &[u8]) -> Option<Self> {
        let Response::Fetch(_, items) = response else { return None };
        let (data, is_part): (&[u8], bool) = items.iter().find_map(|item| match item {
            AttributeValue::BodySection { section: None, index, data: Some(data) } => {
                Some((data.as_ref(), index.is_some()))
            }
            AttributeValue::Rfc822(Some(data)) => Some((data.as_ref(), false)),
            _ => None,
        })?;
        // What the parser names lies in what it was given.
        let start = (data.as_ptr() as usize).checked_sub(buffer.as_ptr() as usize)?;
        let inside = start + data.len() <= buffer.len();
        let (uid, internal_date) = (uid_of(items)?, internal_date_of(items));
        inside.then_some(Self { uid, internal_date, start, length: data.len(), is_part })
    }

    pub fn within(self, buffer: BytesMut) -> Body {
        let bytes = buffer.freeze().slice(self.start..self.start + self.length);
        Body { uid: self.uid, internal_date: self.internal_date, bytes, is_part: self.is_part }
    }
}

/// Without a UID an answer is news about flags, and whose it is cannot be known.
fn uid_of(items: &[AttributeValue<'_>]) -> Option<u32> {
    items.iter().find_map(|item| match item {
        AttributeValue::Uid(uid) => Some(*uid),
        _ => None,
    })
}

fn internal_date_of(items: &[AttributeValue<'_>]) -> Option<Timestamp> {
    items.iter().find_map(|item| match item {
        AttributeValue::InternalDate(text) => internal_date(text),
        _ => None,
    })
}

/// ` 7-Nov-2026 10:02:03 +0100`
fn internal_date(text: &str) -> Option<Timestamp> {
    let moment = chrono::DateTime::parse_from_str(text.trim(), "%d-%b-%Y %H:%M:%S %z").ok()?;
    Some(Timestamp::from_seconds(moment.timestamp()))
}

/// The UIDs as sets such as `1:4,7`, each short enough for a command line.
pub(super) fn uid_sets(uids: &[u32], command_bytes: usize) -> Vec<String> {
    let room = command_bytes.saturating_sub(COMMAND_OVERHEAD).max(64);
    let mut sorted = uids.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut sets: Vec<String> = Vec::new();
    let mut at = 0;
    while at < sorted.len() {
        let first = sorted[at];
        let mut last = first;
        while at + 1 < sorted.len() && sorted[at + 1] == last + 1 {
            at += 1;
            last = sorted[at];
        }
        at += 1;
        let range = if first == last { first.to_string() } else { format!("{first}:{last}") };
        match sets.last_mut() {
            Some(set) if set.len() + 1 + range.len() <= room => {
                set.push(',');
                set.push_str(&range);
            }
            _ => sets.push(range),
        }
    }
    sets
}

fn uids_in(set: &str) -> HashSet<u32> {
    set.split(',')
        .flat_map(|range| {
            let (first, last) = range.split_once(':').unwrap_or((range, range));
            let first: u32 = first.parse().expect("we wrote a number");
            let last: u32 = last.parse().expect("we wrote a number");
            first..=last
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uid_sets_stay_below_the_servers_limit_and_lose_nothing() {
        assert_eq!(uid_sets(&[3, 1, 2, 7, 7, 9], 10_000), ["1:3,7,9"]);
        assert!(uid_sets(&[], 10_000).is_empty());
        let odd: Vec<u32> = (1..20_000).map(|n| n * 2 + 1_000_000).collect();
        let sets = uid_sets(&odd, 10_240);
        assert!(sets.len() > 1 && sets.iter().all(|s| s.len() + COMMAND_OVERHEAD <= 10_240));
        let mut back: Vec<u32> = sets.iter().flat_map(|s| uids_in(s)).collect();
        back.sort_unstable();
        assert_eq!(back, odd);
        assert_eq!(uid_sets(&[u32::MAX - 1, u32::MAX], 100), ["4294967294:4294967295"]);
    }

    #[test]
    fn internal_dates_are_read_with_their_zone() {
        assert_eq!(internal_date("07-Nov-2026 10:02:03 +0100"), Some(Timestamp::from_seconds(1_794_042_123)));
        assert_eq!(internal_date(" 7-Nov-2026 10:02:03 +0100"), internal_date("07-Nov-2026 10:02:03 +0100"));
        assert_eq!(internal_date("yesterday"), None);
    }
}
