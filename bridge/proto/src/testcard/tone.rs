//! The test card's sound: a tone for every seat, silent for a moment at every full second, and the ear that hears it.

/// Samples a second of all sound here; one channel, signed 16 bit.
pub const SAMPLE_RATE: u32 = 48_000;

/// The frequency of a seat's tone in hertz: far enough from every other, and no multiple of another.
#[must_use]
pub const fn frequency(seat: u8) -> u32 {
    400 + 120 * (seat as u32 & 0x3f)
}

/// Samples of a seat's tone. It falls silent for [`GAP_US`] at every full second of the wall clock, so that sound can be laid
/// against the picture, whose frame number is then a multiple of its frame rate.
#[derive(Debug, Clone)]
pub struct Tone {
    seat: u8,
    position: u64,
}

/// Hears tones and gaps in a stream of samples.
#[derive(Debug, Clone, Default)]
pub struct Ear {
    window: Vec<i16>,
    window_at: i64,
    next: Option<i64>,
    level: Level,
}

/// What an ear heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The seats whose tones sound within the 100 ms from `pts` on; empty when none does.
    Tones {
        /// Where the window begins, in microseconds of the stream's time.
        pts: i64,
        /// Seats, lowest first.
        seats: Vec<u8>,
    },
    /// A gap began: the wall clock stood at a full second when it was made.
    Gap {
        /// Where, in microseconds of the stream's time, to about 3 ms.
        pts: i64,
    },
}

impl Tone {
    /// A seat's tone from a time on, in microseconds since 1970.
    #[must_use]
    pub fn starting(seat: u8, wall_us: i64) -> Self {
        let within = u64::try_from(wall_us.rem_euclid(1_000_000)).unwrap_or(0);
        Self { seat, position: within * u64::from(SAMPLE_RATE) / 1_000_000 }
    }

    /// The next samples.
    pub fn fill(&mut self, samples: &mut [i16]) {
        let step = std::f64::consts::TAU * f64::from(frequency(self.seat)) / f64::from(SAMPLE_RATE);
        for sample in samples {
            // Every tone has a whole number of periods in a second, so the phase may start anew with each.
            let within = u32::try_from(self.position % u64::from(SAMPLE_RATE)).unwrap_or(0);
            let silent = within < GAP_SAMPLES;
            *sample = if silent { 0 } else { (AMPLITUDE * (step * f64::from(within)).sin()) as i16 };
            self.position += 1;
        }
    }
}

impl Ear {
    /// An ear that has heard nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens to samples that begin at `pts` microseconds. What came before is forgotten when they don't follow on it.
    pub fn hear(&mut self, pts: i64, samples: &[i16]) -> Vec<Heard> {
        if self.next.is_none_or(|next| next.abs_diff(pts) > JUMP_US) {
            *self = Self { window_at: pts, ..Self::default() };
        }
        let mut heard = Vec::new();
        for (place, block) in samples.chunks(BLOCK).enumerate() {
            let at = pts.saturating_add(micros(place * BLOCK));
            if self.level.falls_silent(at, block) {
                heard.extend(self.level.gap.take().map(|pts| Heard::Gap { pts }));
            }
        }
        for sample in samples {
            self.window.push(*sample);
            if self.window.len() == WINDOW {
                heard.push(Heard::Tones { pts: self.window_at, seats: tones(&self.window) });
                self.window_at = self.window_at.saturating_add(micros(WINDOW));
                self.window.clear();
            }
        }
        self.next = Some(pts.saturating_add(micros(samples.len())));
        heard
    }
}

/// The seats whose tones sound in `samples`, lowest first: those no more than 24 dB below the strongest: levels
/// that are controlled differ so much.
#[must_use]
pub fn tones(samples: &[i16]) -> Vec<u8> {
    // A third of the samples carries every tone of the table, at a third of the work.
    let mean = |three: &[i16]| three.iter().map(|sample| f64::from(*sample)).sum::<f64>() / three.len() as f64;
    let samples: Vec<f64> = samples.chunks(THIRD).map(mean).collect();
    let strengths: Vec<f64> = (0..64).map(|seat| strength(&samples, frequency(seat))).collect();
    let strongest = strengths.iter().copied().fold(0.0, f64::max);
    let floor = (strongest / 16.0).max(AMPLITUDE / 64.0);
    (0_u8..).zip(strengths).filter(|(_, strength)| *strength >= floor).map(|(seat, _)| seat).collect()
}

/// The amplitude of one frequency (Goertzel), in samples of which there are [`THIRD`] times fewer.
fn strength(samples: &[f64], frequency: u32) -> f64 {
    let angle = std::f64::consts::TAU * f64::from(frequency) * THIRD as f64 / f64::from(SAMPLE_RATE);
    let factor = 2.0 * angle.cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        (last, before) = (sample + factor * last - before, last);
    }
    let power = (last * last + before * before - factor * last * before).max(0.0);
    2.0 * power.sqrt() / (samples.len().max(1) as f64)
}

/// Follows loudness in blocks and finds where a gap of at least half of [`GAP_US`] began.
#[derive(Debug, Clone, Default)]
struct Level {
    loudest: i32,
    loud_for: u32,
    silent_for: u32,
    began: i64,
    gap: Option<i64>,
}

impl Level {
    /// True once for each gap, when it has lasted long enough; `gap` then holds where it began.
    fn falls_silent(&mut self, at: i64, block: &[i16]) -> bool {
        let peak = block.iter().map(|sample| i32::from(*sample).abs()).max().unwrap_or(0);
        self.loudest = self.loudest.max(peak);
        if peak * 6 > self.loudest {
            (self.loud_for, self.silent_for) = (self.loud_for.saturating_add(1), 0);
            return false;
        }
        if self.silent_for == 0 {
            self.began = at;
        }
        self.silent_for = self.silent_for.saturating_add(1);
        if self.silent_for != BLOCKS_OF_SILENCE || self.loud_for < BLOCKS_OF_SOUND {
            return false;
        }
        self.loud_for = 0;
        self.gap = Some(self.began);
        true
    }
}

fn micros(samples: usize) -> i64 {
    i64::try_from(samples).unwrap_or(i64::MAX / 1_000_000) * 1_000_000 / i64::from(SAMPLE_RATE)
}

/// How long the tone is silent at every full second, in microseconds.
pub const GAP_US: i64 = 40_000;

const GAP_SAMPLES: u32 = SAMPLE_RATE / 25;
const AMPLITUDE: f64 = 8_000.0;
const THIRD: usize = 3;
/// 100 ms: every tone of the table has a whole number of periods in it, so none leaks into another's place.
const WINDOW: usize = 4_800;
/// 2.5 ms, one period of the lowest tone.
const BLOCK: usize = 120;
const BLOCKS_OF_SILENCE: u32 = 8;
const BLOCKS_OF_SOUND: u32 = 40;
const JUMP_US: u64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn second(seat: u8) -> Vec<i16> {
        let mut samples = vec![0; 48_000];
        Tone::starting(seat, 0).fill(&mut samples);
        samples
    }

    #[test]
    fn every_seats_tone_is_heard_and_no_other() {
        for seat in 0..64 {
            for window in second(seat).chunks(WINDOW) {
                assert_eq!(tones(window), [seat]);
            }
        }
    }

    #[test]
    fn a_mix_carries_several_tones() {
        let (a, b, c) = (second(0), second(1), second(17));
        let mix: Vec<i16> = a.iter().zip(&b).zip(&c).map(|((a, b), c)| a + b + c).collect();
        assert!(mix.chunks(WINDOW).all(|window| tones(window) == [0, 1, 17]));
    }

    #[test]
    fn silence_and_faint_noise_have_no_tone() {
        assert!(tones(&[0; WINDOW]).is_empty());
        let noise: Vec<i16> = (0..WINDOW).map(|i| (i * 7919 % 41) as i16 - 20).collect();
        assert!(tones(&noise).is_empty());
    }

    #[test]
    fn gaps_are_heard_at_every_full_second_but_the_first() {
        let (mut tone, mut ear, mut gaps) = (Tone::starting(5, 7_000_000), Ear::new(), Vec::new());
        for packet in 0..200 {
            let mut samples = [0; 960];
            tone.fill(&mut samples);
            let heard = ear.hear(7_000_000 + packet * 20_000, &samples);
            gaps.extend(
                heard.into_iter().filter_map(|heard| if let Heard::Gap { pts } = heard { Some(pts) } else { None }),
            );
        }
        assert_eq!(gaps, [8_000_000, 9_000_000, 10_000_000]);
    }

    #[test]
    fn a_lost_packet_is_no_gap() {
        let (mut tone, mut ear) = (Tone::starting(5, 7_000_000), Ear::new());
        for packet in 0..45 {
            let mut samples = [0; 960];
            tone.fill(&mut samples);
            if packet % 10 != 9 {
                let heard = ear.hear(packet * 20_000, &samples);
                assert!(!heard.iter().any(|heard| matches!(heard, Heard::Gap { .. })));
            }
        }
    }

    proptest! {
        #[test]
        fn any_samples_are_heard_without_panic(pts in any::<i64>(), samples in prop::collection::vec(any::<i16>(), 0..10_000)) {
            let mut ear = Ear::new();
            ear.hear(pts, &samples);
            ear.hear(pts.wrapping_add(20_000), &samples);
        }
    }
}
