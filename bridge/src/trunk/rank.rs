//! Who must be seen when a line is too narrow for all: by the plan's roles, and by who speaks.

use hearing_config::{Role, SeatId, TrackId};
use hearing_signaling::hearing::MediaPlan;

/// Whose pictures go first. Sound goes before all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) enum Rank {
    /// The bench, the defendant, and whoever speaks.
    Protected,
    /// Everybody else.
    #[default]
    Ordinary,
    /// The one of them that gives way to the others: it gets what they leave.
    Last,
}

impl Rank {
    /// How many there are.
    pub(super) const COUNT: usize = 3;
}

/// The rank of a track. A seat that the plan does not know is ordinary.
pub(super) fn of(plan: &MediaPlan, speaking: &[SeatId], track: TrackId) -> Rank {
    let protected = |role: Role| matches!(role, Role::Judge | Role::Defendant);
    let by_role = plan.seat(track.seat).is_some_and(|seat| protected(seat.role));
    if by_role || speaking.contains(&track.seat) { Rank::Protected } else { Rank::Ordinary }
}
