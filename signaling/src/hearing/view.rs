//! What screens and operators see of a hearing.

use std::fmt;

use hearing_config::{EndpointKind, HearingId, Kind, Role, SeatId, Timestamp, Zone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Identity, PauseReason, SeatQuality};

/// The state of a hearing (scheduled -> waiting -> in session <-> recess -> signing -> closed -> sealed).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Links exist, nobody has joined.
    Scheduled,
    /// Somebody waits; not opened yet.
    Waiting,
    /// 庭审中.
    InSession,
    /// 休庭, and why.
    Recess(PauseReason),
    /// 签字: still recorded.
    Signing,
    /// 闭庭: nobody is connected any more.
    Closed,
    /// The record is final.
    Sealed,
}

impl Phase {
    /// True once the hearing has ended.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Sealed)
    }

    /// True while the record has to run.
    #[must_use]
    pub const fn is_recorded(self) -> bool {
        matches!(self, Self::InSession | Self::Signing)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheduled => "scheduled",
            Self::Waiting => "waiting",
            Self::InSession => "in session",
            Self::Recess(_) => "in recess",
            Self::Signing => "signing",
            Self::Closed => "closed",
            Self::Sealed => "sealed",
        })
    }
}

/// All that a screen shows of a hearing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HearingView {
    /// The hearing.
    #[schema(value_type = String)]
    pub id: HearingId,
    /// The case number, such as `(2022)内0291刑初123号`.
    pub case: String,
    /// The template it was made from.
    pub template: String,
    /// Its state.
    pub phase: Phase,
    /// When it was opened, microseconds since 1970.
    #[schema(value_type = Option<i64>)]
    pub opened_at: Option<Timestamp>,
    /// Seats, in order of their ids.
    pub seats: Vec<SeatView>,
    /// The record.
    pub record: RecordView,
    /// The seat that has the floor.
    #[schema(value_type = Option<u8>)]
    pub floor: Option<SeatId>,
    /// The last journal entry that this view contains.
    pub seq: u64,
}

impl HearingView {
    /// Takes over what an entry changed. A seat that the view does not have is ignored.
    pub fn apply(&mut self, entry: &Entry) {
        self.seq = entry.seq;
        match &entry.change {
            Change::Phase(phase) => {
                self.phase = *phase;
                if *phase == Phase::InSession {
                    self.opened_at.get_or_insert(entry.at);
                }
            }
            Change::Seat(seat) => {
                if let Some(shown) = self.seats.iter_mut().find(|shown| shown.id == seat.id) {
                    shown.clone_from(seat);
                }
            }
            Change::Record(record) => self.record.clone_from(record),
            Change::Floor(floor) => self.floor = *floor,
            Change::Mark(_) => {}
        }
    }
}

/// One seat as screens see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeatView {
    /// Its id.
    #[schema(value_type = u8)]
    pub id: SeatId,
    /// Its slug, unique within the hearing, such as `counsel`.
    pub name: String,
    /// Its title in Chinese, such as `辩护人`.
    pub title: String,
    /// Its title in English.
    pub title_en: String,
    /// Its role.
    #[schema(value_type = String)]
    pub role: Role,
    /// Its zone.
    #[schema(value_type = String)]
    pub zone: Zone,
    /// What stands on it.
    #[schema(value_type = String)]
    #[serde(default)]
    pub endpoint: EndpointKind,
    /// Who is there.
    pub presence: Presence,
    /// How the identity was checked, once it was.
    pub identity: Option<Identity>,
    /// True while the court has muted it.
    pub muted: bool,
    /// True while a witness or expert waits apart and must neither see nor hear (法释〔2021〕12号, article 26).
    pub apart: bool,
    /// True while it asks for the floor.
    pub hand: bool,
    /// True while it has switched its own microphone off, or has none.
    #[serde(default)]
    pub microphone_off: bool,
    /// True while it has switched its own camera off, or has none.
    #[serde(default)]
    pub camera_off: bool,
    /// True after its user closed the page on purpose, until somebody is on it again; false after a fault (法释〔2021〕12号, article 25).
    #[serde(default)]
    pub left: bool,
    /// Kinds without which the hearing is not in session.
    #[schema(value_type = Vec<String>)]
    pub required: Vec<Kind>,
}

/// Who is on a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Nobody has used the link.
    Absent,
    /// Waits to be admitted.
    Waiting,
    /// Admitted, media not connected (before the first connection, or after a cut).
    Admitted,
    /// Admitted and connected.
    Connected,
    /// Taken out by the court.
    Removed,
}

impl Presence {
    /// True while somebody is there whom the court has let in.
    #[must_use]
    pub const fn is_admitted(self) -> bool {
        matches!(self, Self::Admitted | Self::Connected)
    }
}

/// The record as screens see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecordView {
    /// Its state.
    pub state: RecordState,
    /// Tracks that are being written now, as `seat/kind` with the seat's slug.
    pub tracks: Vec<String>,
    /// What is wrong with it, if anything.
    pub fault: Option<String>,
    /// What may soon be wrong with it, such as a disk that fills up.
    #[serde(default)]
    pub warning: Option<String>,
    /// What proves it.
    #[serde(default)]
    pub proof: Proof,
}

/// What proves a record; docs/ref/record.md.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// What a signature of the transcript binds: the record up to the moment at which signing began (hexadecimal).
    pub binding: Option<String>,
    /// The integrity value (完整性校验值) of the sealed record, in groups that can be read out.
    pub integrity: Option<String>,
    /// The zone whose node has cosigned the record up to its last checkpoint; `None` while nobody has.
    pub witness: Option<String>,
}

/// The state of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecordState {
    /// Not begun.
    Off,
    /// Every required track is being written.
    Running,
    /// Paused for one of the three reasons.
    Paused,
    /// It should run and does not, or lacks a required track.
    Faulty,
    /// Ended.
    Ended,
}

/// One entry of the hearing's journal: what changed, and when. Entries are numbered from 1 without a gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// When, microseconds since 1970, by the home node's clock.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// What.
    pub change: Change,
}

/// What changed; each carries the whole of the part that it replaces in [`HearingView`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum Change {
    /// The state; `opened_at` is set by the first [`Phase::InSession`].
    Phase(Phase),
    /// One seat.
    Seat(SeatView),
    /// The record.
    Record(RecordView),
    /// Who has the floor.
    #[schema(value_type = Option<u8>)]
    Floor(Option<SeatId>),
    /// A mark or a note; the view does not keep it, the record does.
    Mark(Mark),
}

/// A moment of the record that somebody marked, or a remark to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mark {
    /// A remark; otherwise a mark (打点).
    pub note: bool,
    /// Whose; `None`: the operator's.
    #[schema(value_type = Option<u8>)]
    pub seat: Option<SeatId>,
    /// What for; at most 200 characters.
    pub text: String,
}

/// What is live about a seat and not worth a journal entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LiveSeat {
    /// The seat.
    #[schema(value_type = u8)]
    pub seat: SeatId,
    /// True while it speaks.
    pub speaking: bool,
    /// Its connection's figures.
    pub quality: SeatQuality,
    /// The kinds that arrive at home now.
    #[schema(value_type = Vec<String>)]
    pub tracks: Vec<Kind>,
    /// The kinds that are being recorded now.
    #[schema(value_type = Vec<String>)]
    pub recorded: Vec<Kind>,
}
