//! What an H.264 RTP payload (RFC 6184) shows of its frame.

use std::ops::Range;

/// What one RTP payload shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Glance {
    /// It holds a piece of a picture that needs no earlier one, or the parameter sets before it.
    pub key: bool,
    /// Where in the payload its sequence parameter set is, if it holds one.
    pub parameters: Option<Range<usize>>,
    /// It may be the first of a frame: parameter sets, a delimiter, or the first slice of a picture.
    pub may_start: bool,
}

/// Looks into an RTP payload; `None` when it is none that packetization mode 1 allows (single, STAP-A, FU-A).
#[must_use]
pub fn glance(payload: &[u8]) -> Option<Glance> {
    match payload.first()? & TYPE {
        STAP_A => aggregate(payload),
        FU_A => fragment(payload),
        1..=23 => Some(unit(payload, 0..payload.len())),
        _ => None,
    }
}

fn aggregate(payload: &[u8]) -> Option<Glance> {
    let mut all = Glance::default();
    let mut at = 1;
    while at < payload.len() {
        let size = usize::from(u16::from_be_bytes(*payload.get(at..)?.first_chunk()?));
        let range = at + 2..at + 2 + size;
        if size == 0 || range.end > payload.len() {
            return None;
        }
        let one = unit(payload, range.clone());
        all.key |= one.key;
        all.may_start |= at == 1 && one.may_start;
        all.parameters = all.parameters.or(one.parameters);
        at = range.end;
    }
    (at > 1).then_some(all)
}

fn fragment(payload: &[u8]) -> Option<Glance> {
    let header = *payload.get(1)?;
    let body = payload.get(2..).filter(|body| !body.is_empty())?;
    let kind = header & TYPE;
    let first_slice = header & FU_START != 0 && body[0] & FIRST_MACROBLOCK != 0;
    Some(Glance { key: kind == IDR, parameters: None, may_start: first_slice && is_slice(kind) })
}

/// A NAL unit, which is not empty.
fn unit(payload: &[u8], range: Range<usize>) -> Glance {
    let bytes = &payload[range.clone()];
    let kind = bytes[0] & TYPE;
    let first_slice = is_slice(kind) && bytes.get(1).is_some_and(|b| b & FIRST_MACROBLOCK != 0);
    Glance {
        key: matches!(kind, IDR | SPS),
        parameters: (kind == SPS).then_some(range),
        may_start: first_slice || matches!(kind, SEI | SPS | PPS | DELIMITER),
    }
}

const fn is_slice(kind: u8) -> bool {
    matches!(kind, 1 | 2 | IDR)
}

const TYPE: u8 = 0x1f;
const IDR: u8 = 5;
const SEI: u8 = 6;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const FU_START: u8 = 0x80;
/// `first_mb_in_slice` is 0, coded as the single bit 1 (Exp-Golomb).
const FIRST_MACROBLOCK: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameter_sets_and_idr_make_a_key_frame() {
        let stap = [0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce];
        assert_eq!(glance(&stap).unwrap(), Glance { key: true, parameters: Some(3..5), may_start: true });
        assert_eq!(glance(&[0x65, 0x88]).unwrap(), Glance { key: true, parameters: None, may_start: true });
    }

    #[test]
    fn every_fragment_of_an_idr_is_key_and_only_the_first_may_start() {
        assert_eq!(glance(&[0x7c, 0x85, 0x88]).unwrap(), Glance { key: true, parameters: None, may_start: true });
        assert_eq!(glance(&[0x7c, 0x05, 0x88]).unwrap(), Glance { key: true, parameters: None, may_start: false });
        assert_eq!(glance(&[0x7c, 0x45, 0x88]).unwrap(), Glance { key: true, parameters: None, may_start: false });
    }

    #[test]
    fn a_delta_slice_is_not_key() {
        assert_eq!(glance(&[0x41, 0x9a]).unwrap(), Glance { key: false, parameters: None, may_start: true });
        assert_eq!(glance(&[0x41, 0x1a]).unwrap(), Glance { key: false, parameters: None, may_start: false });
    }

    #[test]
    fn what_mode_1_does_not_allow_is_refused() {
        assert_eq!(glance(&[]), None);
        assert_eq!(glance(&[0x7c]), None);
        assert_eq!(glance(&[0x7c, 0x85]), None);
        assert_eq!(glance(&[0x79, 0, 0]), None);
        assert_eq!(glance(&[0x78, 0, 9, 0x67]), None);
        assert_eq!(glance(&[0x78]), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_looked_at_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = glance(&bytes);
        }
    }
}
