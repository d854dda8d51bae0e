//! How loud G.711 is, so that whoever speaks at a terminal is known: as RFC 6464 would have told it.

use hearing_config::Codec;

/// Loudness in -dBov, 0 (loudest) to 127 (silence); `None` for codecs whose samples are not plain.
pub(super) fn of(codec: Codec, payload: &[u8]) -> Option<u8> {
    let sample: fn(u8) -> i32 = match codec {
        Codec::Pcma => a_law,
        Codec::Pcmu => mu_law,
        Codec::Opus | Codec::Vp8 | Codec::H264 | Codec::H265 => return None,
    };
    let power: f64 = payload.iter().map(|byte| f64::from(sample(*byte)).powi(2)).sum();
    let mean = power / payload.len().max(1) as f64;
    let level = -10.0 * (mean.max(1e-3) / f64::from(i16::MAX).powi(2)).log10();
    Some(level.clamp(0.0, 127.0) as u8)
}

/// ITU-T G.711, table 1.
fn a_law(byte: u8) -> i32 {
    let byte = byte ^ 0x55;
    let (segment, step) = (i32::from(byte >> 4 & 7), i32::from(byte & 15) << 4);
    let size = if segment == 0 { step + 8 } else { (step + 0x108) << (segment - 1) };
    if byte & 0x80 == 0 { -size } else { size }
}

/// ITU-T G.711, table 2.
fn mu_law(byte: u8) -> i32 {
    let byte = !byte;
    let size = (((i32::from(byte & 15) << 3) + 0x84) << (byte >> 4 & 7)) - 0x84;
    if byte & 0x80 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_quiet_and_full_scale_is_loud() {
        assert!(of(Codec::Pcma, &[0xd5; 160]).unwrap() > 70);
        assert!(of(Codec::Pcmu, &[0xff; 160]).unwrap() > 70);
        assert!(of(Codec::Pcma, &[0xaa; 160]).unwrap() < 3);
        assert!(of(Codec::Pcmu, &[0x80; 160]).unwrap() < 3);
        assert_eq!(of(Codec::Opus, &[0]), None);
    }
}
