//! A disk of a few megabytes that can be filled up and emptied: a tmpfs, unmounted when it is dropped.

use crate::process::run;
use anyhow::{Context, Result};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts it at `path`, which is made. Needs the right to mount: root, as in CI's container.
    pub fn mount(path: &Path, megabytes: u32) -> Result<Self> {
        std::fs::create_dir_all(path)?;
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=755"), "tmpfs"])
            .arg(path))
        .context("a full disk can only be tried where a tmpfs may be mounted (root, or CAP_SYS_ADMIN)")?;
        Ok(Self { path: path.to_owned() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }

    /// Not one byte more fits.
    pub fn fill(&self) -> Result<()> {
        let mut file = std::fs::File::options().create(true).append(true).open(self.filler())?;
        let mut size = 1024 * 1024;
        while size > 0 {
            // What fits in part was written; the rest is tried in smaller pieces.
            if file.write(&vec![7; size]).is_err() {
                size /= 2;
            }
        }
        Ok(())
    }

    pub fn make_room(&self) -> Result<()> {
        std::fs::remove_file(self.filler()).context("it was filled")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a process that is about to end may still have a file open.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
