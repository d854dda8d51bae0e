//! How the segments of a track begin.

use std::io;
use std::time::{Duration, Instant};

use hearing_config::{Codec, Timestamp};
use hearing_proto::matroska::Coding;

use super::Track;
use crate::record::index::{GapReason, StartReason};
use crate::record::leg::Arrived;
use crate::record::segment::Segment;

impl Track {
    /// Makes sure that a segment is open that can take the frame; false when the frame has to be left out.
    pub(super) fn prepare(
        &mut self,
        now: Instant,
        captured: Timestamp,
        key: bool,
        coding: Option<Coding>,
        frame: &Arrived,
    ) -> io::Result<bool> {
        let open = self
            .segment
            .as_ref()
            .map(|segment| (segment.coding != *coding.as_ref().unwrap_or(&segment.coding), segment.started));
        let reason = match open {
            Some((true, _)) => StartReason::Parameters,
            Some((false, started)) if captured.since(started) < LONGEST && !self.place.has_to_move() => {
                return Ok(true);
            }
            Some((false, _)) if !key => {
                frame.backlog.want_key();
                return Ok(true);
            }
            Some((false, _)) if self.place.has_to_move() => StartReason::Spill,
            Some((false, _)) => StartReason::Length,
            None => self.start,
        };
        let Some(coding) = coding.filter(|_| key) else {
            frame.backlog.want_key();
            self.miss_frame(GapReason::KeyFrame);
            return Ok(false);
        };
        if now < self.retry {
            self.miss_frame(GapReason::Disk);
            return Ok(false);
        }
        self.begin(now, captured, coding, reason, frame.codec).inspect_err(|_| self.miss_frame(GapReason::Disk))?;
        Ok(true)
    }

    fn begin(
        &mut self,
        now: Instant,
        captured: Timestamp,
        coding: Coding,
        reason: StartReason,
        codec: Codec,
    ) -> io::Result<()> {
        let durable = self.durable;
        self.end(reason);
        (self.retry, self.start) = (now + RETRY, StartReason::Recovered);
        let folder = self.place.begin(self.next)?;
        let segment = Segment::begin(&folder, &self.place.track, self.next, coding.clone(), captured)?;
        self.retry = now;
        self.next += 1;
        self.note_segment(&segment, reason, codec, captured);
        self.coding = Some(coding);
        self.segment = Some(segment);
        self.durable = durable;
        Ok(())
    }
}

/// A segment becomes no longer than this, in microseconds, if a key frame comes.
const LONGEST: i64 = 600_000_000;
/// How long after a refused file the next one is tried.
const RETRY: Duration = Duration::from_secs(1);
