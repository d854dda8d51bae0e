//! One file of a track, from a key frame to the next change.

use std::io;
use std::path::Path;

use hearing_config::Timestamp;
use hearing_proto::matroska::{Coding, Placed, Writer};

use super::index::Line;
use super::sink::Sink;

/// A segment that is being written.
pub(super) struct Segment {
    pub(super) file: String,
    pub(super) coding: Coding,
    pub(super) sink: Sink,
    /// When its first frame was captured.
    pub(super) started: Timestamp,
    mux: Writer,
    frames: u64,
    /// Frames that wait for a commit.
    pub(super) uncommitted: u64,
    /// Where its first frame ends.
    first_end: u64,
    last: Timestamp,
}

impl Segment {
    /// Begins file `number` of `track` in `folder`; an existing file is never touched.
    pub(super) fn begin(
        folder: &Path,
        track: &str,
        number: u32,
        coding: Coding,
        started: Timestamp,
    ) -> io::Result<Self> {
        let file = format!("{number:04}.mkv");
        let mut mux = Writer::new(&coding).map_err(io::Error::other)?;
        let mut sink = Sink::create(folder, &file, format!("{track}/{file}"))?;
        sink.push(&mux.take());
        let last = started;
        Ok(Self { file, coding, sink, started, mux, frames: 0, uncommitted: 0, first_end: u64::MAX, last })
    }

    /// Appends a frame at file time `ms`.
    pub(super) fn frame(&mut self, ms: u64, captured: Timestamp, key: bool, data: &[u8]) -> io::Result<Placed> {
        let placed = self.mux.frame(ms, key, data).map_err(io::Error::other)?;
        self.sink.push(&self.mux.take());
        self.sink.note_frame(captured);
        if self.frames == 0 {
            self.first_end = self.sink.end();
        }
        self.frames += 1;
        self.uncommitted += 1;
        self.last = captured;
        Ok(placed)
    }

    /// True when the first frame survives a loss of power.
    pub(super) fn is_durable(&self) -> bool {
        self.sink.durable() >= self.first_end
    }

    /// The line that says that it ended in order.
    pub(super) fn end_line(&self) -> Line {
        Line::End { file: self.file.clone(), frames: self.frames, captured: self.last }
    }
}
