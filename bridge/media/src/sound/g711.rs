//! G.711 (ITU-T G.711, tables 1 and 2): one sample of 8 kHz, one byte.

/// How a sample is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// A-law.
    A,
    /// mu-law.
    Mu,
}

impl Law {
    /// The samples of coded bytes.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Vec<i16> {
        bytes.iter().map(|byte| self.linear(*byte)).collect()
    }

    /// The code of each sample.
    #[must_use]
    pub fn encode(self, samples: &[i16]) -> Vec<u8> {
        samples.iter().map(|sample| self.code(*sample)).collect()
    }

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

    fn code(self, sample: i16) -> u8 {
        let magnitude = i32::from(sample).abs();
        let (magnitude, first) = match self {
            Self::A => (magnitude.min(32_767), 8),
            // The bias makes every segment twice as long as the one before.
            Self::Mu => ((magnitude + 132).min(32_767), 7),
        };
        let top = (31 - (magnitude as u32 | 1).leading_zeros()) as i32;
        let segment = (top - first + i32::from(self == Self::A)).max(0);
        let step = match (self, segment) {
            (Self::A, 0) => magnitude >> 4,
            (Self::A, _) | (Self::Mu, _) => magnitude >> (segment + 3),
        };
        let code = (segment << 4) as u8 | (step & 15) as u8;
        match (self, sample < 0) {
            (Self::A, false) => (code | 0x80) ^ 0x55,
            (Self::A, true) => code ^ 0x55,
            (Self::Mu, false) => !code,
            (Self::Mu, true) => !(code | 0x80),
        }
    }
}

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
    fn every_code_comes_back_from_its_value() {
        for law in [Law::A, Law::Mu] {
            for code in 0..=255 {
                let value = law.linear(code);
                // mu-law has two codes for nothing.
                let same = law.code(value) == code || value == 0;
                assert!(same, "{law:?} {code:#x} {value} {:#x}", law.code(value));
            }
        }
    }

    #[test]
    fn every_sample_is_coded_within_half_a_step() {
        for law in [Law::A, Law::Mu] {
            for sample in (i16::MIN..=i16::MAX).step_by(7) {
                let off = (i32::from(law.linear(law.code(sample))) - i32::from(sample)).abs();
                let step = i32::from(sample).abs() / 16 + 16;
                assert!(off <= step || i32::from(sample).abs() > 32_000, "{law:?} {sample} {off}");
            }
        }
    }
}
