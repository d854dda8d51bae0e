//! The peer's clock as this node sees it: every captured time that comes over a trunk is put onto this node's clock, so that
//! one clock goes for all that is sent on, shown and recorded here. Pure, told the time.

use std::collections::VecDeque;
use std::time::Instant;

use hearing_config::Timestamp;

/// How far the peer's clock is ahead, from pings. Of the last few the one with the shortest round trip counts: it can be
/// wrong by half of that at most.
#[derive(Debug, Default)]
pub(super) struct PeerClock {
    /// Round trip and offset, microseconds.
    pings: VecDeque<(u64, i64)>,
    count: usize,
}

/// What [`PeerClock`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Offset {
    /// How far the peer's clock is ahead, microseconds.
    pub(super) micros: i64,
    /// False while too few pings have come back.
    pub(super) settled: bool,
}

impl PeerClock {
    /// A ping came back.
    pub(super) fn measure(&mut self, rtt_us: u64, offset_us: i64) -> Offset {
        if self.pings.len() == WINDOW {
            self.pings.pop_front();
        }
        self.pings.push_back((rtt_us, offset_us));
        self.count += 1;
        let best = self.pings.iter().min_by_key(|(rtt, _)| *rtt);
        Offset { micros: best.map_or(0, |(_, offset)| *offset), settled: self.is_settled() }
    }

    /// False while pings should follow each other at once.
    pub(super) const fn is_settled(&self) -> bool {
        self.count >= SETTLED
    }
}

/// Puts the captured times of one link onto this node's clock.
#[derive(Debug, Default)]
pub(super) struct Mapping {
    /// What is taken off, in microseconds, and as of when.
    applied: Option<(i64, Instant)>,
}

impl Mapping {
    /// When something was captured by this node's clock that the peer says was captured at `time`.
    ///
    /// While the offset is being found it is followed at once. Later it is followed by [`SLEW`], which nobody sees or hears;
    /// but when it is further off than [`JUMP`] the peer's clock has been set or has slept, and there is no way to be right but to follow.
    pub(super) fn map(&mut self, now: Instant, offset: Offset, time: Timestamp) -> Timestamp {
        let (applied, since) = *self.applied.get_or_insert((offset.micros, now));
        let off = offset.micros.saturating_sub(applied);
        let may = i64::try_from(now.saturating_duration_since(since).as_micros()).unwrap_or(i64::MAX) / SLEW;
        let step = if !offset.settled || off.saturating_abs() > JUMP { off } else { off.clamp(-may, may) };
        if step != 0 || off == 0 {
            self.applied = Some((applied.saturating_add(step), now));
        }
        time.plus(-applied.saturating_add(step))
    }
}

/// Pings that are looked at: about five seconds' worth.
const WINDOW: usize = 16;
/// Pings after which the offset is known well enough.
const SETTLED: usize = 8;
/// One microsecond in this many: 500 parts in a million, more than two clocks ever drift apart.
const SLEW: i64 = 2_000;
/// Microseconds.
const JUMP: i64 = 100_000;

#[cfg(test)]
mod tests;
