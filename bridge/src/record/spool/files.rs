//! Every file of the spool: written, read, and deleted when home has it, or when there are too many or they are too old.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hearing_config::{Codec, HearingId, Kind, SeatId, Timestamp, TrackId};
use tracing::warn;

use super::track::{Segment, remove};
use super::{Piece, Settings};
use crate::router::Frame;

/// A track of a hearing.
pub(super) type Name = (HearingId, TrackId);

pub(super) struct Files {
    settings: Settings,
    tracks: BTreeMap<Name, Vec<Segment>>,
    next: u64,
    /// The disk refused something; told once until it takes something again.
    refused: bool,
}

impl Files {
    /// Reads what is there from before.
    pub(super) fn open(settings: Settings) -> io::Result<Self> {
        fs::create_dir_all(&settings.directory)?;
        let mut files = Self { settings, tracks: BTreeMap::new(), next: 1, refused: false };
        for path in entries(&files.settings.directory.clone())?.iter().flat_map(|hearing| entries(hearing)).flatten() {
            let Some(name) = name_of(&path) else { continue };
            for segment in entries(&path)? {
                files.adopt(name, segment);
            }
        }
        for segments in files.tracks.values_mut() {
            segments.sort_by(|a, b| a.path.cmp(&b.path));
        }
        Ok(files)
    }

    pub(super) fn write(&mut self, name: Name, codec: Codec, frame: &Frame) {
        if let Err(error) = self.append(name, codec, frame) {
            metrics::counter!("hearing_spool_frames_lost_total", "reason" => "disk").increment(1);
            if !std::mem::replace(&mut self.refused, true) {
                warn!(hearing = %name.0, track = %name.1, %error, "the spool's disk refuses a frame");
            }
        } else {
            self.refused = false;
        }
    }

    pub(super) fn flush(&mut self) {
        for segment in self.tracks.values_mut().filter_map(|segments| segments.last_mut()) {
            if let Err(error) = segment.flush() {
                // What it holds is lost; the next frame begins a new file.
                warn!(path = %segment.path.display(), %error, "the spool's disk refuses what was to be kept");
                segment.end();
            }
        }
    }

    /// What was captured of a track in a span, or the beginning of it.
    pub(super) fn read(&self, name: Name, from: Timestamp, to: Timestamp) -> Piece {
        let (mut piece, mut room) = (Piece { upto: to, ..Piece::default() }, PIECE);
        for segment in self.tracks.get(&name).into_iter().flatten() {
            match segment.read(from, to, &mut piece, &mut room) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => warn!(path = %segment.path.display(), %error, "a file of the spool can't be read"),
            }
        }
        piece
    }

    /// Home has what was captured before `through`.
    pub(super) fn kept(&mut self, name: Name, through: Timestamp) {
        let Some(segments) = self.tracks.get_mut(&name) else { return };
        // One that nothing is appended to any more, because the track or the hearing is gone, is ended so that it can go.
        if let Some(last) = segments.last_mut()
            && (last.written.elapsed().is_ok_and(|age| age > STALE) || last.is_long_before(through))
        {
            last.end();
        }
        segments.retain(|segment| !segment.is_before(through) || !delete(segment));
        if segments.is_empty() {
            self.forget(name);
        }
    }

    /// Deletes what is too old, and the oldest while there is too much. That home did not say it has it is counted.
    pub(super) fn bound(&mut self, now: SystemTime) {
        let age = self.settings.age;
        let too_old = |segment: &Segment| now.duration_since(segment.written).is_ok_and(|old| old > age);
        let mut total: u64 = self.tracks.values().flatten().map(|segment| segment.bytes).sum();
        metrics::gauge!("hearing_spool_bytes").set(total as f64);
        while let Some((name, segment)) = self.oldest() {
            if total <= self.settings.bytes && !too_old(segment) {
                return;
            }
            let bytes = segment.bytes;
            if !delete(segment) {
                return;
            }
            metrics::counter!("hearing_spool_bytes_dropped_total").increment(bytes);
            warn!(hearing = %name.0, track = %name.1, bytes, "the spool drops media that home does not have");
            total -= bytes;
            if let Some(segments) = self.tracks.get_mut(&name) {
                segments.remove(0);
                if segments.is_empty() {
                    self.forget(name);
                }
            }
        }
    }

    fn append(&mut self, name: Name, codec: Codec, frame: &Frame) -> io::Result<()> {
        let captured = frame.head().captured;
        let fresh = self.tracks.get(&name).and_then(|s| s.last()).is_none_or(|last| !last.takes(codec, captured));
        if fresh {
            let folder = folder(&self.settings.directory, name);
            fs::create_dir_all(&folder)?;
            let segment = Segment::begin(folder.join(format!("{:012}", self.next)), codec)?;
            self.next += 1;
            let segments = self.tracks.entry(name).or_default();
            if let Some(last) = segments.last_mut() {
                last.flush()?;
                last.end();
            }
            segments.push(segment);
        }
        self.tracks.get_mut(&name).and_then(|s| s.last_mut()).map_or(Ok(()), |segment| segment.write(frame))
    }

    fn oldest(&self) -> Option<(Name, &Segment)> {
        let firsts = self.tracks.iter().filter_map(|(name, segments)| Some((*name, segments.first()?)));
        firsts.min_by_key(|(_, segment)| segment.written)
    }

    fn adopt(&mut self, name: Name, path: PathBuf) {
        if let Some(number) = path.file_name().and_then(|n| n.to_str()?.parse::<u64>().ok()) {
            self.next = self.next.max(number + 1);
        }
        match Segment::open(path.clone()) {
            Ok(segment) => self.tracks.entry(name).or_default().push(segment),
            Err(error) => warn!(path = %path.display(), %error, "a file in the spool's folder is left alone"),
        }
    }

    /// Nothing of a track is left.
    fn forget(&mut self, name: Name) {
        self.tracks.remove(&name);
        // The hearing's folder goes with its last track; until then it is not empty.
        let folder = folder(&self.settings.directory, name);
        drop(fs::remove_dir(&folder));
        drop(folder.parent().map(fs::remove_dir));
    }
}

/// True when it is gone.
fn delete(segment: &Segment) -> bool {
    let result = remove(&segment.path);
    if let Err(error) = &result {
        warn!(path = %segment.path.display(), %error, "a file of the spool can't be deleted");
    }
    result.is_ok()
}

fn folder(directory: &Path, (hearing, track): Name) -> PathBuf {
    directory.join(hearing.to_string()).join(format!("{}-{}", track.seat.0, track.kind.as_str()))
}

fn name_of(folder: &Path) -> Option<Name> {
    let hearing = folder.parent()?.file_name()?.to_str()?.parse().ok()?;
    let (seat, kind) = folder.file_name()?.to_str()?.split_once('-')?;
    let seat = seat.parse().ok().filter(|seat| usize::from(*seat) < SeatId::LIMIT)?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    Some((hearing, TrackId { seat: SeatId(seat), kind }))
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The most bytes of one piece.
const PIECE: usize = 1 << 20;
/// A file that was begun so long ago is not written any more.
const STALE: std::time::Duration = std::time::Duration::from_secs(60);
