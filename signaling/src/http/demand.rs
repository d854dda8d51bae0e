//! What media asks of the pages: which layers of a picture to send. Each page follows its own seat; only the latest counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use hearing_config::{HearingId, Kind, SeatId};
use tokio::sync::watch;

/// The layers that a seat's page is to send by kind, the smallest first: true for those that somebody takes.
pub type Layers = BTreeMap<Kind, Vec<bool>>;

/// What is asked of every seat's page at this node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Demands {
    seats: Arc<Mutex<HashMap<Seat, watch::Sender<Layers>>>>,
}

type Seat = (HearingId, SeatId);

impl Demands {
    /// Asks the page of a seat to send these layers of a kind and no others.
    pub fn ask(&self, hearing: HearingId, seat: SeatId, kind: Kind, layers: Vec<bool>) {
        self.with(hearing, seat, |asked| asked.send_modify(|all| _ = all.insert(kind, layers)));
    }

    /// What is asked of a seat's page, now and whenever it changes.
    #[must_use]
    pub fn follow(&self, hearing: HearingId, seat: SeatId) -> watch::Receiver<Layers> {
        self.with(hearing, seat, |asked| {
            let mut follower = asked.subscribe();
            follower.mark_changed();
            follower
        })
    }

    /// The hearing has left this node.
    pub fn forget(&self, hearing: HearingId) {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _), _| *of != hearing);
    }

    fn with<T>(&self, hearing: HearingId, seat: SeatId, act: impl FnOnce(&watch::Sender<Layers>) -> T) -> T {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        act(seats.entry((hearing, seat)).or_insert_with(|| watch::Sender::new(Layers::new())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_comes_late_learns_what_was_asked_last() {
        let (demands, hearing) = (Demands::default(), HearingId::random());
        demands.ask(hearing, SeatId(1), Kind::Video, vec![true, true]);
        demands.ask(hearing, SeatId(1), Kind::Video, vec![true, false]);
        let mut page = demands.follow(hearing, SeatId(1));
        assert!(page.has_changed().unwrap());
        assert_eq!(page.borrow_and_update()[&Kind::Video], [true, false]);
        demands.ask(hearing, SeatId(2), Kind::Video, vec![true]);
        assert!(!page.has_changed().unwrap());
        demands.forget(hearing);
        assert!(page.has_changed().is_err());
    }
}
