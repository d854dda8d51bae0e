//! The order of the RTP packets of one source (RFC 3550): what comes early waits for what it overtook, for a while.

use std::collections::BTreeMap;

use crate::endpoint::media::Unwrap;
use crate::net::rtp::Header;

/// Puts packets in order. Bounded: [`WINDOW`] of them wait.
#[derive(Debug, Default)]
pub(super) struct Order {
    source: Option<Source>,
    waiting: BTreeMap<i64, Piece>,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    unwrap: Unwrap,
    next: i64,
}

/// A packet in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// How many before it never came. A source that begins anew counts as one.
    pub(super) lost: u64,
    /// The end of a picture, as the sender has it.
    pub(super) marker: bool,
    pub(super) payload: Vec<u8>,
}

impl Order {
    /// A packet came: those that are in order now.
    pub(super) fn push(&mut self, header: Header, payload: &[u8]) -> Vec<Piece> {
        let anew = self.source.as_ref().is_some_and(|source| source.ssrc != header.ssrc);
        if anew {
            self.waiting.clear();
            self.source = None;
        }
        let source = self.source.get_or_insert_with(|| Source {
            ssrc: header.ssrc,
            unwrap: Unwrap::DEFAULT,
            next: i64::from(header.sequence),
        });
        let sequence = source.unwrap.unwrap(header.sequence.into(), 16);
        if sequence < source.next {
            metrics::counter!("hearing_gb28181_packets_late_total").increment(1);
            return Vec::new();
        }
        let piece = Piece { lost: u64::from(anew), marker: header.marker, payload: payload.to_vec() };
        self.waiting.insert(sequence, piece);
        let mut ready = Vec::new();
        if self.waiting.len() > WINDOW {
            ready.extend(self.leap());
        }
        self.follow(&mut ready);
        ready
    }

    /// Gives up what is missing before the first that waits.
    fn leap(&mut self) -> Option<Piece> {
        let source = self.source.as_mut()?;
        let (sequence, mut piece) = self.waiting.pop_first()?;
        piece.lost += (sequence - source.next) as u64;
        source.next = sequence + 1;
        Some(piece)
    }

    fn follow(&mut self, ready: &mut Vec<Piece>) {
        let Some(source) = self.source.as_mut() else { return };
        while let Some(piece) = self.waiting.remove(&source.next) {
            source.next += 1;
            ready.push(piece);
        }
    }
}

/// Packets that wait for one that is missing: about a tenth of a second of a picture.
const WINDOW: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn push(order: &mut Order, ssrc: u32, sequence: u16) -> Vec<(u8, u64)> {
        let header = Header { marker: false, payload_type: 96, sequence, timestamp: 0, ssrc };
        order.push(header, &[sequence as u8]).iter().map(|piece| (piece.payload[0], piece.lost)).collect()
    }

    #[test]
    fn what_overtakes_waits_and_what_comes_twice_or_too_late_is_left_out() {
        let mut order = Order::default();
        assert_eq!(push(&mut order, 1, 65_534), [(254, 0)]);
        assert_eq!(push(&mut order, 1, 0), []);
        assert_eq!(push(&mut order, 1, 65_535), [(255, 0), (0, 0)]);
        assert_eq!(push(&mut order, 1, 65_535), []);
        assert_eq!(push(&mut order, 1, 65_500), []);
        assert_eq!(push(&mut order, 1, 1), [(1, 0)]);
    }

    #[test]
    fn what_never_comes_is_given_up_when_enough_came_after_it() {
        let mut order = Order::default();
        push(&mut order, 1, 10);
        let later: Vec<_> = (13..=28).map(|n| push(&mut order, 1, n)).collect();
        assert!(later.iter().all(Vec::is_empty));
        let given = push(&mut order, 1, 29);
        assert_eq!((given.len(), given[0], given[1]), (17, (13, 2), (14, 0)));
    }

    #[test]
    fn a_device_that_begins_anew_is_followed_and_something_was_lost() {
        let mut order = Order::default();
        push(&mut order, 1, 10);
        assert_eq!(push(&mut order, 2, 40_000), [(64, 1)]);
        assert_eq!(push(&mut order, 2, 40_001), [(65, 0)]);
    }
}
