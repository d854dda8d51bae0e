//! When to ask a publisher for a key frame: at once, then no more often than every half second, until one comes.

use std::time::{Duration, Instant};

/// The requests for one layer.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::endpoint::webrtc) struct KeyRequests {
    wanted: bool,
    asked: Option<Instant>,
}

impl KeyRequests {
    /// Somebody needs a key frame.
    pub(in crate::endpoint::webrtc) const fn want(&mut self) {
        self.wanted = true;
    }

    /// A key frame came.
    pub(in crate::endpoint::webrtc) const fn came(&mut self) {
        self.wanted = false;
    }

    /// True when the publisher is to be asked now.
    pub(in crate::endpoint::webrtc) fn ask(&mut self, now: Instant) -> bool {
        let ask = self.due().is_some_and(|due| due.is_none_or(|due| due <= now));
        if ask {
            self.asked = Some(now);
        }
        ask
    }

    /// When to ask next: `Some(None)` at once.
    #[expect(clippy::option_option, reason = "not at all, at once, and at a time are three answers")]
    pub(in crate::endpoint::webrtc) fn due(&self) -> Option<Option<Instant>> {
        self.wanted.then(|| self.asked.map(|asked| asked + SPACING))
    }
}

const SPACING: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publisher_is_asked_at_once_and_again_every_half_second_until_a_key_frame_comes() {
        let start = Instant::now();
        let mut requests = KeyRequests::default();
        assert!(!requests.ask(start));
        requests.want();
        let asked = |requests: &mut KeyRequests, from: u64| {
            (from..from + 2000).filter(|ms| requests.ask(start + Duration::from_millis(*ms))).count()
        };
        assert_eq!(asked(&mut requests, 0), 4);
        requests.came();
        assert_eq!(asked(&mut requests, 2000), 0);
    }

    #[test]
    fn many_requests_are_one() {
        let start = Instant::now();
        let mut requests = KeyRequests::default();
        requests.want();
        assert!(requests.ask(start));
        requests.came();
        requests.want();
        assert!(!requests.ask(start + Duration::from_millis(499)));
        assert!(requests.ask(start + Duration::from_millis(500)));
    }
}
