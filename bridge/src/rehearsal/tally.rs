//! What one receiver saw and heard of every sender. Pure.

use std::collections::{BTreeMap, BTreeSet};

use hdrhistogram::Histogram;
use hearing_proto::testcard::{self, Mark};
use hearing_proto::wire::{RehearsePair, Tone};

/// Counts by sender, which is the seat that a slot belongs to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    senders: BTreeMap<u8, Sender>,
    /// Stretches of 100 ms of a mix in which any tone sounded.
    mixed: u32,
}

#[derive(Debug, Default)]
struct Sender {
    frames: BTreeSet<u64>,
    latencies: Vec<u64>,
    own: u32,
    foreign: u32,
    strangers: BTreeSet<u8>,
    /// Its tone comes in a mix.
    mixed: bool,
}

impl Tally {
    /// The receiver has slots for these senders from now on.
    pub(super) fn expect(&mut self, senders: impl Iterator<Item = u8>) {
        for seat in senders {
            self.senders.entry(seat).or_default();
        }
    }

    /// A picture in the slot of `sender` showed `mark` at `wall_us`.
    pub(super) fn seen(&mut self, sender: u8, mark: Mark, wall_us: i64, fps: u8) {
        let Some(of) = self.senders.get_mut(&sender) else { return };
        if mark.seat != sender {
            of.strangers.insert(mark.seat);
            return;
        }
        let Some(frame) = testcard::frame_near(mark.counter, wall_us, fps) else { return };
        if of.frames.insert(frame) {
            of.latencies.push(u64::try_from(wall_us - testcard::time_of(frame, fps)).unwrap_or(0));
        }
    }

    /// In the slot of `sender` the tones of `seats` sounded for 100 ms.
    pub(super) fn heard(&mut self, sender: u8, seats: &[u8]) {
        let Some(of) = self.senders.get_mut(&sender) else { return };
        of.own += u32::from(seats.contains(&sender));
        of.foreign += u32::from(seats.iter().any(|seat| *seat != sender));
    }

    /// A composed picture showed `mark` in one of its tiles at `wall_us`.
    pub(super) fn composed(&mut self, mark: Mark, wall_us: i64, fps: u8) {
        self.expect(std::iter::once(mark.seat));
        self.seen(mark.seat, mark, wall_us, fps);
    }

    /// In the mix the tones of `seats` sounded for 100 ms.
    pub(super) fn mixed(&mut self, seats: &[u8]) {
        self.mixed += u32::from(!seats.is_empty());
        for seat in seats {
            let of = self.senders.entry(*seat).or_default();
            (of.own, of.mixed) = (of.own + 1, true);
        }
    }

    /// The result, for the receiver `to`.
    pub(super) fn pairs(&self, to: u8) -> Vec<RehearsePair> {
        self.senders.iter().filter(|(from, _)| **from != to).map(|(from, sender)| sender.pair(*from, to)).collect()
    }

    /// What of the receiver itself is in what it was sent.
    pub(super) fn itself(&self, own: u8) -> Option<String> {
        let of = self.senders.get(&own)?;
        let echo = of.own * 2 > self.mixed;
        let found =
            [(!of.frames.is_empty(), "its own picture is in the composed one"), (echo, "its own tone is in the mix")];
        let found: Vec<_> = found.iter().filter(|(is_so, _)| *is_so).map(|(_, what)| *what).collect();
        (!found.is_empty()).then(|| found.join("; "))
    }

    /// Slots that showed somebody else's picture: a face under a wrong name.
    pub(super) fn mistaken(&self) -> Option<String> {
        let wrong: Vec<String> = self
            .senders
            .iter()
            .filter(|(_, sender)| !sender.strangers.is_empty())
            .map(|(slot, sender)| format!("the slot of seat {slot} showed seats {:?}", sender.strangers))
            .collect();
        (!wrong.is_empty()).then(|| wrong.join("; "))
    }
}

impl Sender {
    fn pair(&self, from: u8, to: u8) -> RehearsePair {
        let span = self.frames.first().zip(self.frames.last()).map_or(0, |(first, last)| last - first + 1);
        let count = self.frames.len() as u64;
        let quantile = |q| self.latency(q).map(|us| u32::try_from(us).unwrap_or(u32::MAX));
        RehearsePair {
            from,
            to,
            frames: u32::try_from(count).unwrap_or(u32::MAX),
            lost: u32::try_from(span - count).unwrap_or(u32::MAX),
            tone: self.tone(),
            latency_p50_us: quantile(0.5),
            latency_p99_us: quantile(0.99),
        }
    }

    /// One damaged window is no voice; what is heard for longer is one.
    fn tone(&self) -> Tone {
        if self.foreign > STRAY_WINDOWS {
            Tone::Wrong
        } else if self.own > if self.mixed { STRAY_MIXES } else { 0 } {
            Tone::Heard
        } else {
            Tone::Silent
        }
    }

    fn latency(&self, quantile: f64) -> Option<u64> {
        let mut histogram = Histogram::<u64>::new_with_max(HOUR_US, 3).ok()?;
        self.latencies.iter().for_each(|us| histogram.saturating_record(*us));
        (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile))
    }
}

const STRAY_WINDOWS: u32 = 2;
/// Of many tones together some others may ring for a moment.
const STRAY_MIXES: u32 = 4;
/// Longer than any latency; what is longer still counts as this.
const HOUR_US: u64 = 3_600_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_429_864_000_000;

    fn of(seat: u8) -> Tally {
        let mut tally = Tally::default();
        tally.expect([seat].into_iter());
        tally
    }

    fn tally(frames: impl Iterator<Item = u64>) -> RehearsePair {
        let (mut tally, first) = (of(3), testcard::frame_at(START, 15).unwrap());
        for frame in frames {
            let mark = Mark { counter: testcard::counter_of(first + frame), seat: 3 };
            tally.seen(3, mark, testcard::time_of(first + frame, 15) + 40_000, 15);
        }
        tally.pairs(1)[0]
    }

    #[test]
    fn missing_counters_are_lost_frames_and_latency_is_counted_from_drawing() {
        let pair = tally((0..90).filter(|frame| frame % 10 != 4));
        assert_eq!((pair.from, pair.to, pair.frames, pair.lost), (3, 1, 81, 9));
        assert_eq!((pair.latency_p50_us.unwrap() / 100, pair.latency_p99_us.unwrap() / 100), (400, 400));
    }

    #[test]
    fn a_repeated_frame_counts_once() {
        assert_eq!(tally([1, 1, 2].into_iter()).frames, 2);
    }

    #[test]
    fn nothing_seen_is_nothing_lost() {
        let pair = tally(std::iter::empty());
        assert_eq!((pair.frames, pair.lost, pair.tone, pair.latency_p50_us), (0, 0, Tone::Silent, None));
    }

    #[test]
    fn a_foreign_tone_is_wrong_even_beside_the_right_one() {
        let mut tally = of(3);
        (0..50).for_each(|_| tally.heard(3, &[3]));
        assert_eq!(tally.pairs(1)[0].tone, Tone::Heard);
        (0..3).for_each(|_| tally.heard(3, &[3, 5]));
        assert_eq!(tally.pairs(1)[0].tone, Tone::Wrong);
    }

    #[test]
    fn in_a_mix_many_tones_are_right_a_moments_ring_is_none_and_ones_own_is_an_echo() {
        let mut tally = Tally::default();
        (0..20).for_each(|_| tally.mixed(&[1, 3]));
        (0..4).for_each(|_| tally.mixed(&[1, 3, 6, 9]));
        let tones: Vec<_> = tally.pairs(9).iter().map(|pair| (pair.from, pair.tone)).collect();
        assert_eq!(tones, [(1, Tone::Heard), (3, Tone::Heard), (6, Tone::Silent)]);
        assert_eq!((tally.itself(9), tally.itself(3).as_deref()), (None, Some("its own tone is in the mix")));
    }

    #[test]
    fn in_a_composed_picture_every_card_counts_for_its_own_seat() {
        let (mut tally, frame) = (Tally::default(), testcard::frame_at(START, 15).unwrap());
        for seat in [1, 3] {
            tally.composed(Mark { counter: testcard::counter_of(frame), seat }, START + 90_000, 15);
        }
        assert_eq!(tally.pairs(0).iter().map(|pair| (pair.from, pair.frames)).collect::<Vec<_>>(), [(1, 1), (3, 1)]);
        assert_eq!(tally.itself(1).as_deref(), Some("its own picture is in the composed one"));
    }

    #[test]
    fn a_face_under_a_wrong_name_is_noticed() {
        let mut tally = of(3);
        tally.seen(3, Mark { counter: 1, seat: 4 }, START, 15);
        assert_eq!(tally.pairs(1)[0].frames, 0);
        assert!(tally.mistaken().unwrap().contains("seat 3 showed seats {4}"));
    }
}
