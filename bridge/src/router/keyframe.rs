//! How often a key frame is asked for.

use std::time::{Duration, Instant};

/// Requests for the key frames of one source: at most one within a spacing; one that comes too soon is kept until its time.
#[derive(Debug)]
pub(crate) struct Throttle {
    spacing: Duration,
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::spaced(SPACING)
    }
}

impl Throttle {
    /// At most one request within `spacing`.
    pub(crate) const fn spaced(spacing: Duration) -> Self {
        Self { spacing, last: None, due: None }
    }

    /// Somebody needs a key frame; true when it is to be asked for now.
    pub(crate) fn request(&mut self, now: Instant) -> bool {
        match self.last.map(|last| last + self.spacing) {
            Some(next) if next > now => {
                self.due = Some(next);
                false
            }
            Some(_) | None => {
                (self.last, self.due) = (Some(now), None);
                true
            }
        }
    }

    /// A key frame came: whoever waits has it.
    pub(crate) const fn satisfy(&mut self) {
        self.due = None;
    }

    /// True when a kept request's time has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now) && self.request(now)
    }

    /// When `handle_timeout` wants to be called.
    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

/// Of a layer of a track, and of what is made for a terminal.
const SPACING: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_request_waits_until_its_time_and_is_not_forgotten() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        assert!(throttle.request(now));
        assert!(!throttle.request(now + SPACING / 2));
        assert_eq!(throttle.poll_timeout(), Some(now + SPACING));
        assert!(throttle.handle_timeout(now + SPACING));
        assert_eq!(throttle.poll_timeout(), None);
    }

    #[test]
    fn a_key_frame_that_comes_answers_whoever_waits() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        assert!(throttle.request(now));
        assert!(!throttle.request(now + SPACING / 5));
        throttle.satisfy();
        assert!(!throttle.handle_timeout(now + SPACING));
    }
}
