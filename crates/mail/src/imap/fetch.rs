//! Fetching mails: sizes first, then batches that fit in memory, long mails alone and in parts.
//!
//! Sizes are the server's claim (Exchange estimates), so they plan the work and decide nothing else: parts are fetched until there are no
//! more. A UID without an answer is absent from the result; Exchange finds mails by SEARCH that it does not deliver.

use super::answers::{self, During};
use super::session::{SMALL_ANSWER, Session};
use super::{Batch, FetchedEmail, FetchedHeader};
use async_imap::imap_proto::{AttributeValue, MessageSection, Response, SectionPath};
use domain::{Failure, Timestamp};
use std::collections::{HashMap, HashSet};

const PART_BYTES: usize = 256 * 1024;
/// Exchange takes headers of up to 256 kB; nobody sends one that is longer than this.
const MAX_HEADER_BYTES: u64 = 1024 * 1024;
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
                let arrived_at = read_items(items).internal_date;
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
                    batches.push(Batch { uids: vec![*uid], claimed_bytes: size, in_parts, arrived_at: HashMap::new() });
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
        if batch.in_parts {
            let mut fetched = Vec::new();
            for uid in &batch.uids {
                fetched.extend(self.fetch_in_parts(*uid).await?);
            }
            return Ok(fetched);
        }
        let mut fetched = HashMap::new();
        // A claim may be wrong, but not by more than the longest mail there can be.
        let allowance = batch.claimed_bytes.saturating_mul(2).saturating_add(self.limits.max_mail_bytes as u64);
        for set in uid_sets(&batch.uids, self.limits.command_bytes) {
            self.fetch_items(&set, "(UID INTERNALDATE BODY.PEEK[])", allowance, |uid, items| {
                let Items { internal_date, body, .. } = read_items(items);
                if let Some(bytes) = body {
                    fetched.insert(uid, FetchedEmail { uid, internal_date, bytes: bytes.to_vec(), truncated: false });
                }
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
        for set in uid_sets(uids, self.limits.command_bytes) {
            let allowance = uids_in(&set).len() as u64 * MAX_HEADER_BYTES;
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

    async fn fetch_in_parts(&mut self, uid: u32) -> Result<Option<FetchedEmail>, Failure> {
        let mut mail = FetchedEmail { uid, internal_date: None, bytes: Vec::new(), truncated: false };
        let mut last_part_bytes = 0;
        loop {
            let offset = mail.bytes.len();
            if offset > self.limits.max_mail_bytes {
                mail.bytes.truncate(self.limits.max_mail_bytes);
                mail.truncated = true;
                return Ok(Some(mail));
            }
            let items = format!("(UID INTERNALDATE BODY.PEEK[]<{offset}.{PART_BYTES}>)");
            let (mut answered, mut received) = (false, 0);
            let mut whole = None;
            // A server that ignores the range sends the whole mail, and there is room for that.
            let allowance = self.limits.max_mail_bytes as u64 + SMALL_ANSWER;
            self.fetch_items(&uid.to_string(), &items, allowance, |_, items| {
                let Items { internal_date, body, is_part } = read_items(items);
                mail.internal_date = mail.internal_date.or(internal_date);
                if let Some(bytes) = body.filter(|_| received == 0) {
                    answered = true;
                    received = bytes.len();
                    if is_part || received <= PART_BYTES {
                        mail.bytes.extend_from_slice(&bytes[..received.min(PART_BYTES)]);
                    } else {
                        whole = Some(bytes.to_vec());
                    }
                }
            })
            .await?;
            if let Some(mut bytes) = whole {
                mail.truncated = bytes.len() > self.limits.max_mail_bytes;
                bytes.truncate(self.limits.max_mail_bytes);
                return Ok(Some(FetchedEmail { bytes, ..mail }));
            }
            if received == 0 {
                // Nothing at this offset is the end of the mail, unless the mail itself has gone meanwhile.
                // A server may also say OK and leave the answer out: after a full part, much before the announced size, that
                // is no end, and the mail is asked for again later.
                let there = answered
                    || (offset > 0
                        && self.overview(&[uid]).await?.get(&uid).is_some_and(|(size, _)| {
                            last_part_bytes < PART_BYTES || *size <= (offset + PART_BYTES) as u64
                        }));
                return Ok(there.then_some(mail));
            }
            last_part_bytes = received;
        }
    }

    /// One UID FETCH; `each` sees the answers for the UIDs asked for, each UID with the items of one response.
    async fn fetch_items(
        &mut self,
        set: &str,
        items: &str,
        allowance: u64,
        mut each: impl FnMut(u32, &[AttributeValue<'_>]),
    ) -> Result<(), Failure> {
        let asked = uids_in(set);
        let outcome = self
            .command(&format!("UID FETCH {set} {items}"), During::Command, allowance, |response| {
                if let Response::Fetch(_, attributes) = response {
                    let uid = attributes.iter().find_map(|a| match a {
                        AttributeValue::Uid(uid) => Some(*uid),
                        _ => None,
                    });
                    // Without a UID it is news about flags, and whose it is cannot be known.
                    if let Some(uid) = uid.filter(|uid| asked.contains(uid)) {
                        each(uid, attributes);
                    }
                }
            })
            .await;
        match outcome {
            Ok(_) => Ok(()),
            Err(failure) if self.is_usable() && failure.server_said.as_deref().is_some_and(answers::only_expunged) => {
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }
}

/// What is read of one answer.
#[derive(Default)]
struct Items<'i> {
    internal_date: Option<Timestamp>,
    body: Option<&'i [u8]>,
    /// The server says that this is a part of the body (`BODY[]<0>`).
    is_part: bool,
}

fn read_items<'i>(items: &'i [AttributeValue<'_>]) -> Items<'i> {
    let mut read = Items::default();
    for item in items {
        match item {
            AttributeValue::InternalDate(text) => read.internal_date = internal_date(text),
            AttributeValue::BodySection { section: None, index, data: Some(data) } => {
                read.body = Some(data.as_ref());
                read.is_part = index.is_some();
            }
            AttributeValue::Rfc822(Some(data)) => read.body = Some(data.as_ref()),
            _ => {}
        }
    }
    read
}

/// ` 7-Nov-2026 10:02:03 +0100`
fn internal_date(text: &str) -> Option<Timestamp> {
    let moment = chrono::DateTime::parse_from_str(text.trim(), "%d-%b-%Y %H:%M:%S %z").ok()?;
    Some(Timestamp::from_seconds(moment.timestamp()))
}

/// The UIDs as sets such as `1:4,7`, each short enough for a command line.
fn uid_sets(uids: &[u32], command_bytes: usize) -> Vec<String> {
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
