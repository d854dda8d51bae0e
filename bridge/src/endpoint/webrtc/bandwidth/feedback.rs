//! Transport-wide feedback as a client sends it (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1), read in place.

use super::super::rtp::Unwrap;

/// What one feedback says of packets, in the order of their numbers.
#[derive(Debug, Clone)]
pub(super) struct Feedback<'a> {
    number: u16,
    left: u16,
    chunks: &'a [u8],
    deltas: &'a [u8],
    /// Microseconds on the client's clock.
    clock: i64,
    chunk: Chunk,
}

/// Statuses of packets that follow.
#[derive(Debug, Clone, Copy)]
enum Chunk {
    Run { status: u8, left: u16 },
    One { bits: u16, left: u16 },
    Two { bits: u16, left: u16 },
}

impl<'a> Feedback<'a> {
    /// The feedback in an RTCP packet after its first four bytes; `None` when it is malformed or tells of too many packets.
    /// `reference` unwraps the client's clock, which has 24 bits and lasts 12 days.
    pub(super) fn read(body: &'a [u8], reference: &mut Unwrap) -> Option<Self> {
        let head = body.first_chunk::<HEAD>()?;
        let (number, count) = (u16::from_be_bytes([head[8], head[9]]), u16::from_be_bytes([head[10], head[11]]));
        if count == 0 || count > MOST {
            return None;
        }
        let rest = &body[HEAD..];
        let end = chunks_end(rest, count)?;
        let (chunks, deltas) = rest.split_at(end);
        let chunk = Chunk::Run { status: 0, left: 0 };
        let reference = reference.unwrap(u32::from_be_bytes([0, head[12], head[13], head[14]]), 24);
        Some(Self { number, left: count, chunks, deltas, clock: reference * REFERENCE, chunk })
    }

    fn status(&mut self) -> Option<u8> {
        if self.chunk.left() == 0 {
            let (first, rest) = self.chunks.split_first_chunk::<2>()?;
            self.chunk = Chunk::read(u16::from_be_bytes(*first));
            self.chunks = rest;
        }
        Some(self.chunk.next())
    }

    fn delta(&mut self, status: u8) -> Option<i64> {
        if status == SMALL {
            let (first, rest) = self.deltas.split_first()?;
            self.deltas = rest;
            return Some(i64::from(*first));
        }
        let (first, rest) = self.deltas.split_first_chunk::<2>()?;
        self.deltas = rest;
        Some(i64::from(i16::from_be_bytes(*first)))
    }
}

impl Iterator for Feedback<'_> {
    /// A packet's number, and when it came; `None` when it did not.
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let status = self.status()?;
        let came = match status {
            SMALL | LARGE => {
                self.clock += self.delta(status)? * TICK;
                Some(self.clock)
            }
            _ => None,
        };
        let number = self.number;
        self.number = number.wrapping_add(1);
        Some((number, came))
    }
}

impl Chunk {
    const fn read(bits: u16) -> Self {
        if bits & 0x8000 == 0 {
            Self::Run { status: (bits >> 13 & 3) as u8, left: bits & 0x1fff }
        } else if bits & 0x4000 == 0 {
            Self::One { bits: bits << 2, left: 14 }
        } else {
            Self::Two { bits: bits << 2, left: 7 }
        }
    }

    const fn left(self) -> u16 {
        match self {
            Self::Run { left, .. } | Self::One { left, .. } | Self::Two { left, .. } => left,
        }
    }

    /// The next status. There is one left.
    const fn next(&mut self) -> u8 {
        match self {
            Self::Run { status, left } => {
                *left = left.saturating_sub(1);
                *status
            }
            Self::One { bits, left } => {
                *left = left.saturating_sub(1);
                let status = (*bits >> 15) as u8;
                *bits <<= 1;
                status
            }
            Self::Two { bits, left } => {
                *left = left.saturating_sub(1);
                let status = (*bits >> 14) as u8;
                *bits <<= 2;
                status
            }
        }
    }
}

/// Where the deltas begin.
fn chunks_end(rest: &[u8], count: u16) -> Option<usize> {
    let (mut end, mut told) = (0, 0);
    while told < count {
        let bytes = rest.get(end..end + 2)?;
        let chunk = Chunk::read(u16::from_be_bytes([bytes[0], bytes[1]]));
        if chunk.left() == 0 {
            return None;
        }
        told += chunk.left().min(count - told);
        end += 2;
    }
    Some(end)
}

const HEAD: usize = 16;
const SMALL: u8 = 1;
const LARGE: u8 = 2;
/// Microseconds of one delta.
const TICK: i64 = 250;
/// Microseconds of one unit of the reference time.
const REFERENCE: i64 = 64_000;
/// Packets of one feedback; a client that falls silent for seconds tells of fewer.
const MOST: u16 = 4_096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &[u8]) -> Option<Feedback<'_>> {
        Feedback::read(body, &mut Unwrap::default())
    }

    fn body(number: u16, count: u16, reference: u32, rest: &[u8]) -> Vec<u8> {
        let mut body = vec![0; 8];
        body.extend_from_slice(&number.to_be_bytes());
        body.extend_from_slice(&count.to_be_bytes());
        body.extend_from_slice(&(reference << 8).to_be_bytes());
        body.extend_from_slice(rest);
        body
    }

    #[test]
    fn all_kinds_of_chunks_are_read() {
        let chunks = [
            [0x20, 0x02].as_slice(),           // two small ones in a run
            &[0xc0 | 0x12, 0x00],              // two bits each: small, lost, large, four lost
            &[0b1010_0000, 0],                 // one bit each: small, 13 lost (only the first two count)
            &[4, 8, 12, 0xff, 0xfc, 16, 0xaa], // deltas and padding
        ];
        let bytes = body(65_535, 11, 1, &chunks.concat());
        let read: Vec<_> = read(&bytes).unwrap().collect();
        let came: Vec<_> = read.iter().filter_map(|(number, came)| came.map(|at| (*number, at))).collect();
        assert_eq!(came, [(65_535, 65_000), (0, 67_000), (1, 70_000), (3, 69_000), (8, 73_000)]);
        assert_eq!(read.len(), 11);
    }

    #[test]
    fn the_clients_clock_goes_on_over_its_end() {
        let mut reference = Unwrap::DEFAULT;
        let mut came = |at| {
            let bytes = body(1, 1, at, &[0x20, 0x01, 0, 0]);
            Feedback::read(&bytes, &mut reference).unwrap().next().unwrap().1.unwrap()
        };
        assert_eq!([came(0x00ff_ffff), came(1)].map(|at| at / 64_000), [0x00ff_ffff, 0x0100_0001]);
    }

    #[test]
    fn what_is_cut_short_or_empty_or_endless_is_refused() {
        assert!(read(&body(1, 0, 0, &[0x20, 1])).is_none());
        assert!(read(&body(1, 9, 0, &[0x20, 1])).is_none());
        assert!(read(&body(1, 9, 0, &[0x20, 0, 0x20, 0])).is_none());
        assert!(read(&body(1, 60_000, 0, &[0x1f, 0xff].repeat(10))).is_none());
        assert!(read(&[0; 12]).is_none());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(feedback) = read(&bytes) {
                prop_assert!(feedback.count() <= usize::from(MOST));
            }
        }
    }
}
