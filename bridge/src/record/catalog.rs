//! The records that a node keeps.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hearing_config::{HearingId, Timestamp};
use hearing_proto::matroska::{Item, Reader};
use serde::Serialize;

use super::index::{self, Line};
use super::{Error, Sheet, ledger, recover};

/// A record at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// What it is of.
    #[serde(flatten)]
    pub sheet: Sheet,
    /// Where it is.
    pub folder: PathBuf,
    /// Bytes of media.
    pub bytes: u64,
    /// Its tracks, by name.
    pub tracks: Vec<Track>,
    /// The integrity value (完整性校验值), once it is sealed.
    pub integrity: Option<String>,
}

/// A recorded track at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Track {
    /// `<seat>-<kind>`.
    pub name: String,
    /// Files.
    pub segments: usize,
    /// Bytes of media.
    pub bytes: u64,
    /// Holes with a name.
    pub gaps: usize,
}

/// A segment's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentFile {
    pub(super) number: u32,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// The records in `directory`, oldest first. What is not a record is left out; a damaged sheet is logged.
///
/// # Errors
/// When the directory or a record in it can't be read.
pub fn list(directory: &Path) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    for (name, folder) in folders(directory)? {
        if name.parse::<HearingId>().is_err() {
            continue;
        }
        match Sheet::read(&folder) {
            Ok(sheet) => records.push(record(sheet, folder)?),
            Err(error) => tracing::warn!(%error, "record left out of the list"),
        }
    }
    Ok(records)
}

/// The record of one hearing.
///
/// # Errors
/// When there is none, or it can't be read.
pub fn find(directory: &Path, hearing: HearingId) -> Result<Record, Error> {
    let folder = directory.join(hearing.to_string());
    if !folder.is_dir() {
        return Err(Error::Unknown(hearing));
    }
    record(Sheet::read(&folder)?, folder)
}

fn record(sheet: Sheet, folder: PathBuf) -> Result<Record, Error> {
    let mut tracks = Vec::new();
    for (name, folder) in folders(&folder)? {
        let segments = segments(&folder).map_err(Error::disk(&folder, "read"))?;
        let gaps = index::read(&folder)?.iter().filter(|line| matches!(line, Line::Gap { .. })).count();
        let bytes = segments.iter().map(|segment| segment.bytes).sum();
        tracks.push(Track { name, segments: segments.len(), bytes, gaps });
    }
    let integrity = integrity(&folder);
    Ok(Record { sheet, folder, bytes: tracks.iter().map(|track| track.bytes).sum(), tracks, integrity })
}

/// The integrity value that the end of the manifest tells. Addenda that follow the seal are mostly short; when media was added, they
/// are not, and all of it is read.
fn integrity(folder: &Path) -> Option<String> {
    let mut file = File::open(folder.join(ledger::FILE)).ok()?;
    let end = file.metadata().ok()?.len();
    let mut tail = |from: u64| {
        file.seek(SeekFrom::Start(from)).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    };
    let begin = end.saturating_sub(MANIFEST_END);
    let last = tail(begin)?;
    let is_longer = || begin > 0 && last.windows(ADDENDUM.len()).any(|window| window == ADDENDUM);
    recover::seal(&last).or_else(|| is_longer().then(|| recover::seal(&tail(0)?)).flatten())
}

/// Where the seal is looked for, in bytes from the end of the manifest.
const MANIFEST_END: u64 = 256 << 10;
const ADDENDUM: &[u8] = b"\"kind\":\"addendum\"";

/// How often something was added to the record of a hearing after its seal.
pub(crate) fn added(directory: &Path, hearing: HearingId) -> usize {
    additions(directory, hearing).len()
}

/// When something was added last.
pub(crate) fn last_added(directory: &Path, hearing: HearingId) -> Option<SystemTime> {
    additions(directory, hearing).iter().filter_map(|path| fs::metadata(path).ok()?.modified().ok()).max()
}

fn additions(directory: &Path, hearing: HearingId) -> Vec<PathBuf> {
    let tracks = folders(&directory.join(hearing.to_string())).unwrap_or_default();
    tracks.into_iter().flat_map(|(_, folder)| index::additions(&folder).unwrap_or_default()).collect()
}

/// The folders in `folder`, by name.
fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(Error::disk(folder, "read"))?;
    let named = entries.into_iter().filter(|entry| entry.path().is_dir());
    let mut named: Vec<_> = named.map(|e| (e.file_name().to_string_lossy().into_owned(), e.path())).collect();
    named.sort();
    Ok(named)
}

/// The segments in a track's folder, in order.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<SegmentFile>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(number) = name.strip_suffix(".mkv").and_then(|number| number.parse().ok()) {
            segments.push(SegmentFile { number, path: entry.path(), bytes: fs::metadata(entry.path())?.len() });
        }
    }
    segments.sort_by_key(|segment| segment.number);
    Ok(segments)
}

/// When the last frame in a track's folder was captured; only the last cluster is read, as far as the index knows it.
pub(crate) fn last_frame(folder: &Path, epoch: Timestamp) -> Option<Timestamp> {
    let lines = index::read(folder).ok()?;
    let is_late = |name: &str| {
        let of = |line: &Line| matches!(line, Line::Segment { file, reason, .. } if reason.is_late() && file == name);
        lines.iter().any(of)
    };
    let name_of = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let in_time = |segment: &SegmentFile| name_of(&segment.path).is_some_and(|name| !is_late(&name));
    let last = segments(folder).ok()?.into_iter().rfind(in_time)?;
    let name = name_of(&last.path)?;
    let known = lines.iter().rev().find_map(|line| match line {
        Line::Cluster { file, offset, .. } if *file == name => Some(*offset),
        _ => None,
    });
    let offset = known.unwrap_or(0);
    let mut file = File::open(&last.path).ok()?;
    file.seek(SeekFrom::Start(offset)).ok()?;
    let mut reader = Reader::new(BufReader::new(file), offset);
    let mut ms = None;
    while let Ok(Some(item)) = reader.next_item() {
        if let Item::Block(block) = item {
            ms = Some(block.ms);
        }
    }
    Some(epoch.plus(i64::try_from(ms?).ok()?.saturating_mul(1_000)))
}
