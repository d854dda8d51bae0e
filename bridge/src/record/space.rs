//! Room on the disk.

use std::fs;
use std::path::Path;

use super::Error;

/// The room on the disk that records are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Percent that may still be written, 0 to 100, rounded down.
    pub percent: u8,
    /// Bytes that may still be written.
    pub bytes: u64,
}

/// The room on the disk that `directory` is on.
pub(super) fn free(directory: &Path) -> Result<Space, Error> {
    let stat = rustix::fs::statvfs(directory).map_err(|e| Error::disk(directory, "ask for free space")(e.into()))?;
    let usable = stat.f_blocks.saturating_sub(stat.f_bfree).saturating_add(stat.f_bavail).max(1);
    let percent = stat.f_bavail.saturating_mul(100) / usable;
    Ok(Space { percent: percent.min(100) as u8, bytes: stat.f_bavail.saturating_mul(stat.f_frsize) })
}

/// The room, when it is at least `refuse` percent.
pub(super) fn require(directory: &Path, refuse: u8) -> Result<Space, Error> {
    let space = free(directory)?;
    if space.percent < refuse {
        return Err(Error::Full { path: directory.to_owned(), free: space.percent, refuse });
    }
    Ok(space)
}

/// Makes the folder and checks that files can be made in it.
pub(super) fn probe(directory: &Path) -> Result<(), Error> {
    fs::create_dir_all(directory).map_err(Error::disk(directory, "make the folder"))?;
    let trial = directory.join(format!(".trial-{}", std::process::id()));
    fs::write(&trial, b"").map_err(Error::disk(directory, "make a file in the folder"))?;
    fs::remove_file(&trial).map_err(Error::disk(directory, "remove a file from the folder"))
}
