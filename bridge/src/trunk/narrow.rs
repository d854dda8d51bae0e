//! A line that is too narrow: instead of shedding for good, smaller layers are asked for, the ordinary seats' first, and
//! larger ones tried again when nothing was shed for a while. Pure, told the time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::outbox::{Name, Tally};
use super::rank::Rank;
use crate::router::{Layer, LayerSet};

/// The layers that one link has room for.
#[derive(Debug)]
pub(super) struct Narrow {
    tracks: BTreeMap<Name, Track>,
    /// Frames were shed since the last look.
    pressed: bool,
    /// Frames were given up on the way since the last look.
    late: bool,
    /// The shortest round trip that was seen.
    rtt: Option<Duration>,
    looked: Instant,
    shed: Option<Instant>,
    lowered: Option<Instant>,
    raised: Option<Instant>,
    /// How long nothing may have been shed before a larger layer is tried.
    patience: Duration,
}

#[derive(Debug)]
struct Track {
    layers: LayerSet,
    rank: Rank,
    /// Layers above the smallest that are left out.
    taken_off: usize,
    bytes: [u64; Layer::LIMIT],
    late: u64,
    /// Bytes of each layer between the last two looks.
    recent: [u64; Layer::LIMIT],
}

impl Narrow {
    pub(super) const fn new(now: Instant) -> Self {
        let (shed, lowered, raised) = (None, None, None);
        let (pressed, late, rtt) = (false, false, None);
        Self { tracks: BTreeMap::new(), pressed, late, rtt, looked: now, shed, lowered, raised, patience: PATIENCE }
    }

    /// A track is let out, with all of its layers.
    pub(super) fn offer(&mut self, name: Name, layers: LayerSet, rank: Rank) {
        let (bytes, recent) = Default::default();
        self.tracks.insert(name, Track { layers, rank, taken_off: 0, bytes, late: 0, recent });
    }

    /// It has other layers than before; gives those there is room for.
    pub(super) fn layers(&mut self, name: Name, layers: LayerSet) -> LayerSet {
        let Some(track) = self.tracks.get_mut(&name) else { return layers };
        track.layers = layers;
        track.allowed()
    }

    /// Its rank changed.
    pub(super) fn rank(&mut self, name: Name, rank: Rank) {
        if let Some(track) = self.tracks.get_mut(&name) {
            track.rank = rank;
        }
    }

    /// It is over.
    pub(super) fn close(&mut self, name: Name) {
        self.tracks.remove(&name);
    }

    /// Frames were shed for lack of room or time.
    pub(super) const fn handle_shed(&mut self, now: Instant) {
        self.pressed = true;
        self.shed = Some(now);
    }

    /// What became of a track so far.
    pub(super) fn handle_tally(&mut self, name: Name, tally: &Tally) {
        if let Some(track) = self.tracks.get_mut(&name) {
            self.late |= tally.late > track.late;
            track.late = tally.late;
            for layer in 0..Layer::LIMIT {
                track.recent[layer] = tally.bytes[layer].saturating_sub(track.bytes[layer]);
            }
            track.bytes = tally.bytes;
        }
    }

    /// The round trip now. Frames that are given up on the way while a queue stands there do not fit; without a queue it
    /// is only loss.
    pub(super) fn handle_rtt(&mut self, now: Instant, rtt: Duration) {
        let shortest = self.rtt.map_or(rtt, |shortest| shortest.min(rtt));
        self.rtt = Some(shortest);
        if std::mem::take(&mut self.late) && rtt.saturating_sub(shortest) > QUEUE {
            self.handle_shed(now);
        }
    }

    /// To be called every [`LOOK`], after the tallies: a track and the layers that there is room for, when that changed.
    pub(super) fn look(&mut self, now: Instant) -> Option<(Name, LayerSet)> {
        self.looked = now;
        if std::mem::take(&mut self.pressed) { self.lower(now) } else { self.raise(now) }
    }

    /// When to look.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.looked + LOOK
    }

    fn lower(&mut self, now: Instant) -> Option<(Name, LayerSet)> {
        if self.lowered.is_some_and(|at| now.duration_since(at) < SETTLE) {
            return None;
        }
        if self.raised.is_some_and(|at| now.duration_since(at) < PATIENCE) {
            // The larger layer did not fit: it is tried again later than the last time.
            self.patience = (self.patience * 2).min(LONGEST_PATIENCE);
        }
        let (name, track) = self
            .tracks
            .iter_mut()
            .filter(|(_, track)| track.allowed() != track.smallest())
            .max_by_key(|(name, track)| (track.rank, track.top_bytes(), **name))?;
        track.taken_off += 1;
        (self.lowered, self.raised) = (Some(now), None);
        Some((*name, track.allowed()))
    }

    fn raise(&mut self, now: Instant) -> Option<(Name, LayerSet)> {
        let since = [self.shed, self.lowered, self.raised].into_iter().flatten().max()?;
        if now.duration_since(since) < self.patience {
            return None;
        }
        let lowered = self.tracks.iter_mut().filter(|(_, track)| track.taken_off > 0);
        let (name, track) = lowered.min_by_key(|(name, track)| (track.rank, track.top_bytes(), **name))?;
        track.taken_off -= 1;
        self.raised = Some(now);
        Some((*name, track.allowed()))
    }
}

impl Track {
    /// Never none: the smallest layer stays.
    fn allowed(&self) -> LayerSet {
        let mut left = self.layers;
        for _ in 0..self.taken_off {
            let fewer = LayerSet(left.0 & !highest(left).0);
            left = if fewer.is_empty() { left } else { fewer };
        }
        left
    }

    const fn smallest(&self) -> LayerSet {
        LayerSet(self.layers.0 & self.layers.0.wrapping_neg())
    }

    fn top_bytes(&self) -> u64 {
        let top = highest(self.allowed()).0.trailing_zeros() as usize;
        self.recent.get(top).copied().unwrap_or_default()
    }
}

const fn highest(layers: LayerSet) -> LayerSet {
    LayerSet(if layers.0 == 0 { 0 } else { 1 << (7 - layers.0.leading_zeros()) })
}

/// How often the line is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(500);
/// What a smaller layer needs to show its effect: a key frame, and the queue to empty itself.
const SETTLE: Duration = Duration::from_millis(1_500);
/// A queue of this length stands on the line.
const QUEUE: Duration = Duration::from_millis(15);
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_PATIENCE: Duration = Duration::from_secs(160);

#[cfg(test)]
mod tests {
    use hearing_config::{HearingId, Kind, SeatId, TrackId};

    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;
    const ALL: LayerSet = LayerSet(0b111);

    fn name(seat: u8) -> Name {
        (HearingId(uuid::Uuid::nil()), TrackId { seat: SeatId(seat), kind: Kind::Video })
    }

    /// Seat 0 is protected, 1 and 2 are not; 2 is the largest.
    fn narrow() -> (Narrow, Instant) {
        let now = Instant::now();
        let mut narrow = Narrow::new(now);
        for (seat, rank) in [(0, Rank::Protected), (1, Rank::Ordinary), (2, Rank::Ordinary)] {
            narrow.offer(name(seat), ALL, rank);
        }
        count(&mut narrow, 1);
        (narrow, now)
    }

    fn count(narrow: &mut Narrow, looks: u64) {
        for seat in 0..3u8 {
            let bytes = [10, 100, 1_000, 0].map(|bytes| bytes * looks * (u64::from(seat) + 1));
            narrow.handle_tally(name(seat), &Tally { bytes, ..Tally::default() });
        }
    }

    fn pressed(narrow: &mut Narrow, now: Instant) -> Option<(Name, LayerSet)> {
        narrow.handle_shed(now);
        narrow.look(now)
    }

    #[test]
    fn the_largest_ordinary_picture_becomes_smaller_first_and_the_protected_last() {
        let (mut narrow, start) = narrow();
        let mut changes = Vec::new();
        for second in 0..20 {
            changes.extend(
                pressed(&mut narrow, start + S(2 * second)).map(|((_, track), layers)| (track.seat.0, layers.0)),
            );
        }
        assert_eq!(changes, [(2, 0b11), (1, 0b11), (2, 0b1), (1, 0b1), (0, 0b11), (0, 0b1)]);
    }

    #[test]
    fn a_step_has_time_to_show_its_effect() {
        let (mut narrow, start) = narrow();
        assert!(pressed(&mut narrow, start).is_some());
        assert_eq!(pressed(&mut narrow, start + LOOK), None);
        assert_eq!(pressed(&mut narrow, start + LOOK * 2), None);
        assert!(pressed(&mut narrow, start + LOOK * 3).is_some());
    }

    #[test]
    fn a_larger_layer_is_tried_when_nothing_was_shed_for_long_and_later_if_it_failed() {
        let (mut narrow, start) = narrow();
        pressed(&mut narrow, start);
        assert_eq!(narrow.look(start + S(9)), None);
        assert_eq!(narrow.look(start + S(10)), Some((name(2), ALL)));
        assert_eq!(pressed(&mut narrow, start + S(12)), Some((name(2), LayerSet(0b11))));
        assert_eq!(narrow.look(start + S(31)), None);
        assert_eq!(narrow.look(start + S(32)), Some((name(2), ALL)));
    }

    #[test]
    fn frames_given_up_on_the_way_count_only_while_a_queue_stands_there() {
        let (mut narrow, now) = narrow();
        let (ms, late) = (Duration::from_millis, |late| Tally { late, ..Tally::default() });
        narrow.handle_rtt(now, ms(40));
        narrow.handle_tally(name(2), &late(3));
        narrow.handle_rtt(now, ms(45));
        assert_eq!(narrow.look(now), None);
        narrow.handle_rtt(now, ms(80));
        assert_eq!(narrow.look(now), None);
        narrow.handle_tally(name(2), &late(4));
        narrow.handle_rtt(now, ms(80));
        assert!(narrow.look(now).is_some());
    }

    #[test]
    fn a_picture_of_one_layer_stays_as_it_is() {
        let now = Instant::now();
        let mut narrow = Narrow::new(now);
        narrow.offer(name(0), LayerSet(1), Rank::Ordinary);
        assert_eq!(pressed(&mut narrow, now), None);
    }

    #[test]
    fn a_track_that_gets_other_layers_keeps_what_was_taken_off() {
        let (mut narrow, start) = narrow();
        pressed(&mut narrow, start);
        assert_eq!(narrow.layers(name(2), LayerSet(0b1110)), LayerSet(0b110));
        assert_eq!(narrow.look(start + S(10)), Some((name(2), LayerSet(0b1110))));
        assert_eq!(narrow.layers(name(2), LayerSet(0b1)), LayerSet(0b1));
    }
}
