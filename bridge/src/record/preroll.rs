//! The last seconds of a track before the record runs, so that the first words are in it.

use std::collections::VecDeque;

use hearing_config::Timestamp;

use super::leg::Arrived;

/// Frames that wait for the order to run; bounded in time and bytes.
#[derive(Default)]
pub(super) struct Preroll {
    frames: VecDeque<(Timestamp, Box<Arrived>)>,
    bytes: usize,
}

impl Preroll {
    /// Keeps a frame, and lets go of those that are too old or too many.
    pub(super) fn push(&mut self, captured: Timestamp, frame: Box<Arrived>) {
        self.bytes += frame.frame.len();
        self.frames.push_back((captured, frame));
        while let Some((oldest, _)) = self.frames.front()
            && (captured.since(*oldest) > SPAN || self.bytes > BYTES)
        {
            self.pop();
        }
    }

    /// What was captured from `from` on, as far as it can be decoded; nothing is kept.
    pub(super) fn drain(&mut self, from: Timestamp) -> impl Iterator<Item = (Timestamp, Box<Arrived>)> {
        self.bytes = 0;
        std::mem::take(&mut self.frames)
            .into_iter()
            .skip_while(move |(captured, frame)| *captured < from || !frame.frame.head().key)
    }

    fn pop(&mut self) {
        if let Some((_, frame)) = self.frames.pop_front() {
            self.bytes -= frame.frame.len();
        }
    }
}

/// Microseconds.
const SPAN: i64 = 5_000_000;
const BYTES: usize = 8 << 20;
