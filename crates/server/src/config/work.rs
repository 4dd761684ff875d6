//! How mail is fetched and jobs are run.

use super::reader::Reader;
use std::num::NonZeroU32;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Work {
    pub poll_interval: Duration,
    pub import_days: u32,
    pub fetch_limit_bytes: usize,
    pub full_parse_limit_bytes: usize,
    pub mail_memory_bytes: u64,
    /// Jobs that people wait for, at the same time.
    pub concurrency: u32,
    /// Imports at the same time, in places of their own.
    pub bulk_concurrency: u32,
    pub max_mailboxes: usize,
    /// Sessions with one mail server at the same time.
    pub host_connections: NonZeroU32,
    /// How long to wait before each look into Sent for a message whose outcome is unknown.
    pub outcome_looks: Vec<Duration>,
}

impl Work {
    pub fn read(reader: &mut Reader) -> Self {
        let bulk_concurrency = reader.number("WORKER_BULK_CONCURRENCY", 4, 1, 1000);
        Self {
            poll_interval: Duration::from_secs(reader.number("POLL_INTERVAL_SECONDS", 60, 1, 3600).into()),
            import_days: reader.number("IMPORT_DAYS", 7, 0, 3650),
            fetch_limit_bytes: reader.number("FETCH_LIMIT_MB", 160, 1, 1024) as usize * 1024 * 1024,
            mail_memory_bytes: u64::from(reader.number("MAIL_MEMORY_MB", 256, 16, 65_536)) * 1024 * 1024,
            full_parse_limit_bytes: reader.number("FULL_PARSE_LIMIT_MB", 32, 1, 150) as usize * 1024 * 1024,
            concurrency: reader.number("WORKER_CONCURRENCY", 8, 1, 1000),
            bulk_concurrency,
            max_mailboxes: reader.number("WORKER_MAILBOXES", 10_000, 1, 1_000_000) as usize,
            host_connections: host_connections(reader, bulk_concurrency),
            outcome_looks: outcome_looks(reader),
        }
    }
}

/// Imports hold their connections for as long as they last, and new mail must not wait for them.
fn host_connections(reader: &mut Reader, bulk_concurrency: u32) -> NonZeroU32 {
    const NAME: &str = "MAIL_HOST_CONNECTIONS";
    let number = reader.number(NAME, 10_000, 3, 1_000_000);
    if number < bulk_concurrency + 2 {
        reader.problem(
            NAME,
            &format!("{number} connections do not leave two for new mail beside {bulk_concurrency} imports"),
            "Raise it, or lower WORKER_BULK_CONCURRENCY.",
        );
    }
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

fn outcome_looks(reader: &mut Reader) -> Vec<Duration> {
    const NAME: &str = "OUTCOME_LOOKS_SECONDS";
    let text = reader.text(NAME).unwrap_or_else(|| "10,60,300".to_owned());
    let looks: Option<Vec<u64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    match looks {
        Some(looks) if (1..=10).contains(&looks.len()) && looks.iter().all(|wait| (1..=86_400).contains(wait)) => {
            looks.into_iter().map(Duration::from_secs).collect()
        }
        _ => {
            reader.problem(
                NAME,
                &format!("{text:?} is no list of one to ten waits between 1 and 86400 seconds"),
                "Write seconds separated by commas, such as 10,60,300, or remove it.",
            );
            [10, 60, 300].map(Duration::from_secs).to_vec()
        }
    }
}
