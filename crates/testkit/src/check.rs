//! What must hold after every story, asked of the database from outside.
//!
//! Written in SQL against the tables, not through the product's code, so that a mistake there cannot hide itself here.

use anyhow::{Context, Result, bail};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use std::time::{Duration, Instant};

/// A rule: its sentence, and a query that finds the rows that break it.
const RULES: &[(&str, &str)] = &[
    (
        "every ingested raw mail has its message",
        "SELECT id FROM raw_emails WHERE state = 'ingested' AND message_id IS NULL",
    ),
    (
        "no Message-ID is remembered for another inbox than its conversation's",
        "SELECT i.id FROM message_ids i JOIN conversations c ON c.id = i.conversation_id WHERE i.inbox_id <> c.inbox_id",
    ),
    (
        "every conversation has a contact of its account",
        "SELECT c.id FROM conversations c LEFT JOIN contacts p ON p.id = c.contact_id AND p.account_id = c.account_id WHERE p.id IS NULL",
    ),
    (
        "every delivery's message is outgoing and not private",
        "SELECT d.id FROM deliveries d JOIN messages m ON m.id = d.message_id WHERE m.private <> FALSE OR m.message_type <> 1",
    ),
    (
        "every message that an agent sent has a delivery",
        "SELECT m.id FROM messages m WHERE m.message_type = 1 AND m.private = FALSE \
         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.account_id = m.account_id AND d.message_id = m.id)",
    ),
    // The net under this (app::outbound::orphans) finds what it breaks only minutes later.
    (
        "every delivery that is under way is owed",
        "SELECT d.id FROM deliveries d WHERE (d.state IN ('queued', 'sending') AND NOT EXISTS (SELECT 1 FROM owed_work o \
         WHERE o.account_id = d.account_id AND o.subject_id = d.id AND o.kind = 'deliver_message' AND o.state = 'waiting')) \
         OR (d.state = 'outcome_unknown' AND d.next_try_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM owed_work o \
         WHERE o.account_id = d.account_id AND o.subject_id = d.id AND o.kind = 'reconcile_delivery' AND o.state = 'waiting'))",
    ),
    (
        "every conversation's last message is its own",
        "SELECT c.id FROM conversations c JOIN messages m ON m.id = c.last_message_id WHERE m.conversation_id <> c.id",
    ),
    (
        "every conversation has a message",
        "SELECT c.id FROM conversations c WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = c.id)",
    ),
    (
        "no raw mail was kept twice under one UID",
        "SELECT MIN(id) FROM raw_emails GROUP BY folder_id, uidvalidity, uid HAVING COUNT(*) > 1",
    ),
    (
        "no display id is beyond its account's counter",
        "SELECT c.id FROM conversations c JOIN account_counters k ON k.account_id = c.account_id WHERE c.display_id >= k.next_display_id",
    ),
    (
        "no cursor is behind what is stored",
        "SELECT r.id FROM raw_emails r JOIN channel_folders f ON f.id = r.folder_id AND f.uidvalidity = r.uidvalidity \
         WHERE r.source = 'live' AND r.uid > f.last_uid",
    ),
    (
        "events of an account are numbered one after the other",
        "SELECT e.seq FROM events e WHERE e.seq > 1 AND NOT EXISTS \
         (SELECT 1 FROM events p WHERE p.account_id = e.account_id AND p.seq = e.seq - 1)",
    ),
    // Events have no foreign keys, because they outlive what they tell of: an inbox goes with its conversations, and says so in an event. No
    // story can delete a conversation by itself.
    (
        "every event's conversation is there, in the event's inbox, or went with it",
        "SELECT e.seq FROM events e WHERE e.conversation_id IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM conversations c \
         WHERE c.account_id = e.account_id AND c.id = e.conversation_id AND c.inbox_id = e.inbox_id) \
         AND (e.inbox_id IS NULL OR EXISTS (SELECT 1 FROM inboxes i WHERE i.account_id = e.account_id AND i.id = e.inbox_id))",
    ),
    (
        "every event's inbox is there, or an event says that it was deleted",
        "SELECT e.seq FROM events e WHERE e.inbox_id IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM inboxes i WHERE i.account_id = e.account_id AND i.id = e.inbox_id) \
         AND NOT EXISTS (SELECT 1 FROM events d WHERE d.account_id = e.account_id AND d.kind = 'inbox_deleted' \
         AND d.payload LIKE '%\"id\":' || e.inbox_id || ',%')",
    ),
];

/// No work may be left that is due and could be done: the queries count rows that something still has to touch.
const QUIET: &[(&str, &str)] = &[
    // A row with an error waits for its next try, which may be days away.
    ("no owed work waits untried", "SELECT COUNT(*) FROM owed_work WHERE state = 'waiting' AND last_error IS NULL"),
    (
        "no delivery is being sent",
        "SELECT COUNT(*) FROM deliveries WHERE state = 'sending' OR (state = 'queued' AND failure IS NULL)",
    ),
    ("no raw mail waits", "SELECT COUNT(*) FROM raw_emails WHERE state = 'waiting'"),
];

enum Database {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    async fn open(url: &str) -> Result<Self> {
        Ok(if url.starts_with("sqlite") {
            Self::Sqlite(SqliteConnection::connect(url).await?)
        } else {
            Self::Postgres(PgConnection::connect(url).await?)
        })
    }

    async fn numbers(&mut self, query: &str) -> Result<Vec<i64>> {
        let query = AssertSqlSafe(query.to_owned());
        Ok(match self {
            Self::Sqlite(connection) => sqlx::query_scalar(query).fetch_all(connection).await?,
            Self::Postgres(connection) => sqlx::query_scalar(query).fetch_all(connection).await?,
        })
    }

    async fn run(&mut self, statement: &str) -> Result<(), sqlx::Error> {
        let statement = AssertSqlSafe(statement.to_owned());
        match self {
            Self::Sqlite(connection) => sqlx::query(statement).execute(connection).await.map(drop),
            Self::Postgres(connection) => sqlx::query(statement).execute(connection).await.map(drop),
        }
    }

    async fn texts(&mut self, query: &str) -> Result<Vec<String>> {
        let query = AssertSqlSafe(query.to_owned());
        Ok(match self {
            Self::Sqlite(connection) => sqlx::query_scalar(query).fetch_all(connection).await?,
            Self::Postgres(connection) => sqlx::query_scalar(query).fetch_all(connection).await?,
        })
    }
}

/// Changes rows from outside, and leaves out the statements whose rows somebody holds.
pub async fn run_where_free(database_url: &str, statements: &[&str]) -> Result<()> {
    let mut database = Database::open(database_url).await?;
    if let Database::Postgres(_) = database {
        database.run("SET lock_timeout = '300ms'").await?;
    }
    for statement in statements {
        match database.run(statement).await {
            Err(error) if !is_locked(&error) => return Err(error).context((*statement).to_owned()),
            _ => {}
        }
    }
    Ok(())
}

/// The waits between two tries have passed; whoever is at something goes on with it.
pub async fn waits_are_over(database_url: &str) -> Result<()> {
    const DUE: &[&str] = &[
        "UPDATE owed_work SET ready_at = 1, due_at = 1 WHERE state = 'waiting' AND lease_until = 0 AND handed_until = 0",
        "UPDATE email_channels SET send_after = 0, send_aside_until = 0",
    ];
    run_where_free(database_url, DUE).await
}

/// PostgreSQL's lock_not_available, SQLite's BUSY.
fn is_locked(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code == "55P03" || code == "5")
}

/// A mailbox's INBOX as the mail server has it.
#[derive(Debug)]
pub struct Inbox {
    pub uidvalidity: i64,
    pub mails: Vec<Numbered>,
}

#[derive(Clone, Copy, Debug)]
pub struct Numbered {
    pub uid: i64,
    /// Seconds since 1970.
    pub arrived_at: i64,
}

/// Of the week that is imported (`IMPORT_DAYS`) what is certainly in it: servers count whole days.
const IMPORTED_SECONDS: i64 = 6 * 24 * 3600;

/// The addresses of the connected mailboxes.
pub async fn connected_mailboxes(database_url: &str) -> Result<Vec<String>> {
    Database::open(database_url).await?.texts("SELECT DISTINCT mailbox_address FROM email_channels").await
}

/// A number that a query finds in a world's database.
pub async fn number(database_url: &str, query: &str) -> Result<i64> {
    let found = Database::open(database_url).await?.numbers(query).await.context(query.to_owned())?;
    found.first().copied().context("a row")
}

/// No cursor ran ahead: every UID between where new mail began and the cursor is stored or noted as pending, and so is, when the import is
/// done, every UID of the past that was to be imported (I1).
pub async fn nothing_was_passed_over(database_url: &str, address: &str, inbox: &Inbox) -> Result<()> {
    let mut database = Database::open(database_url).await?;
    let opened = |column: &str| {
        format!(
            "SELECT f.{column} FROM channel_folders f JOIN email_channels c ON c.id = f.channel_id \
             WHERE c.mailbox_address = '{address}' AND f.role = 'inbox' AND f.uidvalidity IS NOT NULL"
        )
    };
    // Under another UIDVALIDITY the cursor says nothing of these UIDs, so nothing could be found wrong.
    for known in database.numbers(&opened("uidvalidity")).await? {
        if known != inbox.uidvalidity {
            bail!(
                "after the story: {address} is known under UIDVALIDITY {known}, and the server has {}",
                inbox.uidvalidity
            );
        }
    }
    for folder in database.numbers(&opened("id")).await? {
        let of = |column: &str| format!("SELECT COALESCE({column}, 0) FROM channel_folders WHERE id = {folder}");
        let begin = database.numbers(&of("import_before_uid")).await?.first().copied().context("a folder")?;
        let last = database.numbers(&of("last_uid")).await?.first().copied().context("a folder")?;
        let known = format!(
            "SELECT uid FROM raw_emails WHERE folder_id = {folder} AND uidvalidity = {0} UNION \
             SELECT uid FROM pending_uids WHERE folder_id = {folder} AND uidvalidity = {0}",
            inbox.uidvalidity
        );
        let known = database.numbers(&known).await?;
        let unknown: Vec<&Numbered> = inbox.mails.iter().filter(|mail| !known.contains(&mail.uid)).collect();
        let passed: Vec<i64> = unknown.iter().map(|mail| mail.uid).filter(|uid| (begin..=last).contains(uid)).collect();
        if !passed.is_empty() {
            bail!("after the story: the cursor of {address} stands at {last} and passed over the UIDs {passed:?}");
        }
        // When it was connected, if its past is imported under this UIDVALIDITY: what was imported under another one is known by that.
        let imported = format!(
            "SELECT c.created_at / 1000000 FROM channel_folders f JOIN email_channels c ON c.id = f.channel_id \
             WHERE f.id = {folder} AND c.import LIKE '%\"state\":\"done\"%' AND f.import_uidvalidity = f.uidvalidity \
             AND NOT EXISTS (SELECT 1 FROM raw_emails r WHERE r.channel_id = c.id AND (r.folder_id <> f.id OR r.uidvalidity <> f.uidvalidity))"
        );
        for connected_at in database.numbers(&imported).await? {
            let past = |mail: &&&Numbered| mail.uid < begin && mail.arrived_at > connected_at - IMPORTED_SECONDS;
            let left_out: Vec<i64> = unknown.iter().filter(past).map(|mail| mail.uid).collect();
            if !left_out.is_empty() {
                bail!("after the story: the past of {address} is imported without the UIDs {left_out:?}");
            }
        }
    }
    Ok(())
}

/// Waits until nothing is left to do, then looks for broken rules.
pub async fn invariants(database_url: &str) -> Result<()> {
    let mut database = Database::open(database_url).await.context("opening the world's database")?;
    let start = Instant::now();
    for (sentence, query) in QUIET {
        loop {
            let left: i64 = database.numbers(query).await.context(*query)?.into_iter().sum();
            if left == 0 {
                break;
            }
            if start.elapsed() > Duration::from_secs(20) {
                bail!("after the story: not true that {sentence} ({left} rows)");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    for (sentence, query) in RULES {
        let broken = database.numbers(query).await.context(*query)?;
        if !broken.is_empty() {
            bail!("after the story: not true that {sentence} (rows {broken:?})");
        }
    }
    Ok(())
}
