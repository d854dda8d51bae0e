//! H.264: access units from RTP payloads (RFC 6184, packetization mode 1), and what the parameter sets say.

mod sps;

use super::unit::{AccessUnit, PREFIX, push_set, sets};
use super::{Error, Framing};
pub use sps::Sps;

/// The access unit that `payloads` carry.
///
/// # Errors
/// When a payload is cut short, of a type that mode 1 doesn't know, or a fragment is incomplete.
pub fn access_unit<'a>(framing: Framing, payloads: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, Error> {
    let mut joiner = Joiner(AccessUnit::new(framing));
    for payload in payloads {
        joiner.push(payload)?;
    }
    joiner.0.finish()
}

/// The parameter sets that a decoder needs before the first picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    sps: Vec<Vec<u8>>,
    pps: Vec<Vec<u8>>,
    first: Sps,
}

impl Parameters {
    /// The parameter sets in a length-prefixed access unit; `None` unless it has both kinds and the first SPS can be read.
    #[must_use]
    pub fn find(data: &[u8]) -> Option<Self> {
        let of_type = |wanted: u8| sets(data, |unit| nal_type(unit[0]) == wanted);
        let (sps, pps) = (of_type(SPS), of_type(PPS));
        let first = Sps::parse(sps.first()?)?;
        let fits = sps.len() <= 31 && pps.len() <= 255 && sps.iter().chain(&pps).all(|set| set.len() <= 0xffff);
        (fits && !pps.is_empty()).then_some(Self { sps, pps, first })
    }

    /// Width and height in pixels, after cropping.
    #[must_use]
    pub const fn size(&self) -> (u16, u16) {
        (self.first.width, self.first.height)
    }

    /// The first SPS and the first PPS.
    #[must_use]
    pub fn first_sets(&self) -> (&[u8], &[u8]) {
        (&self.sps[0], &self.pps[0])
    }

    /// The AVC decoder configuration record (ISO/IEC 14496-15, section 5.3.3.1), for 4-byte lengths.
    #[must_use]
    pub fn configuration(&self) -> Vec<u8> {
        let sps = &self.sps[0];
        let mut out = vec![1, sps[1], sps[2], sps[3], 0xfc | (PREFIX as u8 - 1)];
        out.push(0xe0 | self.sps.len() as u8);
        self.sps.iter().for_each(|set| push_set(&mut out, set));
        out.push(self.pps.len() as u8);
        self.pps.iter().for_each(|set| push_set(&mut out, set));
        if let Some(high) = self.first.high {
            out.extend([0xfc | high.chroma_format, 0xf8 | high.luma_depth_less_8, 0xf8 | high.chroma_depth_less_8, 0]);
        }
        out
    }
}

const fn nal_type(header: u8) -> u8 {
    header & 0x1f
}

struct Joiner(AccessUnit);

impl Joiner {
    fn push(&mut self, payload: &[u8]) -> Result<(), Error> {
        let (&header, rest) = payload.split_first().ok_or(Error::CutShort)?;
        match nal_type(header) {
            FU_A => self.fragment(header, rest),
            _ if self.0.is_in_fragment() => Err(Error::Fragment),
            STAP_A => self.0.aggregate(rest, |unit| match unit.first().map(|header| nal_type(*header)) {
                None => Err(Error::CutShort),
                Some(1..=23) => Ok(()),
                Some(other) => Err(Error::NalType(other)),
            }),
            1..=23 => self.0.whole(payload),
            other => Err(Error::NalType(other)),
        }
    }

    fn fragment(&mut self, indicator: u8, rest: &[u8]) -> Result<(), Error> {
        let (&header, piece) = rest.split_first().ok_or(Error::CutShort)?;
        self.0.fragment(header, &[indicator & 0xe0 | nal_type(header)], piece)
    }
}

const SPS: u8 = 7;
const PPS: u8 = 8;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

#[cfg(test)]
mod tests {
    use super::super::unit::nal_units;
    use super::*;

    fn joined(framing: Framing, payloads: &[&[u8]]) -> Result<Vec<u8>, Error> {
        access_unit(framing, payloads.iter().copied())
    }

    #[test]
    fn single_aggregated_and_fragmented_units_become_one_access_unit() {
        let payloads: [&[u8]; 4] =
            [&[24, 0, 2, 0x67, 9, 0, 1, 0x68], &[0x06, 5], &[0x7c, 0x85, 1, 2], &[0x7c, 0x45, 3]];
        let annex_b = joined(Framing::AnnexB, &payloads).unwrap();
        assert_eq!(annex_b, [0, 0, 0, 1, 0x67, 9, 0, 0, 0, 1, 0x68, 0, 0, 0, 1, 0x06, 5, 0, 0, 0, 1, 0x65, 1, 2, 3]);
        let prefixed = joined(Framing::LengthPrefixed, &payloads).unwrap();
        let units: Vec<_> = nal_units(&prefixed).collect();
        assert_eq!(units, [&[0x67, 9][..], &[0x68], &[0x06, 5], &[0x65, 1, 2, 3]]);
    }

    #[test]
    fn repeated_parameter_sets_count_once() {
        let sps =
            b"\x67\x42\xc0\x0d\xd9\x01\x41\x9f\x9f\x01\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\xc0\xf1\x42\xa4\x80";
        let pps = b"\x68\xce\x3c\x80";
        let once = joined(Framing::LengthPrefixed, &[sps, pps, &[0x65, 1]]).unwrap();
        let twice = joined(Framing::LengthPrefixed, &[sps, pps, sps, pps, &[0x65, 1]]).unwrap();
        let found = Parameters::find(&once).unwrap();
        assert_eq!(found.size(), (320, 180));
        assert_eq!(found.configuration()[..6], [1, 0x42, 0xc0, 0x0d, 0xff, 0xe1]);
        assert_eq!(Parameters::find(&twice), Some(found));
        assert_eq!(Parameters::find(&once[..20]), None);
    }

    #[test]
    fn fragments_without_beginning_or_end_are_refused() {
        let (first, middle) = (&[0x7c, 0x85, 1][..], &[0x7c, 0x05, 2][..]);
        assert_eq!(joined(Framing::AnnexB, &[middle]), Err(Error::Fragment));
        assert_eq!(joined(Framing::AnnexB, &[first, middle]), Err(Error::Fragment));
        assert_eq!(joined(Framing::AnnexB, &[first, &[0x61, 1]]), Err(Error::Fragment));
    }

    #[test]
    fn lengths_beyond_the_payload_and_unknown_types_are_refused() {
        assert_eq!(joined(Framing::AnnexB, &[&[24, 0, 9, 0x67]]), Err(Error::CutShort));
        assert_eq!(joined(Framing::AnnexB, &[&[24, 0, 0]]), Err(Error::CutShort));
        assert_eq!(joined(Framing::AnnexB, &[&[29, 0x85, 1]]), Err(Error::NalType(29)));
        assert_eq!(joined(Framing::AnnexB, &[&[]]), Err(Error::CutShort));
    }
}
