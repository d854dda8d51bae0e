//! What is missing of a track, and how it is named.

use hearing_config::Timestamp;
use hearing_proto::manifest::Entry;

use super::Track;
use crate::record::index::{GapReason, Line, StartReason};
use crate::record::leg::Missing;
use crate::router::Frame;

impl Track {
    /// Lets go of what the disk doesn't take, when it is more than `limit` bytes.
    pub(super) fn give_up(&mut self, limit: usize) {
        let nothing = Missing { reason: GapReason::Disk, packets: 0, frames: 0 };
        let mut lost = None;
        for sink in self.ended.iter_mut().filter(|sink| sink.waiting() > limit) {
            sink.give_up();
            lost = Some(nothing);
        }
        if let Some(mut segment) = self.segment.take_if(|segment| segment.sink.waiting() > limit) {
            lost = Some(Missing { frames: segment.uncommitted, ..nothing });
            segment.sink.give_up();
            self.ended.push(segment.sink);
            self.start = StartReason::Recovered;
            self.durable = false;
        }
        if let Some(lost) = lost {
            // A pause by order takes nothing from a record, and must not stand for what was lost before it.
            self.missing.take_if(|missing| missing.reason == GapReason::Pause);
            self.miss(lost);
            // What was given up is no frame of the record.
            self.last = self.kept;
        }
    }

    /// The record ends here and the disk takes nothing: what waits is let go of.
    pub(in crate::record) fn give_up_all(&mut self) {
        self.give_up(0);
        self.late.give_up();
    }

    /// The record ends at `at`: what is missing behind the last frame is named.
    pub(in crate::record) fn name_end(&mut self, at: Timestamp) {
        if let Some(missing) = self.missing.take_if(|missing| missing.reason != GapReason::Pause) {
            self.name_gap(missing, self.last, at);
        }
    }

    /// Something is missing between the last frame and this one.
    pub(super) fn note_gap(&mut self, captured: Timestamp, frame: &Frame) {
        let silent = self.last.is_some_and(|last| captured.since(last) > SILENT);
        let silent = silent.then_some(Missing { reason: GapReason::Silent, packets: 0, frames: 0 });
        let Some(missing) = self.missing.take().or(silent) else { return };
        if missing.reason != GapReason::Pause {
            self.late.note_gap(self.last, captured, frame);
        }
        self.name_gap(missing, self.last, captured);
    }

    /// Index and manifest are told of a gap.
    pub(super) fn name_gap(&mut self, missing: Missing, from: Option<Timestamp>, to: Timestamp) {
        let Missing { reason, packets, frames } = missing;
        let line = Line::Gap { reason, pause: self.pause.take(), from, to, packets, frames };
        metrics::counter!("hearing_record_gaps_total", "reason" => reason.as_str()).increment(1);
        self.entries.push(Entry::Gap {
            track: Some(self.place.track.clone()),
            reason: reason.as_str().to_owned(),
            from: from.map(|last| last.0),
            to: Some(to.0),
            packets,
            frames,
        });
        self.index.push(&line.to_bytes());
    }

    pub(in crate::record) fn miss_frame(&mut self, reason: GapReason) {
        metrics::counter!("hearing_record_frames_lost_total", "reason" => reason.as_str()).increment(1);
        self.miss(Missing { reason, packets: 0, frames: 1 });
    }

    pub(super) fn miss(&mut self, missing: Missing) {
        self.missing = Some(Missing::and(self.missing, missing));
    }
}

/// A hole of this many microseconds is a gap even if nothing else explains it.
const SILENT: i64 = 2_000_000;
/// What may wait for a disk that takes nothing, in bytes: 10 s at 12 Mb/s.
pub(super) const WAITING_LIMIT: usize = 16 << 20;
