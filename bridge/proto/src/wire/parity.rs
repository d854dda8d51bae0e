//! Parity of a picture: with it a frame is whole although its stream has lost packets. A byte 1, which no frame begins with
//! because flows are numbered from 2, then a head in postcard, then the symbols one after the other.
//!
//! The frame is cut into symbols of [`SYMBOL`] bytes, the last one filled up with zeros; parity symbols are made of them by the
//! Reed-Solomon code over GF(2^16) of the crate reed-solomon-simd 3 (Leopard). Any `k` symbols of both kinds give the `k` of the frame.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::codec::Error;
use super::media::MAX_FRAME;

/// Bytes of a symbol.
pub const SYMBOL: usize = 192;

/// The most bytes that a parity datagram has besides its symbols.
pub const PARITY_HEAD: usize = 24;

/// Which parity symbols of which frame a datagram carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParityHead {
    /// The number of the unidirectional stream that carries the frame, as QUIC counts those of this sender from 0.
    pub stream: u64,
    /// Bytes of the frame: 1 to [`MAX_FRAME`].
    pub length: u32,
    /// How many parity symbols there are of it: 1 to as many as the frame has symbols.
    pub count: u16,
    /// The first of them in this datagram, from 0; the others follow.
    pub first: u16,
}

impl ParityHead {
    /// How many symbols the frame has.
    #[must_use]
    pub const fn data(&self) -> usize {
        (self.length as usize).div_ceil(SYMBOL)
    }
}

/// True when a datagram is parity and not a frame or a bundle.
#[must_use]
pub fn is_parity(datagram: &[u8]) -> bool {
    datagram.first() == Some(&MARK)
}

/// The datagram that carries `symbols`.
///
/// # Errors
/// When the head is not possible, or a symbol is none.
pub fn encode_parity(head: &ParityHead, symbols: &[&[u8]]) -> Result<Bytes, Error> {
    check(head, symbols.len())?;
    let mut out = Vec::with_capacity(PARITY_HEAD + symbols.len() * SYMBOL);
    out.push(MARK);
    out = postcard::to_extend(head, out).map_err(|_| Error::Frame("parity head"))?;
    for symbol in symbols {
        if symbol.len() != SYMBOL {
            return Err(Error::Frame("parity symbol"));
        }
        out.extend_from_slice(symbol);
    }
    Ok(out.into())
}

/// The parity that a datagram carries; the symbols share its bytes.
///
/// # Errors
/// When it is cut off, or its head is not possible.
pub fn decode_parity(datagram: &Bytes) -> Result<(ParityHead, Vec<Bytes>), Error> {
    let (Some(&MARK), body) = (datagram.first(), datagram.slice(datagram.len().min(1)..)) else {
        return Err(Error::Frame("no parity"));
    };
    let (head, rest) = postcard::take_from_bytes::<ParityHead>(&body).map_err(|_| Error::Frame("parity head"))?;
    if rest.len() % SYMBOL != 0 {
        return Err(Error::Frame("parity symbol cut off"));
    }
    let mut rest = body.slice(body.len() - rest.len()..);
    check(&head, rest.len() / SYMBOL)?;
    let symbols = std::iter::from_fn(|| (!rest.is_empty()).then(|| rest.split_to(SYMBOL)));
    Ok((head, symbols.collect()))
}

fn check(head: &ParityHead, symbols: usize) -> Result<(), Error> {
    let (count, end) = (usize::from(head.count), usize::from(head.first) + symbols);
    if head.length == 0 || head.length as usize > MAX_FRAME {
        Err(Error::Frame("parity of no possible frame"))
    } else if count == 0 || count > head.data() {
        Err(Error::Frame("parity count"))
    } else if symbols == 0 || end > count {
        Err(Error::Frame("parity symbols"))
    } else {
        Ok(())
    }
}

const MARK: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: ParityHead = ParityHead { stream: 70_000, length: 8_000, count: 20, first: 13 };

    fn datagram(head: ParityHead, symbols: usize) -> Result<Bytes, Error> {
        encode_parity(&head, &vec![&[7; SYMBOL][..]; symbols])
    }

    #[test]
    fn six_symbols_fit_a_datagram_on_a_line_of_1280_bytes_and_seven_one_of_1452() {
        let largest = ParityHead { stream: (1 << 60) - 1, length: MAX_FRAME as u32, count: 5_000, first: 4_990 };
        assert!(datagram(largest, 6).unwrap().len() <= 6 * SYMBOL + PARITY_HEAD);
        const { assert!(6 * SYMBOL + PARITY_HEAD <= 1_242 && 7 * SYMBOL + PARITY_HEAD <= 1_414) };
    }

    #[test]
    fn what_is_not_possible_is_neither_sent_nor_taken() {
        for (head, symbols) in [
            (ParityHead { length: 0, ..HEAD }, 1),
            (ParityHead { length: MAX_FRAME as u32 + 1, ..HEAD }, 1),
            (ParityHead { count: 0, first: 0, ..HEAD }, 1),
            (ParityHead { count: 43, ..HEAD }, 1),
            (HEAD, 0),
            (HEAD, 8),
        ] {
            assert!(datagram(head, symbols).is_err(), "{head:?} {symbols}");
            let mut forged = vec![MARK];
            forged = postcard::to_extend(&head, forged).unwrap();
            forged.extend(vec![7; symbols * SYMBOL]);
            assert!(decode_parity(&forged.into()).is_err(), "{head:?} {symbols}");
        }
    }

    #[test]
    fn parity_cut_anywhere_but_between_symbols_is_refused() {
        let whole = datagram(HEAD, 2).unwrap();
        for end in (0..whole.len()).filter(|end| *end != whole.len() - SYMBOL) {
            assert!(decode_parity(&whole.slice(..end)).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn parity_comes_out_as_it_went_in(
            stream in 0..1u64 << 62, length in 1..MAX_FRAME as u32, first in 0..5u16, symbols in 1..8usize,
        ) {
            let count = (length as usize).div_ceil(SYMBOL).min(4_000) as u16;
            let head = ParityHead { stream, length, count, first };
            if let Ok(sent) = datagram(head, symbols) {
                prop_assert!(is_parity(&sent));
                let (came, those) = decode_parity(&sent).unwrap();
                prop_assert_eq!((came, those.len()), (head, symbols));
            } else {
                prop_assert!(usize::from(first) + symbols > usize::from(count));
            }
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1_500)) {
            let _ = decode_parity(&bytes.into());
        }
    }
}
