//! How much rubbish a source sends: a hundred pieces within a second are too many.

use std::time::{Duration, Instant};

/// Counts what is malformed, second by second.
#[derive(Debug, Default)]
pub(super) struct Rate {
    since: Option<Instant>,
    count: u64,
}

impl Rate {
    /// So many more came; true when the source is to be cut off.
    pub(super) fn add(&mut self, count: u64, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= SECOND) {
            (self.since, self.count) = (Some(now), 0);
        }
        self.count += count;
        self.count > LIMIT
    }
}

const SECOND: Duration = Duration::from_secs(1);
const LIMIT: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_a_second_are_borne_and_one_more_is_not() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        assert!((0..100).all(|_| !rate.add(1, start)));
        assert!(rate.add(1, start + Duration::from_millis(999)));
        assert!(!rate.add(100, start + SECOND));
        assert!(rate.add(1, start + SECOND));
    }
}
