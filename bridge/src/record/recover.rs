//! What a crash left: bytes that no line of the manifest covers, and what the manifest has told so far.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use hearing_proto::manifest::{Entry, Hash, HashAlg, Line};

use super::Error;
use super::forms::Happening;

/// What belongs into the log of interruptions, of the whole lines in a manifest.
pub(super) fn happenings(manifest: &[u8]) -> Vec<Happening> {
    lines(manifest).filter_map(|line| Happening::of(line.utc, &line.entry)).collect()
}

/// The integrity value, if the manifest is sealed.
pub(super) fn seal(manifest: &[u8]) -> Option<String> {
    let sealed = |line: Line| if let Entry::Seal { value, .. } = line.entry { Some(value) } else { None };
    lines(manifest).find_map(sealed)
}

/// The hash of the policy that held last.
pub(super) fn policy(manifest: &[u8]) -> Option<Hash> {
    lines(manifest).filter_map(|line| line.entry.as_head().map(|head| head.policy)).last()
}

/// The last wall-clock time that the manifest tells, in microseconds since 1970.
pub(super) fn last_told(manifest: &[u8]) -> Option<i64> {
    lines(manifest).last().map(|line| line.utc)
}

/// Drafts of files and links that a crash left: they are no part of the record, and a sealed one may not hold them.
pub(super) fn clear_drafts(folder: &Path) -> Result<(), Error> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    for entry in entries.map_err(Error::disk(folder, "read"))? {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            clear_drafts(&path)?;
        } else if name.starts_with('.') && (name.ends_with(".next") || name.ends_with(".link")) {
            fs::remove_file(&path).map_err(Error::disk(&path, "remove"))?;
        }
    }
    Ok(())
}

fn lines(manifest: &[u8]) -> impl Iterator<Item = Line> {
    manifest.split(|byte| *byte == b'\n').filter_map(|line| Line::parse(line).ok())
}

/// An entry for every file of the record that is longer than the manifest says: what it has beyond is kept where it is, and
/// held by its hash from here on.
pub(super) fn aside(
    folder: &Path,
    others: &[PathBuf],
    covered: &BTreeMap<String, u64>,
    alg: HashAlg,
) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    for root in std::iter::once(folder).chain(others.iter().map(PathBuf::as_path)) {
        for (file, path) in files(root)? {
            let from = covered.get(&file).copied().unwrap_or(0);
            let (to, hash) = tail(&path, from, alg).map_err(Error::disk(&path, "read"))?;
            if to > from {
                entries.push(Entry::Aside { file, from, to, hash });
            }
        }
    }
    Ok(entries)
}

/// Every file of the record's tracks that is appended to: its name in the manifest, and where it is.
fn files(root: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let mut files = Vec::new();
    let list = |folder: &Path| -> Result<Vec<fs::DirEntry>, Error> {
        match fs::read_dir(folder) {
            Ok(entries) => entries.collect::<Result<_, _>>().map_err(Error::disk(folder, "read")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::disk(folder, "read")(error)),
        }
    };
    for track in list(root)?.into_iter().filter(|entry| entry.path().is_dir()) {
        for file in list(&track.path())? {
            let name = file.file_name().to_string_lossy().into_owned();
            let is_own = file.file_type().is_ok_and(|kind| kind.is_file()) && !name.starts_with('.');
            if is_own && (name.ends_with(".mkv") || name.ends_with(".jsonl")) {
                files.push((format!("{}/{name}", track.file_name().to_string_lossy()), file.path()));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Where a file ends, and the hash of what it holds from `from` on.
fn tail(path: &Path, from: u64, alg: HashAlg) -> std::io::Result<(u64, Hash)> {
    let mut file = File::open(path)?;
    let end = file.metadata()?.len();
    let mut hasher = alg.hasher();
    if end > from {
        file.seek(SeekFrom::Start(from))?;
        let mut rest = file.take(end - from);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match rest.read(&mut buffer)? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
    }
    Ok((end, hasher.finish()))
}
