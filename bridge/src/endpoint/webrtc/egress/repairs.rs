//! How much of the line repair may take: a client that asks for everything again must not fill it for itself.

use std::time::Instant;

/// A bucket that fills with a share of what the line carries.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    bytes: f64,
    at: Option<Instant>,
}

impl Repairs {
    /// Time has passed; `estimate` is what the line carries, bits a second, as far as it is known.
    pub(super) fn refill(&mut self, now: Instant, estimate: Option<f64>) {
        let rate = estimate.unwrap_or(UNKNOWN) / 8.0 * SHARE;
        let passed = self.at.replace(now).map_or(1.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.bytes = (self.bytes + passed * rate).min(rate.max(LEAST));
    }

    pub(super) fn may(&self) -> bool {
        self.bytes > 0.0
    }

    pub(super) fn spend(&mut self, bytes: usize) {
        self.bytes -= bytes as f64;
    }
}

const SHARE: f64 = 0.5;
/// Of a line that nobody measures, bits a second.
const UNKNOWN: f64 = 4e6;
/// Bytes that it may hold at the least: a key frame.
const LEAST: f64 = 40_000.0;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn repair_takes_no_more_than_half_of_the_line() {
        let (mut repairs, start) = (Repairs::default(), Instant::now());
        let mut sent = 0;
        for ms in 0..10_000 {
            repairs.refill(start + Duration::from_millis(ms), Some(1e6));
            while repairs.may() {
                repairs.spend(1_200);
                sent += 1_200;
            }
        }
        let most = 1_000_000 / 8 / 2 * 10 + 70_000;
        assert!((600_000..most).contains(&sent), "{sent}");
    }
}
