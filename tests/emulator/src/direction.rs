//! One direction of a line. Pure, told the time; the same seed and the same packets at the same times give the same result.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng as _};

use crate::{Counts, Quality};

/// Packets of type `T` on their way.
#[derive(Debug)]
pub struct Direction<T> {
    quality: Quality,
    chance: SmallRng,
    /// The state of a line that loses in bursts.
    bad: bool,
    /// When all that waits for its turn will have had it.
    free: Option<Instant>,
    /// When the last packet arrives that was not held back.
    last: Option<Instant>,
    flying: BTreeMap<(Instant, u64), T>,
    sequence: u64,
    counts: Counts,
}

impl<T> Direction<T> {
    /// An empty line.
    #[must_use]
    pub fn new(quality: Quality, seed: u64) -> Self {
        let (flying, counts) = (BTreeMap::new(), Counts::default());
        let chance = SmallRng::seed_from_u64(seed);
        Self { quality, chance, bad: false, free: None, last: None, flying, sequence: 0, counts }
    }

    /// Is so from now on. A cut takes with it what is on its way.
    pub fn set(&mut self, quality: Quality) {
        self.quality = quality;
        if quality.cut {
            self.counts.cut += self.flying.len() as u64;
            self.flying.clear();
            (self.free, self.last) = (None, None);
        }
    }

    /// How it is.
    #[must_use]
    pub const fn quality(&self) -> Quality {
        self.quality
    }

    /// A packet of `bytes` bytes, headers included, comes to the line.
    pub fn push(&mut self, now: Instant, bytes: usize, packet: T) {
        self.counts.offered += 1;
        if self.quality.cut {
            self.counts.cut += 1;
        } else if self.quality.loss.strikes(&mut self.bad, &mut self.chance) {
            self.counts.lost += 1;
        } else if let Some(sent) = self.transmit(now, bytes) {
            let at = self.arrival(sent);
            self.flying.insert((at, self.sequence), packet);
            self.sequence += 1;
        } else {
            self.counts.overflowed += 1;
        }
    }

    /// The next packet that has arrived by `now`.
    pub fn poll(&mut self, now: Instant) -> Option<T> {
        let first = self.flying.first_entry().filter(|first| first.key().0 <= now)?;
        self.counts.delivered += 1;
        Some(first.remove())
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.flying.first_key_value().map(|((at, _), _)| *at)
    }

    /// What became of the packets.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// When the packet's last bit is on the line; `None` when the queue has no room for it.
    fn transmit(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let Some(rate) = self.quality.rate else { return Some(now) };
        let begin = self.free.map_or(now, |free| free.max(now));
        let waiting = begin.duration_since(now).as_secs_f64() * rate;
        if self.quality.queue.is_some_and(|queue| waiting as usize + bytes > queue) {
            return None;
        }
        let end = begin + Duration::from_secs_f64(bytes as f64 / rate);
        self.free = Some(end);
        Some(end)
    }

    fn arrival(&mut self, sent: Instant) -> Instant {
        let at = sent + self.quality.delay + self.quality.jitter.mul_f64(self.chance.random::<f64>());
        if self.quality.reorder > 0.0 && self.chance.random::<f64>() < self.quality.reorder {
            self.counts.reordered += 1;
            return at + self.quality.held;
        }
        let at = self.last.map_or(at, |last| last.max(at));
        self.last = Some(at);
        at
    }
}

#[cfg(test)]
mod tests;
