//! One track's queues, one for each layer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hearing_config::Kind;
use hearing_proto::wire::FrameHead;

use super::{Class, DEADLINE, Tally};
use crate::router::{Frame, Layer, proto};
use crate::trunk::rank::Rank;

/// A track.
#[derive(Debug)]
pub(super) struct Flow {
    number: u32,
    pub(super) rank: Rank,
    pub(super) lanes: [Lane; Layer::LIMIT],
    pub(super) tally: Tally,
    /// Frames shed that were taken.
    taken: u64,
}

/// One layer.
#[derive(Debug, Default)]
pub(super) struct Lane {
    queue: VecDeque<(Instant, Frame)>,
    bytes: usize,
    /// Frames handed out.
    sent: u64,
    /// True after a frame was dropped or lost: pictures wait for a key frame.
    broken: bool,
    asked: Option<Instant>,
}

impl Flow {
    pub(super) fn new(number: u32, rank: Rank) -> Self {
        Self { number, rank, lanes: Default::default(), tally: Tally::default(), taken: 0 }
    }

    /// Frames shed since the last call.
    pub(super) const fn take_shed(&mut self) -> u64 {
        let fresh = self.tally.shed - self.taken;
        self.taken = self.tally.shed;
        fresh
    }

    /// Sound makes room for itself: the oldest goes.
    pub(super) fn push_sound(&mut self, now: Instant, frame: Frame) {
        let layer = usize::from(frame.head().layer.0);
        if self.lanes[layer].is_full() {
            self.shed_first(layer);
        }
        self.lanes[layer].push(now, frame);
    }

    /// The oldest frame of a layer, to be sent.
    pub(super) fn take(&mut self, layer: u8) -> Option<(FrameHead, Frame)> {
        let lane = &mut self.lanes[usize::from(layer)];
        let (_, frame) = lane.pop()?;
        let head = proto::head(self.number, lane.sent, &frame);
        lane.sent += 1;
        self.tally.sent += 1;
        self.tally.sent_bytes += frame.len() as u64;
        Some((head, frame))
    }

    /// A frame is not even queued.
    pub(super) const fn shed_frame(&mut self, layer: usize) {
        self.lanes[layer].broken = true;
        self.tally.shed += 1;
    }

    /// The oldest goes; only sound can do without it.
    pub(super) fn shed_first(&mut self, layer: usize) {
        if self.lanes[layer].pop().is_some() {
            self.tally.shed += 1;
        }
    }

    /// Everything that waits goes, and the picture waits for a key frame. Gives the bytes.
    pub(super) fn shed_lane(&mut self, layer: usize) -> usize {
        let Some(lane) = self.lanes.get_mut(layer) else { return 0 };
        self.tally.shed += lane.queue.len() as u64;
        lane.queue.clear();
        lane.broken = true;
        std::mem::take(&mut lane.bytes)
    }
}

impl Lane {
    pub(super) fn front(&self, kind: Kind) -> Option<(Class, Instant)> {
        let (at, frame) = self.queue.front()?;
        let class = match (kind.is_picture(), frame.head().key) {
            (false, _) => Class::Sound,
            (true, true) => Class::Key,
            (true, false) => Class::Delta,
        };
        Some((class, *at))
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= LIMIT
    }

    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.queue.front().is_some_and(|(at, _)| now.duration_since(*at) >= DEADLINE)
    }

    /// True when only a key frame can be sent next.
    pub(super) fn needs_key(&self) -> bool {
        self.broken || self.sent == 0 && self.queue.is_empty()
    }

    pub(super) fn push(&mut self, now: Instant, frame: Frame) {
        self.broken = false;
        self.bytes += frame.len();
        self.queue.push_back((now, frame));
    }

    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let due = self.broken && self.asked.is_none_or(|asked| now.duration_since(asked) >= KEY_SPACING);
        if due {
            self.asked = Some(now);
        }
        due
    }

    fn pop(&mut self) -> Option<(Instant, Frame)> {
        let first = self.queue.pop_front()?;
        self.bytes -= first.1.len();
        Some(first)
    }
}

/// Frames of one layer that may wait.
const LIMIT: usize = 64;
const KEY_SPACING: Duration = Duration::from_millis(500);
