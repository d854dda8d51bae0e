//! When a track is spoken on, judged by the loudness that its packets carry; told in capture time.

use hearing_config::Timestamp;

/// One track's ear.
#[derive(Debug, Default)]
pub(super) struct Voice {
    /// Since when it is loud, without a pause longer than [`PAUSE`]; when it last was.
    loud: Option<(Timestamp, Timestamp)>,
}

impl Voice {
    /// Sound of `level` (-dBov: 0 is loudest) was captured at `at`; a span of speech that ended before, or has gone on for
    /// so long that it should be told.
    pub(super) fn hear(&mut self, at: Timestamp, level: Option<u8>) -> Option<(Timestamp, Timestamp)> {
        let told = match self.loud {
            Some((_, last)) if at.since(last) > PAUSE || at.since(last) < 0 => self.end(),
            Some((since, _)) if at.since(since) >= LONGEST => {
                let span = self.end();
                self.loud = Some((at, at));
                span
            }
            _ => None,
        };
        if level.is_some_and(|level| level <= LOUD) {
            self.loud = Some((self.loud.map_or(at, |(since, _)| since), at));
        }
        told
    }

    /// The span that is open, if it was speech.
    pub(super) fn end(&mut self) -> Option<(Timestamp, Timestamp)> {
        self.loud.take().filter(|(since, last)| last.since(*since) >= SHORTEST)
    }
}

/// Words and sentences have gaps; longer ones end a span. Microseconds.
const PAUSE: i64 = 700_000;
/// A cough is no speech.
const SHORTEST: i64 = 300_000;
/// A span is told after this at the latest, so that a running record can be followed.
const LONGEST: i64 = 10_000_000;
/// At least as loud is speech; a voice at a headset is about 20 to 40, a quiet room above 60.
const LOUD: u8 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty milliseconds a level; the spans in milliseconds.
    fn spans(levels: impl Iterator<Item = u8>) -> Vec<(i64, i64)> {
        let mut voice = Voice::default();
        let mut told = Vec::new();
        for (n, level) in levels.enumerate() {
            told.extend(voice.hear(Timestamp(n as i64 * 20_000), Some(level)));
        }
        told.extend(voice.end());
        told.into_iter().map(|(from, to)| (from.0 / 1_000, to.0 / 1_000)).collect()
    }

    #[test]
    fn speech_spans_gaps_between_words_and_ends_with_a_longer_one() {
        let quiet = |n| std::iter::repeat_n(90, n);
        let loud = |n| std::iter::repeat_n(30, n);
        assert_eq!(spans(quiet(10).chain(loud(50)).chain(quiet(30)).chain(loud(20)).chain(quiet(60))), [(200, 2_180)]);
        assert_eq!(spans(loud(50).chain(quiet(40)).chain(loud(50))), [(0, 980), (1_800, 2_780)]);
        assert_eq!(spans(quiet(10).chain(loud(10)).chain(quiet(60))), [], "a cough");
    }

    #[test]
    fn a_long_speech_is_told_while_it_goes_on() {
        let told = spans(std::iter::repeat_n(30, 1_250));
        assert_eq!(told.len(), 3);
        assert!(told.windows(2).all(|two| two[1].0 - two[0].1 <= 20), "{told:?}");
    }
}
