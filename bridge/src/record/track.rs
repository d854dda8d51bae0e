//! One recorded track: its folder, its index, and the segment that is being written. How segments begin is in start.rs, what is
//! missing in gaps.rs, what comes late in late.rs.

mod gaps;
mod late;
mod start;

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use hearing_config::{Codec, Timestamp};
use hearing_proto::manifest::Entry;
use hearing_proto::matroska::Coding;
use hearing_signaling::hearing::PauseReason;
use rustix::io::Errno;

use super::catalog;
use super::coding::{Whole, whole};
use super::index::{self, GapReason, Line, StartReason};
use super::late_track::LateTrack;
use super::leg::{Arrived, Missing};
use super::place::Place;
use super::segment::Segment;
use super::sink::Sink;
use super::voice::Voice;
use gaps::WAITING_LIMIT;

/// A track in the writer.
pub(super) struct Track {
    place: Place,
    index: Sink,
    /// What the manifest is to be told.
    entries: Vec<Entry>,
    segment: Option<Segment>,
    /// Segments that ended and are not durable yet.
    ended: Vec<Sink>,
    next: u32,
    /// Why the next segment begins.
    start: StartReason,
    stay: Option<u32>,
    codec: Option<Codec>,
    coding: Option<Coding>,
    /// What is missing since the last frame that was written.
    missing: Option<Missing>,
    pause: Option<PauseReason>,
    voice: Voice,
    /// When the last written frame was captured.
    last: Option<Timestamp>,
    /// The same, of the last one that the disk took.
    kept: Option<Timestamp>,
    /// The index is on the spill disk.
    moved: bool,
    /// When the last frame was written.
    fed: Instant,
    /// True once a frame of the present run is durable.
    durable: bool,
    /// No new segment before this: the disk refused one.
    retry: Instant,
    late: LateTrack,
}

impl Track {
    /// Opens the track's folder; what is in it stays as it is. `epoch` is file time 0.
    pub(super) fn open(place: Place, epoch: Timestamp, now: Instant) -> io::Result<Self> {
        let folder = place.folder();
        fs::create_dir_all(&folder)?;
        let next = catalog::segments(&folder)?.last().map_or(1, |last| last.number + 1);
        let last = if next == 1 { None } else { catalog::last_frame(&folder, epoch) };
        let mut index = Sink::append(&folder, index::FILE, Some(format!("{}/{}", place.track, index::FILE)))?;
        if index.end() > 0 {
            // The line that a crash cut off is ended, so that the next one can be read.
            index.push(b"\n");
        }
        let late = LateTrack::open(&folder, epoch);
        let restart = Missing { reason: GapReason::Restart, packets: 0, frames: 0 };
        Ok(Self {
            place,
            index,
            entries: Vec::new(),
            segment: None,
            ended: Vec::new(),
            next,
            start: if next == 1 { StartReason::First } else { StartReason::Restart },
            stay: None,
            codec: None,
            coding: None,
            missing: (next > 1).then_some(restart),
            pause: None,
            voice: Voice::default(),
            last,
            kept: last,
            moved: false,
            fed: now,
            durable: false,
            retry: now,
            late,
        })
    }

    /// Writes a frame that was captured at `captured` and is not before `epoch`.
    pub(super) fn write(
        &mut self,
        now: Instant,
        epoch: Timestamp,
        captured: Timestamp,
        frame: &Arrived,
    ) -> io::Result<()> {
        self.follow_stay(frame);
        if let Some(missing) = frame.missing {
            self.miss(missing);
        }
        let Ok(whole) = whole(frame.codec, &frame.frame, self.coding.as_ref()) else {
            self.miss_frame(GapReason::Malformed);
            return Ok(());
        };
        let Whole { key, coding, data } = whole;
        if !self.prepare(now, captured, key, coding, frame)? {
            return Ok(());
        }
        self.note_gap(captured, &frame.frame);
        let ms = u64::try_from(captured.since(epoch) / 1_000).unwrap_or(0);
        if let Some(segment) = &mut self.segment {
            let placed = segment.frame(ms, captured, key, &data)?;
            if let Some(offset) = placed.cluster {
                let (file, media_time) = (segment.file.clone(), frame.frame.head().media_time);
                let line = Line::Cluster { file, offset, ms: placed.ms, captured, arrived: frame.at, media_time };
                self.index.push(&line.to_bytes());
            }
        }
        let speech = self.voice.hear(captured, frame.frame.head().level);
        self.note_speech(speech);
        (self.last, self.fed) = (Some(captured), now);
        self.late.wrote(&frame.frame);
        Ok(())
    }

    /// Its name: `<seat>-<kind>`.
    pub(super) fn name(&self) -> &str {
        &self.place.track
    }

    /// When the last frame that was written was captured.
    pub(super) const fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Nothing is written until the order changes.
    pub(super) fn pause(&mut self, reason: Option<PauseReason>) {
        if self.segment.is_some() || self.last.is_some() {
            let counts = self.missing.map_or((0, 0), |missing| (missing.packets, missing.frames));
            self.missing = Some(Missing { reason: GapReason::Pause, packets: counts.0, frames: counts.1 });
            self.pause = reason;
        }
        self.end(StartReason::Resume);
    }

    /// Ends the segment; the next one begins for `next`.
    pub(super) fn end(&mut self, next: StartReason) {
        let speech = self.voice.end();
        self.note_speech(speech);
        if let Some(segment) = self.segment.take() {
            self.index.push(&segment.end_line().to_bytes());
            self.ended.push(segment.sink);
            self.start = next;
        }
        self.durable = false;
        self.late.unmark();
    }

    fn note_speech(&mut self, span: Option<(Timestamp, Timestamp)>) {
        if let Some((from, to)) = span {
            self.index.push(&Line::Speech { from, to }.to_bytes());
        }
    }

    /// The sender's clock was found to be off.
    pub(super) fn note_clock(&mut self, at: Timestamp, correction: i64) {
        self.index.push(&Line::Clock { at, correction }.to_bytes());
    }

    /// What the manifest is to be told, in order.
    pub(super) fn take_entries(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }

    /// From the next key frame on, on the spill disk.
    pub(super) const fn spill(&mut self) {
        self.place.spilling = true;
    }

    /// Writes what waits, unless it is `held` because the disk is full. When the disk has refused too much for too long, the segment
    /// is given up and the gap named.
    pub(super) fn commit(&mut self, held: bool) -> io::Result<()> {
        let write = |sink: &mut Sink| match held && sink.waiting() > 0 {
            true => Err(Errno::NOSPC.into()),
            false => sink.commit(),
        };
        self.ended.retain(|sink| !sink.is_settled());
        self.place.link();
        let mut result = write(&mut self.index);
        for sink in &mut self.ended {
            result = result.and(write(sink));
        }
        result = result.and(self.late.sink().map_or(Ok(()), write));
        if let Some(segment) = &mut self.segment {
            let written = write(&mut segment.sink);
            if written.is_ok() {
                segment.uncommitted = 0;
            }
            self.durable |= segment.is_durable();
            result = result.and(written);
        }
        if let (Some(segment), Some(last), true) = (&self.segment, self.last, self.ended.is_empty()) {
            self.late.settle(segment.sink.end(), segment.sink.durable(), last);
        }
        if result.is_ok() {
            self.kept = self.last;
        }
        self.give_up(WAITING_LIMIT);
        self.durable &= result.is_ok();
        result
    }

    /// Writes the index into room that `lend` gives, on a disk that is full.
    pub(super) fn save_index(&mut self, mut lend: impl FnMut(u64) -> bool) {
        // What is not written now waits for the next turn.
        if self.index.waiting() > 0 && self.index.commit().is_err() && lend(self.index.waiting() as u64) {
            drop(self.index.commit());
        }
    }

    /// Goes on with the index on the spill disk; until that works, on the first one.
    pub(super) fn move_index(&mut self) {
        let (from, to) = (self.place.folder(), self.place.spill_folder());
        if let Some(to) = to.filter(|_| !self.moved) {
            self.moved = self.index.move_to(&from, &to, index::FILE).is_ok();
        }
    }

    /// True while a frame of it is durable and the last one is not older than 2 s.
    pub(super) fn is_recording(&self, now: Instant) -> bool {
        self.durable && self.segment.is_some() && now.saturating_duration_since(self.fed) < STALE
    }

    /// True when a frame of it that was captured at `since` or later has been written.
    pub(super) fn was_fed_at(&self, since: Timestamp) -> bool {
        self.last.is_some_and(|last| last >= since)
    }

    /// True when everything survives a loss of power.
    pub(super) fn is_settled(&self) -> bool {
        self.index.is_settled()
            && self.ended.is_empty()
            && self.late.is_settled()
            && self.segment.as_ref().is_none_or(|s| s.sink.is_settled())
    }

    /// Every file that may have to be made durable.
    pub(super) fn sinks(&mut self) -> impl Iterator<Item = &mut Sink> {
        let segment = self.segment.as_mut().map(|segment| &mut segment.sink);
        std::iter::once(&mut self.index).chain(self.ended.iter_mut()).chain(segment).chain(self.late.sink())
    }

    fn follow_stay(&mut self, frame: &Arrived) {
        if let Some(codec) = self.codec.replace(frame.codec)
            && codec != frame.codec
        {
            self.coding = None;
            self.end(StartReason::Parameters);
            self.stay = Some(frame.stay);
        }
        if let Some(stay) = self.stay.replace(frame.stay)
            && stay != frame.stay
        {
            self.miss(Missing { reason: GapReason::Absent, packets: 0, frames: 0 });
            self.end(StartReason::Rejoin);
        }
    }

    /// Manifest and index are told of a segment that begins.
    fn note_segment(&mut self, segment: &Segment, reason: StartReason, codec: Codec, captured: Timestamp) {
        let (entry, line) = note_of(segment, &self.place.track, (reason, codec, captured));
        self.entries.push(entry);
        self.index.push(&line.to_bytes());
    }
}

/// What manifest and index say of a segment of `track` that begins.
pub(super) fn note_of(
    segment: &Segment,
    track: &str,
    (reason, codec, captured): (StartReason, Codec, Timestamp),
) -> (Entry, Line) {
    let (file, size) = (segment.file.clone(), segment.coding.size());
    let entry = Entry::Segment {
        track: track.to_owned(),
        file: format!("{track}/{file}"),
        codec: word(&codec),
        size: size.map(|(width, height)| [width, height]),
        reason: word(&reason),
        captured: captured.0,
    };
    (entry, Line::Segment { file, reason, codec, size, captured })
}

/// A word as serde writes it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

const STALE: Duration = Duration::from_secs(2);
