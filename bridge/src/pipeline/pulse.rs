//! Whether a child is alive: one that speaks many times a second and falls silent stands still. One that only starts is given
//! longer, for on a busy machine that takes seconds: to end it then would be to begin anew for ever.

use std::time::{Duration, Instant};

use hearing_proto::child::FromChild;

use super::Event;

/// When a child last said something.
#[derive(Debug)]
pub(super) struct Pulse {
    heard: Instant,
    /// It works: something came out of it since it started.
    works: bool,
}

impl Pulse {
    /// Of a child that starts now.
    pub(super) const fn new(now: Instant) -> Self {
        Self { heard: now, works: false }
    }

    /// It says something, or starts anew.
    pub(super) const fn hear(&mut self, now: Instant, event: &Event) {
        self.heard = now;
        match event {
            Event::Said(FromChild::Frame(_)) => self.works = true,
            Event::Said(_) => {}
            Event::Up | Event::Down { .. } => self.works = false,
        }
    }

    /// Until now nothing was asked of it.
    pub(super) const fn rest(&mut self, now: Instant) {
        self.heard = now;
    }

    /// It has stood still for too long. Of a child that is fed or that speaks by itself.
    pub(super) fn is_still(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) > if self.works { STALL } else { START }
    }
}

/// A child that works and says nothing for this long stands still.
pub(super) const STALL: Duration = Duration::from_secs(2);
/// And one that starts.
const START: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hearing_proto::child::Coded;

    use super::*;

    #[test]
    fn a_child_that_starts_is_given_longer_than_one_that_works_and_each_start_counts_anew() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pulse = Pulse::new(start);
        assert!(!pulse.is_still(at(14)) && pulse.is_still(at(16)));
        pulse.hear(at(10), &Event::Up);
        assert!(!pulse.is_still(at(24)), "it is up and builds its pipeline");
        let frame = FromChild::Frame(Coded { stream: 0, pts: 0, key: true, bytes: Bytes::new() });
        pulse.hear(at(20), &Event::Said(frame));
        assert!(!pulse.is_still(at(22)) && pulse.is_still(at(23)));
        pulse.rest(at(30));
        assert!(!pulse.is_still(at(32)) && pulse.is_still(at(33)));
        pulse.hear(at(40), &Event::Down { reason: String::new(), again: None });
        assert!(!pulse.is_still(at(54)));
    }
}
