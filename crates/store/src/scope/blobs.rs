//! Blobs of one account: the row that names the bytes, and the bytes in a folder (SQLite) or in chunk rows (PostgreSQL).

use crate::blob::CHUNK_BYTES;
use crate::error::corrupt;
use crate::*;
use domain::BlobId;
use sea_orm::ConnectionTrait;

/// Bytes with their address.
pub(crate) struct Addressed {
    pub(crate) sha256: String,
    pub(crate) bytes: Vec<u8>,
}

impl Addressed {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { sha256: TokenHash::of_bytes(&bytes).hex(), bytes }
    }
}

impl AccountScope {
    /// Durable before it returns; the same bytes are stored once per account.
    pub async fn put_blob(&self, bytes: &[u8]) -> Result<BlobId> {
        let blob = Addressed::new(bytes.to_vec());
        self.write_files(std::slice::from_ref(&blob)).await?;
        let tx = self.inner.begin().await?;
        let id = name_blob(&tx, self, &blob).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// `None`: no such blob in this account.
    pub async fn read_blob(&self, blob: BlobId) -> Result<Option<Vec<u8>>> {
        let sha256: Option<String> = self
            .sql("SELECT sha256 FROM blobs WHERE account_id = :account AND id = ?")
            .bind(blob.0)
            .value(&self.inner.read)
            .await?;
        let Some(sha256) = sha256 else { return Ok(None) };
        let bytes = match &self.inner.blobs {
            Some(folder) => folder.read(self.id, sha256.clone()).await?,
            None => self
                .sql("SELECT bytes FROM blob_chunks WHERE account_id = :account AND blob_id = ? ORDER BY seq")
                .bind(blob.0)
                .column::<Vec<u8>, _>(&self.inner.read)
                .await?
                .concat(),
        };
        if TokenHash::of_bytes(&bytes).hex() == sha256 { Ok(Some(bytes)) } else { Err(corrupt("blob", blob)) }
    }

    /// On SQLite, the files, before any transaction names them. Nothing on PostgreSQL, where the rows hold the bytes.
    pub(crate) async fn write_files(&self, blobs: &[Addressed]) -> Result<()> {
        match &self.inner.blobs {
            Some(folder) => {
                folder.write(self.id, blobs.iter().map(|b| (b.sha256.clone(), b.bytes.clone())).collect()).await?;
                self.inner.passes(KillPoint::FilesWritten);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Each time round a sweeper has taken the row away between two statements, which it does once at most.
const MAX_ROUNDS: u32 = 5;

/// The row that names the bytes, made or said to be in use ([`super::purge`] tells why), and the only way to a blob's id. Files are written
/// before the transaction (`write_files`); here it is only seen to that they are still there.
pub(crate) async fn name_blob<C: ConnectionTrait>(on: &C, scope: &AccountScope, blob: &Addressed) -> Result<BlobId> {
    for _ in 0..MAX_ROUNDS {
        if let Some(id) = make_or_find(on, scope, blob).await? {
            if let Some(folder) = &scope.inner.blobs
                && !folder.has(scope.id, blob.sha256.clone(), blob.bytes.len()).await?
            {
                scope.write_files(std::slice::from_ref(blob)).await?;
            }
            return Ok(id);
        }
    }
    Err(StoreError::Unavailable("a blob went while it was stored".to_owned()))
}

async fn make_or_find<C: ConnectionTrait>(on: &C, scope: &AccountScope, blob: &Addressed) -> Result<Option<BlobId>> {
    let now = scope.inner.now().0;
    let fresh: Option<i64> = scope
        .sql(
            "INSERT INTO blobs (account_id, sha256, size_bytes, created_at, named_at) VALUES (:account, ?, ?, ?, ?) \
             ON CONFLICT (account_id, sha256) DO NOTHING RETURNING id",
        )
        .bind(blob.sha256.clone())
        .bind(i64::try_from(blob.bytes.len()).unwrap_or(i64::MAX))
        .bind(now)
        .bind(now)
        .value(on)
        .await?;
    let Some(id) = fresh else {
        let known: Option<i64> = scope
            .sql("UPDATE blobs SET named_at = ? WHERE account_id = :account AND sha256 = ? RETURNING id")
            .bind(now)
            .bind(blob.sha256.clone())
            .value(on)
            .await?;
        return Ok(known.map(BlobId));
    };
    if scope.inner.backend == Backend::Postgres {
        for (seq, chunk) in blob.bytes.chunks(CHUNK_BYTES).enumerate() {
            scope
                .sql("INSERT INTO blob_chunks (account_id, blob_id, seq, bytes) VALUES (:account, ?, ?, ?)")
                .bind(id)
                .bind(i64::try_from(seq).unwrap_or(i64::MAX))
                .bind(chunk.to_vec())
                .run(on)
                .await?;
        }
    }
    Ok(Some(BlobId(id)))
}
