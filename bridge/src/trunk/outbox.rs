//! What waits to be sent over one link: a bounded queue per track and layer. Sheds whole frames, pictures of ordinary seats
//! first; a picture whose frame was shed waits for its next key frame and asks for one. Sound is never shed for lack of room.
//! Pure, told the time.

mod lane;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use hearing_config::{HearingId, TrackId};
use hearing_proto::wire::FrameHead;

use super::rank::Rank;
use crate::router::{Frame, Layer};
use lane::{Flow, Lane};

/// A track of a hearing.
pub(super) type Name = (HearingId, TrackId);

/// Pure and bounded.
#[derive(Debug)]
pub(super) struct Outbox {
    flows: BTreeMap<Name, Flow>,
    /// Of pictures.
    bytes: usize,
    limit: usize,
    stray: u64,
    /// Frames shed of tracks that are closed, not taken yet.
    shed: u64,
    pressed: BTreeSet<Name>,
}

/// A frame whose turn it is.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) name: Name,
    pub(super) head: FrameHead,
    pub(super) frame: Frame,
    pub(super) rank: Rank,
    pub(super) class: Class,
    /// When it is too late to send it.
    pub(super) deadline: Instant,
}

/// Who goes first among those of one rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Sound,
    Key,
    Delta,
}

/// What became of a track's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Handed out to be sent.
    pub(super) sent: u64,
    /// Shed before they were sent: no room, or waited for too long, or of a picture that waits for its key frame.
    pub(super) shed: u64,
    /// Handed out, and given up on the way.
    pub(super) late: u64,
    /// Datagrams of parity sent with them.
    pub(super) parity: u64,
    /// Came while the track was held back for want of room.
    pub(super) held: u64,
    /// True while it is.
    pub(super) holds: bool,
    /// Bytes handed out.
    pub(super) sent_bytes: u64,
    /// Bytes that came, sent or not, of each layer.
    pub(super) bytes: [u64; Layer::LIMIT],
}

/// Which pictures may be handed out now: those in hand block others of their rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Door {
    /// Sound only.
    Sound,
    /// And protected pictures.
    Protected,
    /// And others, but for the last.
    Ordinary,
    /// And the last.
    All,
}

impl Outbox {
    /// An empty one that holds at most `limit` bytes of pictures.
    pub(super) const fn new(limit: usize) -> Self {
        Self { flows: BTreeMap::new(), bytes: 0, limit, stray: 0, shed: 0, pressed: BTreeSet::new() }
    }

    /// The gate let a track out; `number` stands for it on the wire.
    pub(super) fn open(&mut self, name: Name, number: u32, rank: Rank) {
        self.close(name);
        self.flows.insert(name, Flow::new(number, rank));
    }

    /// Whose it is changed: another role, or the seat began or ended to speak.
    pub(super) fn rank(&mut self, name: Name, rank: Rank) {
        if let Some(flow) = self.flows.get_mut(&name) {
            flow.rank = rank;
        }
    }

    /// There is no room for a picture, or there is again; what waits is thrown away, and it begins anew with a key frame.
    pub(super) fn hold(&mut self, name: Name, held: bool) {
        if let Some(flow) = self.flows.get_mut(&name).filter(|flow| flow.tally.holds != held) {
            flow.tally.holds = held;
            self.bytes -= (0..flow.lanes.len()).map(|layer| flow.shed_lane(layer)).sum::<usize>();
        }
    }

    /// The track must no longer be sent; what waits is thrown away.
    pub(super) fn close(&mut self, name: Name) {
        if let Some(mut flow) = self.flows.remove(&name) {
            self.shed += flow.take_shed();
            if name.1.kind.is_picture() {
                self.bytes -= flow.lanes.iter().map(Lane::bytes).sum::<usize>();
            }
        }
        self.pressed.remove(&name);
    }

    /// A frame came. One of a track that was not opened is dropped and counted.
    pub(super) fn push(&mut self, now: Instant, name: Name, frame: Frame) {
        let (layer, bytes) = (usize::from(frame.head().layer.0), frame.len());
        let Some(flow) = self.flows.get_mut(&name).filter(|flow| layer < flow.lanes.len()) else {
            self.stray += 1;
            return;
        };
        flow.tally.bytes[layer] += bytes as u64;
        if flow.tally.holds {
            flow.tally.held += 1;
        } else if name.1.kind.is_picture() {
            self.push_picture(now, name, frame);
        } else {
            flow.push_sound(now, frame);
        }
    }

    /// The next frame to send: sound, then the protected, key frames before others, the oldest first. What became too old
    /// is dropped on the way.
    pub(super) fn pop(&mut self, now: Instant, door: Door) -> Option<Due> {
        self.expire(now);
        let fronts = self.flows.iter().flat_map(|(name, flow)| {
            let lanes = flow.lanes.iter().zip(0u8..);
            lanes.filter_map(|(lane, layer)| {
                let (class, at) = lane.front(name.1.kind)?;
                (door >= door_of(class, flow.rank)).then_some((
                    (class != Class::Sound, flow.rank, class, at),
                    *name,
                    layer,
                ))
            })
        });
        let ((_, rank, class, at), name, layer) = fronts.min_by_key(|(order, ..)| *order)?;
        let flow = self.flows.get_mut(&name)?;
        let (head, frame) = flow.take(layer)?;
        if class != Class::Sound {
            self.bytes -= frame.len();
        }
        Some(Due { name, head, frame, rank, class, deadline: at + DEADLINE })
    }

    /// So many datagrams of parity went with a frame.
    pub(super) fn protected(&mut self, name: Name, datagrams: u64) {
        if let Some(flow) = self.flows.get_mut(&name) {
            flow.tally.parity += datagrams;
        }
    }

    /// A frame that was handed out did not get through.
    pub(super) fn lost(&mut self, name: Name, layer: u8) {
        let Some(flow) = self.flows.get_mut(&name) else { return };
        flow.tally.late += 1;
        if name.1.kind.is_picture() {
            self.bytes -= flow.shed_lane(usize::from(layer));
        }
    }

    /// A frame that was handed out found no room to be sent in: the line is too narrow.
    pub(super) fn refused(&mut self, name: Name, layer: u8) {
        self.lost(name, layer);
        self.pressed.insert(name);
    }

    /// A key frame that is needed and was not asked for in the last half second. None is of a picture that is held back.
    pub(super) fn poll_key(&mut self, now: Instant) -> Option<(Name, Layer)> {
        let mut pictures = self.flows.iter_mut().filter(|(name, flow)| name.1.kind.is_picture() && !flow.tally.holds);
        pictures.find_map(|(name, flow)| {
            let mut lanes = flow.lanes.iter_mut().zip(0u8..);
            lanes.find_map(|(lane, layer)| lane.ask(now).then_some((*name, Layer(layer))))
        })
    }

    /// A track of which frames were shed for lack of room or time since it was named last.
    pub(super) fn poll_pressed(&mut self) -> Option<Name> {
        self.pressed.pop_first()
    }

    /// Frames shed before they were sent, since the last call.
    pub(super) fn take_shed(&mut self) -> u64 {
        let open: u64 = self.flows.values_mut().map(Flow::take_shed).sum();
        open + std::mem::take(&mut self.shed)
    }

    /// Frames of tracks that were not open, since the last call.
    pub(super) fn take_stray(&mut self) -> u64 {
        std::mem::take(&mut self.stray)
    }

    /// What became of the frames of every open track.
    pub(super) fn tallies(&self) -> impl Iterator<Item = (Name, Rank, Tally)> {
        self.flows.iter().map(|(name, flow)| (*name, flow.rank, flow.tally))
    }

    fn push_picture(&mut self, now: Instant, name: Name, frame: Frame) {
        let (layer, key, bytes) = (usize::from(frame.head().layer.0), frame.head().key, frame.len());
        let Some(flow) = self.flows.get(&name) else { return };
        let rank = flow.rank;
        // Half of the room is kept for those who must be seen.
        let limit = if rank == Rank::Protected { self.limit } else { self.limit / 2 };
        if self.bytes + bytes > limit {
            self.make_room(limit.saturating_sub(bytes), rank);
        }
        let Some(flow) = self.flows.get_mut(&name) else { return };
        let lane = &flow.lanes[layer];
        let mut full = lane.is_full() || self.bytes + bytes > limit;
        if full && key {
            // What waits before the key frame can be done without; the key frame can't.
            self.bytes -= flow.shed_lane(layer);
            full = self.bytes + bytes > limit;
        }
        if full {
            self.pressed.insert(name);
        }
        if full || (flow.lanes[layer].needs_key() && !key) {
            flow.shed_frame(layer);
        } else {
            flow.lanes[layer].push(now, frame);
            self.bytes += bytes;
        }
    }

    /// Sheds what waits of pictures behind `rank`, of the last first, then the most bytes, until no more than `most` wait.
    fn make_room(&mut self, most: usize, rank: Rank) {
        while self.bytes > most {
            let lanes = self.flows.iter().filter(|(_, flow)| flow.rank > rank).flat_map(|(name, flow)| {
                flow.lanes.iter().enumerate().map(|(layer, lane)| (flow.rank, lane.bytes(), *name, layer))
            });
            let first = lanes.filter(|(_, bytes, name, _)| *bytes > 0 && name.1.kind.is_picture()).max();
            let Some((.., name, layer)) = first else { return };
            let Some(flow) = self.flows.get_mut(&name) else { return };
            self.bytes -= flow.shed_lane(layer);
            self.pressed.insert(name);
        }
    }

    fn expire(&mut self, now: Instant) {
        for (name, flow) in &mut self.flows {
            let picture = name.1.kind.is_picture();
            for layer in 0..flow.lanes.len() {
                while flow.lanes[layer].is_late(now) {
                    self.pressed.insert(*name);
                    if picture {
                        self.bytes -= flow.shed_lane(layer);
                    } else {
                        flow.shed_first(layer);
                    }
                }
            }
        }
    }
}

/// The narrowest door through which such a frame goes.
const fn door_of(class: Class, rank: Rank) -> Door {
    match (class, rank) {
        (Class::Sound, _) => Door::Sound,
        (_, Rank::Protected) => Door::Protected,
        (_, Rank::Ordinary) => Door::Ordinary,
        (_, Rank::Last) => Door::All,
    }
}

/// From being queued to being given up.
const DEADLINE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
