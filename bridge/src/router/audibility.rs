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

    /// The same for the record alone: what was captured before the record stopped is still on its way.
    pub(super) const fn draining(self) -> Self {
        Self { seats: self.seats, recorded: true }
    }

    /// True when any seat may hear or see it.
    pub(super) const fn is_heard(self) -> bool {
        !self.seats.is_empty()
    }

    /// True when whoever stands at `place` may be handed the track by a router in the zone `own`; for a trunk, if its peer
    /// demands it.
    pub(super) fn contains(self, plan: Option<&MediaPlan>, own: &Zone, place: &Place) -> bool {
        match place {
            Place::Seat(seat) => self.seats.contains(*seat),
            // All other zones are behind the home.
            Place::Home => self.recorded || self.reaches(plan, |zone| zone != own),
            Place::Edge(zone) => self.reaches(plan, |of_seat| of_seat == zone),
            Place::Record => self.recorded,
            // It makes a rendition for others, each of whom is judged by where it stands.
            Place::Rendition(..) => false,
        }
    }

    fn reaches(self, plan: Option<&MediaPlan>, zone: impl Fn(&Zone) -> bool) -> bool {
        self.seats.iter().any(|seat| plan.and_then(|plan| plan.seat(seat)).is_some_and(|seat| zone(&seat.zone)))
    }
}
