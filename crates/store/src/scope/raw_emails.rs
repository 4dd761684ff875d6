//! Mail as received.
use crate::*;
use domain::*;
impl AccountScope {
    /// Bytes, rows, pending UIDs and the cursor in one transaction, under the fence: `LeaseLost` writes nothing.
    /// The relay leaves the rows alone for a minute, so that whoever stored them can ingest them at once.
    pub async fn store_raw_emails(
        &self,
        _fence: Fence<'_>,
        _folder: FolderId,
        _batch: RawBatch,
    ) -> Result<Vec<StoredRawEmail>> {
        todo!()
    }
    pub async fn raw_email(&self, _raw: RawEmailId) -> Result<Option<RawEmail>> {
        todo!()
    }
    /// Newest first, 25 a page, and how many there are in all.
    pub async fn raw_emails(&self, _filter: &RawEmailFilter) -> Result<(Vec<RawEmail>, u64)> {
        todo!()
    }
    /// Which of these UIDs are stored already.
    pub async fn stored_uids(&self, _folder: FolderId, _uidvalidity: u32, _uids: &[u32]) -> Result<Vec<u32>> {
        todo!()
    }
}
