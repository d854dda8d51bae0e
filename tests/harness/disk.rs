//! A disk small enough to be filled.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk of 16 MB in memory, mounted for as long as this lives. Mounting needs root, as namespaces do.
pub(crate) struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one at a directory, which is made.
    pub(crate) fn mount(at: &Path) -> Self {
        fs::create_dir_all(at).expect("the directory is made");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(at).status();
        assert!(status.is_ok_and(|status| status.success()), "mounting needs root");
        Self { at: at.to_owned() }
    }

    /// Fills it but for one part of sixteen.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.at.join("filling")).expect("a file");
        for _ in 0..15 {
            file.write_all(&[0; 1 << 20]).expect("there is room for this");
        }
    }

    /// Makes room again.
    pub(crate) fn empty(&self) {
        fs::remove_file(self.at.join("filling")).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a node that still runs keeps files open. Nothing is to be done about a disk that can't be unmounted.
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}
