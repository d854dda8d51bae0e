//! Bytes over time.

use std::collections::VecDeque;

/// Counts bytes in bins of time. All times are in microseconds.
#[derive(Debug, Default)]
pub(in crate::endpoint::webrtc) struct Rate {
    /// (number of the bin, bytes), the latest last.
    bins: VecDeque<(i64, u64)>,
}

impl Rate {
    /// `bytes` came at `at`.
    pub(in crate::endpoint::webrtc) fn add(&mut self, at: i64, bytes: u64) {
        let bin = at.div_euclid(BIN);
        match self.bins.back_mut() {
            Some((last, sum)) if *last >= bin => *sum += bytes,
            Some(_) | None => self.bins.push_back((bin, bytes)),
        }
        while self.bins.front().is_some_and(|(first, _)| bin - first > BINS) {
            self.bins.pop_front();
        }
    }

    /// Bits a second over the last whole bins; `None` as long as there are too few.
    pub(in crate::endpoint::webrtc) fn bps(&self) -> Option<f64> {
        let ((first, _), (last, _)) = (self.bins.front()?, self.bins.back()?);
        // The first may be cut off by the beginning, the last is not over.
        let span = last - first - 1;
        if span < LEAST {
            return None;
        }
        let inner = self.bins.iter().filter(|(bin, _)| bin != first && bin != last);
        Some(inner.map(|(_, bytes)| bytes).sum::<u64>() as f64 * 8e6 / (span * BIN) as f64)
    }
}

const BIN: i64 = 25_000;
/// Bins that count: 350 ms.
const BINS: i64 = 14;
/// Bins without which there is no rate.
const LEAST: i64 = 5;
