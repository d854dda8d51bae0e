//! What a rehearsal tells; docs/ref/rehearsal.md.

use hearing_config::{HearingId, Kind, Role, Zone};
use serde::Serialize;

/// The report; docs/ref/rehearsal.md.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// True when `faults` is empty.
    pub ok: bool,
    /// The hearing that was rehearsed.
    pub hearing: HearingId,
    /// From the start of the hearing to all links being usable, milliseconds.
    pub start_ms: u64,
    /// Every seat.
    pub seats: Vec<Seat>,
    /// What each seat received of each other one.
    pub pairs: Vec<Pair>,
    /// What the gates said, once for each way.
    pub crossings: Vec<Way>,
    /// The record, read back; `None` when the hearing was not opened.
    pub record: Option<RecordCheck>,
    /// Everything that is not as it should be, in words.
    pub faults: Vec<String>,
}

/// One seat.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seat {
    /// Its slug.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Its zone.
    pub zone: Zone,
    /// The kind of its endpoint.
    pub endpoint: String,
    /// From the start of its participant to being joined, milliseconds.
    pub joined_ms: Option<u32>,
    /// From being joined to the first decoded frame, milliseconds.
    pub first_frame_ms: Option<u32>,
}

/// What one seat received of another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// The sender's slug.
    pub from: String,
    /// The receiver's slug.
    pub to: String,
    /// Frames whose number was read.
    pub frames: u32,
    /// Numbers missing between the first and the last.
    pub lost: u32,
    /// True when the sender's tone was heard and no other.
    pub tone: bool,
    /// Median of the time from drawing to having read, milliseconds.
    pub latency_ms_p50: Option<f64>,
    /// 99th percentile of it.
    pub latency_ms_p99: Option<f64>,
}

/// A way from zone to zone, for one role and kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Way {
    /// The zone where the track entered.
    pub from: String,
    /// The zone that it wanted to enter.
    pub to: String,
    /// The kind.
    pub kind: Kind,
    /// The role.
    pub role: Role,
    /// `inspect`, or `deny: ` and why.
    pub verdict: String,
}

/// The record, read back from its files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordCheck {
    /// Its folder.
    pub path: String,
    /// Tracks that were found in it.
    pub tracks: usize,
    /// Frames from the opening to the close that are not in it.
    pub frames_missing: usize,
    /// The largest of the tracks' medians of sound minus picture, milliseconds; `None` when it could not be measured.
    pub lipsync_ms: Option<f64>,
}
