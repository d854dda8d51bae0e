//! How loud G.722 is: its lower band (0 to 4 kHz, where a voice has its power) is followed as a decoder does (ITU-T G.722,
//! section 6.2.1), in whole numbers and nothing else. Nothing that is heard is made here.

/// The lower band of one source.
#[derive(Debug)]
pub(super) struct LowerBand {
    /// The logarithm of the scale, and the scale (NBL, DETL).
    log_scale: i32,
    scale: i32,
    predictor: Predictor,
}

/// Poles and zeros from which the next sample is foretold.
#[derive(Debug, Default)]
struct Predictor {
    poles: [i32; 2],
    zeros: [i32; 6],
    /// What was rebuilt of the last samples, the newest first.
    rebuilt: [i32; 2],
    /// The same, but of the zeros' part alone.
    partial: [i32; 2],
    /// The last differences.
    differences: [i32; 6],
    from_zeros: i32,
    foretold: i32,
}

impl Default for LowerBand {
    fn default() -> Self {
        Self { log_scale: 0, scale: 32, predictor: Predictor::default() }
    }
}

impl LowerBand {
    /// The mean square of the samples of a payload, full scale being 1.0; 0.0 when it is empty.
    pub(super) fn power(&mut self, payload: &[u8]) -> f64 {
        let sum: f64 = payload.iter().map(|code| f64::from(self.sample(*code)).powi(2)).sum();
        sum / payload.len().max(1) as f64 / OVERLOAD.powi(2)
    }

    /// The next sample: the code's lower 6 bits are the band's.
    fn sample(&mut self, code: u8) -> i32 {
        let (fine, coarse) = (usize::from(code & 63), usize::from(code >> 2 & 15));
        let sample = (self.predictor.foretold + ((self.scale * SIX_BITS[fine]) >> 15)).clamp(-16_384, 16_383);
        let difference = (self.scale * FOUR_BITS[coarse]) >> 15;
        self.log_scale = (((self.log_scale * 127) >> 7) + GROWTH[coarse]).clamp(0, 18_432);
        let (mantissa, shift) = (POWERS[(self.log_scale >> 6 & 31) as usize], 8 - (self.log_scale >> 11));
        self.scale = (if shift < 0 { mantissa << -shift } else { mantissa >> shift }) << 2;
        self.predictor.learn(difference);
        sample
    }
}

impl Predictor {
    fn learn(&mut self, difference: i32) {
        let rebuilt = saturated(self.foretold + difference);
        let partial = saturated(self.from_zeros + difference);
        self.move_poles(partial);
        self.move_zeros(difference);
        (self.rebuilt, self.partial) = ([rebuilt, self.rebuilt[0]], [partial, self.partial[0]]);
        self.differences.rotate_right(1);
        self.differences[0] = difference;
        let part = |by: i32, of: i32| (by * saturated(of * 2)) >> 15;
        let zeros = self.zeros.iter().zip(self.differences).rev();
        self.from_zeros = zeros.fold(0, |sum, (zero, difference)| saturated(sum + part(*zero, difference)));
        let from_poles = saturated(part(self.poles[0], self.rebuilt[0]) + part(self.poles[1], self.rebuilt[1]));
        self.foretold = saturated(from_poles + self.from_zeros);
    }

    /// UPPOL2 and UPPOL1.
    fn move_poles(&mut self, partial: i32) {
        let alike = |other: i32| (partial < 0) == (other < 0);
        let [first, second] = self.poles;
        let four = saturated(first * 4);
        let push = if alike(self.partial[0]) { (-four).min(32_767) } else { four };
        let pull = if alike(self.partial[1]) { 128 } else { -128 };
        let second = ((push >> 7) + pull + ((second * 32_512) >> 15)).clamp(-12_288, 12_288);
        let limit = saturated(15_360 - second);
        let pull = if alike(self.partial[0]) { 192 } else { -192 };
        let first = saturated(pull + ((first * 32_640) >> 15)).clamp(-limit, limit);
        self.poles = [first, second];
    }

    /// UPZERO.
    fn move_zeros(&mut self, difference: i32) {
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, before) in self.zeros.iter_mut().zip(self.differences) {
            let pull = if (before < 0) == (difference < 0) { step } else { -step };
            *zero = saturated(pull + ((*zero * 32_640) >> 15));
        }
    }
}

fn saturated(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

const OVERLOAD: f64 = 16_384.0;

/// The quantizer of 4 bits, which everything is learnt from (table 18 of the recommendation).
const FOUR_BITS: [i32; 16] =
    [0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288, 4_240, 2_584, 1_200, 0];
/// How each of its codes changes the scale (WL by way of RL4).
const GROWTH: [i32; 16] = [-60, 3_042, 1_198, 538, 334, 172, 58, -30, 3_042, 1_198, 538, 334, 172, 58, -30, -60];
/// Powers of two in 32 steps (ILB).
const POWERS: [i32; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656, 2_714, 2_774, 2_834,
    2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520, 3_597, 3_676, 3_756, 3_838, 3_922, 4_008,
];
/// The quantizer of 6 bits.
const SIX_BITS: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232, -9_360,
    -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008, -3_576, -3_168, -2_776, -2_400, -2_032,
    -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9_360, 8_576,
    7_856, 7_192, 6_576, 6_000, 5_456, 4_944, 4_464, 4_008, 3_576, 3_168, 2_776, 2_400, 2_032, 1_688, 1_360, 1_040,
    728, 432, 136, -432, -136,
];
