//! What sealed records lack and an edge may have kept: noted beside the records before the seal, so that it is fetched once the edge
//! can be reached, and added behind the seal. `DIR/.late` holds the notes and what is on its way; a sealed record is never half changed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hearing_config::{HearingId, Role, Timestamp, TrackId, Zone};
use hearing_proto::manifest::{Addenda, Entry, Line};
use serde::{Deserialize, Serialize};

use super::addition::Addition;
use super::late::{Hole, Where};
use super::{Clocks, Error, Recorder, Sheet, Signing, ledger, seal};
use crate::router::Layer;

/// The notes of a node. Cheap to clone; every call blocks.
#[derive(Debug, Clone)]
pub struct Shelf {
    directory: PathBuf,
    signing: Arc<Signing>,
    clocks: Clocks,
    turn: Turn,
}

/// Sealed manifests are changed by one at a time.
pub(super) type Turn = Arc<Mutex<()>>;

/// Something that a record lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    /// The track.
    pub track: TrackId,
    /// Nothing that was captured before this is lacking, microseconds since 1970.
    pub from: Timestamp,
    /// Nor what was captured from this on.
    pub to: Timestamp,
    /// Layer and index that would have followed the last frame before it, if that is known.
    before: Option<(u8, u64)>,
    /// The index of the first frame after it, if there is one.
    after: Option<(u8, u64)>,
}

/// What one sealed record lacks.
#[derive(Debug, Clone)]
pub struct Lacks {
    /// What the record is of.
    pub sheet: Sheet,
    /// In the order in which it was noted.
    pub all: Vec<Lacking>,
}

impl Lacking {
    /// What is left of a hole from a moment on.
    #[must_use]
    pub fn of(hole: &Hole, from: Timestamp) -> Self {
        let plain = |(layer, index): (Layer, u64)| (layer.0, index);
        let after = hole.after.map(plain);
        // What was captured at this very moment has not come, unless it is that of the last frame before the hole.
        let (from, before) = if from == hole.from { (from, hole.before.map(plain)) } else { (from.plus(-1), None) };
        Self { track: hole.track, from, to: hole.to, before, after }
    }

    /// As a hole to be filled.
    #[must_use]
    pub fn hole(&self) -> Hole {
        let layered = |(layer, index): (u8, u64)| (Layer(layer), index);
        let Self { track, from, to, .. } = *self;
        Hole { track, from, to, lies: Where::Tail, before: self.before.map(layered), after: self.after.map(layered) }
    }
}

impl Lacks {
    /// Zone and role of a seat.
    #[must_use]
    pub fn seat(&self, track: TrackId) -> Option<(Zone, Role)> {
        let seat = self.sheet.meta.seats.iter().find(|seat| seat.id == track.seat)?;
        Some((seat.zone.clone(), seat.role))
    }
}

impl Recorder {
    /// The notes of what this node's sealed records lack.
    #[must_use]
    pub fn shelf(&self) -> Shelf {
        let (signing, clocks) = (Arc::clone(&self.settings.signing), self.clocks.clone());
        Shelf { directory: self.settings.directory.clone(), signing, clocks, turn: Arc::clone(&self.addenda) }
    }
}

impl Shelf {
    /// Notes, durably, what a record lacks that is about to be sealed, besides what is noted already.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn note(&self, hearing: HearingId, lacking: &[Lacking]) -> Result<(), Error> {
        let mut all = self.read(hearing)?;
        let fresh: Vec<_> = lacking.iter().filter(|new| !all.contains(new)).copied().collect();
        all.extend(fresh);
        self.write(hearing, &all)
    }

    /// Every hearing of which something is noted.
    #[must_use]
    pub fn noted(&self) -> Vec<HearingId> {
        let entries = fs::read_dir(self.folder()).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok()).collect()
    }

    /// What the record of a hearing lacks; what an interrupted addition left is set right first.
    ///
    /// # Errors
    /// When notes or record can't be read or written.
    pub fn lacks(&self, hearing: HearingId) -> Result<Lacks, Error> {
        self.set_right(hearing)?;
        Ok(Lacks { sheet: Sheet::read(&self.record(hearing))?, all: self.read(hearing)? })
    }

    /// Begins to add to the sealed record what it lacks.
    ///
    /// # Errors
    /// When the record can't be read, or the way can't be made.
    pub fn begin(&self, hearing: HearingId, lacking: Lacking) -> Result<Addition, Error> {
        self.set_right(hearing)?;
        Addition::begin(self.clone(), hearing, lacking)
    }

    /// It is had, or not to be had any more.
    pub(super) fn done(&self, hearing: HearingId, lacking: &Lacking) -> Result<(), Error> {
        let mut all = self.read(hearing)?;
        all.retain(|other| other != lacking);
        self.write(hearing, &all)
    }

    /// Appends addenda to a sealed manifest: all of them or none, at once and durably.
    pub(super) fn append(&self, hearing: HearingId, entries: Vec<Entry>) -> Result<(), Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.record(hearing).join(ledger::FILE);
        append(&path, &self.next(hearing), (&self.signing, &self.clocks), entries)
    }

    /// Moves files that the manifest names to where it names them; what it does not name is of an addition that came to nothing.
    pub(super) fn set_right(&self, hearing: HearingId) -> Result<(), Error> {
        let (way, record) = (self.way(hearing), self.record(hearing));
        if !way.is_dir() {
            return Ok(());
        }
        let named = named(&record.join(ledger::FILE))?;
        for track in folders(&way).map_err(Error::disk(&way, "read"))? {
            let name = track.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let target = record.join(&name);
            for file in files(&track).map_err(Error::disk(&track, "read"))? {
                let own = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if named.contains(&format!("{name}/{own}")) && !target.join(&own).exists() {
                    let moved = fs::create_dir_all(&target).and_then(|()| fs::rename(&file, target.join(&own)));
                    moved.map_err(Error::disk(&file, "move into the record"))?;
                }
            }
            if target.is_dir() {
                let durable = File::open(&target).and_then(|folder| folder.sync_all());
                durable.map_err(Error::disk(&target, "make durable"))?;
            }
        }
        fs::remove_dir_all(&way).map_err(Error::disk(&way, "delete"))
    }

    pub(super) fn record(&self, hearing: HearingId) -> PathBuf {
        self.directory.join(hearing.to_string())
    }

    /// Where files wait until the manifest names them.
    pub(super) fn way(&self, hearing: HearingId) -> PathBuf {
        self.folder().join(hearing.to_string())
    }

    /// Where a manifest is written anew.
    fn next(&self, hearing: HearingId) -> PathBuf {
        next(&self.directory, hearing)
    }

    fn folder(&self) -> PathBuf {
        self.directory.join(FOLDER)
    }

    fn read(&self, hearing: HearingId) -> Result<Vec<Lacking>, Error> {
        let path = self.folder().join(format!("{hearing}.json"));
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|e| Error::Damaged { path, reason: e.to_string() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::disk(&path, "read")(error)),
        }
    }

    fn write(&self, hearing: HearingId, all: &[Lacking]) -> Result<(), Error> {
        let (folder, file) = (self.folder(), format!("{hearing}.json"));
        if !all.is_empty() {
            fs::create_dir_all(&folder).map_err(Error::disk(&folder, "make the folder"))?;
            return seal::replace(&folder, &file, &serde_json::to_vec(all).expect("numbers and words"));
        }
        match fs::remove_file(folder.join(&file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::disk(&folder, "delete a note")(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Where the manifest of a record in `directory` is written anew: not in the record, where a crash would leave a foreign file.
pub(super) fn next(directory: &Path, hearing: HearingId) -> PathBuf {
    directory.join(FOLDER).join(format!("{hearing}.manifest"))
}

/// Appends addenda to the sealed manifest at `path` by writing it anew at `next`, on the same disk, and putting that in its place: a
/// crash leaves the one or the other whole.
pub(super) fn append(
    path: &Path,
    next: &Path,
    (signing, clocks): (&Signing, &Clocks),
    entries: Vec<Entry>,
) -> Result<(), Error> {
    let mut bytes = fs::read(path).map_err(Error::disk(path, "read"))?;
    let mut addenda = Addenda::open(&bytes, signing.node()?, clocks.boot().to_owned(), clocks.now())?;
    for entry in entries {
        bytes.extend(addenda.append(entry, clocks.now())?);
    }
    let write = || -> io::Result<()> {
        fs::create_dir_all(next.parent().unwrap_or(next))?;
        fs::write(next, &bytes)?;
        File::open(next)?.sync_all()?;
        fs::rename(next, path)?;
        File::open(path.parent().unwrap_or(path))?.sync_all()
    };
    write().map_err(Error::disk(path, "write"))
}

/// Forgets what a record lacks that is deleted.
pub(super) fn forget(directory: &Path, hearing: HearingId) {
    let folder = directory.join(FOLDER);
    // Mostly there is nothing.
    drop(fs::remove_file(folder.join(format!("{hearing}.json"))));
    drop(fs::remove_dir_all(folder.join(hearing.to_string())));
}

/// The files that addenda name.
fn named(manifest: &Path) -> Result<BTreeSet<String>, Error> {
    let bytes = fs::read(manifest).map_err(Error::disk(manifest, "read"))?;
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| Line::parse(line).ok());
    let added = lines.filter_map(|line| if let Entry::Addendum { entry } = line.entry { Some(entry) } else { None });
    Ok(added.flat_map(|e| e.spans().into_iter().map(|(file, ..)| file.to_owned()).collect::<Vec<_>>()).collect())
}

fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(files(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// Beside the records.
const FOLDER: &str = ".late";
