//! Blobs beside SQLite: a folder, content-addressed per account.
//!
//! A file is complete and on disk before any row names it: written under a temporary name, synced, renamed, and the folder synced.
//! Files that no row names are harmless and swept later. Nothing outside the folder is ever touched: names are hex digits.

use crate::{Result, StoreError};
use domain::AccountId;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// PostgreSQL keeps blobs in rows of this size.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct BlobFolder {
    root: PathBuf,
    next_temporary: Arc<AtomicU64>,
}

impl BlobFolder {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { root: data_dir.join("blobs"), next_temporary: Arc::default() }
    }

    /// Durable when it returns. Writing the same bytes again is cheap.
    pub(crate) async fn write(&self, account: AccountId, files: Vec<(String, Vec<u8>)>) -> Result<()> {
        let folder = self.clone();
        run_blocking(move || files.iter().try_for_each(|(sha256, bytes)| folder.write_now(account, sha256, bytes)))
            .await
    }

    pub(crate) async fn read(&self, account: AccountId, sha256: String) -> Result<Vec<u8>> {
        let path = self.path(account, &sha256);
        run_blocking(move || std::fs::read(path)).await
    }

    fn path(&self, account: AccountId, sha256: &str) -> PathBuf {
        self.root.join(account.to_string()).join(&sha256[..2]).join(sha256)
    }

    fn write_now(&self, account: AccountId, sha256: &str, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.path(account, sha256);
        // A file of another length is what a full disk or a broken copy left behind.
        if std::fs::metadata(&path).is_ok_and(|m| usize::try_from(m.len()).is_ok_and(|length| length == bytes.len())) {
            return Ok(());
        }
        let parent = path.parent().expect("a blob's path has a folder");
        make_folders(parent)?;
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = parent.join(format!(".{sha256}.{}.{number}", std::process::id()));
        let written = std::fs::File::create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        if let Err(error) = written.and_then(|()| std::fs::rename(&temporary, &path)) {
            let _ = std::fs::remove_file(&temporary);
            return Err(error);
        }
        std::fs::File::open(parent)?.sync_all()
    }
}

/// Makes the folder, and syncs every folder that got a new name in it.
fn make_folders(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|p| !p.as_os_str().is_empty()) {
        make_folders(parent)?;
    }
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    match folder.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(parent) => std::fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(StoreError::Corrupt(format!("a blob's file is missing: {error}")))
        }
        Ok(Err(error)) => Err(StoreError::Unavailable(format!("the blob folder: {error}"))),
        Err(error) => Err(StoreError::Unavailable(format!("the blob task ended: {error}"))),
    }
}
