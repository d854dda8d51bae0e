//! What came from a source in the last second.

use std::time::{Duration, Instant};

use hearing_signaling::hearing::SeatQuality;

/// Counts packets and bytes, and gives the figures once a second.
#[derive(Debug)]
pub(crate) struct Tally {
    since: Instant,
    bytes: u64,
    packets: u64,
    lost: u64,
}

impl Tally {
    /// Nothing yet.
    pub(crate) const fn new(now: Instant) -> Self {
        Self { since: now, bytes: 0, packets: 0, lost: 0 }
    }

    /// A packet came, after `lost` that did not.
    pub(crate) const fn count(&mut self, bytes: usize, lost: u64) {
        self.bytes += bytes as u64;
        self.packets += 1;
        self.lost += lost;
    }

    /// The figures, once a second.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<SeatQuality> {
        let passed = now.saturating_duration_since(self.since);
        if passed < EVERY {
            return None;
        }
        let up_kbps = u32::try_from(u128::from(self.bytes) * 8 / passed.as_millis().max(1)).unwrap_or(u32::MAX);
        let loss_up = self.lost as f32 / (self.lost + self.packets).max(1) as f32;
        *self = Self::new(now);
        Some(SeatQuality { up_kbps, loss_up, ..SeatQuality::default() })
    }
}

const EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_second_are_given_once() {
        let start = Instant::now();
        let mut tally = Tally::new(start);
        (0..75).for_each(|_| tally.count(1_000, 0));
        tally.count(0, 25);
        assert_eq!(tally.poll(start + Duration::from_millis(900)), None);
        let figures = tally.poll(start + EVERY).unwrap();
        assert_eq!(figures.up_kbps, 600);
        assert!((figures.loss_up - 25.0 / 101.0).abs() < 1e-6);
        assert_eq!(tally.poll(start + EVERY), None);
    }
}
