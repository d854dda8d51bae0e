//! A record as one folder to hand on: every track in files that can be searched, with what is missing and checksums.

mod join;
mod manifest;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hearing_config::HearingId;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::index::{self, Line};
use super::{Error, Sheet, catalog};
pub use manifest::{JoinedFile, JoinedSegment, Manifest, TrackEntry};

/// What is exported, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// A folder that does not exist or is empty.
    pub to: PathBuf,
    /// The copy for the public: what is closed to it is left out, and with it the originals, which can't be cut.
    pub public: bool,
}

/// What an export came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The folder.
    pub folder: PathBuf,
    /// Media files in it that can be played.
    pub files: usize,
    /// Frames in them.
    pub frames: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Writes the record of `hearing` in `directory` into a folder. The record itself is only read; a running one is exported as
/// far as it has come. Checksums come last, by [`seal`]. `progress` is told how much of the work is done, 0 to 1. Blocks for
/// as long as the disk takes.
///
/// # Errors
/// When there is no such record, the folder is in use, or a file can't be read or written.
pub fn export(
    directory: &Path,
    hearing: HearingId,
    wish: &Wish,
    progress: &dyn Fn(f64),
) -> Result<(Exported, Manifest), Error> {
    let record = catalog::find(directory, hearing)?;
    make_empty(&wish.to)?;
    if !wish.public {
        copy_originals(&record.folder, &wish.to.join(ORIGINALS))?;
    }
    let keep = Keep::of(&record.sheet, wish.public);
    let mut tracks = Vec::new();
    for (n, track) in record.tracks.iter().enumerate() {
        let folder = record.folder.join(&track.name);
        let files = join::track(&folder, &track.name, &wish.to, &|ms| keep.wants(ms))?;
        let notes = index::read(&folder)?.into_iter();
        let notes = notes.filter(|line| matches!(line, Line::Gap { .. } | Line::Clock { .. }));
        tracks.push(TrackEntry { name: track.name.clone(), files, notes: notes.collect() });
        progress((n + 1) as f64 / record.tracks.len() as f64);
    }
    let manifest = Manifest::new(record.sheet, tracks, wish.public);
    let exported = manifest.summary(&wish.to);
    write(&wish.to.join("manifest.json"), &serde_json::to_vec_pretty(&manifest).expect("text and numbers"))?;
    write(&wish.to.join("README.txt"), manifest.readme().as_bytes())?;
    Ok((exported, manifest))
}

/// Joins one track of a record into files in `to`, for playing; what is there is not touched.
///
/// # Errors
/// When a file can't be read or written.
pub fn join(folder: &Path, name: &str, to: &Path, keep: &Keep) -> Result<Vec<JoinedFile>, Error> {
    join::track(folder, name, to, &|ms| keep.wants(ms))
}

/// Which frames go into a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// File times in milliseconds, from and to, that are left out.
    closed: Vec<(u64, u64)>,
}

impl Keep {
    /// What a copy of a record may hold: everything, or what is open to the public.
    #[must_use]
    pub fn of(sheet: &Sheet, public: bool) -> Self {
        let closed = sheet.pauses().into_iter().filter(|pause| public && pause.is_closed());
        Self { closed: closed.map(|pause| (pause.from_ms, pause.to_ms.unwrap_or(u64::MAX))).collect() }
    }

    /// True when the frame at this file time may be in it.
    #[must_use]
    pub fn wants(&self, ms: u64) -> bool {
        !self.closed.iter().any(|(from, to)| (*from..*to).contains(&ms))
    }
}

/// The record as it is on the disk, for `hearing record verify`.
fn copy_originals(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::disk(to, "make the folder"))?;
    for entry in fs::read_dir(from).map_err(Error::disk(from, "read"))? {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name())).map_err(Error::disk(from, "read"))?;
        let copy = to.join(name);
        if entry.is_dir() {
            copy_originals(&entry, &copy)?;
        } else {
            fs::copy(&entry, &copy).map_err(Error::disk(&copy, "write"))?;
        }
    }
    Ok(())
}

fn make_empty(to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::disk(to, "make the folder"))?;
    let mut entries = fs::read_dir(to).map_err(Error::disk(to, "read"))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(Error::disk(to, "export into it")(io::Error::from(io::ErrorKind::DirectoryNotEmpty))),
    }
}

fn write(path: &Path, text: &[u8]) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::disk(path, "write"))
}

/// Ends an export: `SHA256SUMS`, as `sha256sum -c` reads it, of every other file.
///
/// # Errors
/// When a file can't be read or the list not be written.
pub fn seal(to: &Path) -> Result<(), Error> {
    let mut files = Vec::new();
    collect(to, &mut files)?;
    files.sort();
    let line =
        |path: &PathBuf| Ok(format!("{}  {}\n", file_hash(path)?, path.strip_prefix(to).unwrap_or(path).display()));
    let lines = files.iter().map(line).collect::<Result<Vec<_>, Error>>()?;
    write(&to.join("SHA256SUMS"), lines.concat().as_bytes())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::disk(folder, "read"))? {
        let path = entry.map_err(Error::disk(folder, "read"))?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn file_hash(path: &Path) -> Result<String, Error> {
    let file = File::open(path).map_err(Error::disk(path, "read"))?;
    hash(file).map_err(Error::disk(path, "read"))
}

/// The SHA-256 of everything that `input` gives; lower-case hexadecimal.
fn hash(mut input: impl Read) -> io::Result<String> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// Where the originals lie in an export.
pub const ORIGINALS: &str = "record";
