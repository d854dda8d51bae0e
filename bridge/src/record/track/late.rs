//! What comes late of a track, and what of its end could not be had.

use std::io;
use std::time::Instant;

use hearing_config::{Codec, Timestamp, TrackId};
use hearing_proto::manifest::Span;

use super::Track;
use crate::record::coding::{Whole, whole};
use crate::record::index::{GapReason, Line, StartReason};
use crate::record::late::Hole;
use crate::record::leg::Missing;
use crate::record::segment::Segment;
use crate::record::sink::Sink;
use crate::router::Frame;

impl Track {
    /// Writes a frame that came late into a segment of its own.
    pub(in crate::record) fn write_late(
        &mut self,
        now: Instant,
        epoch: Timestamp,
        captured: Timestamp,
        (codec, frame, edge): (Codec, &Frame, &str),
    ) -> io::Result<()> {
        let in_time = self.coding.as_ref().filter(|_| self.codec == Some(codec));
        let known = self.late.coding(codec).or(in_time);
        let Whole { key, coding, data } = whole(codec, frame, known).map_err(io::Error::other)?;
        let Some(coding) = coding.filter(|_| now >= self.retry) else {
            self.late.miss();
            return Ok(());
        };
        if self.late.coding(codec) != Some(&coding) {
            self.late.end(&mut self.index, &mut self.ended);
            let folder = self.place.begin(self.next)?;
            let segment = Segment::begin(&folder, &self.place.track, self.next, coding, captured)?;
            self.next += 1;
            let reason = if key { StartReason::Late } else { StartReason::LateDelta };
            self.note_segment(&segment, reason, codec, captured);
            self.late.begin(segment, codec, edge);
        }
        let ms = u64::try_from(captured.since(epoch) / 1_000).unwrap_or(0);
        self.late.write((ms, captured, key), &data, frame.head().media_time, &mut self.index)
    }

    /// Nothing more comes for a hole.
    pub(in crate::record) fn end_late(&mut self, hole: &Hole, edge: &str) {
        self.late.end(&mut self.index, &mut self.ended);
        let (frames, edge) = (self.late.take_frames(), edge.to_owned());
        self.index.push(&Line::Late { from: hole.from, to: hole.to, edge, frames }.to_bytes());
        metrics::counter!("hearing_record_late_frames_total").increment(frames);
    }

    /// A hole that was not told yet.
    pub(in crate::record) fn next_hole(&mut self, track: TrackId) -> Option<Hole> {
        self.late.next_hole(track)
    }

    /// It could not be told.
    pub(in crate::record) fn hole_untold(&mut self, hole: Hole) {
        self.late.hole_untold(hole);
    }

    /// When the last frame that is durable was captured.
    pub(in crate::record) const fn settled(&self) -> Option<Timestamp> {
        self.late.settled
    }

    /// What may be missing behind its last frame, up to the end of the record; `None` when that is next to nothing.
    pub(in crate::record) fn tail(&self, track: TrackId, end: Timestamp) -> Option<Hole> {
        let last = self.last.filter(|last| end.since(*last) > FRESH)?;
        Some(self.late.tail(track, last, end))
    }

    /// What was captured in this span may have been kept elsewhere, and can't be asked for any more.
    pub(in crate::record) fn lack(&mut self, from: Timestamp, to: Timestamp) {
        self.name_gap(Missing { reason: GapReason::Unfetched, packets: 0, frames: 0 }, Some(from), to);
    }

    /// Durable bytes that no line of the manifest names yet: those that came in time, and those that came late, from where.
    pub(in crate::record) fn take_spans(&mut self) -> (Vec<Span>, Vec<(String, Vec<Span>)>) {
        let (mut spans, mut late) = (Vec::new(), Vec::new());
        for sink in self.sinks() {
            let pieces = Sink::take_pieces(sink).collect::<Vec<_>>();
            match sink.edge() {
                Some(edge) if !pieces.is_empty() => late.push((edge.to_owned(), pieces)),
                _ => spans.extend(pieces),
            }
        }
        (spans, late)
    }
}

/// A track that has its last frame so near to the end of the record, in microseconds, lacks nothing.
const FRESH: i64 = 500_000;
