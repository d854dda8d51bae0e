//! Opens RTP packets with AES-GCM: which of them are new, and a space that many share, so that a packet costs no allocation.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};

use super::Refused;
use super::cipher::{Cipher, TAG};
use crate::endpoint::webrtc::rtp::Header;

/// The inbound half of a session. Only sources that prove to hold the keys have state in it.
pub(super) struct Opener {
    cipher: Cipher,
    sources: HashMap<u32, Source>,
    /// Where packets are opened. Its memory is given back when the last packet in it is dropped.
    space: BytesMut,
}

/// The packets of one source that came already.
struct Source {
    /// The highest index: sequence number, and how often that began anew (RFC 3711 section 3.3.1).
    highest: u64,
    /// A bit for each of the last [`WINDOW`] indexes.
    seen: [u64; WINDOW as usize / 64],
}

impl Opener {
    pub(super) fn new(cipher: Cipher) -> Self {
        Self { cipher, sources: HashMap::new(), space: BytesMut::new() }
    }

    /// Opens a packet: its header, and its payload without the tag. One of a new source only if there is `room` for that.
    pub(super) fn open(&mut self, packet: &[u8], header: &Header, room: bool) -> Result<Bytes, Refused> {
        let (plain, tag) = packet.split_last_chunk::<TAG>().ok_or(Refused::Forged)?;
        let index = match self.sources.get(&header.ssrc) {
            Some(source) => source.place(header.sequence).ok_or(Refused::Forged)?,
            None => header.sequence.into(),
        };
        if self.space.capacity() < plain.len() {
            self.space.reserve(plain.len().max(SPACE));
        }
        self.space.extend_from_slice(plain);
        if self.cipher.open(&mut self.space, tag, header.len, header.ssrc, index).is_none() {
            self.space.clear();
            return Err(Refused::Forged);
        }
        if !room && !self.sources.contains_key(&header.ssrc) {
            self.space.clear();
            return Err(Refused::Sources);
        }
        self.sources.entry(header.ssrc).or_insert_with(|| Source::new(index)).note(index);
        Ok(self.space.split().freeze())
    }
}

impl Source {
    const fn new(first: u64) -> Self {
        Self { highest: first, seen: [0; WINDOW as usize / 64] }
    }

    /// The index nearest to the highest that has this sequence number; `None` when it came already, or is too old to tell.
    fn place(&self, sequence: u16) -> Option<u64> {
        let ahead = sequence.wrapping_sub(self.highest as u16).cast_signed();
        let index = self.highest.checked_add_signed(ahead.into())?;
        let fresh = index > self.highest || self.highest - index < WINDOW && !self.has(index);
        fresh.then_some(index)
    }

    /// A packet that was opened.
    fn note(&mut self, index: u64) {
        for skipped in self.highest + 1..=index {
            let (word, bit) = at(skipped);
            self.seen[word] &= !bit;
        }
        self.highest = self.highest.max(index);
        let (word, bit) = at(index);
        self.seen[word] |= bit;
    }

    fn has(&self, index: u64) -> bool {
        let (word, bit) = at(index);
        self.seen[word] & bit != 0
    }
}

/// Where an index has its bit.
const fn at(index: u64) -> (usize, u64) {
    let place = index % WINDOW;
    ((place / 64) as usize, 1 << (place % 64))
}

/// Packets by which a packet may be late.
const WINDOW: u64 = super::WINDOW as u64;
/// Bytes of space at a time. Small, because one packet that is kept keeps all of it.
const SPACE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_packet_is_taken_once_however_they_are_shuffled_within_the_window(
            first in any::<u16>(), count in 1_u64..4_000, late in 0_u64..1_000, seed in any::<u64>(),
        ) {
            let first = u64::from(first);
            // Each comes up to `late` places after its own, and twice.
            let moved = |n: u64| n + n.wrapping_mul(seed | 1) % (late + 1);
            let mut order: Vec<u64> = (0..count).chain(0..count).collect();
            order.sort_by_key(|n| moved(*n));
            let mut source = Source::new(first + order[0]);
            let mut taken = std::collections::BTreeSet::new();
            for n in order {
                match source.place((first + n) as u16) {
                    Some(index) => {
                        prop_assert_eq!(index, first + n);
                        prop_assert!(taken.insert(n), "{} came twice", n);
                        source.note(index);
                    }
                    None => prop_assert!(taken.contains(&n), "{} was refused the first time", n),
                }
            }
        }
    }

    #[test]
    fn what_is_older_than_the_window_or_than_the_first_number_of_all_is_refused() {
        let mut source = Source::new(5);
        source.note(5);
        assert_eq!(source.place(65_535), None, "there is no index below 0");
        source.note(5 + WINDOW);
        assert_eq!(source.place(5), None);
        assert_eq!(source.place(6), Some(6));
    }
}
