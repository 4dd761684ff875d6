//! Bytes of one length after another as rows of SQLite and as files beside it: what writing and reading them costs, and what they take up.
//!
//! Both as the product does it (`crates/store/src/scope/blobs.rs`): batches of mails, each blob named by a row, the bytes durable with the
//! commit. Where the two lines cross is where the product should go from rows to files (docs/decisions/0007-small-blobs-in-sqlite.md).

use super::{Servers, Sizes};
use crate::database::Database;
use crate::machine::cpu_of_this;
use crate::place::Place;
use crate::report::{Section, ms};
use crate::rows::Connection;
use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, SqliteConnection};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const KIB: usize = 1024;
const LENGTHS: [usize; 9] =
    [4 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 96 * KIB, 128 * KIB, 256 * KIB, 512 * KIB, 1024 * KIB];
/// As long as a chunk of the product.
const CHUNK: usize = 256 * KIB;
/// As many as a batch of mails, and as long.
const MOST_OF_A_BATCH: usize = 100;
const BYTES_OF_A_BATCH: usize = 8 * KIB * KIB;

/// CPU and time of one blob.
#[derive(Clone, Copy)]
struct Cost {
    cpu: Duration,
    time: Duration,
}

pub async fn run(servers: &Servers, databases: &[Database], sizes: &Sizes) -> Result<Vec<Section>> {
    let mut section = Section::new(
        "Blobs in SQLite's rows and as files (`blobs`)",
        format!(
            "CPU and time for each blob, {} MiB of each length in batches of {MOST_OF_A_BATCH} or {} MiB, each batch durable with its commit. \
             A file is written, synced and renamed, its folder synced once a batch. Reading is of what was just written, in another order. \
             Space is what is used on disk afterwards, for each byte of content.",
            sizes.blob_bytes / KIB / KIB,
            BYTES_OF_A_BATCH / KIB / KIB
        ),
        &["length", "row: written", "file: written", "row: read", "file: read", "row: space", "file: space"],
    );
    if databases.contains(&Database::Sqlite) {
        for length in LENGTHS {
            let count = (sizes.blob_bytes / length).max(4);
            let blobs: Vec<(String, Vec<u8>)> = (0..count).map(|n| blob(sizes.seed, length, n)).collect();
            let mut row = vec![format!("{} KiB", length / KIB)];
            let (mut written, mut read, mut space) = (Vec::new(), Vec::new(), Vec::new());
            for as_file in [false, true] {
                let place = Place::new(&servers.mail, None).await?;
                let Connection::Sqlite(mut connection) = place.connection().await? else { anyhow::bail!("not SQLite") };
                let (account, folder) = (place.signed_up.scope.account_id().0, place.dir.path().join("blobs"));
                let mut store = Stored { connection: &mut connection, account, folder, as_file };
                let empty = used(place.dir.path())?;
                written.push(store.write(&blobs).await?);
                read.push(store.read(&blobs).await?);
                sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
                let content = u64::try_from(length * count)?;
                space.push(format!("{:.2}", per_byte(used(place.dir.path())?.saturating_sub(empty), content)));
            }
            row.extend(written.into_iter().chain(read).map(Cost::said));
            row.extend(space);
            section.row(row);
            section.count("blobs stored as rows and as files", count as u64);
        }
    }
    Ok(vec![section])
}

impl Cost {
    fn said(self) -> String {
        format!("{} ({})", ms(self.cpu), ms(self.time))
    }
}

struct Stored<'c> {
    connection: &'c mut SqliteConnection,
    account: i64,
    folder: PathBuf,
    as_file: bool,
}

impl Stored<'_> {
    async fn write(&mut self, blobs: &[(String, Vec<u8>)]) -> Result<Cost> {
        let length = blobs.first().context("a blob")?.1.len();
        let of_a_batch = MOST_OF_A_BATCH.min(BYTES_OF_A_BATCH / length);
        let (cpu, begun) = (cpu_of_this()?, Instant::now());
        let mut id = 0;
        for batch in blobs.chunks(of_a_batch) {
            if self.as_file {
                self.write_files(batch)?;
            }
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *self.connection).await?;
            let names = vec!["(?, ?, ?, ?, 0, 0)"; batch.len()].join(", ");
            let text =
                format!("INSERT INTO blobs (id, account_id, sha256, size_bytes, created_at, named_at) VALUES {names}");
            let mut query = sqlx::query(AssertSqlSafe(text));
            for (n, (sha256, bytes)) in (id + 1..).zip(batch) {
                query = query.bind(n).bind(self.account).bind(sha256.clone()).bind(i64::try_from(bytes.len())?);
            }
            query.execute(&mut *self.connection).await?;
            if !self.as_file {
                self.write_rows(id, batch).await?;
            }
            id += i64::try_from(batch.len())?;
            sqlx::raw_sql("COMMIT").execute(&mut *self.connection).await?;
        }
        each(cpu, begun, blobs.len())
    }

    /// A statement for about 4 MiB.
    async fn write_rows(&mut self, after: i64, batch: &[(String, Vec<u8>)]) -> Result<()> {
        let chunks: Vec<(i64, i64, &[u8])> = (after + 1..)
            .zip(batch)
            .flat_map(|(id, (_, bytes))| (0..).zip(bytes.chunks(CHUNK)).map(move |(seq, chunk)| (id, seq, chunk)))
            .collect();
        let of_a_statement = (BYTES_OF_A_BATCH / 2 / chunks[0].2.len()).min(MOST_OF_A_BATCH);
        for some in chunks.chunks(of_a_statement) {
            let marks = vec!["(?, ?, ?, ?)"; some.len()].join(", ");
            let text = format!("INSERT INTO blob_chunks (account_id, blob_id, seq, bytes) VALUES {marks}");
            let mut query = sqlx::query(AssertSqlSafe(text));
            for (id, seq, chunk) in some {
                query = query.bind(self.account).bind(id).bind(seq).bind(chunk.to_vec());
            }
            query.execute(&mut *self.connection).await?;
        }
        Ok(())
    }

    fn write_files(&self, batch: &[(String, Vec<u8>)]) -> Result<()> {
        let mut folders = BTreeSet::new();
        for (sha256, bytes) in batch {
            let path = self.path(sha256);
            let folder = path.parent().context("a folder")?.to_owned();
            std::fs::create_dir_all(&folder)?;
            let temporary = folder.join(format!(".{sha256}"));
            let mut file = std::fs::File::create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)?;
            folders.insert(folder);
        }
        folders.iter().try_for_each(|folder| std::fs::File::open(folder)?.sync_all())?;
        Ok(())
    }

    /// Not in the order in which they were written.
    async fn read(&mut self, blobs: &[(String, Vec<u8>)]) -> Result<Cost> {
        let (cpu, begun) = (cpu_of_this()?, Instant::now());
        for n in 0..blobs.len() {
            let at = (n * 7919) % blobs.len();
            let (sha256, bytes) = &blobs[at];
            let found = if self.as_file {
                std::fs::read(self.path(sha256))?
            } else {
                let text = "SELECT bytes FROM blob_chunks WHERE account_id = ? AND blob_id = ? ORDER BY seq";
                let query = sqlx::query_scalar(text).bind(self.account).bind(i64::try_from(at + 1)?);
                let chunks: Vec<Vec<u8>> = query.fetch_all(&mut *self.connection).await?;
                chunks.concat()
            };
            anyhow::ensure!(found == *bytes, "a blob is not what it was");
        }
        each(cpu, begun, blobs.len())
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(&sha256[..2]).join(sha256)
    }
}

fn each(cpu: Duration, begun: Instant, count: usize) -> Result<Cost> {
    let count = u32::try_from(count)?;
    Ok(Cost { cpu: cpu_of_this()?.saturating_sub(cpu) / count, time: begun.elapsed() / count })
}

/// Bytes that nothing makes smaller, and a name like an address: any place of the index, any shelf.
fn blob(seed: u64, length: usize, n: usize) -> (String, Vec<u8>) {
    let mut state = seed ^ ((n as u64 + 1) << 32) ^ length as u64;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let name = format!("{:016x}{:016x}{:016x}{:016x}", next(), next(), next(), next());
    let bytes = (0..length / 8).flat_map(|_| next().to_be_bytes()).collect();
    (name, bytes)
}

/// What the files of a folder take up on the disk.
fn used(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        sum += meta.blocks() * 512;
        if meta.is_dir() {
            sum += used(&entry.path())?;
        }
    }
    Ok(sum)
}

fn per_byte(used: u64, content: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let shown = used as f64 / content.max(1) as f64;
    shown
}
