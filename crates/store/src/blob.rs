//! Long blobs beside SQLite: a folder, content-addressed per account.
//!
//! A file is complete and on disk before any row names it: written under a temporary name, synced, renamed, and the folder synced.
//! Files that no row needs are harmless and swept later (`scope/purge.rs`). Nothing outside the folder is ever touched: names are hex digits.

use crate::condition::FULL;
use crate::{Result, StoreError};
use bytes::Bytes;
use domain::AccountId;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Rows that hold blobs are of this size.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;

/// As much as a mail without attachments, generously.
const TRIED_BYTES: usize = 64 * 1024;

/// One subfolder of an account's.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    pub(crate) account: AccountId,
    path: PathBuf,
}

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
    pub(crate) async fn write(&self, account: AccountId, files: Vec<(String, Bytes)>) -> Result<()> {
        let folder = self.clone();
        run_blocking(move || {
            let mut written = BTreeSet::new();
            for (sha256, bytes) in &files {
                written.extend(folder.write_now(account, sha256, bytes)?);
            }
            // A name is durable with its folder: once for all files in it.
            written.iter().try_for_each(|parent| std::fs::File::open(parent)?.sync_all())
        })
        .await
    }

    pub(crate) async fn read(&self, account: AccountId, sha256: String) -> Result<Vec<u8>> {
        let path = self.path(account, &sha256);
        run_blocking(move || std::fs::read(path)).await
    }

    /// Which of these are not there with that length.
    pub(crate) async fn missing(
        &self,
        account: AccountId,
        files: Vec<(String, Bytes)>,
    ) -> Result<Vec<(String, Bytes)>> {
        let folder = self.clone();
        run_blocking(move || {
            let there = |(sha256, bytes): &(String, Bytes)| is_there(&folder.path(account, sha256), bytes.len());
            Ok(files.into_iter().filter(|file| !there(file)).collect())
        })
        .await
    }

    /// Those that are gone already are no error.
    pub(crate) async fn remove(&self, files: Vec<(AccountId, String)>) -> Result<()> {
        let paths: Vec<PathBuf> = files.iter().map(|(account, sha256)| self.path(*account, sha256)).collect();
        run_blocking(move || paths.iter().try_for_each(|path| remove_now(path))).await
    }

    /// What time it is for the folder's files: they are stamped by a clock that need not be ours.
    pub(crate) async fn time_of_files(&self) -> Result<SystemTime> {
        let root = self.root.clone();
        run_blocking(move || {
            make_folders(&root)?;
            let path = root.join(format!(".time.{}", std::process::id()));
            std::fs::write(&path, b"now")?;
            let now = std::fs::metadata(&path)?.modified()?;
            remove_now(&path)?;
            Ok(now)
        })
        .await
    }

    /// Whether a mail of usual size could be written.
    pub(crate) async fn try_room(&self) -> Result<()> {
        let root = self.root.clone();
        run_blocking(move || {
            make_folders(&root)?;
            let path = root.join(format!(".room.{}", std::process::id()));
            let written = std::fs::write(&path, vec![1; TRIED_BYTES]);
            remove_now(&path)?;
            written
        })
        .await
    }

    pub(crate) async fn shelves(&self) -> Result<Vec<Shelf>> {
        let root = self.root.clone();
        run_blocking(move || {
            let mut shelves = Vec::new();
            for (name, path) in listed(&root)? {
                let Ok(account) = name.parse().map(AccountId) else { continue };
                shelves.extend(listed(&path)?.into_iter().map(|(_, path)| Shelf { account, path }));
            }
            Ok(shelves)
        })
        .await
    }

    /// The names of blobs that were written before then.
    pub(crate) async fn old_files(&self, shelf: &Shelf, before: SystemTime) -> Result<Vec<String>> {
        let shelf = shelf.path.clone();
        run_blocking(move || {
            let prefix = shelf.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let mut files = listed(&shelf)?;
            files.retain(|(name, path)| is_address(name) && name.starts_with(&prefix) && is_older(path, before));
            Ok(files.into_iter().map(|(name, _)| name).collect())
        })
        .await
    }

    /// What a process that died left half-written before then. How many.
    pub(crate) async fn remove_old_halves(&self, shelf: &Shelf, before: SystemTime) -> Result<u64> {
        let shelf = shelf.path.clone();
        run_blocking(move || {
            let mut count = 0;
            for (name, path) in listed(&shelf)? {
                // `.<sha256>.<process>.<number>`
                let of = name.strip_prefix('.').and_then(|rest| rest.split('.').next());
                if of.is_some_and(is_address) && is_older(&path, before) {
                    remove_now(&path)?;
                    count += 1;
                }
            }
            Ok(count)
        })
        .await
    }

    fn path(&self, account: AccountId, sha256: &str) -> PathBuf {
        self.root.join(account.to_string()).join(&sha256[..2]).join(sha256)
    }

    /// The folder that has a new name in it, which is to be synced.
    fn write_now(&self, account: AccountId, sha256: &str, bytes: &[u8]) -> std::io::Result<Option<PathBuf>> {
        let path = self.path(account, sha256);
        // A file of another length is what a full disk or a broken copy left behind.
        if is_there(&path, bytes.len()) {
            return Ok(None);
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
        Ok(Some(parent.to_owned()))
    }
}

fn is_there(path: &Path, length: usize) -> bool {
    std::fs::metadata(path).is_ok_and(|m| usize::try_from(m.len()).is_ok_and(|found| found == length))
}

fn is_address(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What cannot be asked is not old: it may have gone meanwhile.
fn is_older(path: &Path, than: SystemTime) -> bool {
    std::fs::metadata(path).and_then(|m| m.modified()).is_ok_and(|at| at < than)
}

/// Names and paths; nothing when there is no such folder (yet).
fn listed(folder: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

fn remove_now(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
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
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
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
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {
            Err(StoreError::Corrupt(format!("a blob's file is missing: {error}")))
        }
        Ok(Err(error)) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            FULL.now();
            Err(StoreError::Full(format!("the blob folder: {error}")))
        }
        Ok(Err(error)) => Err(StoreError::Unavailable(format!("the blob folder: {error}"))),
        Err(error) => Err(StoreError::Unavailable(format!("the blob task ended: {error}"))),
    }
}
