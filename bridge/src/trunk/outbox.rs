//! What waits to be sent over one link: a bounded queue per track and layer. Sheds whole frames; a picture whose frame was
//! shed waits for its next key frame and asks for one. Pure, told the time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use hearing_config::{HearingId, Kind, TrackId};
use hearing_proto::wire::FrameHead;

use crate::router::{Frame, Layer};

/// A track of a hearing.
pub(super) type Name = (HearingId, TrackId);

/// Pure and bounded.
#[derive(Debug)]
pub(super) struct Outbox {
    flows: BTreeMap<Name, Flow>,
    bytes: usize,
    limit: usize,
    dropped: u64,
    stray: u64,
}

/// A frame whose turn it is.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) name: Name,
    pub(super) head: FrameHead,
    pub(super) frame: Frame,
    pub(super) class: Class,
    /// When it is too late to send it.
    pub(super) deadline: Instant,
}

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Sound,
    Key,
    Delta,
}

#[derive(Debug)]
struct Flow {
    number: u32,
    lanes: [Lane; Layer::LIMIT],
}

/// One layer.
#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<(Instant, Frame)>,
    /// Frames handed out.
    sent: u64,
    /// True after a frame was dropped or lost: pictures wait for a key frame.
    broken: bool,
    asked: Option<Instant>,
}

impl Outbox {
    /// An empty one that holds at most `limit` bytes of pictures.
    pub(super) const fn new(limit: usize) -> Self {
        Self { flows: BTreeMap::new(), bytes: 0, limit, dropped: 0, stray: 0 }
    }

    /// The gate let a track out; `number` stands for it on the wire.
    pub(super) fn open(&mut self, name: Name, number: u32) {
        self.close(name);
        self.flows.insert(name, Flow { number, lanes: Default::default() });
    }

    /// The track must no longer be sent; what waits is thrown away.
    pub(super) fn close(&mut self, name: Name) {
        if let Some(flow) = self.flows.remove(&name) {
            self.bytes -= flow.lanes.iter().map(Lane::bytes).sum::<usize>();
        }
    }

    /// A frame came. One of a track that was not opened is dropped and counted.
    pub(super) fn push(&mut self, now: Instant, name: Name, frame: Frame) {
        let picture = name.1.kind.is_picture();
        let (layer, key, bytes) = (usize::from(frame.head().layer.0), frame.head().key, frame.len());
        let Some(lane) = self.flows.get_mut(&name).and_then(|flow| flow.lanes.get_mut(layer)) else {
            self.stray += 1;
            return;
        };
        let full = lane.queue.len() >= LANE_LIMIT || (picture && self.bytes + bytes > self.limit);
        if full && picture && key {
            // What waits before the key frame can be done without; the key frame can't.
            self.bytes -= lane.clear(&mut self.dropped);
        }
        let full = lane.queue.len() >= LANE_LIMIT || (picture && self.bytes + bytes > self.limit);
        let broken = lane.broken || lane.sent == 0 && lane.queue.is_empty();
        if full || (picture && broken && !key) {
            self.dropped += 1;
            lane.broken = true;
        } else {
            lane.broken = false;
            lane.queue.push_back((now, frame));
            self.bytes += bytes;
        }
    }

    /// The next frame to send: sound, then key frames, then the oldest. What became too old is dropped on the way.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Due> {
        self.pop_up_to(now, Class::Delta)
    }

    /// The next frame of sound.
    pub(super) fn pop_sound(&mut self, now: Instant) -> Option<Due> {
        self.pop_up_to(now, Class::Sound)
    }

    fn pop_up_to(&mut self, now: Instant, last: Class) -> Option<Due> {
        self.expire(now);
        let fronts = self.flows.iter().flat_map(|(name, flow)| {
            let lanes = flow.lanes.iter().zip(0u8..);
            lanes.filter_map(|(lane, layer)| lane.front(name.1.kind).map(|(class, at)| (class, at, *name, layer)))
        });
        let (class, at, name, layer) =
            fronts.filter(|(class, ..)| *class <= last).min_by_key(|(class, at, ..)| (*class, *at))?;
        let flow = self.flows.get_mut(&name)?;
        let lane = &mut flow.lanes[usize::from(layer)];
        let (_, frame) = lane.queue.pop_front()?;
        self.bytes -= frame.len();
        let head = head(flow.number, lane.sent, &frame);
        lane.sent += 1;
        Some(Due { name, head, frame, class, deadline: at + DEADLINE })
    }

    /// A frame that was handed out did not get through.
    pub(super) fn lost(&mut self, name: Name, layer: u8) {
        if let Some(lane) = self.flows.get_mut(&name).and_then(|flow| flow.lanes.get_mut(usize::from(layer))) {
            self.bytes -= lane.clear(&mut self.dropped);
            lane.broken = true;
        }
    }

    /// A key frame that is needed and was not asked for in the last half second.
    pub(super) fn poll_key(&mut self, now: Instant) -> Option<(Name, Layer)> {
        self.flows.iter_mut().filter(|(name, _)| name.1.kind.is_picture()).find_map(|(name, flow)| {
            let mut lanes = flow.lanes.iter_mut().zip(0u8..);
            lanes.find_map(|(lane, layer)| lane.ask(now).then_some((*name, Layer(layer))))
        })
    }

    /// Frames dropped, and frames of tracks that were not open, since the last call.
    pub(super) fn take_counts(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.dropped), std::mem::take(&mut self.stray))
    }

    fn expire(&mut self, now: Instant) {
        for (name, flow) in &mut self.flows {
            for lane in &mut flow.lanes {
                while lane.queue.front().is_some_and(|(at, _)| now.duration_since(*at) >= DEADLINE) {
                    if name.1.kind.is_picture() {
                        self.bytes -= lane.clear(&mut self.dropped);
                        lane.broken = true;
                    } else if let Some((_, frame)) = lane.queue.pop_front() {
                        self.bytes -= frame.len();
                        self.dropped += 1;
                    }
                }
            }
        }
    }
}

impl Lane {
    fn front(&self, kind: Kind) -> Option<(Class, Instant)> {
        let (at, frame) = self.queue.front()?;
        let class = match (kind.is_picture(), frame.head().key) {
            (false, _) => Class::Sound,
            (true, true) => Class::Key,
            (true, false) => Class::Delta,
        };
        Some((class, *at))
    }

    fn bytes(&self) -> usize {
        self.queue.iter().map(|(_, frame)| frame.len()).sum()
    }

    /// Empties it, counts what was there, and gives its bytes.
    fn clear(&mut self, dropped: &mut u64) -> usize {
        let bytes = self.bytes();
        *dropped += self.queue.len() as u64;
        self.queue.clear();
        bytes
    }

    fn ask(&mut self, now: Instant) -> bool {
        let due = self.broken && self.asked.is_none_or(|asked| now.duration_since(asked) >= KEY_SPACING);
        if due {
            self.asked = Some(now);
        }
        due
    }
}

fn head(flow: u32, number: u64, frame: &Frame) -> FrameHead {
    let first = frame.head();
    FrameHead {
        flow,
        layer: first.layer.0,
        number,
        index: first.index,
        media_time: first.media_time,
        captured: first.captured.0,
        key: first.key,
        generation: first.generation,
        temporal: first.temporal.bits(),
        level: first.level.filter(|level| *level < 128),
    }
}

/// From being queued to being given up.
const DEADLINE: Duration = Duration::from_millis(200);
/// Frames of one layer that may wait.
const LANE_LIMIT: usize = 64;
const KEY_SPACING: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
