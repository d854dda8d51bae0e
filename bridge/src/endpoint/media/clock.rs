//! One mapping from the monotonic clock to wall-clock time, fixed when the session begins, and RTCP's forms of time.

use std::time::{Duration, Instant};

use hearing_config::Timestamp;

/// Maps monotonic time to wall-clock time; a step of the system's clock never reaches media.
#[derive(Debug, Clone, Copy)]
pub(in crate::endpoint) struct Clock {
    start: Instant,
    wall: Timestamp,
}

impl Clock {
    pub(in crate::endpoint) const fn new(start: Instant, wall: Timestamp) -> Self {
        Self { start, wall }
    }

    pub(in crate::endpoint) fn at(&self, now: Instant) -> Timestamp {
        self.wall.plus(micros(now.saturating_duration_since(self.start)))
    }

    /// The moment so many microseconds after the session began.
    pub(in crate::endpoint) fn instant(&self, elapsed: i64) -> Instant {
        self.start + Duration::from_micros(elapsed.max(0) as u64)
    }

    /// Microseconds since the session began.
    pub(in crate::endpoint) fn elapsed(&self, now: Instant) -> i64 {
        micros(now.saturating_duration_since(self.start))
    }
}

/// Wall-clock time in RTCP's 32.32 form, seconds since 1900 (RFC 3550 section 4).
pub(in crate::endpoint) fn ntp(time: Timestamp) -> u64 {
    let micros = time.0.max(0) as u64;
    let seconds = micros / 1_000_000 + SECONDS_1900_TO_1970;
    let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
    (seconds << 32) | fraction
}

/// RTCP's 32.32 form in microseconds since 1900; differences matter, not the epoch.
pub(in crate::endpoint) const fn ntp_micros(ntp: u64) -> i64 {
    let seconds = (ntp >> 32) as i64;
    let fraction = ((ntp & 0xffff_ffff) * 1_000_000) >> 32;
    seconds * 1_000_000 + fraction as i64
}

/// The middle 32 bits of an NTP time, by which reports refer to each other.
pub(in crate::endpoint) const fn compact(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// A span in units of 1/65536 s as a duration.
pub(in crate::endpoint) fn compact_span(units: u32) -> Duration {
    Duration::from_micros((u64::from(units) * 1_000_000) >> 16)
}

/// `micros` microseconds in ticks of a clock of `rate` Hz.
pub(in crate::endpoint) const fn ticks(micros: i64, rate: u32) -> i64 {
    // Wide division is slow, and this is asked for every packet.
    if micros.unsigned_abs() < NARROW {
        return (micros * rate as i64).div_euclid(1_000_000);
    }
    (micros as i128 * rate as i128).div_euclid(1_000_000) as i64
}

/// `ticks` of a clock of `rate` Hz in microseconds.
pub(in crate::endpoint) const fn ticks_micros(ticks: i64, rate: u32) -> i64 {
    if ticks.unsigned_abs() < NARROW {
        return (ticks * 1_000_000).div_euclid(rate as i64);
    }
    (ticks as i128 * 1_000_000).div_euclid(rate as i128) as i64
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Below it, neither a million nor a clock's rate makes a product too large.
const NARROW: u64 = 1 << 42;
const SECONDS_1900_TO_1970: u64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_follows_the_monotonic_clock() {
        let start = Instant::now();
        let clock = Clock::new(start, Timestamp(5_000_000));
        assert_eq!(clock.at(start + Duration::from_millis(1500)), Timestamp(6_500_000));
        assert_eq!(clock.elapsed(start + Duration::from_millis(2)), 2_000);
    }

    #[test]
    fn ntp_keeps_differences_to_a_microsecond() {
        let a = ntp(Timestamp(1_800_000_000_123_456));
        let b = ntp(Timestamp(1_800_000_001_123_457));
        assert!((ntp_micros(b) - ntp_micros(a) - 1_000_001).abs() <= 1);
        assert_eq!(compact_span(compact(b).wrapping_sub(compact(a))).as_millis(), 1000);
    }

    #[test]
    fn ticks_and_microseconds_convert_both_ways() {
        assert_eq!(ticks(20_000, 48_000), 960);
        assert_eq!(ticks_micros(-3_000, 90_000), -33_334);
        assert_eq!(ticks(-1, 90_000), -1);
        assert_eq!(ticks_micros(ticks(1_000_000 << 32, 90_000), 90_000), 1_000_000 << 32);
    }
}
