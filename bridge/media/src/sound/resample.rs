//! From one sampling rate to another: a low pass cut into phases (a sinc under Hann's window).

use std::collections::VecDeque;

/// One stream's converter.
#[derive(Debug, Clone)]
pub struct Resampler {
    /// The output has `up` samples for each `down` of the input.
    up: usize,
    down: usize,
    /// By phase: the taps, for the oldest sample first.
    phases: Vec<Vec<f32>>,
    /// The newest input samples, oldest first; as many as a phase has taps.
    past: VecDeque<f32>,
    /// Where between two input samples the next output stands, in parts of `up`; from `up` on more input is needed.
    at: usize,
    from: u32,
}

impl Resampler {
    /// From `from` to `to` samples a second, beginning with silence; `None` for rates that are none (0, or over 384,000).
    #[must_use]
    pub fn new(from: u32, to: u32) -> Option<Self> {
        let known = |rate: u32| (1..=384_000).contains(&rate);
        if !known(from) || !known(to) {
            return None;
        }
        let common = gcd(from, to);
        let (up, down) = ((to / common) as usize, (from / common) as usize);
        // Made slower, the low pass has to be lower and longer.
        let taps = TAPS * from.div_ceil(to).max(1) as usize;
        let past = std::iter::repeat_n(0.0, taps).collect();
        Some(Self { up, down, phases: filter(up, down, taps), past, at: up, from })
    }

    /// How much later samples come out, in microseconds: half the filter.
    #[must_use]
    pub fn delay(&self) -> i64 {
        self.past.len() as i64 * 1_000_000 / i64::from(self.from) / 2
    }

    /// What comes out for these.
    pub fn push(&mut self, samples: &[i16]) -> Vec<i16> {
        if self.up == self.down {
            return samples.to_vec();
        }
        let mut out = Vec::with_capacity(samples.len() * self.up / self.down + 1);
        for sample in samples {
            self.past.pop_front();
            self.past.push_back(f32::from(*sample));
            self.at -= self.up;
            while self.at < self.up {
                let taps = self.phases[self.at].iter();
                let value: f32 = taps.zip(&self.past).map(|(tap, sample)| tap * sample).sum();
                out.push(value.clamp(-32_768.0, 32_767.0) as i16);
                self.at += self.down;
            }
        }
        out
    }
}

fn filter(up: usize, down: usize, taps: usize) -> Vec<Vec<f32>> {
    let middle = (taps * up) as f32 / 2.0;
    // In samples of the slower side.
    let slow = up.max(down) as f32;
    let gain = up as f32 / slow;
    let tap = |n: usize| {
        let x = (n as f32 - middle) / slow;
        let sinc = if x == 0.0 { 1.0 } else { (std::f32::consts::PI * x).sin() / (std::f32::consts::PI * x) };
        gain * sinc * (0.5 + 0.5 * (std::f32::consts::PI * (n as f32 - middle) / middle).cos())
    };
    // The newest sample meets the filter's beginning.
    (0..up).map(|phase| (0..taps).map(|n| tap((taps - 1 - n) * up + phase)).collect()).collect()
}

const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Input samples that an output sample is made of, where the rate grows.
const TAPS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::g711::Law;

    fn tone(rate: u32, hertz: f32, count: usize) -> Vec<i16> {
        let turn = std::f32::consts::TAU * hertz / rate as f32;
        (0..count).map(|n| ((turn * n as f32).sin() * 16_000.0) as i16).collect()
    }

    fn rises(samples: &[i16]) -> usize {
        samples.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count()
    }

    #[test]
    fn a_tone_keeps_its_pitch_and_loudness_at_every_rate_and_however_it_is_cut() {
        for (from, to) in [(8_000, 48_000), (48_000, 8_000), (16_000, 48_000), (48_000, 16_000), (44_100, 48_000)] {
            let mut resampler = Resampler::new(from, to).unwrap();
            let out: Vec<i16> =
                tone(from, 500.0, from as usize).chunks(333).flat_map(|piece| resampler.push(piece)).collect();
            assert!(out.len().abs_diff(to as usize) <= 2, "{from} {to} {}", out.len());
            let settled = &out[to as usize / 10..];
            assert!((449..=451).contains(&rises(settled)), "{from} {to} {}", rises(settled));
            let peak = settled.iter().max().unwrap();
            assert!((15_500..16_500).contains(peak), "{from} {to} {peak}");
        }
    }

    #[test]
    fn what_the_slower_rate_cannot_carry_is_taken_out() {
        let mut resampler = Resampler::new(48_000, 8_000).unwrap();
        let out = resampler.push(&tone(48_000, 9_000.0, 48_000));
        assert!(out[800..].iter().all(|sample| sample.abs() < 1_000), "{:?}", out[800..].iter().max());
    }

    #[test]
    fn the_test_sequences_of_g711_stay_what_they_are() {
        // 1 kHz: eight samples a period (G.711, tables 5 and 6).
        let a = (Law::A, [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4]);
        let mu = (Law::Mu, [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e]);
        for (law, period) in [a, mu] {
            let out = Resampler::new(8_000, 48_000).unwrap().push(&law.decode(&period.repeat(100)));
            let settled = &out[960..];
            assert!((78..=80).contains(&rises(settled)), "{law:?} {}", rises(settled));
            let peak = settled.iter().map(|s| i32::from(*s)).max().unwrap();
            assert!((20_000..24_500).contains(&peak), "{law:?} {peak}");
        }
    }

    #[test]
    fn rates_that_are_none_are_refused() {
        assert!(Resampler::new(0, 48_000).is_none() && Resampler::new(48_000, 1_000_000).is_none());
    }
}
