//! What was sent lately, so that a client can have it again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// A packet as it was sent, without its header. The payload is shared with everybody who got it.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    /// The byte before the payload, where the codec has one.
    pub(super) descriptor: Option<u8>,
    pub(super) payload: Bytes,
    pub(super) at: Instant,
    resent: Option<Instant>,
}

impl Sent {
    pub(super) const fn new(
        (sequence, timestamp, marker): (u16, u32, bool),
        descriptor: Option<u8>,
        payload: Bytes,
        at: Instant,
    ) -> Self {
        Self { sequence, timestamp, marker, descriptor, payload, at, resent: None }
    }
}

/// The packets of the last second, at most 1,024.
#[derive(Debug, Default)]
pub(super) struct History {
    packets: VecDeque<Sent>,
}

impl History {
    pub(super) fn push(&mut self, sent: Sent) {
        let old = |first: &Sent| sent.at.saturating_duration_since(first.at) > AGE;
        while self.packets.len() >= LIMIT || self.packets.front().is_some_and(old) {
            self.packets.pop_front();
        }
        self.packets.push_back(sent);
    }

    /// A packet of the last moments, another for each `turn`: sent once more it may even be of use.
    pub(super) fn recent(&self, turn: usize) -> Option<&Sent> {
        let among = self.packets.len().min(RECENT);
        let back = turn.checked_rem(among)?;
        self.packets.get(self.packets.len() - 1 - back).filter(|sent| !sent.payload.is_empty())
    }

    /// The packet of this sequence number, unless it is gone or was sent again a moment ago.
    pub(super) fn again(&mut self, now: Instant, sequence: u16) -> Option<&Sent> {
        let sent = self.packets.iter_mut().rev().find(|sent| sent.sequence == sequence)?;
        let fresh = now.saturating_duration_since(sent.at) <= AGE;
        let spaced = sent.resent.is_none_or(|at| now.saturating_duration_since(at) >= SPACING);
        if !fresh || !spaced {
            return None;
        }
        sent.resent = Some(now);
        Some(sent)
    }

    /// When the packet of this sequence number was sent first.
    pub(super) fn sent_at(&self, sequence: u16) -> Option<Instant> {
        self.packets.iter().rev().find(|sent| sent.sequence == sequence).map(|sent| sent.at)
    }

    pub(super) fn clear(&mut self) {
        self.packets.clear();
    }
}

const LIMIT: usize = 1_024;
const AGE: Duration = Duration::from_secs(1);
const RECENT: usize = 32;
const SPACING: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(sequence: u16, at: Instant) -> Sent {
        Sent::new((sequence, 0, false), None, Bytes::new(), at)
    }

    #[test]
    fn a_packet_is_given_again_but_not_in_one_breath() {
        let start = Instant::now();
        let mut history = History::default();
        history.push(sent(5, start));
        assert!(history.again(start, 5).is_some());
        assert!(history.again(start + Duration::from_millis(10), 5).is_none());
        assert!(history.again(start + Duration::from_millis(40), 5).is_some());
        assert!(history.again(start, 6).is_none());
        assert!(history.again(start + Duration::from_millis(1_100), 5).is_none());
    }

    #[test]
    fn it_is_bounded_in_number_and_age() {
        let start = Instant::now();
        let mut history = History::default();
        (0..5_000).for_each(|n| history.push(sent(n, start)));
        assert_eq!(history.packets.len(), LIMIT);
        history.push(sent(9, start + Duration::from_secs(2)));
        assert_eq!(history.packets.len(), 1);
    }
}
