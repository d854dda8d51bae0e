//! How loud G.711 and G.722 are, so that whoever speaks at a terminal is known: as RFC 6464 would have told it.

use hearing_config::Codec;

use super::g722::LowerBand;

/// Listens to one source.
#[derive(Debug)]
pub(super) struct Ear {
    codec: Codec,
    band: LowerBand,
}

impl Ear {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, band: LowerBand::default() }
    }

    /// Loudness of the next payload in -dBov, 0 (loudest) to 127 (silence); `None` for codecs that would have to be decoded.
    pub(super) fn level(&mut self, payload: &[u8]) -> Option<u8> {
        let power = match self.codec {
            Codec::Pcma => plain(payload, a_law),
            Codec::Pcmu => plain(payload, mu_law),
            Codec::G722 => self.band.power(payload),
            Codec::Opus | Codec::Aac | Codec::Vp8 | Codec::H264 | Codec::H265 => return None,
        };
        let level = -10.0 * power.max(1e-13).log10();
        Some(level.clamp(0.0, 127.0) as u8)
    }
}

/// The mean square of samples, full scale being 1.0.
fn plain(payload: &[u8], sample: fn(u8) -> i32) -> f64 {
    let power: f64 = payload.iter().map(|byte| f64::from(sample(*byte)).powi(2)).sum();
    power / payload.len().max(1) as f64 / f64::from(i16::MAX).powi(2)
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
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn of(codec: Codec, payload: &[u8]) -> Option<u8> {
        Ear::new(codec).level(payload)
    }

    /// Half a second of what ffmpeg makes, in G.722.
    fn g722(source: &str) -> Vec<u8> {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", source, "-t", "0.5", "-f", "g722", "-"]);
        ffmpeg.output().expect("ffmpeg is installed by scripts/setup").stdout
    }

    #[test]
    fn g722_is_as_loud_as_what_was_coded() {
        // Amplitudes of an eighth, a hundredth and a tenth, and noise.
        for (source, expected) in [
            ("sine=frequency=440:sample_rate=16000", 21),
            ("aevalsrc=0.01*sin(2*PI*1000*t):sample_rate=16000", 43),
            ("aevalsrc=0.1*sin(2*PI*300*t):sample_rate=16000", 23),
            ("aevalsrc=0.99*sin(2*PI*800*t):sample_rate=16000", 3),
        ] {
            let (mut ear, coded) = (Ear::new(Codec::G722), g722(source));
            let levels: Vec<_> = coded.chunks(160).map(|packet| ear.level(packet).unwrap()).collect();
            assert_eq!(levels.len(), 25);
            assert!(levels[2..].iter().all(|level| level.abs_diff(expected) <= 1), "{source}: {levels:?}");
        }
        let (mut ear, silence) = (Ear::new(Codec::G722), g722("anullsrc=sample_rate=16000"));
        let levels: Vec<_> = silence.chunks(160).map(|packet| ear.level(packet).unwrap()).collect();
        assert!(levels[1..].iter().all(|level| *level >= 70), "{levels:?}");
    }

    proptest! {
        #[test]
        fn whatever_comes_as_g722_has_a_loudness(payload in prop::collection::vec(any::<u8>(), 0..2_000)) {
            prop_assert!(of(Codec::G722, &payload).is_some_and(|level| level <= 127));
        }
    }

    #[test]
    fn silence_is_quiet_and_full_scale_is_loud() {
        assert!(of(Codec::Pcma, &[0xd5; 160]).unwrap() > 70);
        assert!(of(Codec::Pcmu, &[0xff; 160]).unwrap() > 70);
        assert!(of(Codec::Pcma, &[0xaa; 160]).unwrap() < 3);
        assert!(of(Codec::Pcmu, &[0x80; 160]).unwrap() < 3);
        assert_eq!(of(Codec::Opus, &[0]), None);
    }
}
