//! Who may be handed a track: the rules by which a router reads the plan. What the plan does not allow does not happen.

use hearing_config::{TrackId, Zone};
use hearing_signaling::hearing::{MediaPlan, SeatSet};

use super::leg::Place;

/// What the plan says of one track, read once per change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Audience {
    /// The admitted seats that may receive it.
    seats: SeatSet,
    /// True when it goes into the record.
    recorded: bool,
}

impl Audience {
    /// Nobody without a plan, and nobody while the track's own seat is not admitted.
    pub(super) fn of(plan: Option<&MediaPlan>, track: TrackId) -> Self {
        let Some(plan) = plan.filter(|plan| plan.seat(track.seat).is_some_and(|seat| seat.admitted)) else {
            return Self::default();
        };
        let mut seats = SeatSet::EMPTY;
        for seat in plan.audience(track).iter() {
            if seat != track.seat && plan.seat(seat).is_some_and(|seat| seat.admitted) {
                seats.insert(seat);
            }
        }
        Self { seats, recorded: plan.recorded(track) }
    }

    /// True when any seat may hear or see it.
    pub(super) const fn is_heard(self) -> bool {
        !self.seats.is_empty()
    }

    /// True when whoever stands at `place` may be handed the track; for a trunk, if its peer demands it.
    pub(super) fn contains(self, plan: Option<&MediaPlan>, place: &Place) -> bool {
        match place {
            Place::Seat(seat) => self.seats.contains(*seat),
            // The plan does not name the home; the gate has checked that only home demands what only the record takes.
            Place::Trunk(zone) => self.recorded || self.reaches(plan, zone),
            Place::Record => self.recorded,
        }
    }

    fn reaches(self, plan: Option<&MediaPlan>, zone: &Zone) -> bool {
        self.seats.iter().any(|seat| plan.and_then(|plan| plan.seat(seat)).is_some_and(|seat| seat.zone == *zone))
    }
}
