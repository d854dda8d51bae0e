//! The one place where the bytes of a record pass on their way to the disk, in order: they are written, made durable, and
//! only then offered to the manifest as pieces with their hash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hearing_config::Timestamp;
use hearing_proto::manifest::{Hash, HashAlg, Hasher, Span};

/// An append-only file: bytes wait here, are written together, and are made durable by [`Syncer`](super::sync::Syncer).
pub(super) struct Sink {
    shared: Arc<Shared>,
    /// Relative to the record's folder; `None` for the manifest, which covers itself.
    name: Option<String>,
    /// The zone whose node had kept what is in it, if it comes late.
    edge: Option<String>,
    waiting: Vec<u8>,
    written: u64,
    submitted: u64,
    open: Piece,
    /// Pieces that the manifest does not name yet.
    pieces: Vec<Span>,
}

/// Bytes since the last piece.
struct Piece {
    from: u64,
    hasher: Hasher,
    /// When the first and the last frame in them were captured.
    captured: Option<(Timestamp, Timestamp)>,
}

/// What the syncing threads need of a file.
pub(super) struct Shared {
    file: File,
    /// The folder, until the file's name in it is durable.
    folder: File,
    named: AtomicBool,
    durable: AtomicU64,
    failed: AtomicBool,
}

impl Sink {
    /// A new file; an existing one is never touched. The manifest will know it as `name`.
    pub(super) fn create(folder: &Path, file: &str, name: String) -> io::Result<Self> {
        let opened = OpenOptions::new().write(true).create_new(true).open(folder.join(file))?;
        Self::with(opened, folder, 0, Some(name))
    }

    /// Goes on at the end of a file, or makes it. What is in it already is not this sink's to cover.
    pub(super) fn append(folder: &Path, file: &str, name: Option<String>) -> io::Result<Self> {
        let opened = OpenOptions::new().append(true).create(true).open(folder.join(file))?;
        let length = opened.metadata()?.len();
        Self::with(opened, folder, length, name)
    }

    fn with(file: File, folder: &Path, written: u64, name: Option<String>) -> io::Result<Self> {
        let shared = Shared {
            file,
            folder: File::open(folder)?,
            named: AtomicBool::new(false),
            durable: AtomicU64::new(written),
            failed: AtomicBool::new(false),
        };
        let (open, pieces) = (Piece::at(written), Vec::new());
        let (shared, waiting) = (Arc::new(shared), Vec::new());
        Ok(Self { shared, name, edge: None, waiting, written, submitted: written, open, pieces })
    }

    /// Goes on in a copy in another folder, of what is on its disk; a link in the old place leads there from then on. What waits goes
    /// on waiting. When it fails nothing has changed.
    pub(super) fn move_to(&mut self, from: &Path, to: &Path, file: &str) -> io::Result<()> {
        fs::create_dir_all(to)?;
        let (old, new) = (from.join(file), to.join(file));
        fs::copy(&old, &new)?;
        let copy = OpenOptions::new().append(true).open(&new)?;
        copy.set_len(self.written)?;
        copy.sync_all()?;
        File::open(to)?.sync_all()?;
        link(from, to, file)?;
        let shared = Shared {
            file: copy,
            folder: File::open(from)?,
            named: AtomicBool::new(false),
            durable: AtomicU64::new(self.durable()),
            failed: AtomicBool::new(false),
        };
        self.shared = Arc::new(shared);
        self.submitted = self.durable();
        Ok(())
    }

    /// What is in it had been kept by the node of that zone.
    pub(super) fn comes_late_from(&mut self, edge: &str) {
        self.edge = Some(edge.to_owned());
    }

    /// The zone whose node had kept it, if it comes late.
    pub(super) fn edge(&self) -> Option<&str> {
        self.edge.as_deref()
    }

    /// Bytes to append at the next commit.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The bytes that wait hold a frame that was captured at this time.
    pub(super) fn note_frame(&mut self, captured: Timestamp) {
        let first = self.open.captured.map_or(captured, |(first, _)| first);
        self.open.captured = Some((first, captured));
    }

    /// Bytes that wait for a commit.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Lets go of what waits: the disk does not take it.
    pub(super) fn give_up(&mut self) {
        self.waiting.clear();
    }

    /// The length of the file when all that waits is written.
    pub(super) const fn end(&self) -> u64 {
        self.written + self.waiting.len() as u64
    }

    /// Bytes that survive a loss of power.
    pub(super) fn durable(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
    }

    /// True when everything survives a loss of power and the manifest names it.
    pub(super) fn is_settled(&self) -> bool {
        self.durable() >= self.end() && self.pieces.is_empty()
    }

    /// Writes what waits. After an error the rest still waits, and the next commit goes on where this one stopped.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        if self.shared.failed.swap(false, Ordering::AcqRel) {
            self.submitted = self.durable();
            return Err(io::Error::other("the disk did not make earlier data durable"));
        }
        let mut done = 0;
        let mut result = Ok(());
        while done < self.waiting.len() {
            match (&self.shared.file).write(&self.waiting[done..]) {
                Ok(0) => result = Err(ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => result = Err(error),
            }
            if result.is_err() {
                break;
            }
        }
        if self.name.is_some() {
            self.open.hasher.update(&self.waiting[..done]);
        }
        self.waiting.drain(..done);
        self.written += done as u64;
        result
    }

    /// What has to be made durable, and up to where; `None` when nothing has. A piece ends here.
    pub(super) fn submit(&mut self) -> Option<(Arc<Shared>, u64)> {
        if self.written <= self.submitted {
            return None;
        }
        self.submitted = self.written;
        if let Some(name) = &self.name
            && self.written > self.open.from
        {
            let piece = std::mem::replace(&mut self.open, Piece::at(self.written));
            self.pieces.push(piece.close(name, self.written));
        }
        Some((Arc::clone(&self.shared), self.written))
    }

    /// Pieces that are durable and that the manifest is to name now.
    pub(super) fn take_pieces(&mut self) -> impl Iterator<Item = Span> {
        let durable = self.durable();
        let ready = self.pieces.iter().take_while(|piece| piece.to <= durable).count();
        self.pieces.drain(..ready)
    }
}

/// Puts a link to a file in `to` into the place of the one in `from`, at once or not at all.
pub(super) fn link(from: &Path, to: &Path, file: &str) -> io::Result<()> {
    let draft = from.join(format!(".{file}.link"));
    // One that a crash left.
    drop(fs::remove_file(&draft));
    symlink(to.join(file), &draft)?;
    fs::rename(&draft, from.join(file))
}

impl Piece {
    fn at(from: u64) -> Self {
        Self { from, hasher: HashAlg::Sha256.hasher(), captured: None }
    }

    fn close(self, name: &str, to: u64) -> Span {
        let hash: Hash = self.hasher.finish();
        let (first, last) = self.captured.unzip();
        Span {
            file: name.to_owned(),
            from: self.from,
            to,
            hash,
            first: first.map(|at| at.0),
            last: last.map(|at| at.0),
        }
    }
}

impl Shared {
    /// Makes the first `length` bytes survive a loss of power.
    pub(super) fn make_durable(&self, length: u64) {
        match self.sync() {
            Ok(()) => self.durable.store(length, Ordering::Release),
            Err(error) => {
                tracing::error!(%error, "record file not made durable");
                self.failed.store(true, Ordering::Release);
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if !self.named.load(Ordering::Relaxed) {
            self.folder.sync_all()?;
            self.named.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
