//! Blobs of one account.
use crate::*;
use domain::*;
impl AccountScope {
    /// Durable before it returns; the same bytes are stored once per account.
    pub async fn put_blob(&self, _bytes: &[u8]) -> Result<BlobId> {
        todo!()
    }
    pub async fn read_blob(&self, _blob: BlobId) -> Result<Option<Vec<u8>>> {
        todo!()
    }
}
