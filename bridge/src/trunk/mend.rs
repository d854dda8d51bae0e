//! A picture's stream as it comes, in any order, and the parity that came beside it: as soon as both are enough for the frame,
//! it is whole, whatever the stream still lacks. Pure; bounded by what a frame may have.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use hearing_proto::wire::{ParityHead, SYMBOL};
use reed_solomon_simd::ReedSolomonDecoder;

/// Some parity symbols of one frame.
pub(super) type Piece = (ParityHead, Vec<Bytes>);

/// What came of one stream, and of its parity.
#[derive(Debug, Default)]
pub(super) struct Mending {
    /// What came without a gap from the beginning on.
    begun: BytesMut,
    /// What came behind a gap.
    beyond: BTreeMap<usize, Bytes>,
    parity: Option<Parity>,
}

#[derive(Debug)]
struct Parity {
    head: ParityHead,
    symbols: BTreeMap<u16, Bytes>,
}

/// Parity that says something else than what came before, or a stream in too many pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

impl Mending {
    /// Bytes of the stream came; none comes twice.
    pub(super) fn push(&mut self, offset: u64, bytes: Bytes) -> Result<(), Refused> {
        let offset = usize::try_from(offset).map_err(|_| Refused)?;
        if offset == self.begun.len() {
            self.begun.extend_from_slice(&bytes);
            while let Some(next) = self.beyond.remove(&self.begun.len()) {
                self.begun.extend_from_slice(&next);
            }
        } else if offset < self.begun.len() || self.beyond.len() >= PIECES {
            return Err(Refused);
        } else {
            self.beyond.insert(offset, bytes);
        }
        Ok(())
    }

    /// Parity came.
    pub(super) fn push_parity(&mut self, (head, symbols): Piece) -> Result<(), Refused> {
        let fresh = || Parity { head, symbols: BTreeMap::new() };
        let parity = self.parity.get_or_insert_with(fresh);
        if (parity.head.stream, parity.head.length, parity.head.count) != (head.stream, head.length, head.count) {
            return Err(Refused);
        }
        parity.symbols.extend((head.first..).zip(symbols));
        Ok(())
    }

    /// What came from the beginning on.
    pub(super) fn begun(&self) -> &[u8] {
        &self.begun
    }

    /// How far the stream goes as far as is known.
    pub(super) fn reach(&self) -> usize {
        self.beyond.last_key_value().map_or(self.begun.len(), |(offset, bytes)| offset + bytes.len())
    }

    /// All of the stream, when by its parity it has no more bytes than came.
    pub(super) fn complete(&mut self) -> Option<Bytes> {
        let length = self.parity.as_ref()?.head.length as usize;
        let all = self.begun.len() == length && self.beyond.is_empty();
        all.then(|| std::mem::take(&mut self.begun).freeze())
    }

    /// The stream has ended and all of it came; whether its parity is of a frame of another length.
    pub(super) fn end(self) -> (Bytes, bool) {
        let contradicted = self.parity.is_some_and(|parity| parity.head.length as usize != self.begun.len());
        (self.begun.freeze(), contradicted)
    }

    /// The frame, once what came is enough for it. Parity of another length than the stream has is refused and forgotten.
    pub(super) fn mend(&mut self) -> Result<Option<Bytes>, Refused> {
        let Some(parity) = &self.parity else { return Ok(None) };
        let length = parity.head.length as usize;
        if self.reach() > length {
            self.parity = None;
            return Err(Refused);
        }
        let whole: usize = self.runs().map(|run| symbols_in(run, length).len()).sum();
        if whole + parity.symbols.len() < parity.head.data() {
            return Ok(None);
        }
        Ok(self.decode(parity).ok())
    }

    fn decode(&self, parity: &Parity) -> Result<Bytes, reed_solomon_simd::Error> {
        let (head, length) = (parity.head, parity.head.length as usize);
        let mut frame = vec![0; head.data() * SYMBOL];
        frame[..self.begun.len()].copy_from_slice(&self.begun);
        for (offset, bytes) in &self.beyond {
            frame[*offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        let mut decoder = ReedSolomonDecoder::new(head.data(), usize::from(head.count), SYMBOL)?;
        for symbol in self.runs().flat_map(|run| symbols_in(run, length)) {
            decoder.add_original_shard(symbol, &frame[symbol * SYMBOL..][..SYMBOL])?;
        }
        for (symbol, bytes) in &parity.symbols {
            decoder.add_recovery_shard(usize::from(*symbol), bytes)?;
        }
        for (symbol, bytes) in decoder.decode()?.restored_original_iter() {
            frame[symbol * SYMBOL..][..SYMBOL].copy_from_slice(bytes);
        }
        frame.truncate(length);
        Ok(frame.into())
    }

    /// What came, from where to where, in order.
    fn runs(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut pieces = std::iter::once((0, self.begun.len()))
            .chain(self.beyond.iter().map(|(offset, bytes)| (*offset, offset + bytes.len())))
            .peekable();
        std::iter::from_fn(move || {
            let (from, mut to) = pieces.next()?;
            while let Some((_, end)) = pieces.next_if(|(next, _)| *next == to) {
                to = end;
            }
            Some((from, to))
        })
    }
}

/// The symbols that lie within a run, the last one of the frame when it reaches the end.
const fn symbols_in((from, to): (usize, usize), length: usize) -> std::ops::Range<usize> {
    let end = if to == length { length.div_ceil(SYMBOL) } else { to / SYMBOL };
    let begin = from.div_ceil(SYMBOL);
    begin..if end > begin { end } else { begin }
}

/// Pieces of one stream that may wait behind a gap: more than the packets of the largest frame.
const PIECES: usize = 2_048;

#[cfg(test)]
mod tests;
