//! Where a track's files lie: in the record's folder, and on the spill disk once the first one is full. Whoever reads the
//! record finds both in its folder, because a link stands there for each file that was spilled.

use std::io;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// The folders of one track.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The record's folder.
    record: PathBuf,
    /// The record's folder on the spill disk.
    spill: Option<PathBuf>,
    /// `<seat>-<kind>`.
    pub(super) track: String,
    /// The next file goes to the spill disk.
    pub(super) spilling: bool,
    /// The last file that was begun did.
    spilled: bool,
    /// Spilled files whose link could not be made yet.
    unlinked: Vec<String>,
}

impl Place {
    pub(super) const fn new(record: PathBuf, spill: Option<PathBuf>, track: String, spilling: bool) -> Self {
        Self { record, spill, track, spilling, spilled: false, unlinked: Vec::new() }
    }

    /// The track's folder.
    pub(super) fn folder(&self) -> PathBuf {
        self.record.join(&self.track)
    }

    /// The track's folder on the spill disk, if there is one.
    pub(super) fn spill_folder(&self) -> Option<PathBuf> {
        Some(self.spill.as_ref()?.join(&self.track))
    }

    /// True while the file that is being written is on the disk that is full.
    pub(super) const fn has_to_move(&self) -> bool {
        self.spilling && !self.spilled && self.spill.is_some()
    }

    /// The folder for file `number`, made if need be.
    pub(super) fn begin(&mut self, number: u32) -> io::Result<PathBuf> {
        let Some(spill) = self.spill.as_ref().filter(|_| self.spilling) else { return Ok(self.folder()) };
        let folder = spill.join(&self.track);
        std::fs::create_dir_all(&folder)?;
        self.spilled = true;
        self.unlinked.push(format!("{number:04}.mkv"));
        Ok(folder)
    }

    /// Links spilled files into the record's folder, as far as there is room for that.
    pub(super) fn link(&mut self) {
        let (folder, track) = (self.folder(), &self.track);
        if let Some(spill) = &self.spill {
            self.unlinked.retain(|file| match symlink(spill.join(track).join(file), folder.join(file)) {
                Ok(()) => false,
                Err(error) => error.kind() != io::ErrorKind::AlreadyExists,
            });
        }
    }
}
