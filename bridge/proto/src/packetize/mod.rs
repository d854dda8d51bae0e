//! From whole coded frames to the payloads that packets inside a node carry: the counterpart of `depacketize`.

pub mod annexb;

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::depacketize::Format;

/// The payloads of one frame, in order, each of at most [`PAYLOAD_LIMIT`] bytes. Frames of H.264 and H.265 are byte streams
/// (annex B); delimiters and filler are left out, parameter sets share a payload where they fit.
/// Sound longer than the limit is cut, which Opus alone does not survive; empty frames make no payload.
#[must_use]
pub fn payloads(format: Format, frame: &[u8]) -> Vec<Bytes> {
    match format {
        Format::H264 => Cut::new(&H264).access_unit(frame),
        Format::H265 => Cut::new(&H265).access_unit(frame),
        Format::Opus | Format::Pcma | Format::Pcmu | Format::G722 | Format::Aac | Format::Vp8 => {
            frame.chunks(PAYLOAD_LIMIT).map(Bytes::copy_from_slice).collect()
        }
    }
}

/// How a codec's NAL units go into payloads.
struct Shape {
    /// Bytes of a unit's header.
    header: usize,
    /// True for units that a receiver needs.
    kept: fn(&[u8]) -> bool,
    /// True for parameter sets.
    set: fn(&[u8]) -> bool,
    /// The header of a payload that aggregates units.
    aggregation: &'static [u8],
    /// The header of a fragment of a unit, and what its last byte says besides of beginning and end.
    fragment: fn(&[u8]) -> (Vec<u8>, u8),
}

/// RFC 6184.
const H264: Shape = Shape {
    header: 1,
    kept: |unit| matches!(unit[0] & 0x1f, 1..=8 | 13..=23),
    set: |unit| matches!(unit[0] & 0x1f, 7 | 8 | 13 | 15),
    aggregation: &[0x60 | 24],
    fragment: |unit| (vec![unit[0] & 0xe0 | 28], unit[0] & 0x1f),
};

/// RFC 7798.
const H265: Shape = Shape {
    header: 2,
    kept: |unit| unit.len() > 2 && matches!(unit[0] >> 1 & 0x3f, 0..=34 | 39..=40),
    set: |unit| matches!(unit[0] >> 1 & 0x3f, 32..=34),
    aggregation: &[48 << 1, 1],
    fragment: |unit| (vec![unit[0] & 0x81 | 49 << 1, unit[1]], unit[0] >> 1 & 0x3f),
};

struct Cut<'a> {
    shape: &'a Shape,
    out: Vec<Bytes>,
    /// Parameter sets that wait for company, each behind its length.
    sets: Vec<&'a [u8]>,
}

impl<'a> Cut<'a> {
    const fn new(shape: &'a Shape) -> Self {
        Self { shape, out: Vec::new(), sets: Vec::new() }
    }

    fn access_unit(mut self, frame: &'a [u8]) -> Vec<Bytes> {
        for unit in annexb::units(frame).filter(|unit| (self.shape.kept)(unit)) {
            if (self.shape.set)(unit) {
                self.gather(unit);
            } else {
                self.flush();
                self.unit(unit);
            }
        }
        self.flush();
        self.out
    }

    fn gather(&mut self, unit: &'a [u8]) {
        let held: usize = self.sets.iter().map(|set| set.len() + 2).sum();
        if self.shape.aggregation.len() + held + unit.len() + 2 > PAYLOAD_LIMIT {
            self.flush();
        }
        self.sets.push(unit);
    }

    fn flush(&mut self) {
        match std::mem::take(&mut self.sets).as_slice() {
            [] => {}
            [alone] => self.unit(alone),
            several => {
                let mut payload = BytesMut::from(self.shape.aggregation);
                for set in several {
                    payload.put_u16(set.len() as u16);
                    payload.put_slice(set);
                }
                self.out.push(payload.freeze());
            }
        }
    }

    fn unit(&mut self, unit: &[u8]) {
        if unit.len() <= PAYLOAD_LIMIT {
            self.out.push(Bytes::copy_from_slice(unit));
            return;
        }
        let (head, kind) = (self.shape.fragment)(unit);
        let pieces = unit[self.shape.header..].chunks(PAYLOAD_LIMIT - head.len() - 1);
        let last = pieces.len() - 1;
        for (n, piece) in pieces.enumerate() {
            let mut payload = BytesMut::with_capacity(head.len() + 1 + piece.len());
            payload.put_slice(&head);
            payload.put_u8(kind | u8::from(n == 0) << 7 | u8::from(n == last) << 6);
            payload.put_slice(piece);
            self.out.push(payload.freeze());
        }
    }
}

/// The most bytes that a payload may have inside a node.
pub const PAYLOAD_LIMIT: usize = 1_200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::depacketize::{Framing, frame};

    fn stream(units: &[Vec<u8>]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&[0, 0, 0, 1], unit.as_slice()].concat()).collect()
    }

    /// Bytes of a unit behind its header: no start code, and no zero at the end, which would belong to the next start code.
    fn body() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(1_u8..=255, 1..4_000)
    }

    #[test]
    fn parameter_sets_share_a_payload_and_delimiters_are_left_out() {
        let (sps, pps, idr) = (vec![0x67, 1, 2], vec![0x68, 3], vec![0x65, 4]);
        let cut = payloads(Format::H264, &stream(&[vec![9, 0xf0], sps, pps, idr]));
        assert_eq!(cut, [&[0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 3][..], &[0x65, 4]]);
    }

    #[test]
    fn an_empty_frame_makes_no_payload() {
        for format in [Format::Opus, Format::H264, Format::H265] {
            assert!(payloads(format, &[]).is_empty());
        }
    }

    proptest! {
        #[test]
        fn what_is_cut_is_put_together_again(bodies in prop::collection::vec(body(), 1..5)) {
            let h264 = bodies.iter().map(|body| [&[0x65][..], body].concat()).collect::<Vec<_>>();
            let h265 = bodies.iter().map(|body| [&[19 << 1, 1][..], body].concat()).collect::<Vec<_>>();
            for (format, units) in [(Format::H264, h264), (Format::H265, h265)] {
                let data = stream(&units);
                let cut = payloads(format, &data);
                prop_assert!(cut.iter().all(|payload| payload.len() <= PAYLOAD_LIMIT));
                prop_assert_eq!(frame(format, Framing::AnnexB, cut.iter().map(|p| &p[..])), Ok(data));
            }
        }

        #[test]
        fn whatever_comes_is_cut_without_panic(data in prop::collection::vec(0_u8..4, 0..3_000)) {
            for format in [Format::Opus, Format::H264, Format::H265] {
                prop_assert!(payloads(format, &data).iter().all(|p| !p.is_empty() && p.len() <= PAYLOAD_LIMIT));
            }
        }
    }
}
