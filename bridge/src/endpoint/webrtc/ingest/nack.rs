//! Which packets of a source are missing, and when to ask for them again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Missing packets by unwrapped sequence number. Bounded in number, age and requests.
#[derive(Debug, Default)]
pub(super) struct Missing {
    packets: BTreeMap<i64, Request>,
}

#[derive(Debug, Clone, Copy)]
struct Request {
    since: Instant,
    due: Instant,
    sent: u32,
}

impl Missing {
    /// A packet beyond the highest came: what lies between is missing. False when that is more than asking can mend.
    pub(super) fn gap(&mut self, now: Instant, from: i64, to: i64) -> bool {
        if to - from > WORTH_ASKING || self.packets.len() as i64 + (to - from) > LIMIT {
            self.packets.clear();
            return false;
        }
        let request = Request { since: now, due: now + REORDERING, sent: 0 };
        self.packets.extend((from..to).map(|sequence| (sequence, request)));
        true
    }

    /// A late packet came; true when it had been missing.
    pub(super) fn found(&mut self, sequence: i64) -> bool {
        self.packets.remove(&sequence).is_some()
    }

    /// When the next request is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.packets.values().map(|request| request.due).min()
    }

    /// Appends the packets to ask for now; gives those up that were asked for too often or are too old.
    pub(super) fn ask(&mut self, now: Instant, rtt: Duration, wanted: &mut Vec<u16>) {
        let again = rtt.clamp(SOONEST, LATEST);
        self.packets.retain(|sequence, request| {
            if request.sent >= REQUESTS || now.saturating_duration_since(request.since) > AGE {
                return false;
            }
            if request.due <= now && wanted.len() < PER_REPORT {
                request.sent += 1;
                request.due = now + again;
                wanted.push(*sequence as u16);
            }
            true
        });
    }
}

/// What is only late is not asked for.
const REORDERING: Duration = Duration::from_millis(10);
const SOONEST: Duration = Duration::from_millis(25);
const LATEST: Duration = Duration::from_millis(250);
const AGE: Duration = Duration::from_secs(1);
const REQUESTS: u32 = 8;
const WORTH_ASKING: i64 = 300;
const LIMIT: i64 = 500;
const PER_REPORT: usize = 250;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(missing: &mut Missing, now: Instant) -> Vec<u16> {
        let mut wanted = Vec::new();
        missing.ask(now, Duration::from_millis(40), &mut wanted);
        wanted
    }

    #[test]
    fn a_gap_is_asked_for_after_a_moment_and_again_after_a_round_trip() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut missing = Missing::default();
        assert!(missing.gap(start, 65_535, 65_538));
        assert!(asked(&mut missing, at(5)).is_empty());
        assert_eq!(asked(&mut missing, at(10)), [65_535, 0, 1]);
        assert!(asked(&mut missing, at(30)).is_empty());
        assert!(missing.found(65_536));
        assert_eq!(asked(&mut missing, at(50)), [65_535, 1]);
    }

    #[test]
    fn asking_ends_after_some_requests() {
        let start = Instant::now();
        let mut missing = Missing::default();
        missing.gap(start, 1, 2);
        let requests = (0..100).filter(|n| !asked(&mut missing, start + Duration::from_millis(45 * n)).is_empty());
        assert_eq!(requests.count(), REQUESTS as usize);
        assert_eq!(missing.due(), None);
    }

    #[test]
    fn a_gap_too_large_to_mend_is_not_asked_for() {
        let mut missing = Missing::default();
        assert!(!missing.gap(Instant::now(), 0, 10_000));
        assert_eq!(missing.due(), None);
    }

    #[test]
    fn what_is_missing_is_bounded() {
        let mut missing = Missing::default();
        for n in 0..1000 {
            missing.gap(Instant::now(), n * 100, n * 100 + 99);
            assert!(missing.packets.len() as i64 <= LIMIT);
        }
    }
}
