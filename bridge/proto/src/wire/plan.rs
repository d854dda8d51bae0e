//! What home tells an edge about a hearing and its media.

use serde::{Deserialize, Serialize};

use super::value::{HearingId, Kind, PauseReason, Role, TrackId};

/// The hearing has seats in the receiver's zone; it may be joined from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    /// The hearing.
    pub hearing: HearingId,
    /// The plan in force.
    pub plan: MediaPlan,
}

/// The hearing is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdraw {
    /// The hearing.
    pub hearing: HearingId,
}

/// A new plan for an announced hearing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The hearing.
    pub hearing: HearingId,
    /// The plan in force.
    pub plan: MediaPlan,
}

/// What every router that carries the hearing has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaPlan {
    /// Grows at every change.
    pub revision: u64,
    /// All seats, at most 64, in order of their ids from 0.
    pub seats: Vec<PlannedSeat>,
    /// Who receives which track.
    pub rows: Vec<Row>,
    /// What the recorder at home does.
    pub record: RecordOrder,
}

/// A seat as media needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSeat {
    /// Its slug.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// The zone in which its endpoint connects.
    pub zone: String,
    /// True while it may be connected to media.
    pub admitted: bool,
    /// Kinds without which the hearing is not in session.
    pub required: Vec<Kind>,
    /// What the receiver is to keep connected to the seat, which is in its own zone; nobody else is told.
    pub terminal: Option<Terminal>,
}

/// A terminal and its address, at most 255 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Terminal {
    /// Called by SIP: `sip:USER@HOST`, and how everybody else stands in its picture.
    Sip(String, Layout),
    /// A GB/T 28181 device: 20 digits.
    Gb28181(String),
    /// A camera: `rtsp://`.
    Rtsp(String),
}

/// How the pictures of a hearing stand in the one picture of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// An exhibit that is shown stands large, else who speaks.
    Exhibit,
    /// Who speaks stands large.
    Speaker,
    /// The judge and who speaks stand side by side.
    JudgeAndSpeaker,
    /// All alike.
    Equal,
}

/// Who may receive one track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The track.
    pub track: TrackId,
    /// Bit n stands for the seat with id n.
    pub audience: u64,
    /// True when it goes into the record.
    pub recorded: bool,
}

/// What the recorder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordOrder {
    /// Nothing.
    Off,
    /// It writes every recorded track.
    Run,
    /// It pauses.
    Pause(PauseReason),
}
