//! Room that a running record keeps free on its disk, so that its manifest and its indexes go on when the disk is full.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use super::space;

/// The room; it is free again when this is dropped.
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// Takes room in `folder`, at most a hundredth of what is free; `None` when the file system has no such thing.
    pub(super) fn take(folder: &Path) -> Option<Self> {
        let size = (space::free(folder).ok()?.bytes / 100).min(LIMIT);
        let path = folder.join(FILE);
        let file = File::create(&path).ok()?;
        let reserve = Self { path };
        // Dropped, it takes its file with it.
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size.max(1)).ok()?;
        Some(reserve)
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "the record's reserve of disk space stays");
        }
    }
}

/// Hours of manifest lines.
const LIMIT: u64 = 64 << 20;
const FILE: &str = ".reserve";
