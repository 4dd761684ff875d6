//! How mail is fetched and jobs are run.

use super::reader::Reader;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Work {
    pub poll_interval: Duration,
    pub import_days: u32,
    pub full_parse_limit_bytes: usize,
    pub concurrency: usize,
    pub max_mailboxes: usize,
}

impl Work {
    pub fn read(reader: &mut Reader) -> Self {
        Self {
            poll_interval: Duration::from_secs(reader.number("POLL_INTERVAL_SECONDS", 60, 1, 3600).into()),
            import_days: reader.number("IMPORT_DAYS", 7, 0, 3650),
            full_parse_limit_bytes: reader.number("FULL_PARSE_LIMIT_MB", 32, 1, 150) as usize * 1024 * 1024,
            concurrency: reader.number("WORKER_CONCURRENCY", 8, 1, 1000) as usize,
            max_mailboxes: reader.number("WORKER_MAILBOXES", 10_000, 1, 1_000_000) as usize,
        }
    }
}
