//! The sequence parameter set (H.265, section 7.3.2.2), as far as the sample depths.

use super::super::bits::{Bits, without_emulation};

/// What a sequence parameter set says that a container has to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sps {
    /// Pixels from left to right, inside the conformance window.
    pub width: u16,
    /// Pixels from top to bottom, inside the conformance window.
    pub height: u16,
    /// The general part of profile, tier and level (section 7.3.3), as it stands in the stream.
    pub(super) profile_tier_level: [u8; 12],
    pub(super) chroma_format: u8,
    pub(super) luma_depth_less_8: u8,
    pub(super) chroma_depth_less_8: u8,
    pub(super) temporal_layers: u8,
    pub(super) is_nested: bool,
}

impl Sps {
    /// Reads a NAL unit of type 33, header included; `None` when it is not one or makes no sense.
    #[must_use]
    pub fn parse(unit: &[u8]) -> Option<Self> {
        let (&[header, _], payload) = unit.split_first_chunk::<2>()?;
        if header >> 1 & 0x3f != 33 {
            return None;
        }
        let plain = without_emulation(payload);
        let layers_less_1 = plain.first()? >> 1 & 7;
        let profile_tier_level = *plain.get(1..)?.first_chunk()?;
        let mut bits = Bits { data: &plain, at: 13 * 8 };
        skip_sub_layers(&mut bits, layers_less_1)?;
        bits.unsigned()?;
        let chroma_format = bits.small(3)?;
        if chroma_format == 3 {
            bits.bit()?;
        }
        let (width, height) = size(&mut bits, chroma_format)?;
        Some(Self {
            width,
            height,
            profile_tier_level,
            chroma_format,
            luma_depth_less_8: bits.small(8)?,
            chroma_depth_less_8: bits.small(8)?,
            temporal_layers: layers_less_1 + 1,
            is_nested: plain[0] & 1 == 1,
        })
    }
}

fn skip_sub_layers(bits: &mut Bits<'_>, layers: u8) -> Option<()> {
    let mut present = Vec::new();
    for _ in 0..layers {
        present.push((bits.bit()?, bits.bit()?));
    }
    if layers > 0 {
        bits.fixed(2 * (8 - u32::from(layers)))?;
    }
    for (profile, level) in present {
        bits.at += if profile { 88 } else { 0 } + if level { 8 } else { 0 };
    }
    Some(())
}

fn size(bits: &mut Bits<'_>, chroma_format: u8) -> Option<(u16, u16)> {
    let (width, height) = (bits.unsigned()?, bits.unsigned()?);
    let (mut cut_x, mut cut_y) = (0, 0);
    if bits.bit()? {
        let unit_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
        let unit_y = if chroma_format == 1 { 2 } else { 1 };
        cut_x = bits.unsigned()?.checked_add(bits.unsigned()?)?.checked_mul(unit_x)?;
        cut_y = bits.unsigned()?.checked_add(bits.unsigned()?)?.checked_mul(unit_y)?;
    }
    let width = u16::try_from(width.checked_sub(cut_x)?).ok()?;
    let height = u16::try_from(height.checked_sub(cut_y)?).ok()?;
    (width > 0 && height > 0).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn random_sets_never_panic(layers in 0_u8..8, tail in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut unit = vec![0x42, 1, layers << 1];
            unit.extend(tail);
            let _ = Sps::parse(&unit);
        }
    }
}
