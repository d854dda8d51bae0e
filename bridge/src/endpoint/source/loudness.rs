//! How loud a packet of G.711 is, so that whoever speaks at a device is known as at a browser.

use hearing_config::Codec;

/// Loudness in -dBov, 0 (loudest) to 127 (silence), as RFC 6464 has it; `None` for codecs that would have to be decoded.
pub(super) fn level(codec: Codec, samples: &[u8]) -> Option<u8> {
    let decode: fn(u8) -> i32 = match codec {
        Codec::Pcma => a_law,
        Codec::Pcmu => mu_law,
        Codec::Opus | Codec::G722 | Codec::Aac | Codec::Vp8 | Codec::H264 | Codec::H265 => return None,
    };
    if samples.is_empty() {
        return None;
    }
    let power: f64 = samples.iter().map(|sample| f64::from(decode(*sample)).powi(2)).sum();
    let mean = power / samples.len() as f64 / OVERLOAD.powi(2);
    Some((-10.0 * mean.max(1e-13).log10()).round().clamp(0.0, 127.0) as u8)
}

/// ITU-T G.711, table 1a, to 16 bits.
const fn a_law(code: u8) -> i32 {
    let code = code ^ 0x55;
    let (exponent, mantissa) = (code >> 4 & 7, (code & 0x0f) as i32);
    let value = if exponent == 0 { mantissa << 4 | 8 } else { (mantissa << 4 | 0x108) << (exponent - 1) };
    if code & 0x80 == 0 { -value } else { value }
}

/// ITU-T G.711, table 2a, to 16 bits.
const fn mu_law(code: u8) -> i32 {
    let code = !code;
    let value = ((((code & 0x0f) as i32) << 3 | 0x84) << (code >> 4 & 7)) - 0x84;
    if code & 0x80 == 0 { value } else { -value }
}

const OVERLOAD: f64 = 32_768.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_silent_and_full_scale_is_loud_in_both_laws() {
        assert_eq!(level(Codec::Pcma, &[0xd5; 160]), Some(72));
        assert_eq!(level(Codec::Pcmu, &[0xff; 160]), Some(127));
        assert_eq!(level(Codec::Pcma, &[0xaa, 0x2a].repeat(80)), Some(0));
        assert_eq!(level(Codec::Pcmu, &[0x80, 0x00].repeat(80)), Some(0));
        assert_eq!((level(Codec::Opus, &[1]), level(Codec::Pcma, &[])), (None, None));
    }
}
