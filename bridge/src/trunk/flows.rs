//! What became of every track on one trunk, in either direction.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use hearing_config::{HearingId, TrackId};

use super::inbox::Received;
use super::outbox::{Name, Tally};
use super::rank::Rank;

/// One track on one trunk, since the present link came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowReport {
    /// The hearing.
    pub hearing: HearingId,
    /// The track.
    pub track: TrackId,
    /// What is known at this end.
    pub way: FlowWay,
}

/// What is known of a track where it leaves and where it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowWay {
    /// It goes to the peer.
    Out {
        /// True while its picture goes before others: by its seat's role, or because the seat speaks.
        protected: bool,
        /// Frames sent.
        sent: u64,
        /// Frames shed before they were sent.
        shed: u64,
        /// Frames sent and given up at their deadline.
        late: u64,
        /// Datagrams of parity sent with them.
        parity: u64,
        /// Frames that came while the picture was held back.
        held: u64,
        /// True while it is: the line has no room for it.
        holds: bool,
    },
    /// It comes from the peer.
    In {
        /// Frames that came and were handed on.
        received: u64,
        /// Frames that never came.
        lost: u64,
        /// Of those received, how many came only because they were sent again.
        repaired: u64,
        /// Frames that came and were not used.
        dropped: u64,
        /// Of those that came, how many are whole only by parity.
        mended: u64,
        /// From capture to arrival here, in milliseconds, of the last 10 to 20 s: the median and the 99th percentile.
        latency_ms: Option<(u32, u32)>,
    },
}

/// Of one trunk; the tasks that send and receive write it, twice a second.
#[derive(Debug, Default)]
pub(super) struct Flows {
    out: Mutex<BTreeMap<Name, (Rank, Tally)>>,
    come: Mutex<BTreeMap<Name, Coming>>,
}

/// What came, and how long it took.
type Coming = (Received, Option<(u32, u32)>);

impl Flows {
    /// What is being sent now.
    pub(super) fn set_out(&self, flows: impl Iterator<Item = (Name, Rank, Tally)>) {
        *lock(&self.out) = flows.map(|(name, rank, tally)| (name, (rank, tally))).collect();
    }

    /// What is being received now.
    pub(super) fn set_in(&self, flows: impl Iterator<Item = (Name, Received, Option<(u32, u32)>)>) {
        *lock(&self.come) = flows.map(|(name, received, latency)| (name, (received, latency))).collect();
    }

    /// The link is over.
    pub(super) fn clear(&self) {
        lock(&self.out).clear();
        lock(&self.come).clear();
    }

    pub(super) fn report(&self) -> Vec<FlowReport> {
        let leaving = lock(&self.out);
        let mut all: Vec<_> = leaving.iter().map(|(name, (rank, tally))| report(*name, out(*rank, tally))).collect();
        drop(leaving);
        let coming = lock(&self.come);
        all.extend(coming.iter().map(|(name, (received, latency))| report(*name, come(received, *latency))));
        all
    }
}

/// How long frames of one track take.
#[derive(Debug)]
pub(super) struct Latency {
    present: Histogram<u64>,
    before: Histogram<u64>,
    turned: Instant,
}

impl Latency {
    pub(super) fn new(now: Instant) -> Self {
        let empty = || Histogram::new_with_max(LONGEST_MS, 3).expect("a range of three digits");
        Self { present: empty(), before: empty(), turned: now }
    }

    /// A frame took so long; less than nothing counts as nothing, as clocks are only that exact.
    pub(super) fn record(&mut self, now: Instant, micros: i64) {
        if now.duration_since(self.turned) >= SPAN {
            std::mem::swap(&mut self.present, &mut self.before);
            self.present.reset();
            self.turned = now;
        }
        self.present.saturating_record(u64::try_from(micros / 1_000).unwrap_or(0));
    }

    /// The median and the 99th percentile, in milliseconds.
    pub(super) fn quantiles(&self) -> Option<(u32, u32)> {
        let mut both = self.present.clone();
        both.add(&self.before).ok()?;
        let at = |q| u32::try_from(both.value_at_quantile(q)).unwrap_or(u32::MAX);
        (!both.is_empty()).then(|| (at(0.5), at(0.99)))
    }
}

fn out(rank: Rank, tally: &Tally) -> FlowWay {
    let Tally { sent, shed, late, parity, held, holds, .. } = *tally;
    FlowWay::Out { protected: rank == Rank::Protected, sent, shed, late, parity, held, holds }
}

const fn come(received: &Received, latency_ms: Option<(u32, u32)>) -> FlowWay {
    let Received { received, lost, repaired, dropped, mended } = *received;
    FlowWay::In { received, lost, repaired, dropped, mended, latency_ms }
}

const fn report((hearing, track): Name, way: FlowWay) -> FlowReport {
    FlowReport { hearing, track, way }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const LONGEST_MS: u64 = 60_000;
const SPAN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_is_that_of_the_last_ten_to_twenty_seconds() {
        let start = Instant::now();
        let mut latency = Latency::new(start);
        assert_eq!(latency.quantiles(), None);
        for n in 0..100 {
            latency.record(start, if n < 98 { 20_000 } else { 300_000 });
        }
        assert_eq!(latency.quantiles(), Some((20, 300)));
        latency.record(start + SPAN, -5);
        assert_eq!(latency.quantiles(), Some((20, 300)));
        latency.record(start + SPAN * 2, 7_000);
        assert_eq!(latency.quantiles(), Some((0, 7)));
    }
}
