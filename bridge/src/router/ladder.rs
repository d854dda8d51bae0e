//! Which layer of a track is taken by somebody who takes one: the highest, and a lower one while the highest does not come.

use std::time::{Duration, Instant};

use super::packet::{Layer, LayerSet};

/// The layers of one track; told the time.
#[derive(Debug, Clone)]
pub(crate) struct Ladder {
    offered: LayerSet,
    current: Option<Layer>,
    /// The last frame of the current layer, or when waiting for one began.
    fed: Instant,
    /// True while every layer is wanted.
    wide: bool,
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Take it.
    Take,
    /// Take it: from here on this layer.
    Switch,
    /// A better layer comes: a key frame of it is needed.
    Ask,
    /// Another layer is being taken.
    Leave,
}

impl Ladder {
    pub(crate) const fn new(now: Instant, offered: LayerSet) -> Self {
        Self { offered, current: None, fed: now, wide: false }
    }

    /// The publisher sends other layers than before. One that it no longer sends is not waited for: the next key frame is taken.
    pub(crate) fn offer(&mut self, offered: LayerSet) {
        self.offered = offered;
        self.current = self.current.filter(|current| offered.contains(*current));
    }

    /// The layers that are wanted.
    pub(crate) fn wanted(&self) -> LayerSet {
        if self.wide { self.offered } else { LayerSet::only(self.top()) }
    }

    /// The layer to ask key frames of.
    pub(crate) fn layer(&self) -> Layer {
        self.current.unwrap_or_else(|| self.top())
    }

    pub(crate) fn frame(&mut self, now: Instant, layer: Layer, key: bool) -> Step {
        if self.current == Some(layer) {
            self.fed = now;
            return Step::Take;
        }
        let better = self.current.is_none_or(|current| layer > current) || self.is_starved(now);
        match (better, key) {
            (true, true) => {
                (self.current, self.fed) = (Some(layer), now);
                Step::Switch
            }
            (true, false) => Step::Ask,
            (false, _) => Step::Leave,
        }
    }

    /// Widens or narrows; true when `wanted` changed.
    pub(crate) fn look(&mut self, now: Instant) -> bool {
        let before = self.wanted();
        if self.current == Some(self.top()) && !self.is_starved(now) {
            self.wide = false;
        } else if self.is_starved(now) {
            self.wide = true;
        }
        before != self.wanted()
    }

    fn is_starved(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.fed) > PATIENCE
    }

    fn top(&self) -> Layer {
        Layer((7_u32.saturating_sub(self.offered.0.leading_zeros())) as u8)
    }
}

/// How long the highest layer may stay away before a lower one is taken.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: Layer = Layer(0);
    const HIGH: Layer = Layer(2);

    #[test]
    fn a_layer_that_is_sent_no_more_is_left_at_the_next_key_frame_of_another() {
        let start = Instant::now();
        let mut ladder = Ladder::new(start, LayerSet(0b101));
        assert_eq!(ladder.frame(start, HIGH, true), Step::Switch);
        ladder.offer(LayerSet::only(LOW));
        assert_eq!(ladder.wanted(), LayerSet::only(LOW));
        assert_eq!(ladder.frame(start, LOW, false), Step::Ask);
        assert_eq!(ladder.frame(start, LOW, true), Step::Switch);
        assert_eq!(ladder.frame(start, LOW, false), Step::Take);
    }

    #[test]
    fn only_the_highest_layer_is_wanted_while_it_comes() {
        let start = Instant::now();
        let mut ladder = Ladder::new(start, LayerSet(0b101));
        assert_eq!(ladder.wanted(), LayerSet::only(HIGH));
        assert_eq!(ladder.frame(start, HIGH, true), Step::Switch);
        assert_eq!(ladder.frame(start, HIGH, false), Step::Take);
        assert_eq!(ladder.frame(start, LOW, true), Step::Leave);
        assert!(!ladder.look(start));
    }

    #[test]
    fn a_lower_layer_stands_in_until_the_highest_comes_back_with_a_key_frame() {
        let start = Instant::now();
        let mut ladder = Ladder::new(start, LayerSet(0b101));
        ladder.frame(start, HIGH, true);
        let later = start + Duration::from_millis(1_100);
        assert!(ladder.look(later));
        assert_eq!(ladder.wanted(), LayerSet(0b101));
        assert_eq!(ladder.frame(later, LOW, false), Step::Ask);
        assert_eq!(ladder.frame(later, LOW, true), Step::Switch);
        assert_eq!(ladder.frame(later, HIGH, false), Step::Ask);
        assert_eq!(ladder.frame(later, HIGH, true), Step::Switch);
        assert!(ladder.look(later));
        assert_eq!(ladder.wanted(), LayerSet::only(HIGH));
    }
}
