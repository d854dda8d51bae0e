//! What the way to a client carries, by what its feedback says of our packets.

use super::delay::Delay;
use super::loss::Loss;
use super::rate::Rate;
use super::trend::{Trend, Usage};

/// One packet of ours and what became of it. All times are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) sent: i64,
    pub(super) bytes: u16,
    /// By the client's clock; `None` when it is lost.
    pub(super) came: Option<i64>,
}

/// The estimate for one client.
#[derive(Debug)]
pub(super) struct Estimator {
    trend: Trend,
    delay: Delay,
    received: Rate,
    loss: Loss,
    /// Bits a second.
    target: f64,
    /// What came when the line was last full.
    capacity: Option<f64>,
    updated: Option<i64>,
    /// True when trials can be made: what was not tried is not known.
    tries: bool,
    /// No further step down before that: the last one must show first, and the queue must drain.
    settled: i64,
}

impl Estimator {
    pub(super) fn new(tries: bool) -> Self {
        Self {
            trend: Trend::new(),
            delay: Delay::default(),
            received: Rate::default(),
            loss: Loss::default(),
            tries,
            target: if tries { START } else { MOST },
            capacity: None,
            updated: None,
            settled: 0,
        }
    }

    /// Bits a second that the line carries.
    pub(super) const fn target(&self) -> f64 {
        self.target
    }

    /// Microseconds that packets wait on their way.
    pub(super) fn queue(&self) -> i64 {
        self.delay.queue()
    }

    /// What was lost of the last second's packets, 0.0 to 1.0.
    pub(super) const fn loss(&self) -> f64 {
        self.loss.fraction()
    }

    /// True when nothing speaks against sending more.
    pub(super) fn is_calm(&self, now: i64) -> bool {
        let flows = self.delay.queue() < NOTICED && self.trend.usage() != Usage::Over;
        flows && now >= self.settled && !self.loss.is_high()
    }

    /// Takes what one feedback told, in the order of sending. While `probing`, a queue is the probe's.
    pub(super) fn feedback(&mut self, now: i64, rtt: i64, probing: bool, told: impl Iterator<Item = Told>) {
        for one in told {
            self.loss.add(one.came.is_some());
            let Some(came) = one.came else { continue };
            self.trend.add(one.sent, came);
            self.delay.add(one.sent, came);
            self.received.add(came, u64::from(one.bytes));
        }
        let passed = self.updated.replace(now).map_or(0, |at| (now - at).clamp(0, 1_000_000));
        if probing {
            self.settled = self.settled.max(now + rtt + DRAIN);
        }
        let due = now >= self.settled || (probing && self.delay.queue() > UNBEARABLE);
        if due && self.is_over() {
            self.full(now, rtt);
        } else if self.loss.judge(now) && !probing {
            self.lossy(now, rtt);
        } else if self.is_calm(now) {
            self.increase(passed as f64 / 1e6);
        }
    }

    /// A probe of which so much came through.
    pub(super) fn proved(&mut self, bps: f64) {
        self.target = self.target.max(bps).min(MOST);
        self.capacity = self.capacity.filter(|capacity| *capacity >= bps);
    }

    fn is_over(&self) -> bool {
        let (queue, usage) = (self.delay.queue(), self.trend.usage());
        (usage == Usage::Over && queue > NOTICED) || (usage != Usage::Under && queue > STANDING)
    }

    /// What comes out of a full line is what it carries.
    fn full(&mut self, now: i64, rtt: i64) {
        let Some(received) = self.received.bps() else { return };
        let capacity = match self.capacity {
            Some(known) if (received - known).abs() < 0.3 * known => known + 0.3 * (received - known),
            Some(_) | None => received,
        };
        self.capacity = Some(capacity);
        self.target = self.target.min(capacity * DOWN).max(LEAST);
        self.settled = now + rtt + SETTLE;
    }

    fn lossy(&mut self, now: i64, rtt: i64) {
        let received = self.received.bps().unwrap_or(self.target);
        let down = self.target * (1.0 - 0.5 * self.loss.fraction());
        self.target = down.max(received * 0.95).min(self.target).max(LEAST);
        self.settled = now + rtt + SETTLE;
    }

    fn increase(&mut self, seconds: f64) {
        let Some(received) = self.received.bps() else { return };
        let near = self.capacity.is_some_and(|capacity| self.target > 0.8 * capacity);
        let up = if near { self.target + UP_NEAR * seconds } else { self.target * UP_FAR.powf(seconds) };
        let tried = if self.tries { 1.5 * received + 10_000.0 } else { MOST };
        self.target = self.target.max(up.min(tried)).min(MOST);
    }
}

/// Before anything is known, bits a second.
const START: f64 = 1_000_000.0;
/// Sound alone.
const LEAST: f64 = 50_000.0;
const MOST: f64 = 50_000_000.0;
const DOWN: f64 = 0.9;
/// Bits a second that are added each second near what the line carried before.
const UP_NEAR: f64 = 40_000.0;
/// The factor in each second elsewhere.
const UP_FAR: f64 = 1.08;
/// A queue of so many microseconds is one.
const NOTICED: i64 = 25_000;
/// A queue that must not stand.
const STANDING: i64 = 120_000;
/// A queue that even a probe must not make.
const UNBEARABLE: i64 = 200_000;
/// How long a step down takes to show, besides the round trip.
const SETTLE: i64 = 350_000;
/// How long the queue that a probe made may take to drain.
const DRAIN: i64 = 100_000;
