//! What comes in over one link: frames of accepted tracks are put back into their order. A picture that lost a frame waits
//! for its next key frame and asks for one. Sound that was sent again fills what was lost, and is used once. Pure, told the time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_config::{HearingId, TrackId};
use hearing_proto::wire::FrameHead;

use crate::router::{Frame, Layer, LegId, proto};

/// Pure and bounded.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    flows: BTreeMap<u32, Flow>,
    ready: VecDeque<(Accepted, Frame)>,
    stray: u64,
}

/// A track that the gate let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) hearing: HearingId,
    pub(super) track: TrackId,
    /// The leg through which its frames go.
    pub(super) leg: LegId,
}

/// What happened since they were last taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Frames of flows that no accepted track covers.
    pub(super) stray: u64,
    /// Frames that never came.
    pub(super) lost: u64,
    /// Frames that came and were dropped: too late, or of a picture that waits for a key frame.
    pub(super) dropped: u64,
    /// Frames that came only because they were sent again.
    pub(super) repaired: u64,
    /// Frames that are whole by parity.
    pub(super) mended: u64,
}

/// How a frame came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// As it was sent.
    Itself,
    /// Sent again, in case the first did not come.
    Copy,
    /// Parity made it whole.
    Parity,
}

/// What became of one track's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Received {
    /// Handed on.
    pub(super) received: u64,
    /// See [`Counts`].
    pub(super) lost: u64,
    /// See [`Counts`].
    pub(super) repaired: u64,
    /// See [`Counts`].
    pub(super) dropped: u64,
    /// See [`Counts`].
    pub(super) mended: u64,
}

#[derive(Debug)]
struct Flow {
    accepted: Accepted,
    lanes: [Lane; Layer::LIMIT],
    tally: Received,
    /// What was taken of the tally.
    taken: Received,
}

/// One layer.
#[derive(Debug, Default)]
struct Lane {
    /// The number of the next frame in order.
    next: u64,
    waiting: BTreeMap<u64, (Instant, Frame)>,
    broken: bool,
    asked: Option<Instant>,
}

impl Inbox {
    /// The gate let a track in, by this number.
    pub(super) fn open(&mut self, number: u32, accepted: Accepted) {
        let (lanes, tally, taken) = Default::default();
        self.flows.insert(number, Flow { accepted, lanes, tally, taken });
    }

    /// The track is over.
    pub(super) fn close(&mut self, number: u32) {
        self.flows.remove(&number);
    }

    /// A frame came.
    pub(super) fn push(&mut self, now: Instant, head: &FrameHead, payloads: Vec<Bytes>, by: By) {
        let Some(flow) = self.flows.get_mut(&head.flow) else {
            self.stray += 1;
            return;
        };
        let Flow { accepted, lanes, tally, .. } = flow;
        let Some(lane) = lanes.get_mut(usize::from(head.layer)) else {
            self.stray += 1;
            return;
        };
        if head.number < lane.next {
            tally.dropped += u64::from(by != By::Copy);
        } else if accepted.track.kind.is_picture() {
            tally.mended += u64::from(by == By::Parity);
            lane.waiting.insert(head.number, (now, proto::frame(head, payloads)));
            if lane.waiting.len() > WINDOW {
                tally.lost = tally.lost.saturating_add(lane.give_up());
            }
            lane.deliver(*accepted, &mut self.ready, tally);
        } else {
            tally.lost = tally.lost.saturating_add(head.number - lane.next);
            tally.repaired += u64::from(by == By::Copy);
            tally.received += 1;
            lane.next = head.number.saturating_add(1);
            self.ready.push_back((*accepted, proto::frame(head, payloads)));
        }
    }

    /// Gives up frames that others have waited for long enough.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for Flow { accepted, lanes, tally, .. } in self.flows.values_mut() {
            for lane in lanes {
                while lane.deadline().is_some_and(|at| at <= now) {
                    tally.lost = tally.lost.saturating_add(lane.give_up());
                    lane.deliver(*accepted, &mut self.ready, tally);
                }
            }
        }
    }

    /// When `handle_timeout` wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.flows.values().flat_map(|flow| &flow.lanes).filter_map(Lane::deadline).min()
    }

    /// The next frame in order.
    pub(super) fn poll_frame(&mut self) -> Option<(Accepted, Frame)> {
        self.ready.pop_front()
    }

    /// A key frame that is needed and was not asked for in the last half second.
    pub(super) fn poll_key(&mut self, now: Instant) -> Option<(Accepted, Layer)> {
        self.flows.values_mut().find_map(|flow| {
            let mut lanes = flow.lanes.iter_mut().zip(0u8..);
            lanes.find_map(|(lane, layer)| lane.ask(now).then_some((flow.accepted, Layer(layer))))
        })
    }

    /// What happened since the last call.
    pub(super) fn take_counts(&mut self) -> Counts {
        let mut counts = Counts { stray: std::mem::take(&mut self.stray), ..Counts::default() };
        for Flow { tally, taken, .. } in self.flows.values_mut() {
            counts.lost = counts.lost.saturating_add(tally.lost - taken.lost);
            counts.dropped += tally.dropped - taken.dropped;
            counts.repaired += tally.repaired - taken.repaired;
            counts.mended += tally.mended - taken.mended;
            *taken = *tally;
        }
        counts
    }

    /// What became of the frames of every open track.
    pub(super) fn tallies(&self) -> impl Iterator<Item = (Accepted, Received)> {
        self.flows.values().map(|flow| (flow.accepted, flow.tally))
    }
}

impl Lane {
    fn deliver(&mut self, accepted: Accepted, ready: &mut VecDeque<(Accepted, Frame)>, tally: &mut Received) {
        while let Some((_, frame)) = self.waiting.remove(&self.next) {
            self.next = self.next.saturating_add(1);
            self.broken &= !frame.head().key;
            if self.broken {
                tally.dropped += 1;
            } else {
                tally.received += 1;
                ready.push_back((accepted, frame));
            }
        }
    }

    /// When the frames before the first that waits are given up.
    fn deadline(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, (at, _))| *at + PATIENCE)
    }

    /// Goes on with the first frame that waits; gives how many are missing before it.
    fn give_up(&mut self) -> u64 {
        let Some(first) = self.waiting.first_key_value().map(|(number, _)| *number) else { return 0 };
        let missing = first.saturating_sub(self.next);
        self.next = first;
        self.broken = true;
        missing
    }

    fn ask(&mut self, now: Instant) -> bool {
        let due = self.broken && self.asked.is_none_or(|asked| now.duration_since(asked) >= KEY_SPACING);
        if due {
            self.asked = Some(now);
        }
        due
    }
}

/// How long a frame waits for one before it: what the sender gives a frame, and a little for the way.
const PATIENCE: Duration = Duration::from_millis(250);
/// Frames of one layer that may wait.
const WINDOW: usize = 64;
const KEY_SPACING: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
