//! Room that a running record keeps free on its disk, so that its manifest and its indexes go on when the disk is full.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use super::space;

/// The room; what is left of it is free again when this is dropped.
pub(super) struct Reserve {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Reserve {
    /// Takes room in `folder`, at most a hundredth of what is free; `None` when the file system has no such thing.
    pub(super) fn take(folder: &Path) -> Option<Self> {
        let size = (space::free(folder).ok()?.bytes / 100).clamp(BLOCK, LIMIT);
        let path = folder.join(FILE);
        let file = File::create(&path).ok()?;
        let reserve = Self { path, file, size };
        // Dropped, it takes its file with it.
        rustix::fs::fallocate(&reserve.file, FallocateFlags::empty(), 0, size).ok()?;
        Some(reserve)
    }

    /// Gives back room for `bytes`, and no more than that: what is left is needed later. False when nothing is left.
    pub(super) fn give(&mut self, bytes: u64) -> bool {
        let rest = self.size.saturating_sub(bytes.div_ceil(BLOCK).saturating_mul(BLOCK));
        let given = rest < self.size && self.file.set_len(rest).is_ok();
        if given {
            self.size = rest;
        }
        given
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "the record's reserve of disk space stays");
        }
    }
}

/// True for what a disk says that has no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Hours of manifest lines.
const LIMIT: u64 = 64 << 20;
/// File systems give room in blocks of this size.
const BLOCK: u64 = 4_096;
const FILE: &str = ".reserve";
