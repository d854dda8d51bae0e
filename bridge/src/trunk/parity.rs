//! How much parity goes with pictures: the more the line loses, the more, as long as it has room for it. Pure, told the time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_proto::wire::{PARITY_HEAD, ParityHead, SYMBOL, encode_parity};
use reed_solomon_simd::ReedSolomonEncoder;

use super::rank::Rank;

/// How much there is of it.
#[derive(Debug)]
pub(super) struct Parity {
    share: f64,
    /// Since when less would do.
    calm: Instant,
    whose: Whose,
    /// When the line last had no room.
    pressed: Option<Instant>,
    /// When more was last tried.
    raised: Option<Instant>,
    patience: Duration,
}

/// Whose pictures it goes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Nobodys,
    Protected,
    All,
}

impl Parity {
    pub(super) const fn new(now: Instant) -> Self {
        Self { share: 0.0, calm: now, whose: Whose::All, pressed: None, raised: None, patience: FIRST }
    }

    /// The line lost this share of the packets, 0.0 to 1.0, since the last call.
    pub(super) fn handle_loss(&mut self, now: Instant, loss: f64) {
        let needed = share_for(loss);
        if needed >= self.share || now.duration_since(self.calm) >= CALM {
            (self.share, self.calm) = (needed, now);
        }
    }

    /// The line has no room. True when less parity goes with pictures from now on; then there may be.
    pub(super) fn give_way(&mut self, now: Instant) -> bool {
        self.pressed = Some(now);
        if self.share == 0.0 || self.whose == Whose::Nobodys {
            return false;
        }
        let tried = self.raised.is_some_and(|at| now.duration_since(at) < TRIAL);
        self.patience = if tried { (self.patience * 2).min(LONGEST) } else { self.patience };
        self.raised = None;
        self.whose = if self.whose == Whose::All { Whose::Protected } else { Whose::Nobodys };
        true
    }

    /// The line has room, and no queue stands on it: after a while more is tried.
    pub(super) fn handle_room(&mut self, now: Instant) {
        let since = [self.pressed, self.raised].into_iter().flatten().max();
        if self.whose == Whose::All || since.is_some_and(|at| now.duration_since(at) < self.patience) {
            return;
        }
        self.whose = if self.whose == Whose::Nobodys { Whose::Protected } else { Whose::All };
        self.raised = Some(now);
    }

    /// Parity for each byte of a picture of such a rank, 0.0 to 1.0.
    pub(super) fn share(&self, rank: Rank) -> f64 {
        match (self.whose, rank) {
            (Whose::All, _) | (Whose::Protected, Rank::Protected) => self.share,
            (Whose::Protected | Whose::Nobodys, _) => 0.0,
        }
    }
}

/// The datagrams, of at most `most` bytes each, with so much parity of a frame that goes by the stream with this number.
pub(super) fn protect(frame: &Bytes, share: f64, stream: u64, most: usize) -> Vec<Bytes> {
    let data = frame.len().div_ceil(SYMBOL);
    let count = ((data as f64 * share).ceil() as usize).min(data);
    let room = most.saturating_sub(PARITY_HEAD) / SYMBOL;
    let (Ok(length), Ok(total)) = (u32::try_from(frame.len()), u16::try_from(count)) else { return Vec::new() };
    if room == 0 || count == 0 {
        return Vec::new();
    }
    // As many symbols in each: it is packets that are lost.
    let each = count.div_ceil(count.div_ceil(room));
    let symbols = code(frame, (data, count)).unwrap_or_default();
    let datagrams = symbols.chunks(each * SYMBOL).enumerate().filter_map(|(at, symbols)| {
        let head = ParityHead { stream, length, count: total, first: u16::try_from(at * each).ok()? };
        encode_parity(&head, &symbols.chunks(SYMBOL).collect::<Vec<_>>()).ok()
    });
    datagrams.collect()
}

/// The parity symbols, one after the other.
fn code(frame: &Bytes, (data, count): (usize, usize)) -> Result<Vec<u8>, reed_solomon_simd::Error> {
    let mut encoder = ReedSolomonEncoder::new(data, count, SYMBOL)?;
    for symbol in frame.chunks(SYMBOL) {
        if symbol.len() == SYMBOL {
            encoder.add_original_shard(symbol)?;
        } else {
            let mut last = [0; SYMBOL];
            last[..symbol.len()].copy_from_slice(symbol);
            encoder.add_original_shard(last)?;
        }
    }
    Ok(encoder.encode()?.recovery_iter().flatten().copied().collect())
}

/// So much that of a hundred frames about eighty are whole without waiting for a packet to be sent again.
const fn share_for(loss: f64) -> f64 {
    if loss < 0.005 {
        0.0
    } else if loss < 0.03 {
        0.2
    } else if loss < 0.07 {
        0.3
    } else if loss < 0.13 {
        0.4
    } else {
        0.6
    }
}

/// How long less must have been enough before less is done.
const CALM: Duration = Duration::from_secs(10);
/// How long the line must have had room before more is tried, at first.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(160);
/// When there is no room so soon after more was tried, that is why.
const TRIAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use hearing_proto::wire::decode_parity;

    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;
    const RANKS: [Rank; 3] = [Rank::Protected, Rank::Ordinary, Rank::Last];

    fn lossy(loss: f64) -> (Parity, Instant) {
        let now = Instant::now();
        let mut parity = Parity::new(now);
        parity.handle_loss(now, loss);
        (parity, now)
    }

    fn shares(parity: &Parity) -> [f64; 3] {
        RANKS.map(|rank| parity.share(rank))
    }

    #[test]
    fn a_line_that_loses_nothing_costs_nothing() {
        assert_eq!(shares(&lossy(0.001).0), [0.0; 3]);
        assert!(lossy(0.01).0.share(Rank::Last) > 0.0);
    }

    #[test]
    fn the_more_is_lost_the_more_there_is_at_once_and_less_only_after_a_while() {
        let (mut parity, start) = lossy(0.02);
        let little = parity.share(Rank::Ordinary);
        parity.handle_loss(start + S(1), 0.2);
        assert!(parity.share(Rank::Ordinary) > little);
        parity.handle_loss(start + S(10), 0.0);
        assert!(parity.share(Rank::Ordinary) > little);
        parity.handle_loss(start + S(11), 0.0);
        assert_eq!(parity.share(Rank::Ordinary), 0.0);
    }

    #[test]
    fn where_there_is_no_room_ordinary_pictures_go_without_it_first_then_all() {
        let (mut parity, now) = lossy(0.1);
        assert!(parity.give_way(now));
        assert_eq!(shares(&parity).map(|share| share > 0.0), [true, false, false]);
        assert!(parity.give_way(now));
        assert_eq!(shares(&parity), [0.0; 3]);
        assert!(!parity.give_way(now), "something else has to");
    }

    #[test]
    fn it_comes_back_when_there_is_room_for_a_while_and_later_when_that_failed() {
        let (mut parity, start) = lossy(0.1);
        parity.give_way(start);
        parity.handle_room(start + S(1));
        assert_eq!(parity.share(Rank::Ordinary), 0.0);
        parity.handle_room(start + S(2));
        assert!(parity.share(Rank::Ordinary) > 0.0);
        parity.give_way(start + S(4));
        parity.handle_room(start + S(7));
        assert_eq!(parity.share(Rank::Ordinary), 0.0);
        parity.handle_room(start + S(8));
        assert!(parity.share(Rank::Ordinary) > 0.0);
    }

    #[test]
    fn parity_fits_its_datagrams_evenly_and_names_its_frame() {
        let frame = Bytes::from(vec![7; 8_094]);
        let datagrams = protect(&frame, 0.5, 9, 1_414);
        let heads: Vec<_> = datagrams.iter().map(|datagram| decode_parity(datagram).unwrap()).collect();
        let firsts: Vec<_> = heads.iter().map(|(head, symbols)| (head.first, symbols.len())).collect();
        assert_eq!(firsts, [(0, 6), (6, 6), (12, 6), (18, 4)]);
        assert!(heads.iter().all(|(head, _)| (head.stream, head.length, head.count) == (9, 8_094, 22)));
        assert!(datagrams.iter().all(|datagram| datagram.len() <= 1_414));
        assert!(protect(&frame, 0.5, 9, 100).is_empty(), "not a symbol fits");
        assert!(protect(&frame, 0.0, 9, 1_414).is_empty());
    }
}
