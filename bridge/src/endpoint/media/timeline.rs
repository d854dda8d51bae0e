//! The RTP clock of each source upon its participant's one time line, so that sound and picture stay in step, and the sources of a
//! track upon the track's.

use hearing_config::Timestamp;

pub(in crate::endpoint) use super::capture::SenderClock;

use super::capture::MediaClock;
use super::clock::ticks;
use super::unwrap::Unwrap;

/// The RTP clock of one source.
#[derive(Debug)]
pub(in crate::endpoint) struct SourceClock {
    media: MediaClock,
    unwrap: Unwrap,
    shift: Option<(i64, bool)>,
}

impl SourceClock {
    pub(in crate::endpoint) const fn new(rate: u32) -> Self {
        Self { media: MediaClock::new(rate), unwrap: Unwrap::DEFAULT, shift: None }
    }

    /// A packet of RTP time `timestamp` arrived: its unwrapped time.
    pub(in crate::endpoint) fn arrive(&mut self, timestamp: u32, arrival: Timestamp) -> i64 {
        let time = self.unwrap.unwrap(timestamp, 32);
        self.media.arrive(time, arrival);
        time
    }

    /// The unwrapped time of a packet that came again: its arrival says nothing.
    pub(in crate::endpoint) fn repaired(&mut self, timestamp: u32) -> i64 {
        self.unwrap.unwrap(timestamp, 32)
    }

    /// Ticks a second.
    pub(in crate::endpoint) const fn rate(&self) -> u32 {
        self.media.rate()
    }

    pub(in crate::endpoint) fn report(&mut self, ntp: i64, rtp: u32) {
        self.media.report(ntp, self.unwrap.peek(rtp, 32));
    }

    /// When the moment of unwrapped RTP time `time` was, by the node's clock.
    pub(in crate::endpoint) fn captured(&self, time: i64, sender: &SenderClock) -> Timestamp {
        self.media.captured(time, sender)
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
        if let (Some((ntp, rtp)), Some((other_ntp, other_media))) = (self.media.reported(), other.report) {
            self.shift = Some((other_media + ticks(ntp - other_ntp, self.rate()) - rtp, true));
        } else if self.shift.is_none() {
            let media = other.media_time + ticks(captured.since(other.captured), self.rate());
            self.shift = Some((media - time, false));
        }
    }

    /// The track's time line as this source shows it.
    pub(in crate::endpoint) fn line(&self, time: i64, captured: Timestamp) -> Line {
        let exact = matches!(self.shift, Some((_, true)));
        let report = self.media.reported().filter(|_| exact).map(|(ntp, rtp)| (ntp, self.media_time(rtp)));
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
