//! How a sound is: loud, quiet, cut off at the end of the range, or the echo of another.

use std::collections::VecDeque;

use hearing_proto::child::Loudness;

/// Measures one stream.
#[derive(Debug, Default)]
pub struct Meter {
    peak: u16,
    power: f64,
    clipped: u64,
    count: u64,
}

/// The loudness of a sound's last seconds, in steps of 20 ms.
#[derive(Debug, Default)]
pub struct Envelope(VecDeque<f32>);

impl Meter {
    /// These were heard.
    pub fn add(&mut self, samples: &[i16]) {
        for sample in samples {
            let magnitude = sample.unsigned_abs();
            self.peak = self.peak.max(magnitude);
            self.power += f64::from(magnitude) * f64::from(magnitude);
            self.clipped += u64::from(magnitude >= CLIPPED);
        }
        self.count += samples.len() as u64;
    }

    /// What was heard since the last call; `None` when nothing was.
    pub fn take(&mut self, echo: u8) -> Option<Loudness> {
        let Self { peak, power, clipped, count } = std::mem::take(self);
        let mean = (count > 0).then(|| (power / count as f64).sqrt())?;
        let clipped = u16::try_from(clipped * 1_000 / count).unwrap_or(1_000);
        Some(Loudness { peak: below(f64::from(peak)), mean: below(mean), clipped, echo })
    }
}

impl Envelope {
    /// The next 20 ms.
    pub fn add(&mut self, samples: &[i16]) {
        if self.0.len() == HISTORY {
            self.0.pop_front();
        }
        let power: f32 = samples.iter().map(|sample| f32::from(*sample) * f32::from(*sample)).sum();
        self.0.push_back((power / samples.len().max(1) as f32).sqrt());
    }

    /// How alike this is to `far`, which both end now, moved by up to a second: hundredths of a correlation. 0 where either
    /// says nothing or both do not change.
    #[must_use]
    pub fn echo_of(&self, far: &Self) -> u8 {
        if self.0.len() < HISTORY || far.0.len() < HISTORY {
            return 0;
        }
        let near: Vec<f32> = self.0.range(HISTORY - SPAN..).copied().collect();
        let likeness = |lag: usize| {
            let far: Vec<f32> = far.0.range(HISTORY - SPAN - lag..HISTORY - lag).copied().collect();
            correlation(&near, &far)
        };
        (FIRST_LAG..=HISTORY - SPAN).map(likeness).fold(0.0, f32::max).mul_add(100.0, 0.0) as u8
    }
}

/// Pearson's.
fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let mean = |v: &[f32]| v.iter().sum::<f32>() / v.len() as f32;
    let (ma, mb) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f32, f32) -> f32| a.iter().zip(b).map(|(x, y)| f(x - ma, y - mb)).sum::<f32>();
    let (ab, aa, bb) = (sum(&|x, y| x * y), sum(&|x, _| x * x), sum(&|_, y| y * y));
    let least = SILENT * SILENT * a.len() as f32;
    if aa < least || bb < least { 0.0 } else { (ab / (aa * bb).sqrt()).clamp(0.0, 1.0) }
}

fn below(magnitude: f64) -> u8 {
    if magnitude < 1.0 { 96 } else { (20.0 * (32_768.0 / magnitude).log10()).round().clamp(0.0, 96.0) as u8 }
}

/// Samples from here on stand at the end of the range.
const CLIPPED: u16 = 32_700;
/// Envelopes that vary by less than this are silence or a steady hum: -66 dB.
const SILENT: f32 = 16.0;
/// 4 s in steps of 20 ms, of which 3 s are compared.
const HISTORY: usize = 200;
const SPAN: usize = 150;
/// An echo over any line is later than this: 40 ms.
const FIRST_LAG: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Bursts of sound that never repeat, in steps of 20 ms.
    fn speech(step: usize, seed: usize) -> Vec<i16> {
        let mut state = (step as u64 / 3 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        state ^= (seed as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let loud = (state >> 40) as i16 & 63;
        (0..960).map(|n| if n % 2 == 0 { loud * 100 } else { -loud * 100 }).collect()
    }

    fn echo(of: impl Fn(usize) -> Vec<i16>) -> u8 {
        let (mut near, mut far) = (Envelope::default(), Envelope::default());
        for step in 0..400 {
            far.add(&speech(step, 1));
            near.add(&of(step));
        }
        near.echo_of(&far)
    }

    #[test]
    fn what_comes_back_later_and_quieter_is_an_echo_and_another_voice_is_none() {
        let quieter = |samples: Vec<i16>| samples.iter().map(|sample| sample / 8).collect::<Vec<_>>();
        let returned = echo(|step| quieter(speech(step.saturating_sub(15), 1)));
        let other = echo(|step| speech(step, 500));
        assert!(returned > 90 && other < 50, "{returned} {other}");
        assert_eq!(echo(|_| vec![0; 960]), 0, "silence is no echo");
    }

    #[test]
    fn full_scale_is_clipped_and_half_of_it_is_six_decibels_lower() {
        let mut meter = Meter::default();
        meter.add(&[i16::MAX; 500]);
        meter.add(&[16_384; 500]);
        let loudness = meter.take(0).unwrap();
        assert_eq!((loudness.peak, loudness.clipped), (0, 500));
        meter.add(&[16_384; 960]);
        assert_eq!(meter.take(0).unwrap().mean, 6);
        meter.add(&[0; 960]);
        assert_eq!(meter.take(0).unwrap().mean, 96);
        assert_eq!(meter.take(0), None, "nothing was heard");
    }
}
