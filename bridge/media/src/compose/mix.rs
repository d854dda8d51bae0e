//! The sum of all sounds, one channel of 48 kHz, sample by sample.

use std::collections::{HashMap, VecDeque};

/// Adds up what is heard at the same time.
#[derive(Debug, Default)]
pub struct Mixer {
    /// The place of the first sample that was not taken out yet.
    start: i64,
    sum: VecDeque<i32>,
    /// By stream: the place behind its last sample.
    next: HashMap<u16, i64>,
    lost: u64,
}

impl Mixer {
    /// Sound of `stream` that begins at `pts` microseconds. Times that differ by little from where the last one ended are
    /// taken to be rounded: sound that is pushed about clicks.
    pub fn add(&mut self, stream: u16, pts: i64, samples: &[i16]) {
        let told = pts.saturating_mul(RATE) / 1_000_000;
        let place = match self.next.get(&stream) {
            Some(next) if (told - next).abs() <= TOLERANCE => *next,
            _ => told,
        };
        self.next.insert(stream, place + samples.len() as i64);
        for (place, sample) in (place..).zip(samples) {
            match usize::try_from(place - self.start) {
                Ok(at) if at < AHEAD => {
                    if at >= self.sum.len() {
                        self.sum.resize(at + 1, 0);
                    }
                    self.sum[at] += i32::from(*sample);
                }
                _ => self.lost += 1,
            }
        }
    }

    /// Everything before the sample `until`; silence where nothing was.
    pub fn take(&mut self, until: i64) -> Vec<i16> {
        let count = usize::try_from(until - self.start).unwrap_or(0);
        self.start = self.start.max(until);
        let there = self.sum.len().min(count);
        let mut out: Vec<i16> = self.sum.drain(..there).map(limit).collect();
        out.resize(count, 0);
        out
    }

    /// Samples that came too late or far too early.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

/// Loud sums are bent, not cut: up to three quarters of the range as they are, then ever less.
pub(crate) fn limit(sum: i32) -> i16 {
    let (magnitude, knee) = (sum.unsigned_abs() as f32, 24_576.0_f32);
    if magnitude <= knee {
        return sum as i16;
    }
    let room = 32_767.0 - knee;
    let bent = knee + room * (1.0 - (-(magnitude - knee) / room).exp());
    (bent * sum.signum() as f32) as i16
}

/// Samples a second.
pub const RATE: i64 = 48_000;
/// 40 ms.
const TOLERANCE: i64 = 1_920;
/// Ten seconds.
const AHEAD: usize = 480_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_voices_add_up_where_both_speak() {
        let mut mixer = Mixer::default();
        mixer.add(1, 0, &[100; 960]);
        mixer.add(2, 10_000, &[30; 960]);
        let out = mixer.take(1_920);
        assert_eq!((out[0], out[479], out[480], out[959], out[960], out[1_440]), (100, 100, 130, 130, 30, 0));
    }

    #[test]
    fn rounded_times_leave_no_hole_and_a_jump_does() {
        let mut mixer = Mixer::default();
        mixer.add(1, 0, &[5; 960]);
        mixer.add(1, 21_000, &[5; 960]);
        mixer.add(1, 200_000, &[5; 960]);
        let out = mixer.take(12_000);
        assert!(out[..1_920].iter().all(|sample| *sample == 5));
        assert!(out[1_920..9_600].iter().all(|sample| *sample == 0) && out[9_600] == 5);
    }

    #[test]
    fn what_is_too_late_is_counted_and_what_is_too_loud_stays_in_range() {
        let mut mixer = Mixer::default();
        assert_eq!(mixer.take(960), [0; 960]);
        mixer.add(1, 0, &[1; 960]);
        assert_eq!(mixer.lost(), 960);
        assert_eq!((limit(20_000), limit(-20_000)), (20_000, -20_000));
        assert!(limit(60_000) > limit(40_000) && limit(131_068) > limit(60_000));
    }
}
