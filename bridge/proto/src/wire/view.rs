//! A hearing as screens see it: its state, its seats and its record, what changes of them, and what is live.

use serde::{Deserialize, Serialize};

use super::value::{EndpointKind, Kind, PauseReason, Role};

/// The state of a hearing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are those of the signaling crate's Phase, in its order")]
pub enum Phase {
    Scheduled,
    Waiting,
    InSession,
    Recess(PauseReason),
    Signing,
    Closed,
    Sealed,
}

/// All that a screen shows of a hearing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HearingView {
    /// The case number.
    pub case: String,
    /// The template it was made from.
    pub template: String,
    /// Its state.
    pub phase: Phase,
    /// When it was opened, microseconds since 1970.
    pub opened_at: Option<i64>,
    /// Seats, at most 64.
    pub seats: Vec<SeatView>,
    /// The record.
    pub record: RecordView,
    /// The seat that has the floor.
    pub floor: Option<u8>,
    /// The last entry that it contains.
    pub seq: u64,
}

/// One seat as screens see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatView {
    /// Its id, 0 to 63.
    pub id: u8,
    /// Its slug.
    pub name: String,
    /// Its title in Chinese.
    pub title: String,
    /// Its title in English.
    pub title_en: String,
    /// Its role.
    pub role: Role,
    /// Its zone.
    pub zone: String,
    /// What stands on it.
    pub endpoint: EndpointKind,
    /// Who is there.
    pub presence: Presence,
    /// How the identity was checked.
    pub identity: Option<Identity>,
    /// Muted by the court.
    pub muted: bool,
    /// Waits apart.
    pub apart: bool,
    /// Asks for the floor.
    pub hand: bool,
    /// Has switched its own microphone off.
    pub microphone_off: bool,
    /// Has switched its own camera off.
    pub camera_off: bool,
    /// Its user closed the page on purpose.
    pub left: bool,
    /// Kinds without which the hearing is not in session.
    pub required: Vec<Kind>,
}

/// How an identity was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identity {
    /// By a document.
    CheckedByDocument,
    /// Known to the court.
    Known,
    /// The custodial authority vouches.
    VouchedByCustody,
    /// Declared, unchecked.
    Declared,
}

/// Who is on a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are those of the signaling crate's Presence, in its order")]
pub enum Presence {
    Absent,
    Waiting,
    Admitted,
    Connected,
    Removed,
}

/// The record as screens see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordView {
    /// Its state.
    pub state: RecordState,
    /// Tracks that are being written, as `seat/kind`.
    pub tracks: Vec<String>,
    /// What is wrong with it.
    pub fault: Option<String>,
    /// What may soon be wrong with it.
    pub warning: Option<String>,
    /// What proves it.
    pub proof: Proof,
}

/// What proves a record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Proof {
    /// What a signature of the transcript binds.
    pub binding: Option<String>,
    /// The integrity value of the sealed record.
    pub integrity: Option<String>,
    /// The zone that has cosigned it.
    pub witness: Option<String>,
}

/// The state of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are those of the signaling crate's RecordState, in its order")]
pub enum RecordState {
    Off,
    Running,
    Paused,
    Faulty,
    Ended,
}

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// When, microseconds since 1970, by home's clock.
    pub at: i64,
    /// What.
    pub change: Change,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The state.
    Phase(Phase),
    /// One seat.
    Seat(SeatView),
    /// The record.
    Record(RecordView),
    /// Who has the floor.
    Floor(Option<u8>),
    /// A mark or a note.
    Mark(Mark),
}

/// A moment of the record that somebody marked, or a remark to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// A remark; otherwise a mark.
    pub note: bool,
    /// Whose seat; `None`: the operator's.
    pub seat: Option<u8>,
    /// What for; at most 200 characters.
    pub text: String,
}

/// What is live about a seat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveSeat {
    /// The seat.
    pub seat: u8,
    /// It speaks.
    pub speaking: bool,
    /// Its connection.
    pub quality: SeatQuality,
    /// The kinds that arrive at home.
    pub tracks: Vec<Kind>,
    /// The kinds that are being recorded.
    pub recorded: Vec<Kind>,
}

/// The figures of one seat's connection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeatQuality {
    /// What the seat sends, kbit/s.
    pub up_kbps: u32,
    /// What it receives, kbit/s.
    pub down_kbps: u32,
    /// Lost on the way from the seat, 0.0 to 1.0.
    pub loss_up: f32,
    /// Lost on the way to the seat, 0.0 to 1.0.
    pub loss_down: f32,
    /// Round trip in milliseconds.
    pub rtt_ms: u32,
    /// What the line to the seat carries, kbit/s; 0 when nobody measures it.
    pub line_kbps: u32,
    /// What that has cost.
    pub relief: Relief,
    /// How the room of a terminal sounds.
    pub sound: Option<SeatSound>,
    /// How often what is made for a terminal began anew.
    pub restarts: u32,
}

/// How the sound of a seat came within a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SeatSound {
    /// The loudest sample, in dB below full scale, 0 to 96.
    pub peak: u8,
    /// The mean power, likewise.
    pub mean: u8,
    /// Samples in a thousand that stand at the end of the range.
    pub clipped: u16,
    /// How much of an echo it has, in hundredths.
    pub echo: u8,
}

/// What a thin line to a seat has cost of what it would be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Relief {
    /// Nothing.
    #[default]
    Nothing,
    /// Some pictures are smaller.
    Resolution,
    /// Some pictures have fewer frames.
    FrameRate,
    /// Some pictures are not sent.
    Pictures,
}

/// What the operator sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Board {
    /// The hearing.
    pub view: HearingView,
    /// What is live.
    pub live: Vec<LiveSeat>,
}
