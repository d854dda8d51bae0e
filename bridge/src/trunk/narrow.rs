//! A line that is too narrow: instead of shedding for good, smaller layers are asked for, the ordinary seats' first, and
//! larger ones tried again when nothing was shed for a while. Pure, told the time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::outbox::{Name, Tally};
use super::rank::Rank;
use crate::router::{Layer, LayerSet};

/// What there is room for of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// These layers.
    pub(super) layers: LayerSet,
    /// So many of the largest are left out.
    pub(super) taken_off: usize,
    /// How long nothing may be shed now before a larger layer is tried.
    pub(super) patience: Duration,
}

/// What the line to a peer had no room for: it outlives the link, since a line that is too narrow may well be cut by that.
#[derive(Debug, Clone)]
pub(super) struct Narrowed {
    tracks: BTreeMap<Name, usize>,
    patience: Duration,
}

impl Default for Narrowed {
    fn default() -> Self {
        Self { tracks: BTreeMap::new(), patience: PATIENCE }
    }
}

impl Narrowed {
    /// There is room for so much of a track.
    pub(super) fn note(&mut self, name: Name, room: &Room) {
        self.patience = room.patience;
        if room.taken_off == 0 {
            self.tracks.remove(&name);
        } else {
            self.tracks.insert(name, room.taken_off);
        }
    }

    /// How many of its largest layers are left out.
    pub(super) fn of(&self, name: Name) -> usize {
        self.tracks.get(&name).copied().unwrap_or(0)
    }

    /// Tracks that are over.
    pub(super) fn forget(&mut self, which: impl Fn(&Name) -> bool) {
        self.tracks.retain(|name, _| !which(name));
    }
}

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
    /// On a new link, after what was learned on those before.
    pub(super) const fn new(now: Instant, narrowed: &Narrowed) -> Self {
        let (shed, lowered, raised) = (None, None, None);
        let (pressed, late, rtt) = (false, false, None);
        let patience = narrowed.patience;
        Self { tracks: BTreeMap::new(), pressed, late, rtt, looked: now, shed, lowered, raised, patience }
    }

    /// A track is let out, without so many of its layers.
    pub(super) fn offer(&mut self, name: Name, layers: LayerSet, rank: Rank, taken_off: usize) {
        let (bytes, recent) = Default::default();
        if taken_off > 0 {
            self.lowered.get_or_insert(self.looked);
        }
        self.tracks.insert(name, Track { layers, rank, taken_off, bytes, late: 0, recent });
    }

    /// It has other layers than before; gives those there is room for.
    pub(super) fn layers(&mut self, name: Name, layers: LayerSet) -> Room {
        let patience = self.patience;
        let Some(track) = self.tracks.get_mut(&name) else { return Room { layers, taken_off: 0, patience } };
        track.layers = layers;
        track.room(patience)
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
    pub(super) fn look(&mut self, now: Instant) -> Option<(Name, Room)> {
        self.looked = now;
        if std::mem::take(&mut self.pressed) { self.lower(now) } else { self.raise(now) }
    }

    /// When to look.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.looked + LOOK
    }

    fn lower(&mut self, now: Instant) -> Option<(Name, Room)> {
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
        Some((*name, track.room(self.patience)))
    }

    fn raise(&mut self, now: Instant) -> Option<(Name, Room)> {
        let since = [self.shed, self.lowered, self.raised].into_iter().flatten().max()?;
        if now.duration_since(since) < self.patience {
            return None;
        }
        let lowered = self.tracks.iter_mut().filter(|(_, track)| track.taken_off > 0);
        let (name, track) = lowered.min_by_key(|(name, track)| (track.rank, track.top_bytes(), **name))?;
        track.taken_off -= 1;
        self.raised = Some(now);
        Some((*name, track.room(self.patience)))
    }
}

impl Track {
    /// Never none: the smallest layer stays.
    fn allowed(&self) -> LayerSet {
        fewer(self.layers, self.taken_off)
    }

    fn room(&self, patience: Duration) -> Room {
        Room { layers: self.allowed(), taken_off: self.taken_off, patience }
    }

    const fn smallest(&self) -> LayerSet {
        LayerSet(self.layers.0 & self.layers.0.wrapping_neg())
    }

    fn top_bytes(&self) -> u64 {
        let top = highest(self.allowed()).0.trailing_zeros() as usize;
        self.recent.get(top).copied().unwrap_or_default()
    }
}

/// Layers without so many of the largest; the smallest stays.
pub(super) fn fewer(layers: LayerSet, taken_off: usize) -> LayerSet {
    let without = |left: LayerSet, _| {
        let fewer = LayerSet(left.0 & !highest(left).0);
        if fewer.is_empty() { left } else { fewer }
    };
    (0..taken_off).fold(layers, without)
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
        let mut narrow = Narrow::new(now, &Narrowed::default());
        for (seat, rank) in [(0, Rank::Protected), (1, Rank::Ordinary), (2, Rank::Ordinary)] {
            narrow.offer(name(seat), ALL, rank, 0);
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
        look(narrow, now)
    }

    fn look(narrow: &mut Narrow, now: Instant) -> Option<(Name, LayerSet)> {
        narrow.look(now).map(|(name, room)| (name, room.layers))
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
        assert_eq!(look(&mut narrow, start + S(9)), None);
        assert_eq!(look(&mut narrow, start + S(10)), Some((name(2), ALL)));
        assert_eq!(pressed(&mut narrow, start + S(12)), Some((name(2), LayerSet(0b11))));
        assert_eq!(look(&mut narrow, start + S(31)), None);
        assert_eq!(look(&mut narrow, start + S(32)), Some((name(2), ALL)));
    }

    #[test]
    fn frames_given_up_on_the_way_count_only_while_a_queue_stands_there() {
        let (mut narrow, now) = narrow();
        let (ms, late) = (Duration::from_millis, |late| Tally { late, ..Tally::default() });
        narrow.handle_rtt(now, ms(40));
        narrow.handle_tally(name(2), &late(3));
        narrow.handle_rtt(now, ms(45));
        assert_eq!(look(&mut narrow, now), None);
        narrow.handle_rtt(now, ms(80));
        assert_eq!(look(&mut narrow, now), None);
        narrow.handle_tally(name(2), &late(4));
        narrow.handle_rtt(now, ms(80));
        assert!(narrow.look(now).is_some());
    }

    #[test]
    fn a_picture_of_one_layer_stays_as_it_is() {
        let now = Instant::now();
        let mut narrow = Narrow::new(now, &Narrowed::default());
        narrow.offer(name(0), LayerSet(1), Rank::Ordinary, 0);
        assert_eq!(pressed(&mut narrow, now), None);
    }

    #[test]
    fn a_track_that_gets_other_layers_keeps_what_was_taken_off() {
        let (mut narrow, start) = narrow();
        pressed(&mut narrow, start);
        assert_eq!(narrow.layers(name(2), LayerSet(0b1110)).layers, LayerSet(0b110));
        assert_eq!(look(&mut narrow, start + S(10)), Some((name(2), LayerSet(0b1110))));
        assert_eq!(narrow.layers(name(2), LayerSet(0b1)).layers, LayerSet(0b1));
    }

    #[test]
    fn a_new_link_begins_with_what_the_one_before_had_room_for_and_is_as_patient() {
        let (mut narrow, start) = narrow();
        let mut narrowed = Narrowed::default();
        for at in [0, 10, 12] {
            let change = if at == 10 { narrow.look(start + S(at)) } else { pressed_room(&mut narrow, start + S(at)) };
            let (name, room) = change.unwrap();
            narrowed.note(name, &room);
        }
        let start = start + S(13);
        let mut again = Narrow::new(start, &narrowed);
        again.offer(name(2), ALL, Rank::Ordinary, narrowed.of(name(2)));
        assert_eq!(fewer(ALL, narrowed.of(name(2))), LayerSet(0b11));
        assert_eq!(look(&mut again, start + S(19)), None, "the larger layer failed before");
        assert_eq!(look(&mut again, start + S(20)), Some((name(2), ALL)));
        narrowed.forget(|track| *track == name(2));
        assert_eq!(narrowed.of(name(2)), 0);
    }

    fn pressed_room(narrow: &mut Narrow, now: Instant) -> Option<(Name, Room)> {
        narrow.handle_shed(now);
        narrow.look(now)
    }
}
