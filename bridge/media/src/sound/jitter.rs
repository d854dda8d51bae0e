//! The sound of one stream that waits to be played: held back a little, so that what comes unevenly leaves evenly, and never
//! more than a bound.

use std::collections::VecDeque;

/// Pure: what is taken is the time that passes. Samples of 48 kHz, one channel.
#[derive(Debug)]
pub struct Jitter {
    samples: VecDeque<i16>,
    /// Where the last sample ended, microseconds.
    next: Option<i64>,
    playing: bool,
    /// Samples that are held back before playing begins.
    target: usize,
    /// The fewest that were left in the present stretch, and how many samples of it have passed.
    fewest: usize,
    passed: usize,
    /// It ran dry in the present stretch.
    dry: bool,
    lost: u64,
}

impl Default for Jitter {
    fn default() -> Self {
        let samples = VecDeque::new();
        Self { samples, next: None, playing: false, target: LEAST, fewest: usize::MAX, passed: 0, dry: false, lost: 0 }
    }
}

impl Jitter {
    /// Sound that belongs at `pts` microseconds. A short hole before it is filled with silence, so that what follows keeps
    /// its distance; what comes a second time is left out.
    pub fn push(&mut self, pts: i64, samples: &[i16]) {
        let hole = self.next.map_or(0, |next| (pts - next) * 48 / 1_000);
        if (-(MOST as i64)..-TOLERANCE).contains(&hole) {
            self.lost += 1;
            return;
        }
        self.next = Some(pts + samples.len() as i64 * 1_000 / 48);
        if self.playing && (TOLERANCE..=MOST as i64).contains(&hole) {
            self.samples.extend(std::iter::repeat_n(0, hole as usize));
        }
        self.samples.extend(samples);
        if self.samples.len() > MOST {
            self.lost += 1;
            let over = self.samples.len() - self.target;
            self.samples.drain(..over);
        }
    }

    /// The next `count` samples; silence where there are none.
    pub fn take(&mut self, count: usize) -> Vec<i16> {
        if !self.playing && self.samples.len() < self.target.max(count) {
            return vec![0; count];
        }
        self.playing = true;
        let there = self.samples.len().min(count);
        let mut out: Vec<i16> = self.samples.drain(..there).collect();
        if there < count {
            out.resize(count, 0);
            (self.playing, self.dry) = (false, true);
            self.target = (self.target + STEP).min(LATEST);
        }
        self.settle(count);
        out
    }

    /// How often sound was thrown away because too much of it waited, or came twice.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Microseconds that it holds back now.
    #[must_use]
    pub fn held(&self) -> i64 {
        self.samples.len() as i64 * 1_000 / 48
    }

    /// Once in a while: what was always left over is too much, and a stretch without a dry moment needs less.
    fn settle(&mut self, count: usize) {
        self.fewest = self.fewest.min(self.samples.len());
        self.passed += count;
        if self.passed < STRETCH {
            return;
        }
        if !self.dry {
            self.target = self.target.saturating_sub(STEP / 2).max(LEAST);
        }
        if self.fewest > self.target + STEP {
            self.skip(STEP);
        }
        (self.fewest, self.passed, self.dry) = (usize::MAX, 0, false);
    }

    /// Leaves `count` samples out, the end of what stays before blended into what comes after.
    fn skip(&mut self, count: usize) {
        for n in 0..BLEND.min(self.samples.len().saturating_sub(count)) {
            let (old, new) = (i32::from(self.samples[n]), i32::from(self.samples[n + count]));
            let (part, whole) = (n as i32, BLEND as i32);
            self.samples[n + count] = ((old * (whole - part) + new * part) / whole) as i16;
        }
        self.samples.drain(..count.min(self.samples.len()));
    }
}

/// 40 ms: two packets.
const LEAST: usize = 1_920;
/// 120 ms: held back where a line is that uneven.
const LATEST: usize = 5_760;
/// 240 ms: more never waits.
const MOST: usize = 11_520;
/// 20 ms.
const STEP: usize = 960;
/// 2 s.
const STRETCH: usize = 96_000;
/// 5 ms.
const BLEND: usize = 240;
/// 5 ms: smaller differences are rounding.
const TOLERANCE: i64 = 240;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PACKET: [i16; 960] = [7; 960];

    fn filled(packets: i64) -> Jitter {
        let mut jitter = Jitter::default();
        (0..packets).for_each(|n| jitter.push(n * 20_000, &PACKET));
        jitter
    }

    #[test]
    fn two_packets_are_held_back_and_then_it_plays() {
        let mut jitter = filled(1);
        assert_eq!(jitter.take(960), [0; 960]);
        jitter.push(20_000, &PACKET);
        assert_eq!(jitter.take(960), PACKET);
    }

    #[test]
    fn a_lost_packet_is_silence_of_its_length() {
        let mut jitter = filled(2);
        jitter.take(960);
        jitter.push(60_000, &PACKET);
        assert_eq!(
            (jitter.take(960), jitter.take(960), jitter.take(960)),
            (PACKET.to_vec(), vec![0; 960], PACKET.to_vec())
        );
    }

    #[test]
    fn a_packet_that_comes_twice_is_heard_once() {
        let mut jitter = filled(2);
        jitter.push(20_000, &PACKET);
        assert_eq!((jitter.held(), jitter.lost()), (40_000, 1));
    }

    #[test]
    fn an_uneven_line_is_held_back_longer_and_an_even_one_shorter_again() {
        let mut jitter = filled(2);
        (0..3).for_each(|_| drop(jitter.take(960)));
        assert_eq!(jitter.target, LEAST + STEP);
        let mut pts = 40_000;
        for _ in 0..600 {
            jitter.push(pts, &PACKET);
            jitter.take(960);
            pts += 20_000;
        }
        assert_eq!(jitter.target, LEAST);
    }

    #[test]
    fn a_burst_leaves_no_delay_behind() {
        let mut jitter = filled(9);
        let mut pts = 180_000;
        for _ in 0..1_200 {
            jitter.take(960);
            jitter.push(pts, &PACKET);
            pts += 20_000;
        }
        assert!(jitter.held() <= 80_000, "{}", jitter.held());
    }

    proptest! {
        #[test]
        fn whatever_comes_nothing_waits_longer_than_the_bound(
            steps in prop::collection::vec((any::<i32>(), 0_usize..4_000, 0_usize..3), 1..200),
        ) {
            let mut jitter = Jitter::default();
            for (pts, length, takes) in steps {
                jitter.push(i64::from(pts), &vec![1; length]);
                prop_assert!(jitter.held() <= 240_000 + 84_000);
                (0..takes).for_each(|_| assert_eq!(jitter.take(960).len(), 960));
            }
        }
    }
}
