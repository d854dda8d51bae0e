//! What the hearing asks of media: one declarative plan, sent whole at every change, so that a node that missed one is
//! right again with the next.

use hearing_config::{Endpoint, Kind, Layout, Role, SeatId, TrackId, Zone};

use super::PauseReason;

/// What every router that carries a hearing has to do, as of `revision`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPlan {
    /// Grows by one at every change; an older plan than the one in force is ignored.
    pub revision: u64,
    /// All seats, in order of their ids.
    pub seats: Vec<PlannedSeat>,
    /// Who hears and sees whom: a track without a row reaches nobody.
    pub rows: Vec<Row>,
    /// What the recorder at home does.
    pub record: RecordOrder,
}

impl MediaPlan {
    /// The seats that may receive `track`; empty when nobody may.
    #[must_use]
    pub fn audience(&self, track: TrackId) -> SeatSet {
        self.rows.iter().find(|row| row.track == track).map_or(SeatSet::EMPTY, |row| row.audience)
    }

    /// True when `track` goes into the record.
    #[must_use]
    pub fn recorded(&self, track: TrackId) -> bool {
        self.rows.iter().any(|row| row.track == track && row.recorded)
    }

    /// The seat with this id.
    #[must_use]
    pub fn seat(&self, id: SeatId) -> Option<&PlannedSeat> {
        self.seats.get(usize::from(id.0))
    }
}

/// A seat as media needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedSeat {
    /// Its id, equal to its place in [`MediaPlan::seats`].
    pub id: SeatId,
    /// The slug of its template, such as `counsel`.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// The zone in which its endpoint connects.
    pub zone: Zone,
    /// True while whoever sits there may be connected to media at all (admitted and not removed).
    pub admitted: bool,
    /// Kinds without which the hearing is not in session.
    pub required: Vec<Kind>,
    /// The terminal that the node of its zone is to keep connected; `None` for browsers, once the court has taken the terminal
    /// out, once the hearing is over, and at the nodes of other zones.
    pub terminal: Option<Terminal>,
}

/// What a node keeps connected to a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// Where it is.
    pub endpoint: Endpoint,
    /// How everybody else stands in its picture, where it takes one.
    pub layout: Layout,
}

/// Who may receive one track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The track.
    pub track: TrackId,
    /// The seats that receive it.
    pub audience: SeatSet,
    /// True when it goes into the record.
    pub recorded: bool,
}

/// What the recorder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordOrder {
    /// Before the opening and after the end: nothing is written.
    Off,
    /// Every recorded track is written.
    Run,
    /// Paused for one of the three reasons that the rules know.
    Pause(PauseReason),
}

/// A set of seats of one hearing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeatSet(pub u64);

impl SeatSet {
    /// No seat.
    pub const EMPTY: Self = Self(0);

    /// True when `seat` is in the set.
    #[must_use]
    pub const fn contains(self, seat: SeatId) -> bool {
        seat.0 < 64 && self.0 & (1 << seat.0) != 0
    }

    /// Adds `seat`, whose id must be below [`SeatId::LIMIT`]; a larger one is ignored.
    pub const fn insert(&mut self, seat: SeatId) {
        if seat.0 < 64 {
            self.0 |= 1 << seat.0;
        }
    }

    /// The seats, lowest id first.
    pub fn iter(self) -> impl Iterator<Item = SeatId> {
        (0..64).map(SeatId).filter(move |seat| self.contains(*seat))
    }

    /// True when no seat is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<SeatId> for SeatSet {
    fn from_iter<T: IntoIterator<Item = SeatId>>(seats: T) -> Self {
        seats.into_iter().fold(Self::EMPTY, |mut set, seat| {
            set.insert(seat);
            set
        })
    }
}
