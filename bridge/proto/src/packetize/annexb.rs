//! NAL units in a byte stream (H.264 annex B, H.265 annex B), and what they show of their frame.

use crate::depacketize::Format;

/// The NAL units of a byte stream, in order, none empty. What stands before the first start code is no unit.
pub fn units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start_code(data, 0).map(|at| &data[at + CODE..]);
    std::iter::from_fn(move || {
        let from = rest?;
        let end = start_code(from, 0);
        rest = end.map(|end| &from[end + CODE..]);
        let unit = &from[..end.unwrap_or(from.len())];
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        Some(&unit[..unit.len() - zeros])
    })
    .filter(|unit| !unit.is_empty())
}

/// Where the next 00 00 01 stands, at or after `from`.
#[must_use]
pub fn start_code(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while at + CODE <= data.len() {
        match data[at + 2] {
            0 => at += 1,
            1 if data[at] == 0 && data[at + 1] == 0 => return Some(at),
            _ => at += 3,
        }
    }
    None
}

/// What a frame shows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Glance<'a> {
    /// It can be decoded without earlier ones.
    pub key: bool,
    /// Its first sequence parameter set.
    pub parameters: Option<&'a [u8]>,
    /// It has a piece of a picture.
    pub picture: bool,
}

/// Looks into a frame of H.264 or H.265; of other formats nothing is seen.
#[must_use]
pub fn glance(format: Format, frame: &[u8]) -> Glance<'_> {
    let mut all = Glance::default();
    for unit in units(frame) {
        let (key, picture, parameters) = match format {
            Format::H264 => (unit[0] & 0x1f == 5, matches!(unit[0] & 0x1f, 1..=5), unit[0] & 0x1f == 7),
            Format::H265 => {
                let kind = unit[0] >> 1 & 0x3f;
                (matches!(kind, 16..=21), kind < 32, kind == 33)
            }
            Format::Opus | Format::Pcma | Format::Pcmu | Format::G722 | Format::Aac | Format::Vp8 => return all,
        };
        all.key |= key;
        all.picture |= picture;
        if parameters {
            all.parameters.get_or_insert(unit);
        }
    }
    all
}

/// Which codec a piece of a byte stream is of; `None` when it has no parameter set, by which the two are told apart.
#[must_use]
pub fn sniff(data: &[u8]) -> Option<Format> {
    units(data).find_map(|unit| match unit {
        [0x40 | 0x42 | 0x44, 0x01, ..] => Some(Format::H265),
        [first, ..] if matches!(first & 0x1f, 7 | 8) && first & 0x60 != 0 && first & 0x80 == 0 => Some(Format::H264),
        _ => None,
    })
}

const CODE: usize = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_found_behind_short_and_long_start_codes() {
        let data = [9, 9, 0, 0, 1, 0x67, 5, 0, 0, 0, 1, 0x68, 0, 0, 0, 0, 1, 0, 0, 1, 0x65];
        assert_eq!(units(&data).collect::<Vec<_>>(), [&[0x67, 5][..], &[0x68], &[0x65]]);
        assert_eq!(units(&[1, 2, 3]).count(), 0);
    }

    #[test]
    fn key_frames_and_parameter_sets_are_seen() {
        let h264 = [0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 1];
        assert_eq!(glance(Format::H264, &h264), Glance { key: true, parameters: Some(&[0x67, 1]), picture: true });
        let h265 = [0, 0, 1, 0x42, 1, 7, 0, 0, 1, 0x02, 1];
        assert_eq!(glance(Format::H265, &h265), Glance { key: false, parameters: Some(&[0x42, 1, 7]), picture: true });
    }

    #[test]
    fn codecs_are_told_apart_by_their_parameter_sets() {
        assert_eq!(sniff(&[0, 0, 1, 0x67, 1]), Some(Format::H264));
        assert_eq!(sniff(&[0, 0, 1, 0x40, 1, 2]), Some(Format::H265));
        assert_eq!(sniff(&[0, 0, 1, 0x41, 1, 2]), None);
    }

    proptest! {
        #[test]
        fn start_codes_are_found_where_they_are(data in prop::collection::vec(0_u8..3, 0..60)) {
            let found = data.windows(3).position(|w| w == [0, 0, 1]);
            prop_assert_eq!(start_code(&data, 0), found);
        }
    }
}
