//! Which layers a publisher is to send: those that somebody takes, and the smallest always, so that the track never ends.

use std::time::{Duration, Instant};

use crate::router::{Layer, LayerSet};

/// What is taken of one track with several layers. A layer that nobody takes any more is sent for a while longer, because
/// beginning it anew costs a key frame and a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    /// Since when nobody takes a layer; `None` while somebody does.
    idle: [Option<Instant>; Layer::LIMIT],
    /// Since when a layer is to be sent.
    since: [Option<Instant>; Layer::LIMIT],
    told: Option<LayerSet>,
}

impl Demand {
    /// All are taken.
    pub(super) const fn new() -> Self {
        Self { idle: [None; Layer::LIMIT], since: [None; Layer::LIMIT], told: None }
    }

    /// Only `taken` is taken from now on.
    pub(super) fn set(&mut self, now: Instant, taken: LayerSet) {
        for (number, (idle, since)) in (0..).zip(self.idle.iter_mut().zip(&mut self.since)) {
            if !taken.contains(Layer(number)) {
                idle.get_or_insert(now);
            } else if idle.take().is_some_and(|at| now.saturating_duration_since(at) >= LINGER) {
                *since = Some(now);
            }
        }
    }

    /// The layers to be sent.
    pub(super) fn active(&self, now: Instant) -> LayerSet {
        let idle =
            |number: u8| self.idle[usize::from(number)].is_some_and(|at| now.saturating_duration_since(at) >= LINGER);
        let all = (1..Layer::LIMIT as u8).filter(|number| !idle(*number)).map(Layer);
        all.fold(LayerSet::only(Layer(0)), |set, layer| set.union(LayerSet::only(layer)))
    }

    /// The layers that are silent because they were told to be, or had no time yet to begin again: they can be had.
    pub(super) fn resting(&self, now: Instant) -> LayerSet {
        let begins = |number: u8| {
            self.since[usize::from(number)].is_some_and(|at| now.saturating_duration_since(at) < BEGINNING)
        };
        let active = self.active(now);
        let layers = (1..Layer::LIMIT as u8).filter(|number| !active.contains(Layer(*number)) || begins(*number));
        layers.map(Layer).fold(LayerSet::EMPTY, |set, layer| set.union(LayerSet::only(layer)))
    }

    /// What the publisher is to be told, once after every change.
    pub(super) fn poll(&mut self, now: Instant) -> Option<LayerSet> {
        let active = self.active(now);
        (self.told.replace(active) != Some(active)).then_some(active)
    }

    /// When `poll` may have something new.
    pub(super) fn due(&self) -> Option<Instant> {
        let lapses = (1..).zip(&self.idle[1..]).filter_map(|(number, idle)| {
            let told = self.told.is_some_and(|told| told.contains(Layer(number)));
            idle.filter(|_| told).map(|at| at + LINGER)
        });
        lapses.min()
    }
}

/// How long a layer that nobody takes is sent on.
const LINGER: Duration = Duration::from_secs(5);
/// How long a publisher may take to begin with a layer again.
const BEGINNING: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_that_nobody_takes_ends_after_a_while_and_begins_at_once() {
        let (mut demand, start) = (Demand::new(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        demand.set(at(0), LayerSet::ALL);
        assert_eq!(demand.poll(at(0)), Some(LayerSet::ALL));
        demand.set(at(1), LayerSet(0b1101));
        assert_eq!((demand.poll(at(5)), demand.due()), (None, Some(at(6))));
        demand.set(at(5), LayerSet(0b1101));
        assert_eq!(demand.poll(at(6)), Some(LayerSet(0b1101)));
        assert_eq!(demand.due(), None);
        assert!(demand.resting(at(60)).contains(Layer(1)));
        demand.set(at(60), LayerSet(0b1110));
        assert_eq!(demand.poll(at(60)), Some(LayerSet::ALL));
        assert!(demand.resting(at(63)).contains(Layer(1)));
        assert!(!demand.resting(at(65)).contains(Layer(1)));
    }

    #[test]
    fn the_smallest_layer_never_ends() {
        let (mut demand, start) = (Demand::new(), Instant::now());
        demand.set(start, LayerSet::EMPTY);
        assert_eq!(demand.active(start + Duration::from_secs(60)), LayerSet(1));
    }
}
