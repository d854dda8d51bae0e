//! When something was captured, by this node's clock: from what a sender tells of its own, or else from when it came.

use std::collections::VecDeque;

use hearing_config::Timestamp;

use super::clock::ticks_micros;

/// A sender's NTP clock against the node's: the smallest of the last differences, since delay only ever adds to them.
#[derive(Debug, Default)]
pub(in crate::endpoint) struct SenderClock {
    offset: Option<i64>,
    /// When the last reports came, and their differences.
    recent: VecDeque<(Timestamp, i64)>,
    reports: u32,
}

impl SenderClock {
    /// A sender report of time `ntp` (microseconds) arrived.
    pub(in crate::endpoint) fn report(&mut self, ntp: i64, arrival: Timestamp) {
        let difference = arrival.0 - ntp;
        if self.offset.is_some_and(|offset| (difference - offset).abs() > STEP) {
            *self = Self::default();
        }
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        let since = self.recent.back().map_or(0, |(before, _)| arrival.since(*before).max(0));
        self.recent.push_back((arrival, difference));
        self.reports = self.reports.saturating_add(1);
        // A difference may have grown since, as clocks drift.
        let aged = |(at, difference): &(Timestamp, i64)| difference + arrival.since(*at).max(0) * AGING_PPM / 1_000_000;
        let best = self.recent.iter().map(aged).min().unwrap_or(difference);
        let offset = self.offset.get_or_insert(best);
        // At first it settles at once; later it follows drift without a jump, however seldom reports come.
        let most = if self.reports <= SETTLING { i64::MAX } else { SLEW.max(since * SLEW_PPM / 1_000_000) };
        *offset += (best - *offset).clamp(-most, most);
    }

    /// The node's time at the sender's time `ntp`.
    pub(in crate::endpoint) fn local(&self, ntp: i64) -> Option<Timestamp> {
        self.offset.map(|offset| Timestamp(ntp + offset))
    }
}

/// The media clock of one source.
#[derive(Debug)]
pub(in crate::endpoint) struct MediaClock {
    rate: u32,
    /// A pair of the sender's time (microseconds) and media time of the same moment.
    report: Option<(i64, i64)>,
    /// The smallest difference of arrival and media time, in microseconds.
    earliest: Option<i64>,
    /// Up to when drift has been allowed for.
    arrived: Option<Timestamp>,
}

impl MediaClock {
    /// Of so many ticks a second.
    pub(in crate::endpoint) const fn new(rate: u32) -> Self {
        Self { rate, report: None, earliest: None, arrived: None }
    }

    /// Ticks a second.
    pub(in crate::endpoint) const fn rate(&self) -> u32 {
        self.rate
    }

    /// Something of media time `time` arrived; the smallest difference of both so far, in microseconds.
    pub(in crate::endpoint) fn arrive(&mut self, time: i64, arrival: Timestamp) -> i64 {
        let difference = arrival.0 - ticks_micros(time, self.rate);
        // This follows any clock's drift, however many packets a second come, where no sender report tells better.
        let drift = self.arrived.map_or(0, |before| arrival.since(before).max(0) * DRIFT_PPM / 1_000_000);
        if self.arrived.is_none() || drift > 0 {
            self.arrived = Some(arrival);
        }
        *self.earliest.insert(self.earliest.map_or(difference, |earliest| difference.min(earliest + drift)))
    }

    /// The same where a difference that jumps is a clock that was set: what arrived before does not count any more.
    pub(in crate::endpoint) fn arrive_anew(&mut self, time: i64, arrival: Timestamp) -> i64 {
        let difference = arrival.0 - ticks_micros(time, self.rate);
        if self.earliest.is_some_and(|earliest| (difference - earliest).abs() > STEP) {
            (self.earliest, self.arrived) = (None, None);
        }
        self.arrive(time, arrival)
    }

    /// The smallest difference of arrival and media time, in microseconds.
    pub(in crate::endpoint) const fn earliest(&self) -> Option<i64> {
        self.earliest
    }

    /// The sender says that its time `ntp` (microseconds) is media time `time`.
    pub(in crate::endpoint) const fn report(&mut self, ntp: i64, time: i64) {
        self.report = Some((ntp, time));
    }

    /// The sender's time and media time of its last report.
    pub(in crate::endpoint) const fn reported(&self) -> Option<(i64, i64)> {
        self.report
    }

    /// When the moment of media time `time` was, by the node's clock.
    pub(in crate::endpoint) fn captured(&self, time: i64, sender: &SenderClock) -> Timestamp {
        let by_arrival = Timestamp(self.earliest.unwrap_or_default() + ticks_micros(time, self.rate));
        let by_report = self.report.and_then(|(ntp, at)| sender.local(ntp + ticks_micros(time - at, self.rate)));
        by_report.filter(|told| told.since(by_arrival).abs() < BELIEVABLE).unwrap_or(by_arrival)
    }
}

/// A difference that jumps by more is a clock that was set.
const STEP: i64 = 2_000_000;
/// Reports of which the smallest difference counts: about half a minute with sound and three layers.
const WINDOW: usize = 64;
const SETTLING: u32 = 8;
/// Microseconds by which the offset moves at one report at most.
const SLEW: i64 = 300;
/// The same, for the time since the report before.
const SLEW_PPM: i64 = 250;
/// What clocks are taken to drift apart while a report grows old.
const AGING_PPM: i64 = 150;
/// No clock of a device is further off than this many parts in a million.
const DRIFT_PPM: i64 = 200;
/// A capture time further than this from what arrival says comes from a sender that counts otherwise.
const BELIEVABLE: i64 = 2_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: i64 = 1_800_000_000_000_000;

    fn wall(ms: i64) -> Timestamp {
        Timestamp(WALL + ms * 1000)
    }

    #[test]
    fn delay_of_a_report_does_not_move_the_line() {
        let mut sender = SenderClock::default();
        for second in 0..30 {
            let delay = if second == 3 { 20 } else { 20 + (second * 37) % 90 };
            sender.report(second * 1_000_000, wall(second * 1000 + delay));
        }
        let told = sender.local(0).unwrap().since(wall(0));
        // The report of least delay is 26 s old by now: clocks may have drifted by 4 ms since.
        assert!((20_000..24_000).contains(&told), "{told}");
    }

    #[test]
    fn drift_is_followed_without_jumps() {
        let mut sender = SenderClock::default();
        let mut before = None;
        for second in 0..3600 {
            // 50 ppm fast.
            sender.report(second * 1_000_050, wall(second * 1000));
            let offset = sender.offset.unwrap();
            if second > 10 {
                assert!((offset - before.unwrap_or(offset)).abs() <= SLEW);
            }
            before = Some(offset);
        }
        let error = sender.local(3599 * 1_000_050).unwrap().since(wall(3_599_000));
        assert!(error.abs() < 5_000, "{error}");
    }

    #[test]
    fn a_sender_that_set_its_clock_is_followed_at_once() {
        let mut sender = SenderClock::default();
        sender.report(0, wall(0));
        sender.report(3_600_000_000, wall(1000));
        assert_eq!(sender.local(3_600_000_000), Some(wall(1000)));
    }
}
