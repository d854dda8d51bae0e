//! The sequence parameter set (H.264, section 7.3.2.1.1), as far as the picture size.

use super::super::bits::{Bits, without_emulation};

/// What a sequence parameter set says that a container has to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sps {
    /// Pixels from left to right, after cropping.
    pub width: u16,
    /// Pixels from top to bottom, after cropping.
    pub height: u16,
    pub(super) high: Option<High>,
}

/// What only the high profiles say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct High {
    pub(super) chroma_format: u8,
    pub(super) luma_depth_less_8: u8,
    pub(super) chroma_depth_less_8: u8,
}

impl Sps {
    /// Reads a NAL unit of type 7, header byte included; `None` when it is not one or makes no sense.
    #[must_use]
    pub fn parse(unit: &[u8]) -> Option<Self> {
        let (&header, payload) = unit.split_first()?;
        let &[profile, _constraints, _level] = payload.first_chunk()?;
        if header & 0x1f != 7 {
            return None;
        }
        let plain = without_emulation(&payload[3..]);
        let mut bits = Bits { data: &plain, at: 0 };
        bits.unsigned()?;
        let high = if HIGH_PROFILES.contains(&profile) { Some(high(&mut bits)?) } else { None };
        skip_order_count(&mut bits)?;
        let (width, height) = size(&mut bits, high.map_or(1, |high| high.chroma_format))?;
        Some(Self { width, height, high })
    }
}

fn high(bits: &mut Bits<'_>) -> Option<High> {
    let chroma_format = bits.small(3)?;
    if chroma_format == 3 {
        bits.bit()?;
    }
    let high = High { chroma_format, luma_depth_less_8: bits.small(6)?, chroma_depth_less_8: bits.small(6)? };
    bits.bit()?;
    if bits.bit()? {
        let lists = if chroma_format == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.bit()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(high)
}

fn skip_scaling_list(bits: &mut Bits<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

fn skip_order_count(bits: &mut Bits<'_>) -> Option<()> {
    bits.unsigned()?;
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.bit()?;
            bits.signed()?;
            bits.signed()?;
            for _ in 0..bits.small(255)? {
                bits.signed()?;
            }
        }
        2 => {}
        _ => return None,
    }
    bits.unsigned()?;
    bits.bit()?;
    Some(())
}

fn size(bits: &mut Bits<'_>, chroma_format: u8) -> Option<(u16, u16)> {
    let width = bits.unsigned()?.checked_add(1)?.checked_mul(16)?;
    let map_units = bits.unsigned()?.checked_add(1)?.checked_mul(16)?;
    let frame_only = bits.bit()?;
    if !frame_only {
        bits.bit()?;
    }
    let fields: u32 = if frame_only { 1 } else { 2 };
    let height = map_units.checked_mul(fields)?;
    bits.bit()?;
    let (mut cut_x, mut cut_y) = (0, 0);
    if bits.bit()? {
        let unit_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
        let unit_y = if chroma_format == 1 { 2 * fields } else { fields };
        cut_x = bits.unsigned()?.checked_add(bits.unsigned()?)?.checked_mul(unit_x)?;
        cut_y = bits.unsigned()?.checked_add(bits.unsigned()?)?.checked_mul(unit_y)?;
    }
    let width = u16::try_from(width.checked_sub(cut_x)?).ok()?;
    let height = u16::try_from(height.checked_sub(cut_y)?).ok()?;
    (width > 0 && height > 0).then_some((width, height))
}

const HIGH_PROFILES: [u8; 4] = [100, 110, 122, 244];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sets_of_a_real_encoder_tell_their_cropped_size() {
        let baseline =
            b"\x67\x42\xc0\x0d\xd9\x01\x41\x9f\x9f\x01\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\xc0\xf1\x42\xa4\x80";
        assert_eq!(Sps::parse(baseline), Some(Sps { width: 320, height: 180, high: None }));
        let high =
            b"\x67\x64\x00\x1f\xac\xd9\x40\x50\x05\xbb\x01\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\xc0\xf1\x83\x19\x60";
        let depths = High { chroma_format: 1, luma_depth_less_8: 0, chroma_depth_less_8: 0 };
        assert_eq!(Sps::parse(high), Some(Sps { width: 1280, height: 720, high: Some(depths) }));
        assert_eq!(Sps::parse(&baseline[..8]), None);
        assert_eq!(Sps::parse(&high[1..]), None);
    }

    proptest! {
        #[test]
        fn random_sets_never_panic(profile in prop::sample::select(vec![66_u8, 77, 100, 110, 122, 244]), tail in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut unit = vec![0x67, profile, 0, 31];
            unit.extend(tail);
            let _ = Sps::parse(&unit);
        }
    }
}
