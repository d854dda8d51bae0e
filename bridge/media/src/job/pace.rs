//! The clock of a live job: steps of equal length that are neither hurried nor piled up.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Counts steps.
#[derive(Debug)]
pub(super) struct Pace {
    start: Instant,
    step: Duration,
    done: u32,
}

impl Pace {
    /// The first step ends after one step's time.
    pub(super) fn new(start: Instant, step: Duration) -> Self {
        Self { start, step, done: 0 }
    }

    /// When the present step ends.
    fn due(&self) -> Instant {
        self.start + self.step.saturating_mul(self.done + 1)
    }

    /// Waits for the end of a step; its number, and how many were left out before it because the process stood still.
    pub(super) fn wait(&mut self) -> (u32, u32) {
        thread::sleep(self.due().saturating_duration_since(Instant::now()));
        self.next(Instant::now())
    }

    fn next(&mut self, now: Instant) -> (u32, u32) {
        let late = now.saturating_duration_since(self.due());
        let skipped = if late > PATIENCE { (late.as_micros() / self.step.as_micros().max(1)) as u32 } else { 0 };
        self.done += skipped + 1;
        (self.done - 1, skipped)
    }
}

/// The wall clock, in microseconds since 1970.
pub(super) fn wall_clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
}

/// Later steps are made up for; what is later than this is left out.
const PATIENCE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_step_is_made_up_for_and_a_standstill_is_left_out() {
        let (start, step) = (Instant::now(), Duration::from_millis(20));
        let mut pace = Pace::new(start, step);
        assert_eq!(pace.next(start + step), (0, 0));
        assert_eq!(pace.next(start + step * 5), (1, 0), "80 ms late");
        assert_eq!(pace.next(start + step * 5), (2, 0));
        assert_eq!(pace.next(start + step * 104), (103, 100), "two seconds stood still");
    }
}
