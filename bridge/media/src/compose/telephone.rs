//! G.711 (ITU-T G.711, tables 1 and 2) at 8 kHz to samples at 48 kHz.

/// Makes one stream's samples.
#[derive(Debug, Clone)]
pub struct Telephone {
    law: Law,
    /// The newest input samples, oldest first.
    past: [f32; TAPS],
    filter: [[f32; TAPS]; RATIO],
}

/// How a sample is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// A-law.
    A,
    /// mu-law.
    Mu,
}

impl Telephone {
    /// A stream that begins with silence.
    #[must_use]
    pub fn new(law: Law) -> Self {
        Self { law, past: [0.0; TAPS], filter: filter() }
    }

    /// Six samples for each byte. They come [`DELAY_US`] later than what went in.
    pub fn decode(&mut self, bytes: &[u8]) -> Vec<i16> {
        let mut out = Vec::with_capacity(bytes.len() * RATIO);
        for byte in bytes {
            self.past.rotate_left(1);
            self.past[TAPS - 1] = f32::from(self.law.linear(*byte));
            for phase in &self.filter {
                let value: f32 = phase.iter().zip(&self.past).map(|(tap, sample)| tap * sample).sum();
                out.push(value.clamp(-32_768.0, 32_767.0) as i16);
            }
        }
        out
    }
}

impl Law {
    /// One sample: sign, segment and step. A-law comes with its even bits inverted, mu-law with all.
    fn linear(self, byte: u8) -> i16 {
        let code = byte ^ if self == Self::A { 0x55 } else { 0xff };
        let (segment, step) = (code >> 4 & 7, i16::from(code & 15));
        let magnitude = match (self, segment) {
            (Self::A, 0) => step * 16 + 8,
            (Self::A, _) => (step * 16 + 264) << (segment - 1),
            (Self::Mu, _) => ((step * 8 + 132) << segment) - 132,
        };
        let negative = (code & 0x80 == 0) == (self == Self::A);
        if negative { -magnitude } else { magnitude }
    }
}

/// A low pass at 4 kHz, cut into its phases: a sinc under Hann's window.
fn filter() -> [[f32; TAPS]; RATIO] {
    let middle = (TAPS * RATIO) as f32 / 2.0;
    let tap = |n: usize| {
        let x = (n as f32 - middle) / RATIO as f32;
        let sinc = if x == 0.0 { 1.0 } else { (std::f32::consts::PI * x).sin() / (std::f32::consts::PI * x) };
        sinc * (0.5 + 0.5 * (std::f32::consts::PI * (n as f32 - middle) / middle).cos())
    };
    // The newest sample meets the filter's beginning.
    std::array::from_fn(|phase| std::array::from_fn(|n| tap((TAPS - 1 - n) * RATIO + phase)))
}

/// How much later samples come out, in microseconds: half the filter.
pub const DELAY_US: i64 = (TAPS as i64) * 1_000_000 / 8_000 / 2;
const RATIO: usize = 6;
const TAPS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_the_standard_give_its_values() {
        // G.711, table 1a: decision value outputs of codes, after inversion of the even bits.
        let (a, mu) = (|byte| Law::A.linear(byte), |byte| Law::Mu.linear(byte));
        assert_eq!((a(0xd5), a(0x55), a(0xaa), a(0x2a)), (8, -8, 32_256, -32_256));
        assert_eq!((mu(0xff), mu(0x7f), mu(0x80), mu(0x00), mu(0xfe)), (0, 0, 32_124, -32_124, 8));
    }

    #[test]
    fn a_tone_keeps_its_pitch_and_loudness() {
        // 1 kHz: eight samples a period, as the standard's own test sequences have it (G.711, tables 5 and 6).
        let a = (Law::A, [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4]);
        let mu = (Law::Mu, [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e]);
        for (law, period) in [a, mu] {
            let out = Telephone::new(law).decode(&period.repeat(100));
            let settled = &out[960..];
            let crossings = settled.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count();
            assert!((78..=80).contains(&crossings), "{law:?} {crossings}");
            let peak = settled.iter().map(|s| i32::from(*s)).max().unwrap();
            assert!((20_000..24_500).contains(&peak), "{law:?} {peak}");
        }
    }
}
