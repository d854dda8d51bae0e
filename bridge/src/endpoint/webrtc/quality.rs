//! The figures of a connection, once a second.

use std::time::{Duration, Instant};

use hearing_signaling::hearing::SeatQuality;

/// Gathers a second's figures.
#[derive(Debug)]
pub(super) struct Quality {
    since: Instant,
    bytes: (u64, u64),
    totals: (i64, i64),
    fractions: (u32, u32),
    rtt: Option<Duration>,
}

impl Quality {
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, bytes: (0, 0), totals: (0, 0), fractions: (0, 0), rtt: None }
    }

    /// When the next figures are due.
    pub(super) fn due(&self) -> Instant {
        self.since + SECOND
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due()
    }

    /// The client reported that `fraction`/256 of a source's packets were lost.
    pub(super) const fn reception(&mut self, fraction: u8, rtt: Option<Duration>) {
        self.fractions = (self.fractions.0 + fraction as u32, self.fractions.1 + 1);
        if rtt.is_some() {
            self.rtt = rtt;
        }
    }

    /// The figures since the last, out of running totals: bytes up and down, packets that should have come and that came.
    /// A silent connection loses everything.
    pub(super) fn take(&mut self, now: Instant, bytes: (u64, u64), totals: (i64, i64), silent: bool) -> SeatQuality {
        let micros = now.saturating_duration_since(self.since).as_micros().max(1) as u64;
        let kbps = |now: u64, before: u64| u32::try_from((now - before) * 8_000 / micros).unwrap_or(u32::MAX);
        let (expected, came) = (totals.0 - self.totals.0, totals.1 - self.totals.1);
        let loss_up = if expected <= 0 { 0.0 } else { (1.0 - came as f32 / expected as f32).clamp(0.0, 1.0) };
        let (lost, reports) = self.fractions;
        let loss_down = if reports == 0 { 0.0 } else { lost as f32 / reports as f32 / 256.0 };
        let quality = SeatQuality {
            up_kbps: kbps(bytes.0, self.bytes.0),
            down_kbps: kbps(bytes.1, self.bytes.1),
            loss_up: if silent { 1.0 } else { loss_up },
            loss_down: if silent { 1.0 } else { loss_down },
            rtt_ms: self.rtt.map_or(0, |rtt| rtt.as_millis().clamp(1, 60_000) as u32),
            ..SeatQuality::default()
        };
        (self.since, self.bytes, self.totals, self.fractions) = (now, bytes, totals, (0, 0));
        quality
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_second() {
        let start = Instant::now();
        let mut quality = Quality::new(start);
        quality.reception(64, Some(Duration::from_millis(40)));
        quality.reception(0, None);
        let first = quality.take(start + SECOND, (125_000, 12_500), (100, 90), false);
        assert_eq!((first.up_kbps, first.down_kbps, first.rtt_ms), (1_000, 100, 40));
        assert!((first.loss_up - 0.1).abs() < 1e-6 && (first.loss_down - 0.125).abs() < 1e-6);
        let second = quality.take(start + SECOND * 2, (125_000, 12_500), (100, 90), false);
        assert_eq!((second.up_kbps, second.loss_up, second.loss_down, second.rtt_ms), (0, 0.0, 0.0, 40));
        assert_eq!(quality.take(start + SECOND * 3, (125_000, 12_500), (100, 90), true).loss_up, 1.0);
    }
}
