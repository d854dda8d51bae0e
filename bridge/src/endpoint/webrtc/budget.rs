//! How much of something a client may ask for: so many a second, after a burst. Told the time.

use std::time::Instant;

/// A bucket that fills by itself.
#[derive(Debug)]
pub(super) struct Budget {
    per_second: f64,
    burst: f64,
    left: f64,
    at: Instant,
}

impl Budget {
    /// A full one.
    pub(super) fn new(now: Instant, per_second: u32, burst: u32) -> Self {
        let burst = f64::from(burst);
        Self { per_second: per_second.into(), burst, left: burst, at: now }
    }

    /// Takes `count` at once, or nothing when that is more than is left.
    pub(super) fn spend(&mut self, now: Instant, count: usize) -> bool {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + since * self.per_second).min(self.burst);
        self.at = self.at.max(now);
        let enough = self.left >= count as f64;
        if enough {
            self.left -= count as f64;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_granted_and_then_so_many_a_second() {
        let now = Instant::now();
        let mut budget = Budget::new(now, 100, 300);
        assert_eq!((0..1_000).filter(|_| budget.spend(now, 1)).count(), 300);
        assert!(!budget.spend(now + Duration::from_millis(500), 51));
        assert!(budget.spend(now + Duration::from_millis(500), 50));
    }
}
