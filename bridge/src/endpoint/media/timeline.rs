//! From a participant's clocks to ours: one NTP time line per participant, moved by one offset, so that sound and picture
//! stay in step; and the RTP clock of each source upon that line.

use std::collections::VecDeque;

use hearing_config::Timestamp;

use super::clock::{ticks, ticks_micros};
use super::unwrap::Unwrap;

/// A participant's NTP clock against the node's: the smallest of the last differences, since delay only ever adds to them.
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

    /// The node's time at the participant's time `ntp`.
    fn local(&self, ntp: i64) -> Option<Timestamp> {
        self.offset.map(|offset| Timestamp(ntp + offset))
    }
}

/// The RTP clock of one source.
#[derive(Debug)]
pub(in crate::endpoint) struct SourceClock {
    rate: u32,
    unwrap: Unwrap,
    /// A pair of (NTP microseconds, RTP ticks) of the same moment.
    report: Option<(i64, i64)>,
    /// The smallest difference of arrival and RTP time, in microseconds.
    earliest: Option<i64>,
    /// Up to when drift has been allowed for.
    arrived: Option<Timestamp>,
    shift: Option<(i64, bool)>,
}

impl SourceClock {
    pub(in crate::endpoint) const fn new(rate: u32) -> Self {
        Self { rate, unwrap: Unwrap::DEFAULT, report: None, earliest: None, arrived: None, shift: None }
    }

    /// A packet of RTP time `timestamp` arrived: its unwrapped time.
    pub(in crate::endpoint) fn arrive(&mut self, timestamp: u32, arrival: Timestamp) -> i64 {
        let time = self.unwrap.unwrap(timestamp, 32);
        let difference = arrival.0 - ticks_micros(time, self.rate);
        // This follows any clock's drift, however many packets a second come, where no sender report tells better.
        let drift = self.arrived.map_or(0, |before| arrival.since(before).max(0) * DRIFT_PPM / 1_000_000);
        if self.arrived.is_none() || drift > 0 {
            self.arrived = Some(arrival);
        }
        self.earliest = Some(self.earliest.map_or(difference, |earliest| difference.min(earliest + drift)));
        time
    }

    /// The unwrapped time of a packet that came again: its arrival says nothing.
    pub(in crate::endpoint) fn repaired(&mut self, timestamp: u32) -> i64 {
        self.unwrap.unwrap(timestamp, 32)
    }

    /// Ticks a second.
    pub(in crate::endpoint) const fn rate(&self) -> u32 {
        self.rate
    }

    pub(in crate::endpoint) fn report(&mut self, ntp: i64, rtp: u32) {
        self.report = Some((ntp, self.unwrap.peek(rtp, 32)));
    }

    /// When the moment of unwrapped RTP time `time` was, by the node's clock.
    pub(in crate::endpoint) fn captured(&self, time: i64, sender: &SenderClock) -> Timestamp {
        let by_arrival = Timestamp(self.earliest.unwrap_or_default() + ticks_micros(time, self.rate));
        let by_report = self.report.and_then(|(ntp, rtp)| sender.local(ntp + ticks_micros(time - rtp, self.rate)));
        by_report.filter(|told| told.since(by_arrival).abs() < BELIEVABLE).unwrap_or(by_arrival)
    }

    /// `time` on the track's one time line.
    pub(in crate::endpoint) fn media_time(&self, time: i64) -> i64 {
        time + self.shift.map_or(0, |(shift, _)| shift)
    }

    /// Lays the source's clock on the track's time line, of which `latest` is the last media time and its capture.
    /// Exact once both sides had sender reports; until then by capture as far as it is known.
    pub(in crate::endpoint) fn align(&mut self, time: i64, captured: Timestamp, other: Option<&Line>) {
        if matches!(self.shift, Some((_, true))) {
            return;
        }
        let Some(other) = other else {
            self.shift = Some((0, true));
            return;
        };
        if let (Some((ntp, rtp)), Some((other_ntp, other_media))) = (self.report, other.report) {
            self.shift = Some((other_media + ticks(ntp - other_ntp, self.rate) - rtp, true));
        } else if self.shift.is_none() {
            let media = other.media_time + ticks(captured.since(other.captured), self.rate);
            self.shift = Some((media - time, false));
        }
    }

    /// The track's time line as this source shows it.
    pub(in crate::endpoint) fn line(&self, time: i64, captured: Timestamp) -> Line {
        let exact = matches!(self.shift, Some((_, true)));
        let report = self.report.filter(|_| exact).map(|(ntp, rtp)| (ntp, self.media_time(rtp)));
        Line { media_time: self.media_time(time), captured, report }
    }
}

/// A point of a track's time line, and where a sender report fixed it, a (NTP microseconds, media time) pair.
#[derive(Debug, Clone, Copy)]
pub(in crate::endpoint) struct Line {
    media_time: i64,
    captured: Timestamp,
    report: Option<(i64, i64)>,
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
    fn sound_and_picture_of_one_moment_have_one_capture_time() {
        let mut sender = SenderClock::default();
        let (mut sound, mut picture) = (SourceClock::new(48_000), SourceClock::new(90_000));
        // The picture arrives 80 ms after the sound of the same moment: encoding took that long.
        let heard = sound.arrive(4_800, wall(30));
        let seen = picture.arrive(9_000, wall(110));
        let ntp = 77_000_000;
        sender.report(ntp, wall(30));
        sound.report(ntp, 4_800);
        picture.report(ntp, 9_000);
        assert_eq!(sound.captured(heard, &sender), picture.captured(seen, &sender));
        let later = picture.arrive(18_000, wall(210));
        assert_eq!(picture.captured(later, &sender).since(sound.captured(heard, &sender)), 100_000);
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

    /// Capture times of eight hours, with a sender whose NTP clock runs 40 ppm fast, whose sound runs 120 ppm fast and whose
    /// picture 90 ppm slow against it, over a line with 20 ms of delay and up to 60 ms more.
    #[test]
    fn eight_hours_of_drifting_clocks_cost_less_than_one_frame() {
        let mut sender = SenderClock::default();
        let mut sources = [(48_000, 120), (90_000, -90)].map(|(rate, ppm)| (SourceClock::new(rate), rate, ppm));
        let (mut worst, mut apart) = (0, 0);
        for ms in (0..8 * 3_600_000).step_by(250) {
            let jitter = (ms * 7_919 / 250) % 60;
            let ntp = ms * 1_000 + ms * 40 / 1_000;
            let mut told = Vec::new();
            for (clock, rate, ppm) in &mut sources {
                let exact = i64::from(*rate) * ms / 1_000;
                let rtp = (exact + exact * *ppm / 1_000_000) as u32;
                let time = clock.arrive(rtp, wall(ms + 20 + jitter));
                if ms % 5_000 == 0 {
                    sender.report(ntp, wall(ms + 20 + jitter));
                    clock.report(ntp, rtp);
                }
                told.push(clock.captured(time, &sender).since(wall(ms)));
            }
            if ms > 60_000 {
                worst = told.iter().map(|error| error.abs()).fold(worst, i64::max);
                apart = apart.max((told[0] - told[1]).abs());
            }
        }
        assert!(worst <= 33_333, "{worst} us off the wall clock");
        assert!(apart <= 33_333, "sound and picture {apart} us apart");
    }

    /// The worst error in microseconds over eight hours, of a sender whose clocks are all `ppm` fast and that reports `every` ms, over
    /// a line with 20 ms of delay and up to 60 ms more.
    fn worst_of_eight_hours(rate: u32, ppm: i64, every: Option<i64>) -> i64 {
        let (mut sender, mut clock, mut worst) = (SenderClock::default(), SourceClock::new(rate), 0);
        for ms in (0..8 * 3_600_000_i64).step_by(100) {
            let arrival = wall(ms + 20 + (ms * 7_919 / 100) % 60);
            let exact = i64::from(rate) * ms / 1_000;
            let rtp = (exact + exact * ppm / 1_000_000) as u32;
            let time = clock.arrive(rtp, arrival);
            if every.is_some_and(|every| ms % every == 0) {
                let ntp = ms * 1_000 + ms * ppm / 1_000;
                sender.report(ntp, arrival);
                clock.report(ntp, rtp);
            }
            if ms > 60_000 {
                worst = worst.max(clock.captured(time, &sender).since(wall(ms)).abs());
            }
        }
        worst
    }

    #[test]
    fn one_source_that_seldom_reports_is_followed_over_eight_hours_at_100_ppm_too() {
        for (rate, ppm) in [(8_000, 100), (8_000, -100), (90_000, 100), (90_000, -100)] {
            for every in [Some(1_000), Some(5_000), Some(10_000), None] {
                let worst = worst_of_eight_hours(rate, ppm, every);
                assert!(worst <= 40_000, "{rate} Hz, {ppm} ppm, reports every {every:?} ms: {worst} us");
            }
        }
    }

    #[test]
    fn a_sender_that_set_its_clock_is_followed_at_once() {
        let mut sender = SenderClock::default();
        sender.report(0, wall(0));
        sender.report(3_600_000_000, wall(1000));
        assert_eq!(sender.local(3_600_000_000), Some(wall(1000)));
    }

    #[test]
    fn layers_lie_on_one_line_by_arrival_first_and_exactly_by_reports() {
        let mut sender = SenderClock::default();
        let (mut low, mut high) = (SourceClock::new(90_000), SourceClock::new(90_000));
        let first = low.arrive(1_000, wall(0));
        low.align(first, low.captured(first, &sender), None);
        let other = high.arrive(500_000, wall(40));
        let line = low.line(first, low.captured(first, &sender));
        high.align(other, high.captured(other, &sender), Some(&line));
        // 40 ms later by arrival; in truth the high layer shows the moment 30 ms later.
        assert_eq!(high.media_time(other), 1_000 + 3_600);
        sender.report(50_000_000, wall(20));
        low.report(50_000_000, 1_000);
        high.report(50_000_000, 500_000 - 2_700);
        let line = low.line(first, low.captured(first, &sender));
        high.align(other, high.captured(other, &sender), Some(&line));
        assert_eq!(high.media_time(other), 1_000 + 2_700);
        high.report(60_000_000, 77);
        high.align(other, high.captured(other, &sender), Some(&line));
        assert_eq!(high.media_time(other), 1_000 + 2_700, "fixed for good");
    }
}
