//! The node's time for media: wall-clock time by the monotonic clock, so that a step of the system's clock reaches no track.

use std::time::Instant;

use hearing_config::Timestamp;

/// Fixed when the node starts. Everything that says when media was captured uses the same one.
#[derive(Debug, Clone, Copy)]
pub struct NodeClock {
    start: Instant,
    wall: Timestamp,
}

impl NodeClock {
    /// A clock that shows the system's time now.
    #[must_use]
    pub fn begin() -> Self {
        Self::new(Instant::now(), Timestamp::now())
    }

    /// A clock that shows `wall` at `start`.
    #[must_use]
    pub const fn new(start: Instant, wall: Timestamp) -> Self {
        Self { start, wall }
    }

    /// What it shows at `now`, which may lie before it began.
    #[must_use]
    pub fn at(&self, now: Instant) -> Timestamp {
        let after = now.saturating_duration_since(self.start).as_micros();
        let before = self.start.saturating_duration_since(now).as_micros();
        let micros = |span: u128| i64::try_from(span).unwrap_or(i64::MAX);
        self.wall.plus(micros(after)).plus(-micros(before))
    }

    /// What it shows now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_follows_the_monotonic_clock_in_both_directions() {
        let start = Instant::now() + Duration::from_secs(10);
        let clock = NodeClock::new(start, Timestamp(5_000_000));
        assert_eq!(clock.at(start + Duration::from_millis(1_500)), Timestamp(6_500_000));
        assert_eq!(clock.at(start.checked_sub(Duration::from_millis(1_500)).unwrap()), Timestamp(3_500_000));
    }
}
