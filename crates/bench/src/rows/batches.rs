//! Which rows belong to the same batch of mails, told by what refers to what; and inserting them, batch by batch.
//!
//! The batches are those in which the product stored the mails. A row goes with the first batch that refers to it, so that whatever is
//! referred to is there. Updates are not repeated: this is what the rows cost as they stand at the end, and no more.

use super::cells::Cell;
use super::{Connection, Table};
use anyhow::{Context, Result};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// Who refers to whom: table, column, the table that is referred to.
const REFERENCES: &[(&str, &str, &str)] = &[
    ("raw_emails", "blob_id", "blobs"),
    ("raw_emails", "message_id", "messages"),
    ("blob_chunks", "blob_id", "blobs"),
    ("messages", "conversation_id", "conversations"),
    ("messages", "sender_contact_id", "contacts"),
    ("message_ids", "message_id", "messages"),
    ("attachments", "message_id", "messages"),
    ("attachments", "blob_id", "blobs"),
    ("conversations", "contact_id", "contacts"),
    ("contact_addresses", "contact_id", "contacts"),
    ("contact_inboxes", "contact_id", "contacts"),
];

/// What is referred to comes first; tables that stand in no reference come last.
const ORDER: &[&str] = &[
    "blobs",
    "blob_chunks",
    "contacts",
    "contact_addresses",
    "contact_inboxes",
    "conversations",
    "messages",
    "message_ids",
    "attachments",
    "raw_emails",
];

/// The rows of a database after mail came in.
pub struct Batches {
    /// What was there before: accounts, inboxes, channels.
    standing: Vec<Table>,
    /// In the order of insertion.
    batches: Vec<Vec<Table>>,
    mails: usize,
}

impl Batches {
    pub fn of(tables: Vec<Table>) -> Result<Self> {
        let batch_of = assigned(&tables)?;
        let count = batch_of.values().flatten().max().context("a mail")? + 1;
        let mails = tables.iter().find(|t| t.name == "raw_emails").map_or(0, |t| t.rows.len());
        let mut batches: Vec<Vec<Table>> = (0..count).map(|_| Vec::new()).collect();
        let mut standing = Vec::new();
        let mut tables = tables;
        let place = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
        tables.sort_by_key(|table| place(&table.name));
        for table in tables {
            let Some(of_rows) = batch_of.get(&table.name) else {
                standing.push(table);
                continue;
            };
            let mut split: Vec<Vec<Vec<Cell>>> = (0..count).map(|_| Vec::new()).collect();
            for (row, batch) in table.rows.iter().zip(of_rows) {
                split[*batch].push(row.clone());
            }
            for (batch, rows) in batches.iter_mut().zip(split) {
                if !rows.is_empty() {
                    batch.push(table.with(rows));
                }
            }
        }
        Ok(Self { standing, batches, mails })
    }

    pub fn mails(&self) -> usize {
        self.mails
    }

    pub fn rows(&self) -> usize {
        self.batches.iter().flatten().map(|table| table.rows.len()).sum()
    }

    pub fn len(&self) -> usize {
        self.batches.len()
    }

    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// What has to be there first; not measured.
    pub async fn prepare(&self, on: &mut Connection) -> Result<()> {
        on.check_references(false).await?;
        for table in &self.standing {
            on.insert(table).await.with_context(|| format!("inserting into {}", table.name))?;
        }
        on.check_references(true).await
    }

    /// A transaction a batch.
    pub async fn insert(&self, on: &mut Connection) -> Result<()> {
        for batch in &self.batches {
            on.run("BEGIN").await?;
            for table in batch {
                on.insert(table).await.with_context(|| format!("inserting into {}", table.name))?;
            }
            on.run("COMMIT").await?;
        }
        Ok(())
    }

    /// The files that stand beside the rows.
    pub fn write(&self, files: &Files) -> Result<()> {
        self.batches.iter().try_for_each(|batch| files.write(batch.iter().find(|table| table.name == "blobs")))
    }
}

/// The bytes of blobs, and a folder to write them to.
pub struct Files {
    bytes: HashMap<String, Vec<u8>>,
    to: std::path::PathBuf,
}

impl Files {
    /// Reads every file below `from`.
    pub fn read(from: &Path, to: &Path) -> Result<Self> {
        let mut bytes = HashMap::new();
        let mut folders = vec![from.to_owned()];
        while let Some(folder) = folders.pop() {
            // There is no folder where all bytes are rows.
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(name) = path.file_name() {
                    bytes.insert(name.to_string_lossy().into_owned(), std::fs::read(&path)?);
                }
            }
        }
        Ok(Self { bytes, to: to.to_owned() })
    }

    /// Each durable before its row, as the product does it; each folder is synced once a batch.
    fn write(&self, blobs: Option<&Table>) -> Result<()> {
        let Some(blobs) = blobs else { return Ok(()) };
        let name = blobs.column("sha256").context("sha256")?;
        let mut folders = BTreeSet::new();
        for sha256 in blobs.rows.iter().filter_map(|row| row[name].text()) {
            // The others are rows, and inserted with them.
            let Some(bytes) = self.bytes.get(sha256) else { continue };
            let folder = self.to.join(&sha256[..2]);
            std::fs::create_dir_all(&folder)?;
            let temporary = folder.join(".part");
            let mut file = std::fs::File::create(&temporary)?;
            std::io::Write::write_all(&mut file, bytes)?;
            file.sync_all()?;
            std::fs::rename(&temporary, folder.join(sha256))?;
            folders.insert(folder);
        }
        for folder in folders {
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// The batch of every row of the tables that grow with mail, by table.
fn assigned(tables: &[Table]) -> Result<HashMap<String, Vec<usize>>> {
    let by_name: HashMap<&str, &Table> = tables.iter().map(|table| (table.name.as_str(), table)).collect();
    let raw = by_name.get("raw_emails").context("raw_emails")?;
    let at = raw.column("received_at").context("received_at")?;
    // One transaction stores its mails at one moment.
    let moments: BTreeSet<i64> = raw.rows.iter().filter_map(|row| row[at].integer()).collect();
    let moments: Vec<i64> = moments.into_iter().collect();
    let of_mail = |row: &Vec<Cell>| row[at].integer().and_then(|moment| moments.binary_search(&moment).ok());

    let mut batch: HashMap<&str, Vec<Option<usize>>> =
        ORDER.iter().filter_map(|name| Some((*name, vec![None; by_name.get(name)?.rows.len()]))).collect();
    batch.insert("raw_emails", raw.rows.iter().map(of_mail).collect());
    let ids: HashMap<&str, HashMap<i64, usize>> = ORDER
        .iter()
        .filter_map(|name| {
            let table = by_name.get(name)?;
            let id = table.column("id")?;
            Some((*name, table.rows.iter().enumerate().filter_map(|(n, row)| Some((row[id].integer()?, n))).collect()))
        })
        .collect();
    loop {
        let mut changed = false;
        for (from, column, to) in REFERENCES {
            let Some(table) = by_name.get(from) else { continue };
            let (Some(column), Some(ids)) = (table.column(column), ids.get(to)) else { continue };
            for (n, row) in table.rows.iter().enumerate() {
                let Some(target) = row[column].integer().and_then(|id| ids.get(&id)) else { continue };
                match (batch[from][n], batch[to][*target]) {
                    (Some(mine), theirs) if theirs.is_none_or(|theirs| theirs > mine) => {
                        batch.get_mut(to).context("a table")?[*target] = Some(mine);
                        changed = true;
                    }
                    (None, Some(theirs)) => {
                        batch.get_mut(from).context("a table")?[n] = Some(theirs);
                        changed = true;
                    }
                    _ => {}
                }
            }
        }
        if !changed {
            break;
        }
    }
    let last = moments.len().saturating_sub(1);
    let mut assigned: HashMap<String, Vec<usize>> = batch
        .into_iter()
        .map(|(name, rows)| (name.to_owned(), rows.into_iter().map(|batch| batch.unwrap_or(last)).collect()))
        .collect();
    // What no reference ties to a mail came evenly.
    for name in ["events", "owed_work"] {
        if let Some(table) = by_name.get(name).filter(|table| !table.rows.is_empty()) {
            let rows = table.rows.len();
            assigned.insert(name.to_owned(), (0..rows).map(|n| n * moments.len() / rows).collect());
        }
    }
    Ok(assigned)
}
