//! How unevenly packets arrive (RFC 3550, section 6.4.1).

use hearing_config::Timestamp;

use super::clock::ticks;

/// The jitter of one source.
#[derive(Debug, Default)]
pub(in crate::endpoint) struct Jitter {
    ticks: f64,
    transit: Option<i64>,
}

impl Jitter {
    /// A packet of media time `time` arrived, in ticks of a clock of `rate` Hz.
    pub(in crate::endpoint) fn arrive(&mut self, wall: Timestamp, time: i64, rate: u32) {
        let transit = ticks(wall.0, rate) - time;
        if let Some(before) = self.transit.replace(transit) {
            let change = (transit - before).abs().min(i64::from(rate) * 10) as f64;
            self.ticks += (change - self.ticks) / 16.0;
        }
    }

    /// As reports tell it, in ticks.
    pub(in crate::endpoint) const fn ticks(&self) -> u32 {
        self.ticks as u32
    }
}
