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
use super::{Error, catalog};
pub use manifest::{JoinedFile, JoinedSegment, Manifest, TrackEntry};

/// What an export came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The folder.
    pub folder: PathBuf,
    /// Media files in it.
    pub files: usize,
    /// Frames in them.
    pub frames: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Writes the record of `hearing` in `directory` into the folder `to`, which must not exist or be empty. The record
/// itself is only read; a running one is exported as far as it has come. Blocks for as long as the disk takes.
///
/// # Errors
/// When there is no such record, `to` is in use, or a file can't be read or written.
pub fn export(directory: &Path, hearing: HearingId, to: &Path) -> Result<Exported, Error> {
    let record = catalog::find(directory, hearing)?;
    make_empty(to)?;
    let lists = to.join("index");
    fs::create_dir_all(&lists).map_err(Error::disk(&lists, "make the folder"))?;
    let mut tracks = Vec::new();
    for track in &record.tracks {
        let folder = record.folder.join(&track.name);
        let files = join::track(&folder, &track.name, to)?;
        let lines = index::read(&folder)?;
        let copy = lists.join(format!("{}.jsonl", track.name));
        if folder.join(index::FILE).exists() {
            fs::copy(folder.join(index::FILE), &copy).map_err(Error::disk(&copy, "write"))?;
        }
        let notes = lines.into_iter().filter(|line| matches!(line, Line::Gap { .. } | Line::Clock { .. }));
        tracks.push(TrackEntry { name: track.name.clone(), files, notes: notes.collect() });
    }
    let manifest = Manifest::new(record.sheet, tracks);
    write(&to.join("manifest.json"), &serde_json::to_vec_pretty(&manifest).expect("a manifest is text and numbers"))?;
    write(&to.join("README.txt"), manifest.readme().as_bytes())?;
    write_checksums(to)?;
    let files = || manifest.tracks.iter().flat_map(|track| &track.files);
    let (frames, bytes) = (files().map(|file| file.frames).sum(), files().map(|file| file.bytes).sum());
    Ok(Exported { folder: to.to_owned(), files: files().count(), frames, bytes })
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

/// `SHA256SUMS`, as `sha256sum -c` reads it, of every other file.
fn write_checksums(to: &Path) -> Result<(), Error> {
    let mut lines = Vec::new();
    for folder in ["", "index"] {
        let path = to.join(folder);
        for entry in fs::read_dir(&path).map_err(Error::disk(&path, "read"))? {
            let path = entry.map_err(Error::disk(&path, "read"))?.path();
            if path.is_file() {
                let name = path.strip_prefix(to).unwrap_or(&path).display().to_string();
                lines.push(format!("{}  {name}\n", file_hash(&path)?));
            }
        }
    }
    lines.sort_by(|a, b| a[66..].cmp(&b[66..]));
    write(&to.join("SHA256SUMS"), lines.concat().as_bytes())
}

fn file_hash(path: &Path) -> Result<String, Error> {
    let file = File::open(path).map_err(Error::disk(path, "read"))?;
    Hashing::new(file).finish().map_err(Error::disk(path, "read"))
}

/// Reads on, and hashes what passes.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    fn new(inner: R) -> Self {
        Self { inner, hash: Sha256::new() }
    }

    /// The hash of everything, what was not read yet included; lower-case hexadecimal.
    fn finish(mut self) -> io::Result<String> {
        let mut buffer = vec![0; 1 << 16];
        while self.read(&mut buffer)? > 0 {}
        Ok(hex(&self.hash.finalize()))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
