//! What happens to the disk of a record: full, standing still, taken away.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hearing_proto::manifest::Entry;

use super::Hearing;
use crate::record::reserve::is_full;
use crate::record::track::Track;
use crate::record::{RecordEvent, Space, space};

/// Where the record's folder was when it was opened. A disk that is taken away may well go on taking what is written into
/// files that are open, and nobody will ever find it again.
pub(super) struct Disk {
    folder: PathBuf,
    place: Option<(u64, u64)>,
    looked: Option<Instant>,
    gone: bool,
}

impl Disk {
    pub(super) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), place: place(folder), looked: None, gone: false }
    }

    pub(super) const fn is_gone(&self) -> bool {
        self.gone
    }

    /// Looks once a second. True when it has just gone.
    fn look(&mut self, now: Instant) -> bool {
        if self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK) {
            return false;
        }
        self.looked = Some(now);
        let before = std::mem::replace(&mut self.gone, self.place.is_some() && place(&self.folder) != self.place);
        self.gone && !before
    }
}

/// Its file system and its number there.
fn place(folder: &Path) -> Option<(u64, u64)> {
    fs::metadata(folder).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Hearing {
    /// A folder that is not there any more, or another one, holds nothing of the record.
    pub(super) fn look_at_disk(&mut self, now: Instant) {
        let has_just_gone = self.disk.look(now);
        if has_just_gone {
            tracing::error!(hearing = %self.sheet.hearing, folder = %self.folder.display(), "the record's disk was taken away");
            metrics::counter!("hearing_record_disks_lost_total").increment(1);
            self.spill();
        }
        if self.disk.is_gone() {
            self.trouble = Some(("录像磁盘被移除 the record's disk was taken away".to_owned(), now));
        }
    }

    /// How much room is left, and the limit below which that is.
    pub(in crate::record) fn space(&mut self, room: Space, limit: Option<u8>) {
        if room.bytes < SPILL_BELOW && self.sheet.is_open() {
            self.spill();
        }
        let warning = limit.map(|limit| {
            format!("录像磁盘剩余不足 {limit} % ({} %) the record's disk has less than {limit} % left", room.percent)
        });
        if self.told_warning == limit || self.events.try_send(RecordEvent::Warning(warning.clone())).is_err() {
            return;
        }
        self.told_warning = limit;
        if let Some(text) = warning {
            self.books.append(Entry::Note { text, by: None });
        }
    }

    /// The writer could do nothing for this long: the disk stood still.
    pub(in crate::record) fn stood_still(&mut self, span: Duration) {
        let reason = format!("the disk took nothing for {:.1} s", span.as_secs_f64());
        self.books.fault("disk", &reason, false);
        self.books.fault("disk", &reason, true);
        // What was told of the hearing meanwhile is told again.
        self.told = None;
    }

    /// What was written has not become durable for too long.
    pub(in crate::record) fn not_durable(&mut self, now: Instant) {
        self.trouble = Some(("磁盘无响应 the disk makes nothing durable".to_owned(), now));
    }

    /// New files go to the spill disk, if there is one.
    pub(in crate::record) fn spill(&mut self) {
        if self.spill.is_none() || self.spilling {
            return;
        }
        tracing::error!(hearing = %self.sheet.hearing, "the disk of the record is full: it goes on on the spill disk");
        self.spilling = true;
        self.books.fault("disk", "full: the record goes on on the spill disk", false);
        self.tracks.values_mut().for_each(Track::spill);
    }

    /// Manifest and indexes go on on the spill disk as well; tried once a second until they do.
    fn move_books(&mut self, now: Instant) {
        let is_recent = |(at, _): (Instant, bool)| now.saturating_duration_since(at) < LOOK;
        if !self.spilling || self.disk.is_gone() || self.spilled.is_some_and(is_recent) {
            return;
        }
        let is_moved = self.spilled.is_some_and(|(_, moved)| moved) || self.books.spill();
        self.spilled = Some((now, is_moved));
        self.tracks.values_mut().for_each(Track::move_index);
    }

    /// Writes what waits. When the disk is full and there is no other one, media waits until there is room, so that the room that was
    /// kept is there for manifest and indexes.
    pub(super) fn commit_tracks(&mut self, now: Instant) {
        self.held = self.held && space::free(&self.folder).is_ok_and(|room| room.bytes < ROOM);
        let held = self.held;
        let failed: Vec<io::Error> = self.tracks.values_mut().filter_map(|track| track.commit(held).err()).collect();
        let is_refused = failed.iter().any(|error| error.kind() != io::ErrorKind::Other);
        self.held = self.spill.is_none() && failed.iter().any(is_full);
        if let Some(error) = failed.into_iter().next_back() {
            self.trouble = Some((error.to_string(), now));
        }
        if is_refused {
            self.spill();
        }
        self.move_books(now);
        for track in self.tracks.values_mut().filter(|_| held || self.held) {
            track.save_index(|bytes| self.books.lend(bytes));
        }
    }
}

const LOOK: Duration = Duration::from_secs(1);
/// With less room than this, media goes on waiting on a disk that was full.
const ROOM: u64 = 512 << 10;
/// A disk with less room than this counts as full when there is another one to go on with.
const SPILL_BELOW: u64 = 32 << 20;
