//! H.265: access units from RTP payloads (RFC 7798, without decoding order numbers), and what the parameter sets say.

mod sps;

use super::unit::{AccessUnit, PREFIX, push_set, sets};
use super::{Error, Framing};
pub use sps::Sps;

/// The access unit that `payloads` carry.
///
/// # Errors
/// When a payload is cut short, of a type that the payload format doesn't know, or a fragment is incomplete.
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
    vps: Vec<Vec<u8>>,
    sps: Vec<Vec<u8>>,
    pps: Vec<Vec<u8>>,
    first: Sps,
}

impl Parameters {
    /// The parameter sets in a length-prefixed access unit; `None` unless it has all three kinds and the first SPS can be read.
    #[must_use]
    pub fn find(data: &[u8]) -> Option<Self> {
        let of_type = |wanted: u8| sets(data, |unit| unit.len() > HEADER && nal_type(unit[0]) == wanted);
        let (vps, sps, pps) = (of_type(VPS), of_type(SPS), of_type(PPS));
        let first = Sps::parse(sps.first()?)?;
        let all = [&vps, &sps, &pps];
        let fits = all.iter().all(|sets| (1..=64).contains(&sets.len()) && sets.iter().all(|set| set.len() <= 0xffff));
        fits.then_some(Self { vps, sps, pps, first })
    }

    /// Width and height in pixels, inside the conformance window.
    #[must_use]
    pub const fn size(&self) -> (u16, u16) {
        (self.first.width, self.first.height)
    }

    /// The HEVC decoder configuration record (ISO/IEC 14496-15, section 8.3.3.1), for 4-byte lengths. The arrays are not
    /// complete, because the sets also stay in the stream.
    #[must_use]
    pub fn configuration(&self) -> Vec<u8> {
        let sps = &self.first;
        let mut out = vec![1];
        out.extend(sps.profile_tier_level);
        // No minimum of spatial segmentation, unknown parallelism.
        out.extend([0xf0, 0, 0xfc]);
        out.extend([0xfc | sps.chroma_format, 0xf8 | sps.luma_depth_less_8, 0xf8 | sps.chroma_depth_less_8]);
        // Frame rate unknown.
        out.extend([0, 0, sps.temporal_layers << 3 | u8::from(sps.is_nested) << 2 | (PREFIX as u8 - 1)]);
        out.push(3);
        for (kind, sets) in [(VPS, &self.vps), (SPS, &self.sps), (PPS, &self.pps)] {
            out.push(kind);
            out.extend((sets.len() as u16).to_be_bytes());
            sets.iter().for_each(|set| push_set(&mut out, set));
        }
        out
    }
}

const fn nal_type(header: u8) -> u8 {
    header >> 1 & 0x3f
}

struct Joiner(AccessUnit);

impl Joiner {
    fn push(&mut self, payload: &[u8]) -> Result<(), Error> {
        let (&[header, layer], rest) = payload.split_first_chunk::<HEADER>().ok_or(Error::CutShort)?;
        match nal_type(header) {
            FRAGMENT => {
                let (&flags, piece) = rest.split_first().ok_or(Error::CutShort)?;
                self.0.fragment(flags, &[header & 0x81 | (flags & 0x3f) << 1, layer], piece)
            }
            _ if self.0.is_in_fragment() => Err(Error::Fragment),
            AGGREGATE => self.0.aggregate(rest, check),
            0..AGGREGATE => self.0.whole(payload),
            other => Err(Error::NalType(other)),
        }
    }
}

fn check(unit: &[u8]) -> Result<(), Error> {
    match unit.first_chunk::<HEADER>().map(|header| nal_type(header[0])) {
        None => Err(Error::CutShort),
        Some(0..AGGREGATE) => Ok(()),
        Some(other) => Err(Error::NalType(other)),
    }
}

const HEADER: usize = 2;
const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;
const AGGREGATE: u8 = 48;
const FRAGMENT: u8 = 49;

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(payloads: &[&[u8]]) -> Result<Vec<u8>, Error> {
        access_unit(Framing::AnnexB, payloads.iter().copied())
    }

    #[test]
    fn single_aggregated_and_fragmented_units_become_one_access_unit() {
        let aggregate = [0x60, 1, 0, 3, 0x40, 1, 7, 0, 3, 0x42, 1, 8];
        let unit = joined(&[&aggregate, &[0x44, 1, 9], &[0x62, 1, 0x93, 1, 2], &[0x62, 1, 0x53, 3]]).unwrap();
        let expected: [&[u8]; 4] = [&[0x40, 1, 7], &[0x42, 1, 8], &[0x44, 1, 9], &[0x26, 1, 1, 2, 3]];
        assert_eq!(unit, expected.map(|unit| [&[0, 0, 0, 1], unit].concat()).concat());
    }

    #[test]
    fn fragments_without_beginning_or_end_are_refused() {
        let (first, middle) = (&[0x62, 1, 0x93, 1][..], &[0x62, 1, 0x13, 2][..]);
        assert_eq!(joined(&[middle]), Err(Error::Fragment));
        assert_eq!(joined(&[first, middle]), Err(Error::Fragment));
        assert_eq!(joined(&[first, &[0x02, 1, 1]]), Err(Error::Fragment));
    }

    #[test]
    fn lengths_beyond_the_payload_and_unknown_types_are_refused() {
        assert_eq!(joined(&[&[0x60, 1, 0, 9, 0x40]]), Err(Error::CutShort));
        assert_eq!(joined(&[&[0x60, 1, 0, 1, 0x40]]), Err(Error::CutShort));
        assert_eq!(joined(&[&[0x64, 1, 1]]), Err(Error::NalType(50)));
        assert_eq!(joined(&[&[0x40]]), Err(Error::CutShort));
    }
}
