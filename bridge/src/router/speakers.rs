//! Who speaks, judged by the loudness that sound packets carry.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hearing_config::SeatId;

/// Pure; told the time. A seat begins to speak after 300 ms of sound and ends after 300 ms of silence.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    seats: BTreeMap<SeatId, Voice>,
    changed: bool,
}

impl Speakers {
    /// A sound packet of `seat` came, `level` in -dBov: 0 is loudest, 127 silence.
    pub(super) fn handle_level(&mut self, now: Instant, seat: SeatId, level: u8) {
        let voice = self.seats.entry(seat).or_insert_with(|| Voice::new(now));
        self.changed |= voice.handle_level(now, level);
    }

    /// `seat` sends no sound any more, or nobody may hear it.
    pub(super) fn remove(&mut self, seat: SeatId) {
        self.changed |= self.seats.remove(&seat).is_some_and(|voice| voice.speaks);
    }

    /// Ends those who were silent for long enough.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for voice in self.seats.values_mut() {
            if voice.speaks && now >= voice.loud_at + HOLD {
                voice.speaks = false;
                self.changed = true;
            }
        }
    }

    /// When `handle_timeout` wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.seats.values().filter(|voice| voice.speaks).map(|voice| voice.loud_at + HOLD).min()
    }

    /// The seats that speak, loudest first; once after every change.
    pub(super) fn poll(&mut self) -> Option<Vec<SeatId>> {
        std::mem::take(&mut self.changed).then(|| {
            let mut speakers: Vec<_> = self.seats.iter().filter(|(_, voice)| voice.speaks).collect();
            speakers.sort_by(|(_, a), (_, b)| a.level.total_cmp(&b.level));
            speakers.into_iter().map(|(seat, _)| *seat).collect()
        })
    }
}

#[derive(Debug)]
struct Voice {
    speaks: bool,
    /// Smoothed, -dBov.
    level: f32,
    /// Since when it is loud without a pause longer than `PAUSE`.
    loud_since: Instant,
    loud_at: Instant,
}

impl Voice {
    const fn new(now: Instant) -> Self {
        Self { speaks: false, level: 127.0, loud_since: now, loud_at: now }
    }

    /// True when it begins to speak.
    fn handle_level(&mut self, now: Instant, level: u8) -> bool {
        self.level += (f32::from(level) - self.level) * 0.1;
        if level > if self.speaks { SILENT } else { LOUD } {
            return false;
        }
        if now > self.loud_at + PAUSE {
            self.loud_since = now;
        }
        self.loud_at = now;
        let begins = !self.speaks && now >= self.loud_since + HOLD;
        self.speaks |= begins;
        begins
    }
}

/// How long sound or silence has to last.
const HOLD: Duration = Duration::from_millis(300);
/// Words have gaps.
const PAUSE: Duration = Duration::from_millis(120);
/// At least as loud begins to count, -dBov; a voice at a headset is about 20 to 40, a quiet room above 60.
const LOUD: u8 = 50;
/// Quieter is silence to one who speaks.
const SILENT: u8 = 58;

#[cfg(test)]
mod tests {
    use super::*;

    /// Sound of `seat` at `level` from `from` to `to`, a packet every 20 ms; what was reported.
    fn say(speakers: &mut Speakers, start: Instant, seat: u8, level: u8, ms: std::ops::Range<u64>) -> Vec<Vec<SeatId>> {
        let mut reports = Vec::new();
        for at in ms.step_by(20) {
            let now = start + Duration::from_millis(at);
            speakers.handle_timeout(now);
            speakers.handle_level(now, SeatId(seat), level);
            reports.extend(speakers.poll());
        }
        reports
    }

    #[test]
    fn a_voice_is_reported_once_after_300_ms_and_ends_after_300_ms_of_silence() {
        let (mut speakers, start) = (Speakers::default(), Instant::now());
        assert!(say(&mut speakers, start, 3, 30, 0..300).is_empty());
        assert_eq!(say(&mut speakers, start, 3, 30, 300..2_000), [vec![SeatId(3)]]);
        assert!(say(&mut speakers, start, 3, 127, 2_000..2_280).is_empty());
        assert_eq!(say(&mut speakers, start, 3, 127, 2_280..3_000), [vec![]]);
    }

    #[test]
    fn a_cough_is_not_speech_and_a_gap_between_words_does_not_end_it() {
        let (mut speakers, start) = (Speakers::default(), Instant::now());
        assert!(say(&mut speakers, start, 1, 20, 0..200).is_empty());
        assert!(say(&mut speakers, start, 1, 127, 200..1_000).is_empty());
        assert_eq!(say(&mut speakers, start, 1, 40, 1_000..1_500).len(), 1);
        assert!(say(&mut speakers, start, 1, 127, 1_500..1_700).is_empty());
        assert!(say(&mut speakers, start, 1, 40, 1_700..2_000).is_empty());
    }

    #[test]
    fn the_loudest_stands_first() {
        let (mut speakers, start) = (Speakers::default(), Instant::now());
        say(&mut speakers, start, 1, 45, 0..2_000);
        let reports = say(&mut speakers, start, 2, 20, 2_000..2_400);
        assert_eq!(reports.last(), Some(&vec![SeatId(2)]));
        let mut reports = Vec::new();
        for at in (2_400..3_400).step_by(20) {
            let now = start + Duration::from_millis(at);
            speakers.handle_level(now, SeatId(1), 45);
            speakers.handle_level(now, SeatId(2), 20);
            reports.extend(speakers.poll());
        }
        assert_eq!(reports, [vec![SeatId(2), SeatId(1)]]);
    }

    #[test]
    fn a_sender_that_falls_dumb_ends_by_timeout_and_one_that_leaves_at_once() {
        let (mut speakers, start) = (Speakers::default(), Instant::now());
        say(&mut speakers, start, 1, 20, 0..500);
        let end = speakers.poll_timeout().unwrap();
        speakers.handle_timeout(end);
        assert_eq!(speakers.poll(), Some(vec![]));

        say(&mut speakers, start, 1, 20, 1_000..1_500);
        speakers.remove(SeatId(1));
        assert_eq!(speakers.poll(), Some(vec![]));
    }
}
