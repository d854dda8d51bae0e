//! The clock of a peer and the mapping of its times, in virtual time.

use std::time::Duration;

use super::*;

/// An edge whose clock is off and drifts, home's view of it, and a line that delays each ping by another time.
struct Line {
    now: Instant,
    micros: i64,
    ahead: i64,
    /// Parts in a million by which the edge's clock is too fast.
    drift: i64,
    noise: u64,
    clock: PeerClock,
    offset: Offset,
    mapping: Mapping,
}

impl Line {
    fn new(ahead: i64, drift: i64) -> Self {
        let (clock, offset, mapping) = Default::default();
        Self { now: Instant::now(), micros: 0, ahead, drift, noise: 1, clock, offset, mapping }
    }

    /// Up to 30 ms, in no order.
    fn delay(&mut self) -> i64 {
        self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.noise >> 33).unwrap() % 30_000
    }

    fn edge_time(&self) -> i64 {
        self.micros + self.ahead + self.micros * self.drift / 1_000_000
    }

    /// A ping that takes 20 ms there and 20 back at least.
    fn ping(&mut self) {
        let (there, back) = (20_000 + self.delay(), 20_000 + self.delay());
        let rtt = there + back;
        let offset = self.edge_time() + there - (self.micros + rtt / 2);
        self.offset = self.clock.measure(rtt.unsigned_abs(), offset);
    }

    /// A frame that the edge captured just now: how far off home dates it, in microseconds.
    fn frame(&mut self) -> i64 {
        let captured = Timestamp(self.edge_time());
        self.mapping.map(self.now, self.offset, captured).0 - self.micros
    }

    /// 20 ms pass; a ping every 300.
    fn advance(&mut self) {
        self.micros += 20_000;
        self.now += Duration::from_millis(20);
        if self.micros % 300_000 == 0 {
            self.ping();
        }
    }
}

#[test]
fn frames_of_an_edge_whose_clock_is_700_ms_off_are_dated_by_homes_clock_without_a_jump() {
    for ahead in [700_000, -700_000] {
        let mut line = Line::new(ahead, 50);
        (0..8).for_each(|_| line.ping());
        let (mut before, mut worst, mut jump) = (line.frame(), 0, 0);
        for _ in 0..60_000 {
            line.advance();
            let off = line.frame();
            (worst, jump) = (off.abs().max(worst), (off - before).abs().max(jump));
            before = off;
        }
        assert!(worst < 10_000, "off by {worst} us within twenty minutes");
        assert!(jump <= 15, "jumped by {jump} us from one frame to the next");
    }
}

#[test]
fn while_the_clock_is_being_found_the_best_ping_is_followed_at_once() {
    let mut mapping = Mapping::default();
    let mut clock = PeerClock::default();
    let now = Instant::now();
    let first = clock.measure(90_000, 735_000);
    assert_eq!(mapping.map(now, first, Timestamp(1_000_000)), Timestamp(265_000));
    let better = clock.measure(40_000, 701_000);
    assert_eq!(mapping.map(now, better, Timestamp(1_000_000)), Timestamp(299_000));
    assert!(!better.settled);
}

#[test]
fn a_clock_that_was_set_is_followed_at_once() {
    let mut mapping = Mapping::default();
    let now = Instant::now();
    mapping.map(now, Offset { micros: 0, settled: true }, Timestamp(0));
    let set = Offset { micros: 3_600_000_000, settled: true };
    assert_eq!(mapping.map(now, set, Timestamp(3_600_000_000)), Timestamp(0));
}

#[test]
fn time_without_frames_is_no_credit_for_a_jump() {
    let mut mapping = Mapping::default();
    let now = Instant::now();
    mapping.map(now, Offset { micros: 0, settled: true }, Timestamp(0));
    let later = now + Duration::from_secs(100);
    mapping.map(later, Offset { micros: 0, settled: true }, Timestamp(0));
    let soon = later + Duration::from_millis(20);
    assert_eq!(mapping.map(soon, Offset { micros: 50_000, settled: true }, Timestamp(0)), Timestamp(-10));
}
