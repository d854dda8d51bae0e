//! A rehearsal: home asks an edge to put headless participants on its seats, and gets back what they saw and heard.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::value::{HearingId, Role};

/// A [`Rehearse`] with the number by which its answer is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearseAsk {
    /// Not used twice while it is open.
    pub id: u32,
    /// What to rehearse.
    pub rehearse: Rehearse,
}

/// The answer to a [`RehearseAsk`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearseAnswer {
    /// [`RehearseAsk::id`].
    pub id: u32,
    /// `None` when the node can't rehearse now.
    pub report: Option<RehearseReport>,
}

/// Take these seats of your zone, send picture and tone, and report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearse {
    /// The hearing; announced over the same link.
    pub hearing: HearingId,
    /// The seats, all of the receiver's zone.
    pub seats: Vec<RehearseSeat>,
    /// How long media flows, seconds.
    pub seconds: u16,
}

/// One seat to take.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearseSeat {
    /// Its id.
    pub seat: u8,
    /// Its slug.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// The secret of its join link, base64url; of a SIP terminal's seat `sip:USER:PASSWORD`, of a GB/T 28181 device's `gb28181:ID:PASSWORD`, an
    /// identity that lasts as long as the rehearsal.
    pub link: String,
}

impl fmt::Debug for RehearseSeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RehearseSeat").field("seat", &self.seat).field("name", &self.name).finish_non_exhaustive()
    }
}

/// What the headless participants of one node found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RehearseReport {
    /// Every seat that was taken.
    pub seats: Vec<RehearsedSeat>,
    /// What each of them received of each other seat.
    pub pairs: Vec<RehearsePair>,
}

/// One seat that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsedSeat {
    /// Its id.
    pub seat: u8,
    /// From the start to the join's answer, milliseconds; `None`: it could not join.
    pub joined_ms: Option<u32>,
    /// From the join to the first decoded frame of anybody else, milliseconds; `None`: none came.
    pub first_frame_ms: Option<u32>,
    /// Why it failed, if it did; for the operator.
    pub fault: Option<String>,
}

/// What one seat received of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsePair {
    /// The sending seat.
    pub from: u8,
    /// The receiving seat.
    pub to: u8,
    /// Frames whose counter was read from decoded pixels.
    pub frames: u32,
    /// Counters missing between the first and the last.
    pub lost: u32,
    /// Whether the sender's tone was heard.
    pub tone: Tone,
    /// Median latency from drawing to decoding, microseconds; `None` without frames.
    pub latency_p50_us: Option<u32>,
    /// 99th percentile of it, microseconds.
    pub latency_p99_us: Option<u32>,
}

/// What was heard of a seat's tone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tone {
    /// Its own tone.
    Heard,
    /// Sound, but not its tone.
    Wrong,
    /// Nothing.
    Silent,
}
