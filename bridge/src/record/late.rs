//! Media that comes late: what is lacking of a track, whether a frame belongs there, and what is to be fetched next.
//! Pure, told the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hearing_config::{Codec, Timestamp, TrackId};

use crate::router::{Frame, Layer};

/// Where in a track something is not in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// Between two frames that are there, or before the first; the record says so already.
    Between,
    /// Behind the last frame.
    Tail,
    /// Nothing of the track is there.
    Whole,
}

/// Something that is not in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// The track.
    pub track: TrackId,
    /// When the last frame before it was captured, or the record begins.
    pub from: Timestamp,
    /// When the first frame after it was captured, or the record ends.
    pub to: Timestamp,
    /// Where in the track it is.
    pub lies: Where,
    /// The index that would have followed the last frame before it, in its layer; `None` when it is not known any more.
    pub before: Option<(Layer, u64)>,
    /// The index of the first frame after it, in its layer.
    pub after: Option<(Layer, u64)>,
}

impl Hole {
    /// Whether a frame belongs into it. Clocks of two nodes agree only to [`TOLERANCE`]: near its ends the index decides.
    #[must_use]
    pub fn wants(&self, frame: &Frame) -> bool {
        let (head, at) = (frame.head(), frame.head().captured);
        let begins = match self.before {
            Some((layer, next)) if layer == head.layer && near(at, self.from) => head.index >= next,
            _ => at > self.from,
        };
        let ends = match self.after {
            Some((layer, first)) if layer == head.layer && near(at, self.to) => head.index < first,
            _ => at < self.to,
        };
        begins && ends
    }
}

/// Frames for a hole, in the order in which they were captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateMedia {
    /// The hole.
    pub hole: Hole,
    /// The node that kept them.
    pub edge: String,
    /// How they are coded; `None` when there are none.
    pub codec: Option<Codec>,
    /// The frames.
    pub frames: Vec<Frame>,
    /// What of the hole is still to come.
    pub rest: Rest,
}

/// What is still to come of a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Perhaps something.
    Open,
    /// Nothing: everything that was kept has come.
    Nothing,
    /// Nothing, though more may have been kept: what was captured from this moment on could not be asked for any more.
    Lacking(Timestamp),
}

/// The holes of one hearing that are to be filled, one after the other.
#[derive(Debug, Default)]
pub struct Holes {
    open: VecDeque<Open>,
    /// The first is being fetched.
    busy: bool,
    /// The record ends: there is less time to try again.
    ending: bool,
}

/// What to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// The hole.
    pub hole: Hole,
    /// The first moment.
    pub from: Timestamp,
    /// The moment after the last.
    pub to: Timestamp,
}

#[derive(Debug)]
struct Open {
    hole: Hole,
    /// What was captured before this has come.
    next: Timestamp,
    due: Instant,
    /// How often it was refused.
    refused: u32,
}

impl Holes {
    /// The record has a hole. What is live comes to itself first.
    pub fn handle_hole(&mut self, now: Instant, hole: Hole) {
        self.add(now + PAUSE, hole);
    }

    /// The record ends: nothing is live any more, and these holes are at its end.
    pub fn handle_end(&mut self, now: Instant, tails: Vec<Hole>) {
        self.open.iter_mut().for_each(|open| (open.due, open.refused) = (now, 0));
        self.ending = true;
        tails.into_iter().for_each(|hole| self.add(now, hole));
    }

    /// Nothing is asked for any more. What is left of each hole, from which moment on.
    pub fn abandon(&mut self) -> Vec<(Hole, Timestamp)> {
        self.busy = false;
        self.open.drain(..).map(|open| (open.hole, open.next.max(open.hole.from))).collect()
    }

    fn add(&mut self, due: Instant, hole: Hole) {
        if self.open.len() < LIMIT && self.open.iter().all(|open| open.hole != hole) {
            self.open.push_back(Open { hole, next: hole.from.plus(-TOLERANCE), due, refused: 0 });
        } else {
            metrics::counter!("hearing_record_holes_left_total").increment(1);
        }
    }

    /// What to fetch now; one at a time.
    pub fn poll(&mut self, now: Instant) -> Option<Want> {
        let first = self.open.front().filter(|open| !self.busy && open.due <= now)?;
        self.busy = true;
        Some(Want { hole: first.hole, from: first.next, to: first.hole.to.plus(TOLERANCE) })
    }

    /// When to poll.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.open.front().filter(|_| !self.busy).map(|open| open.due)
    }

    /// Everything that was captured before `upto` came. True when the hole is done with.
    pub fn handle_piece(&mut self, now: Instant, upto: Timestamp) -> bool {
        self.busy = false;
        let Some(first) = self.open.front_mut() else { return true };
        let done = upto >= first.hole.to || upto <= first.next;
        if done {
            self.open.pop_front();
        } else {
            (first.next, first.due) = (upto, now);
        }
        done
    }

    /// It did not come, or was refused; it is tried again later, after the others. An edge that has just started refuses
    /// what it does not carry yet; a hole that is refused again and again, or `is_final`ly, is given up, and returned.
    pub fn handle_failure(&mut self, now: Instant, refused: bool, is_final: bool) -> Option<Hole> {
        self.busy = false;
        let mut first = self.open.pop_front()?;
        first.refused += u32::from(refused);
        let (retry, refusals) = if self.ending { (RETRY / 4, 3) } else { (RETRY, REFUSALS) };
        first.due = now + retry;
        if is_final || first.refused > refusals {
            return Some(first.hole);
        }
        self.open.push_back(first);
        None
    }

    /// True when there is nothing to be filled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// What need not be kept any longer of a track whose last frame in the record was captured at `last`.
    #[must_use]
    pub fn kept(&self, track: TrackId, last: Timestamp) -> Timestamp {
        let holes = self.open.iter().filter(|open| open.hole.track == track);
        holes.map(|open| open.next).chain([last]).min().unwrap_or(last)
    }
}

fn near(a: Timestamp, b: Timestamp) -> bool {
    a.since(b).abs() <= TOLERANCE
}

/// How exactly the clocks of two nodes agree, in microseconds, with room to spare.
pub const TOLERANCE: i64 = 100_000;
/// What is live comes to itself first.
const PAUSE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(2);
const LIMIT: usize = 4_096;
const REFUSALS: u32 = 15;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hearing_config::{Kind, SeatId};

    use super::*;
    use crate::router::Packet;

    const TRACK: TrackId = TrackId { seat: SeatId(1), kind: Kind::Video };

    fn ms(ms: i64) -> Timestamp {
        Timestamp(1_763_892_000_000_000 + ms * 1_000)
    }

    /// Frame `n` is captured every 20 ms, by a clock that is `off` ms off.
    fn frame(layer: u8, n: u64, off: i64) -> Frame {
        let packet = Packet {
            index: n,
            layer: Layer(layer),
            media_time: 0,
            captured: ms(n as i64 * 20 + off),
            frame_start: true,
            frame_end: true,
            key: false,
            generation: 0,
            temporal: crate::router::Temporal::default(),
            level: None,
            payload: Bytes::from_static(b"x"),
        };
        Frame { packets: vec![packet] }
    }

    /// Frames 100 to 199 are missing.
    fn hole() -> Hole {
        let (before, after) = (Some((Layer(0), 100)), Some((Layer(0), 200)));
        Hole { track: TRACK, from: ms(99 * 20), to: ms(200 * 20), lies: Where::Between, before, after }
    }

    #[test]
    fn exactly_the_missing_frames_are_wanted_though_clocks_differ() {
        for off in [-90, -7, 0, 13, 90] {
            let wanted: Vec<u64> = (0..300).filter(|n| hole().wants(&frame(0, *n, off))).collect();
            assert!(wanted.iter().copied().eq(100..200), "{off} ms off: {wanted:?}");
        }
    }

    #[test]
    fn of_another_layer_what_was_captured_between_is_wanted() {
        let wanted: Vec<u64> = (0..300).filter(|n| hole().wants(&frame(1, *n, 0))).collect();
        assert!(wanted.into_iter().eq(100..200));
    }

    #[test]
    fn a_hole_is_fetched_piece_by_piece_and_then_the_next() {
        let (mut holes, now) = (Holes::default(), Instant::now());
        let second = Hole { from: ms(10_000), to: ms(11_000), ..hole() };
        holes.handle_hole(now, hole());
        holes.handle_hole(now, second);
        assert_eq!((holes.poll(now), holes.poll_timeout()), (None, Some(now + PAUSE)));
        let now = now + PAUSE;
        let want = holes.poll(now).unwrap();
        assert_eq!((want.hole, want.from, want.to), (hole(), ms(1_880), ms(4_100)));
        assert_eq!((holes.poll(now), holes.poll_timeout()), (None, None), "one at a time");
        assert!(!holes.handle_piece(now, ms(3_000)));
        assert_eq!(holes.poll(now).map(|want| want.from), Some(ms(3_000)));
        assert!(holes.handle_piece(now, ms(4_100)));
        assert_eq!(holes.poll(now).map(|want| want.hole), Some(second));
        assert!(holes.handle_piece(now, ms(11_100)) && holes.is_empty());
    }

    #[test]
    fn what_fails_is_tried_again_after_the_others() {
        let (mut holes, now) = (Holes::default(), Instant::now());
        let second = Hole { from: ms(10_000), to: ms(11_000), ..hole() };
        holes.handle_hole(now, hole());
        holes.handle_hole(now, second);
        let now = now + PAUSE;
        holes.poll(now);
        assert_eq!(holes.handle_failure(now, false, false), None);
        assert_eq!(holes.poll(now).map(|want| want.hole), Some(second));
        assert!(holes.handle_piece(now, second.to));
        assert_eq!(holes.poll(now + RETRY).map(|want| want.hole), Some(hole()));
    }

    #[test]
    fn what_is_refused_again_and_again_is_given_up_and_what_a_cut_stops_is_not() {
        let (mut holes, mut now) = (Holes::default(), Instant::now() + PAUSE);
        holes.handle_hole(now, hole());
        for n in 0..=REFUSALS + 50 {
            now += RETRY;
            assert!(holes.poll(now).is_some());
            assert_eq!(holes.handle_failure(now, n < REFUSALS, false), None);
        }
        assert!(holes.poll(now + RETRY).is_some());
        assert_eq!(holes.handle_failure(now, true, false), Some(hole()));
        assert!(holes.is_empty());
    }

    #[test]
    fn at_the_end_everything_is_asked_for_at_once_and_what_did_not_come_is_named() {
        let (mut holes, now) = (Holes::default(), Instant::now());
        holes.handle_hole(now, hole());
        let tail = Hole { from: ms(20_000), to: ms(30_000), lies: Where::Tail, after: None, ..hole() };
        holes.handle_end(now, vec![tail]);
        assert_eq!(holes.poll(now).map(|want| want.hole), Some(hole()));
        assert_eq!(holes.handle_failure(now, false, false), None);
        assert_eq!(holes.poll(now).map(|want| want.hole), Some(tail));
        assert!(!holes.handle_piece(now, ms(25_000)));
        assert_eq!(holes.abandon(), [(tail, ms(25_000)), (hole(), hole().from)]);
        assert!(holes.is_empty() && holes.poll_timeout().is_none());
    }

    #[test]
    fn at_the_end_what_is_refused_is_given_up_soon() {
        let (mut holes, mut now) = (Holes::default(), Instant::now());
        holes.handle_end(now, vec![hole()]);
        for _ in 0..3 {
            assert!(holes.poll(now).is_some());
            assert_eq!(holes.handle_failure(now, true, false), None);
            now += RETRY / 4;
        }
        holes.poll(now);
        assert_eq!(holes.handle_failure(now, true, false), Some(hole()));
    }

    #[test]
    fn an_answer_that_gets_nowhere_ends_the_hole() {
        let (mut holes, now) = (Holes::default(), Instant::now());
        holes.handle_hole(now, hole());
        holes.poll(now + PAUSE);
        assert!(holes.handle_piece(now, ms(0)));
    }

    #[test]
    fn what_is_lacking_is_not_called_kept() {
        let (mut holes, now) = (Holes::default(), Instant::now());
        assert_eq!(holes.kept(TRACK, ms(9_000)), ms(9_000));
        holes.handle_hole(now, hole());
        assert_eq!(holes.kept(TRACK, ms(9_000)), ms(1_880));
        let other = TrackId { seat: SeatId(2), ..TRACK };
        assert_eq!(holes.kept(other, ms(9_000)), ms(9_000));
    }
}
