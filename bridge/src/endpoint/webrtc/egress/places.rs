//! Which slot a track has: looked up for every packet, while slots are large and there may be three for each of 63 seats.

use hearing_config::{Kind, SeatId, TrackId};

use super::slot::Slot;

/// The place of every track's slot.
#[derive(Debug)]
pub(super) struct Places([u8; TRACKS]);

impl Places {
    /// Of two slots with the same track the first counts.
    pub(super) fn of(slots: &[Slot]) -> Self {
        let mut places = [NONE; TRACKS];
        for (at, slot) in slots.iter().enumerate().rev() {
            if let (Some(entry), Ok(at)) = (number(slot.track()).and_then(|n| places.get_mut(n)), u8::try_from(at)) {
                *entry = at;
            }
        }
        Self(places)
    }

    pub(super) fn find(&self, id: TrackId) -> Option<usize> {
        let at = *self.0.get(number(id)?)?;
        (at != NONE).then_some(usize::from(at))
    }
}

const fn number(id: TrackId) -> Option<usize> {
    let kind = match id.kind {
        Kind::Audio => 0,
        Kind::Video => 1,
        Kind::Screen => 2,
    };
    if (id.seat.0 as usize) < SeatId::LIMIT { Some(id.seat.0 as usize * 3 + kind) } else { None }
}

const TRACKS: usize = SeatId::LIMIT * 3;
/// More slots than tracks there can't be.
const NONE: u8 = u8::MAX;
