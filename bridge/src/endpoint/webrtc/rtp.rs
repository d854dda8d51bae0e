//! RTP headers (RFC 3550 section 5.1, RFC 8285) read in place and written without allocation.

pub(super) use super::super::media::Unwrap;
use std::ops::Range;

use bytes::BufMut;

/// The header of a received packet, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// Bytes of the header with its extensions.
    pub(super) len: usize,
    padded: bool,
    extensions: Option<(u16, Range<usize>)>,
}

impl Header {
    /// Reads the header; `None` when the packet is cut short or of another version.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let fixed = packet.first_chunk::<FIXED>()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut len = FIXED + 4 * usize::from(fixed[0] & 0x0f);
        let mut extensions = None;
        if fixed[0] & 0x10 != 0 {
            let head = packet.get(len..len + 4)?;
            let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let range = len + 4..len + 4 + 4 * words;
            len = range.end;
            extensions = Some((u16::from_be_bytes([head[0], head[1]]), range));
        }
        (packet.len() >= len).then_some(Self {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            len,
            padded: fixed[0] & 0x20 != 0,
            extensions,
        })
    }

    /// The payload without padding; `None` when the padding is longer than what there is.
    pub(super) fn payload(&self, packet: &[u8]) -> Option<Range<usize>> {
        let mut end = packet.len();
        if self.padded {
            let padding = usize::from(*packet.last()?);
            end = end.checked_sub(padding).filter(|_| padding > 0)?;
        }
        (end >= self.len).then_some(self.len..end)
    }

    /// The elements of the header extension, in order; a malformed one ends them.
    pub(super) fn extensions<'a>(&self, packet: &'a [u8]) -> Extensions<'a> {
        match &self.extensions {
            Some((profile, range)) => Extensions { two_byte: profile & 0xfff0 == 0x1000, rest: &packet[range.clone()] },
            None => Extensions { two_byte: false, rest: &[] },
        }
    }
}

/// Goes through the elements of a header extension (RFC 8285).
pub(super) struct Extensions<'a> {
    two_byte: bool,
    rest: &'a [u8],
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while self.rest.first() == Some(&0) {
            self.rest = &self.rest[1..];
        }
        let first = *self.rest.first()?;
        let (id, len, head) = if self.two_byte {
            (first, usize::from(*self.rest.get(1)?), 2)
        } else {
            (first >> 4, usize::from(first & 0x0f) + 1, 1)
        };
        if !self.two_byte && id == 15 {
            return None;
        }
        let value = self.rest.get(head..head + len)?;
        self.rest = &self.rest[head + len..];
        Some((id, value))
    }
}

/// A header to write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Write {
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// True when there is nothing but padding behind the header.
    pub(super) padded: bool,
    /// The id and value of the transport-wide sequence number, where it was agreed.
    pub(super) transport: Option<(u8, u16)>,
}

impl Write {
    /// Bytes that the header takes.
    pub(super) const fn len(&self) -> usize {
        if self.transport.is_some() { FIXED + 8 } else { FIXED }
    }

    /// Appends the header.
    pub(super) fn append(&self, packet: &mut impl BufMut) {
        packet.put_u8(0x80 | u8::from(self.padded) << 5 | u8::from(self.transport.is_some()) << 4);
        packet.put_u8(self.payload_type & 0x7f | if self.marker { 0x80 } else { 0 });
        packet.put_u16(self.sequence);
        packet.put_u32(self.timestamp);
        packet.put_u32(self.ssrc);
        if let Some((id, sequence)) = self.transport {
            let [high, low] = sequence.to_be_bytes();
            packet.put_slice(&[0xbe, 0xde, 0, 1, id << 4 | 1, high, low, 0]);
        }
    }
}

/// Which of the last [`Seen::SPAN`] numbers were there already.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    highest: i64,
    bits: [u64; Self::SPAN as usize / 64],
}

impl Seen {
    /// Numbers that are remembered.
    pub(super) const SPAN: i64 = 2_048;

    pub(super) const fn new() -> Self {
        Self { highest: i64::MIN, bits: [0; Self::SPAN as usize / 64] }
    }

    /// True when `number` is new; false when it was there, or is too old to know.
    pub(super) fn insert(&mut self, number: i64) -> bool {
        if self.highest == i64::MIN || number >= self.highest.saturating_add(Self::SPAN) {
            self.bits = [0; Self::SPAN as usize / 64];
            self.highest = number;
        }
        while self.highest < number {
            self.highest += 1;
            let (word, bit) = Self::place(self.highest);
            self.bits[word] &= !bit;
        }
        let (word, bit) = Self::place(number);
        let new = number > self.highest - Self::SPAN && self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        new
    }

    /// True when `number` is below the highest, was not there, and is not too old to know.
    pub(super) const fn lacks(&self, number: i64) -> bool {
        let (word, bit) = Self::place(number);
        number < self.highest && number > self.highest - Self::SPAN && self.bits[word] & bit == 0
    }

    const fn place(number: i64) -> (usize, u64) {
        let place = number.rem_euclid(Self::SPAN) as usize;
        (place / 64, 1 << (place % 64))
    }
}

const FIXED: usize = 12;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn extensions_of_one_byte_form_are_read_over_padding() {
        let mut packet = vec![0x90, 0x60, 0, 7, 0, 0, 0, 9, 0, 0, 0, 3];
        packet.extend_from_slice(&[0xbe, 0xde, 0, 2, 0x10, b'0', 0, 0x31, 1, 2, 0, 0, 42]);
        let header = Header::read(&packet).unwrap();
        let found: Vec<_> = header.extensions(&packet).collect();
        assert_eq!(found, vec![(1, &b"0"[..]), (3, &[1, 2][..])]);
        assert_eq!(&packet[header.payload(&packet).unwrap()], &[42]);
    }

    #[test]
    fn padding_longer_than_the_packet_is_refused() {
        let packet = [0xa0, 0x60, 0, 7, 0, 0, 0, 9, 0, 0, 0, 3, 1, 2, 200];
        assert_eq!(Header::read(&packet).unwrap().payload(&packet), None);
    }

    #[test]
    fn a_number_is_new_once() {
        let mut seen = Seen::new();
        assert!([5, 9, 7, 3000, 2999].map(|n| seen.insert(n)).iter().all(|new| *new));
        assert!([3000, 2999, 900].map(|n| seen.insert(n)).iter().all(|new| !new));
        assert!(seen.insert(1_000_000) && seen.insert(999_999) && !seen.insert(999_999));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(header) = Header::read(&bytes) {
                let _ = header.extensions(&bytes).count();
                let _ = header.payload(&bytes);
            }
        }

        #[test]
        fn what_is_written_is_read_back(marker: bool, payload_type in 0_u8..128, sequence: u16, timestamp: u32, ssrc: u32, transport: Option<u16>) {
            let transport_wide = transport.map(|s| (3, s));
            let write = Write { marker, payload_type, sequence, timestamp, ssrc, padded: true, transport: transport_wide };
            let mut packet = Vec::new();
            write.append(&mut packet);
            packet.push(1);
            let header = Header::read(&packet).unwrap();
            prop_assert_eq!((header.marker, header.payload_type, header.sequence), (marker, payload_type, sequence));
            prop_assert_eq!((header.timestamp, header.ssrc, header.len), (timestamp, ssrc, write.len()));
            let read = header.extensions(&packet).next().map(|(_, value)| u16::from_be_bytes([value[0], value[1]]));
            prop_assert_eq!(read, transport);
            prop_assert_eq!(header.payload(&packet), Some(write.len()..write.len()));
        }
    }
}
