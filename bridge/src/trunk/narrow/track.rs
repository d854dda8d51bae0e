//! What is known of one track that goes over a line.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::room::{Lack, Room, highest};
use crate::router::{Layer, LayerSet};
use crate::trunk::outbox::Tally;
use crate::trunk::rank::Rank;

/// Told what became of its frames at every look.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) layers: LayerSet,
    /// By its seat.
    pub(super) rank: Rank,
    pub(super) lack: Lack,
    /// True for a picture.
    pub(super) picture: bool,
    /// When it was last protected because it spoke.
    pub(super) spoke: Option<Instant>,
    /// Frames of it were given up on the way since the last look.
    pub(super) late: bool,
    /// Frames of it were shed since the last look.
    pub(super) pressed: bool,
    seen: Tally,
    /// Between the last looks, the newest last.
    recent: VecDeque<Step>,
    /// The share of its frames that went out, lately; 1.0 when all of them.
    pub(super) share: f64,
}

/// What happened between two looks.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    /// Bytes that came of each layer.
    bytes: [u64; Layer::LIMIT],
    /// Bytes that were handed to QUIC.
    sent: u64,
}

impl Track {
    pub(super) fn new(layers: LayerSet, rank: Rank, lack: Lack, picture: bool) -> Self {
        let (spoke, late, pressed, seen, recent) = Default::default();
        Self { layers, rank, lack, picture, spoke, late, pressed, seen, recent, share: 1.0 }
    }

    pub(super) fn handle_tally(&mut self, tally: &Tally) {
        self.late |= tally.late > self.seen.late;
        let bytes = std::array::from_fn(|layer| tally.bytes[layer].saturating_sub(self.seen.bytes[layer]));
        let sent = tally.sent_bytes.saturating_sub(self.seen.sent_bytes);
        self.recent.push_back(Step { bytes, sent });
        if self.recent.len() > LOOKS {
            self.recent.pop_front();
        }
        let went = tally.sent.saturating_sub(self.seen.sent) as f64;
        let shed = tally.shed.saturating_sub(self.seen.shed) as f64;
        if went + shed > 0.0 {
            self.share += (went / (went + shed) - self.share) * WEIGHT;
        }
        self.seen = *tally;
    }

    /// Never none, unless it is held back: the smallest layer stays.
    pub(super) fn allowed(&self) -> LayerSet {
        self.lack.leaves(self.layers)
    }

    pub(super) fn room(&self, patience: Duration) -> Room {
        Room { layers: self.allowed(), lack: self.lack, patience }
    }

    /// True while it has a layer above its smallest.
    pub(super) fn can_be_smaller(&self) -> bool {
        !self.lack.held && self.allowed() != LayerSet(self.layers.0 & self.layers.0.wrapping_neg())
    }

    /// Bytes of its largest layer between the last two looks.
    pub(super) fn top_bytes(&self) -> u64 {
        let top = highest(self.allowed()).0.trailing_zeros() as usize;
        self.recent.back().and_then(|step| step.bytes.get(top)).copied().unwrap_or_default()
    }

    /// Bytes that it wants to send between two looks, over the last of them.
    pub(super) fn wants(&self) -> u64 {
        let all: u64 = self.recent.iter().flat_map(|step| step.bytes).sum();
        all / self.recent.len().max(1) as u64
    }

    /// Bytes that went out between the last two looks.
    pub(super) fn went(&self) -> u64 {
        self.recent.back().map_or(0, |step| step.sent)
    }

    /// It is let in again: what became of it before says nothing.
    pub(super) fn let_in(&mut self) {
        (self.lack.held, self.share) = (false, 1.0);
    }
}

/// Two seconds, the time from one key frame to the next of many cameras.
const LOOKS: usize = 4;
/// Of the newest look in the share that goes out.
const WEIGHT: f64 = 0.2;
