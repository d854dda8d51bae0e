//! What a track lacks, and the segment that is being written of what came late.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use hearing_config::{Codec, Timestamp, TrackId};
use hearing_proto::matroska::Coding;

use super::index::{self, GapReason, Line};
use super::late::{Hole, Where};
use super::segment::Segment;
use super::sink::Sink;
use crate::router::{Frame, Layer};

/// A track's late media in the writer.
#[derive(Default)]
pub(super) struct LateTrack {
    epoch: Timestamp,
    segment: Option<Segment>,
    /// How the segment is coded.
    codec: Option<Codec>,
    /// Frames written for the present hole.
    frames: u64,
    holes: VecDeque<Untold>,
    /// The index that follows the last frame that came in time.
    next: Option<(Layer, u64)>,
    /// When the last frame that is durable was captured.
    pub(super) settled: Option<Timestamp>,
    /// Where the segment has to be durable for `settled` to become this.
    mark: Option<(u64, Timestamp)>,
}

/// Where, and what stands around it.
type Untold = (Timestamp, Timestamp, Option<(Layer, u64)>, Option<(Layer, u64)>);

impl LateTrack {
    /// The holes that the index names and into which nobody has looked are looked into again.
    pub(super) fn open(folder: &Path, epoch: Timestamp) -> Self {
        let lines = index::read(folder).unwrap_or_default();
        let looked = |from: Timestamp, to: Timestamp| {
            lines.iter().any(|line| matches!(line, Line::Late { from: f, to: t, .. } if (*f, *t) == (from, to)))
        };
        let hole = |line: &Line| match line {
            Line::Gap { reason, from, to, .. } if *reason != GapReason::Pause => {
                let from = from.unwrap_or(epoch);
                (!looked(from, *to)).then_some((from, *to, None, None))
            }
            _ => None,
        };
        Self { epoch, holes: lines.iter().filter_map(hole).collect(), ..Self::default() }
    }

    /// Something is missing between the last frame and this one.
    pub(super) fn note_gap(&mut self, last: Option<Timestamp>, captured: Timestamp, frame: &Frame) {
        let head = frame.head();
        let after = Some((head.layer, head.index));
        if self.holes.len() < LIMIT {
            self.holes.push_back((last.unwrap_or(self.epoch), captured, self.next, after));
        } else {
            metrics::counter!("hearing_record_holes_left_total").increment(1);
        }
    }

    /// A frame that came in time was written.
    pub(super) fn wrote(&mut self, frame: &Frame) {
        self.next = frame.packets.last().map(|last| (last.layer, last.index.saturating_add(1)));
    }

    pub(super) fn next_hole(&mut self, track: TrackId) -> Option<Hole> {
        let (from, to, before, after) = self.holes.pop_front()?;
        Some(Hole { track, from, to, lies: Where::Between, before, after })
    }

    /// What may be missing behind the last frame, which was captured at `from`.
    pub(super) const fn tail(&self, track: TrackId, from: Timestamp, to: Timestamp) -> Hole {
        Hole { track, from, to, lies: Where::Tail, before: self.next, after: None }
    }

    pub(super) fn hole_untold(&mut self, hole: Hole) {
        self.holes.push_front((hole.from, hole.to, hole.before, hole.after));
    }

    /// The parameters of the segment that is being written, if it is coded so.
    pub(super) fn coding(&self, codec: Codec) -> Option<&Coding> {
        self.segment.as_ref().filter(|_| self.codec == Some(codec)).map(|segment| &segment.coding)
    }

    pub(super) fn begin(&mut self, mut segment: Segment, codec: Codec, edge: &str) {
        self.codec = Some(codec);
        segment.sink.comes_late_from(edge);
        self.segment = Some(segment);
    }

    pub(super) fn write(
        &mut self,
        (ms, captured, key): (u64, Timestamp, bool),
        data: &[u8],
        media_time: i64,
        index: &mut Sink,
    ) -> io::Result<()> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let placed = segment.frame(ms, captured, key, data)?;
        self.frames += 1;
        if let Some(offset) = placed.cluster {
            let (file, arrived) = (segment.file.clone(), Timestamp::now());
            index.push(&Line::Cluster { file, offset, ms: placed.ms, captured, arrived, media_time }.to_bytes());
        }
        Ok(())
    }

    /// A frame came late and can't be written.
    pub(super) fn miss(&self) {
        metrics::counter!("hearing_record_late_frames_lost_total").increment(1);
    }

    pub(super) fn end(&mut self, index: &mut Sink, ended: &mut Vec<Sink>) {
        if let Some(segment) = self.segment.take() {
            index.push(&segment.end_line().to_bytes());
            ended.push(segment.sink);
        }
    }

    pub(super) const fn take_frames(&mut self) -> u64 {
        std::mem::replace(&mut self.frames, 0)
    }

    /// Lets go of what waits.
    pub(super) fn give_up(&mut self) {
        if let Some(segment) = &mut self.segment {
            segment.sink.give_up();
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.segment.as_ref().is_none_or(|segment| segment.sink.is_settled())
    }

    pub(super) fn sink(&mut self) -> Option<&mut Sink> {
        self.segment.as_mut().map(|segment| &mut segment.sink)
    }

    /// The segment that is written in time has so many bytes, of which so many are durable.
    pub(super) fn settle(&mut self, end: u64, durable: u64, last: Timestamp) {
        let (mark, captured) = *self.mark.get_or_insert((end, last));
        if durable >= mark {
            (self.settled, self.mark) = (Some(captured), None);
        }
    }

    /// That segment has ended.
    pub(super) const fn unmark(&mut self) {
        self.mark = None;
    }
}

/// Holes that may wait to be told.
const LIMIT: usize = 1_024;
