//! Blobs of one account: the row that names the bytes, and the bytes in chunk rows, or in a folder where SQLite would have to hold long ones.
//!
//! A blob's bytes are in its rows if it has any, and else in its file. So what an earlier version wrote as a file is read as one.

use super::sql::rows_of;
use crate::blob::{BlobFolder, CHUNK_BYTES};
use crate::error::corrupt;
use crate::*;
use bytes::Bytes;
use domain::BlobId;
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::collections::{BTreeMap, HashMap, HashSet};

#[derive(Debug, FromQueryResult)]
struct BlobRow {
    sha256: String,
    size_bytes: i64,
    in_rows: bool,
}

/// SQLite keeps what is longer than one row as a file. Up to here, making the file is dearer than writing the row (docs/decisions/0007).
const LONGEST_IN_SQLITE: usize = CHUNK_BYTES;
/// Hashing more than this takes longer than others should wait for the thread.
const LONG_BYTES: usize = 1024 * 1024;
/// Chunks of a blob that are read at once.
const CHUNKS_AT_ONCE: usize = 16;

/// Bytes with their address.
#[derive(Clone)]
pub(crate) struct Addressed {
    pub(crate) sha256: String,
    pub(crate) bytes: Bytes,
}

impl Addressed {
    pub(crate) async fn new(bytes: Bytes) -> Result<Self> {
        let sha256 = address_of(bytes.clone()).await?;
        Ok(Self { sha256, bytes })
    }

    fn as_file(&self) -> (String, Bytes) {
        (self.sha256.clone(), self.bytes.clone())
    }
}

/// Bytes that are ready to be kept ([`Tx::keep_blob`]). Nothing names them yet: where no transaction does, they are swept away.
pub struct StagedBlob(pub(crate) Addressed);

impl std::fmt::Debug for StagedBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StagedBlob({} bytes)", self.0.bytes.len())
    }
}

async fn address_of(bytes: Bytes) -> Result<String> {
    if bytes.len() < LONG_BYTES {
        return Ok(TokenHash::of_bytes(&bytes).hex());
    }
    tokio::task::spawn_blocking(move || TokenHash::of_bytes(&bytes).hex())
        .await
        .map_err(|error| StoreError::Unavailable(format!("the blob task ended: {error}")))
}

impl AccountScope {
    /// As [`Self::put_bytes`], of bytes that stay the caller's.
    pub async fn put_blob(&self, bytes: &[u8]) -> Result<BlobId> {
        self.put_bytes(Bytes::copy_from_slice(bytes)).await
    }

    /// Durable before it returns; the same bytes are stored once per account.
    pub async fn put_bytes(&self, bytes: Bytes) -> Result<BlobId> {
        self.put_all(vec![bytes]).await?.pop().ok_or(StoreError::NotFound("blob"))
    }

    /// As [`Self::put_bytes`], many in one transaction, which a mail with thousands of files does not make longer. Ids in their order.
    pub async fn put_all(&self, all: Vec<Bytes>) -> Result<Vec<BlobId>> {
        let mut blobs = Vec::with_capacity(all.len());
        for bytes in all {
            blobs.push(Addressed::new(bytes).await?);
        }
        self.write_files(&blobs).await?;
        let mut named = HashMap::new();
        for some in blobs.chunks(ROWS) {
            let tx = self.inner.begin().await?;
            named.extend(name_blobs(&tx, self, some).await?);
            tx.commit().await?;
        }
        blobs.iter().map(|blob| named.get(&blob.sha256).copied().ok_or(StoreError::NotFound("blob"))).collect()
    }

    /// The first half of [`Self::put_bytes`], for a transaction that has more to write: what waits for the disk is done before it begins.
    pub async fn stage_bytes(&self, bytes: Bytes) -> Result<StagedBlob> {
        let blob = Addressed::new(bytes).await?;
        self.write_files(std::slice::from_ref(&blob)).await?;
        Ok(StagedBlob(blob))
    }

    /// `None`: no such blob in this account.
    pub async fn read_blob(&self, blob: BlobId) -> Result<Option<Vec<u8>>> {
        let row: Option<BlobRow> = self
            .sql(
                "SELECT b.sha256, b.size_bytes, \
                 EXISTS (SELECT 1 FROM blob_chunks c WHERE c.account_id = b.account_id AND c.blob_id = b.id) AS in_rows \
                 FROM blobs b WHERE b.account_id = :account AND b.id = ?",
            )
            .bind(blob.0)
            .one(&self.inner.read)
            .await?;
        let Some(BlobRow { sha256, size_bytes, in_rows }) = row else { return Ok(None) };
        let bytes: Bytes = match &self.inner.blobs {
            Some(folder) if !in_rows && size_bytes > 0 => folder.read(self.id, sha256.clone()).await?.into(),
            _ => self.read_chunks(blob, usize::try_from(size_bytes).unwrap_or_default()).await?.into(),
        };
        if address_of(bytes.clone()).await? == sha256 { Ok(Some(bytes.into())) } else { Err(corrupt("blob", blob)) }
    }

    /// A few chunks at a time: the blob is in memory once, and not a second time in rows.
    async fn read_chunks(&self, blob: BlobId, size: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(size);
        for first in (0..=size / CHUNK_BYTES).step_by(CHUNKS_AT_ONCE) {
            let chunks: Vec<Vec<u8>> = self
                .sql("SELECT bytes FROM blob_chunks WHERE account_id = :account AND blob_id = ? AND seq >= ? AND seq < ? ORDER BY seq")
                .bind(blob.0)
                .bind(i64::try_from(first).unwrap_or(i64::MAX))
                .bind(i64::try_from(first + CHUNKS_AT_ONCE).unwrap_or(i64::MAX))
                .column(&self.inner.read)
                .await?;
            chunks.iter().for_each(|chunk| bytes.extend_from_slice(chunk));
        }
        Ok(bytes)
    }

    /// On SQLite, those that are files, before any transaction names them. The others are written with the row that names them.
    pub(crate) async fn write_files(&self, blobs: &[Addressed]) -> Result<()> {
        let Some(folder) = &self.inner.blobs else { return Ok(()) };
        let files: Vec<(String, Bytes)> =
            blobs.iter().filter(|blob| !self.is_for_rows(blob)).map(Addressed::as_file).collect();
        if !files.is_empty() {
            folder.write(self.id, files).await?;
            self.inner.passes(KillPoint::FilesWritten);
        }
        Ok(())
    }

    /// Where the bytes go when they are new.
    fn is_for_rows(&self, blob: &Addressed) -> bool {
        self.inner.blobs.is_none() || blob.bytes.len() <= LONGEST_IN_SQLITE
    }
}

/// Each time round a sweeper has taken rows away between two statements, which it does once at most.
const MAX_ROUNDS: u32 = 5;
/// Rows of one statement.
const ROWS: usize = 100;
/// Bytes of one statement, or a chunk more.
const BYTES_OF_ONE_INSERT: usize = 4 * 1024 * 1024;

#[derive(Debug, FromQueryResult)]
struct NamedRow {
    id: i64,
    sha256: String,
}

pub(crate) async fn name_blob<C: ConnectionTrait>(on: &C, scope: &AccountScope, blob: &Addressed) -> Result<BlobId> {
    let named = name_blobs(on, scope, std::slice::from_ref(blob)).await?;
    named.get(&blob.sha256).copied().ok_or(StoreError::NotFound("blob"))
}

/// The rows that name the bytes, made or said to be in use ([`super::purge`] tells why), and the only way to a blob's id. By address. Files are
/// written before the transaction (`write_files`); here it is only seen to that they are still there. The rows are taken in the order of their
/// addresses, [`ROWS`] at a time, so that two batches of no more that share bytes do not wait for each other in a circle.
pub(crate) async fn name_blobs<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    blobs: &[Addressed],
) -> Result<HashMap<String, BlobId>> {
    let by_address: BTreeMap<&str, &Addressed> = blobs.iter().map(|blob| (blob.sha256.as_str(), blob)).collect();
    let unique: Vec<&Addressed> = by_address.into_values().collect();
    let mut named: HashMap<String, BlobId> = HashMap::new();
    for some in unique.chunks(ROWS) {
        let mut written = HashSet::new();
        let mut rounds = 0;
        loop {
            written.extend(make_or_find(on, scope, some, &mut named).await?);
            if some.iter().all(|blob| named.contains_key(&blob.sha256)) {
                break;
            }
            rounds += 1;
            if rounds == MAX_ROUNDS {
                return Err(StoreError::Unavailable("a blob went while it was stored".to_owned()));
            }
        }
        if let Some(folder) = &scope.inner.blobs {
            let others: Vec<&Addressed> =
                some.iter().copied().filter(|blob| !written.contains(&named[&blob.sha256])).collect();
            see_to_bytes(on, scope, folder, &others, &named).await?;
        }
    }
    Ok(named)
}

/// SQLite, of blobs whose rows were not written just now: those without rows have files, which the sweeper may have taken away meanwhile.
async fn see_to_bytes<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    folder: &BlobFolder,
    blobs: &[&Addressed],
    named: &HashMap<String, BlobId>,
) -> Result<()> {
    if blobs.is_empty() {
        return Ok(());
    }
    let in_rows: Vec<i64> = scope
        .sql("SELECT blob_id FROM blob_chunks WHERE account_id = :account AND blob_id IN (??) AND seq = 0")
        .list(blobs.iter().map(|blob| named[&blob.sha256].0))
        .column(on)
        .await?;
    let files = blobs.iter().filter(|blob| !in_rows.contains(&named[&blob.sha256].0));
    let missing = folder.missing(scope.id, files.map(|blob| blob.as_file()).collect()).await?;
    let missing: HashSet<String> = missing.into_iter().map(|(sha256, _)| sha256).collect();
    let (rows, files): (Vec<&Addressed>, Vec<&Addressed>) =
        blobs.iter().copied().filter(|blob| missing.contains(&blob.sha256)).partition(|blob| scope.is_for_rows(blob));
    insert_chunks(on, scope, &rows, named).await?;
    if !files.is_empty() {
        folder.write(scope.id, files.iter().map(|blob| blob.as_file()).collect()).await?;
    }
    Ok(())
}

/// Adds those that were made and those that were there. Answers those that were made and whose bytes were written into rows.
async fn make_or_find<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    blobs: &[&Addressed],
    named: &mut HashMap<String, BlobId>,
) -> Result<Vec<BlobId>> {
    let now = scope.inner.now().0;
    let wanted: Vec<&Addressed> = blobs.iter().copied().filter(|blob| !named.contains_key(&blob.sha256)).collect();
    let mut sql = scope.sql(format!(
        "INSERT INTO blobs (account_id, sha256, size_bytes, created_at, named_at) VALUES {} \
         ON CONFLICT (account_id, sha256) DO NOTHING RETURNING id, sha256",
        rows_of("(:account, ?, ?, ?, ?)", wanted.len())
    ));
    for blob in &wanted {
        let size = i64::try_from(blob.bytes.len()).unwrap_or(i64::MAX);
        sql = sql.bind(blob.sha256.clone()).bind(size).bind(now).bind(now);
    }
    let fresh: HashMap<String, BlobId> =
        sql.all::<NamedRow, _>(on).await?.into_iter().map(|row| (row.sha256, BlobId(row.id))).collect();
    let (made, others): (Vec<&Addressed>, Vec<&Addressed>) =
        wanted.iter().partition(|blob| fresh.contains_key(&blob.sha256));
    let for_rows: Vec<&Addressed> = made.into_iter().filter(|blob| scope.is_for_rows(blob)).collect();
    insert_chunks(on, scope, &for_rows, &fresh).await?;
    let written = for_rows.iter().map(|blob| fresh[&blob.sha256]).collect();
    named.extend(fresh);
    // One by one, so that they are locked in order; a mail whose bytes are there already is rare.
    for blob in others {
        let known: Option<i64> = scope
            .sql("UPDATE blobs SET named_at = ? WHERE account_id = :account AND sha256 = ? RETURNING id")
            .bind(now)
            .bind(blob.sha256.clone())
            .value(on)
            .await?;
        named.extend(known.map(|id| (blob.sha256.clone(), BlobId(id))));
    }
    Ok(written)
}

/// Rows to a statement until they are many or long.
async fn insert_chunks<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    blobs: &[&Addressed],
    named: &HashMap<String, BlobId>,
) -> Result<()> {
    let chunks: Vec<(BlobId, usize, &[u8])> = blobs
        .iter()
        .map(|blob| (named[&blob.sha256], blob))
        .flat_map(|(id, blob)| blob.bytes.chunks(CHUNK_BYTES).enumerate().map(move |(seq, chunk)| (id, seq, chunk)))
        .collect();
    let mut rest = chunks.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let few = rest.iter().take(ROWS).take_while(|(_, _, chunk)| {
            let fits = bytes < BYTES_OF_ONE_INSERT;
            bytes += chunk.len();
            fits
        });
        let (some, others) = rest.split_at(few.count());
        rest = others;
        let mut sql = scope.sql(format!(
            "INSERT INTO blob_chunks (account_id, blob_id, seq, bytes) VALUES {}",
            rows_of("(:account, ?, ?, ?)", some.len())
        ));
        for (id, seq, chunk) in some {
            sql = sql.bind(id.0).bind(i64::try_from(*seq).unwrap_or(i64::MAX)).bind(chunk.to_vec());
        }
        sql.run(on).await?;
    }
    Ok(())
}
