//! Authority as a value: whoever holds a `Grant` was let in by the hearing's home.

use hearing_config::{HearingId, Role, SeatId, Zone};
use uuid::Uuid;

/// One admitted use of a join link by one device. Only the home's registry makes it, or a trunk that relays the home's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    hearing: HearingId,
    seat: SeatId,
    role: Role,
    zone: Zone,
    session: SessionId,
}

/// Names one device's stay on a seat; it survives reconnects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub Uuid);

impl SessionId {
    /// A new id: it is a secret, so all of it is random.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl Grant {
    /// A grant that the home's word stands behind. Callers: the home's registry, and a trunk that received one from the home.
    #[must_use]
    pub const fn from_home(hearing: HearingId, seat: SeatId, role: Role, zone: Zone, session: SessionId) -> Self {
        Self { hearing, seat, role, zone, session }
    }

    /// The hearing it is for.
    #[must_use]
    pub const fn hearing(&self) -> HearingId {
        self.hearing
    }

    /// The seat it is for.
    #[must_use]
    pub const fn seat(&self) -> SeatId {
        self.seat
    }

    /// The role of the seat.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The zone of the seat.
    #[must_use]
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The device's stay.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }
}
