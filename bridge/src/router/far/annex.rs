//! The sessions on this worker whose hearings other workers own. Sans-IO, like the hearings beside it.

use std::time::Instant;

use super::super::demux::Owner;
use super::super::hearing::Effect;
use super::super::leg::{IceRestart, Path};
use super::guest::Guest;

#[derive(Default)]
pub(in crate::router) struct Annex {
    /// By leg.
    guests: Vec<Guest>,
    /// True when any was handed something since they settled.
    touched: bool,
    /// When one has something to do, as of when they last settled.
    due: Option<Instant>,
}

impl Annex {
    pub(in crate::router) fn take_in(&mut self, guest: Guest) {
        let at = self.guests.partition_point(|other| other.owner().1 < guest.owner().1);
        self.guests.insert(at, guest);
        self.touched = true;
    }

    pub(in crate::router) const fn len(&self) -> usize {
        self.guests.len()
    }

    /// Takes what other workers' routers handed over; true when more may wait.
    pub(in crate::router) fn take_items(&mut self, now: Instant) -> bool {
        let mut more = false;
        for guest in self.guests.iter_mut().filter(|guest| guest.is_called()) {
            more |= guest.take_items(now);
            self.touched = true;
        }
        more
    }

    /// False when it is for nobody here.
    pub(in crate::router) fn handle_datagram(
        &mut self,
        now: Instant,
        owner: Owner,
        path: Path,
        datagram: &[u8],
    ) -> bool {
        self.with(owner, |guest| guest.handle_datagram(now, path, datagram)).is_some()
    }

    /// `None` when the session is not here; false when it is and cannot.
    pub(in crate::router) fn restart(&mut self, now: Instant, owner: Owner, restart: IceRestart) -> Option<bool> {
        self.with(owner, |guest| guest.handle_restart(now, restart))
    }

    pub(in crate::router) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.guests.iter_mut().for_each(|guest| guest.handle_timeout(now));
            self.touched = true;
        }
    }

    pub(in crate::router) const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Ends a batch. The answer is how many sessions have panicked.
    pub(in crate::router) fn settle(&mut self, now: Instant, mut effect: impl FnMut(Owner, Effect)) -> u64 {
        let mut fallen = 0;
        if !std::mem::take(&mut self.touched) {
            return fallen;
        }
        // Who was let go sends nothing more.
        self.dismiss(&mut effect);
        for guest in self.guests.iter_mut().filter(|guest| guest.is_dirty()) {
            guest.settle(now, &mut effect);
            fallen += u64::from(guest.take_fallen());
        }
        self.dismiss(&mut effect);
        self.due = self.guests.iter().filter_map(Guest::poll_timeout).min();
        fallen
    }

    fn dismiss(&mut self, effect: &mut impl FnMut(Owner, Effect)) {
        self.guests.retain(|guest| {
            let stays = !guest.is_over();
            if !stays {
                effect(guest.owner(), Effect::Gone(guest.owner().1));
            }
            stays
        });
    }

    fn with<T>(&mut self, owner: Owner, act: impl FnOnce(&mut Guest) -> T) -> Option<T> {
        let at = self.guests.binary_search_by_key(&owner.1, |guest| guest.owner().1).ok()?;
        let guest = self.guests.get_mut(at).filter(|guest| guest.owner() == owner)?;
        self.touched = true;
        Some(act(guest))
    }
}
