//! What is left out, in which order, and how it comes back.

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
        narrow.offer(name(seat), ALL, rank, Lack::default());
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
    narrow.handle_shed(now, name(1));
    narrow.handle_shed(now, name(2));
    look(narrow, now)
}

fn look(narrow: &mut Narrow, now: Instant) -> Option<(Name, LayerSet)> {
    let changed = narrow.look(now);
    assert!(changed.len() < 2, "{changed:?}");
    changed.first().map(|(name, room)| (*name, room.layers))
}

#[test]
fn the_largest_ordinary_picture_becomes_smaller_first_and_the_protected_last() {
    let (mut narrow, start) = narrow();
    let mut changes = Vec::new();
    for second in 0..6 {
        changes
            .extend(pressed(&mut narrow, start + S(2 * second)).map(|((_, track), layers)| (track.seat.0, layers.0)));
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
    assert!(!narrow.look(now).is_empty());
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
        if at != 10 {
            narrow.handle_shed(start + S(at), name(1));
        }
        let (name, room) = narrow.look(start + S(at))[0];
        narrowed.note(name, &room);
    }
    let start = start + S(13);
    let mut again = Narrow::new(start, &narrowed);
    again.offer(name(2), ALL, Rank::Ordinary, narrowed.of(name(2)));
    assert_eq!(narrowed.of(name(2)).leaves(ALL), LayerSet(0b11));
    assert_eq!(look(&mut again, start + S(19)), None, "the larger layer failed before");
    assert_eq!(look(&mut again, start + S(20)), Some((name(2), ALL)));
    narrowed.forget(|track| *track == name(2));
    assert_eq!(narrowed.of(name(2)), Lack::default());
}

/// A line that carries so many bytes between two looks, and pictures of one layer: what goes first has all it wants.
struct Line {
    narrow: Narrow,
    now: Instant,
    carries: u64,
    pictures: Vec<(Name, u64, Tally)>,
    /// By each picture: looks in which all of it went, and whether it is held back.
    whole: Vec<u64>,
    held: Vec<bool>,
    changes: Vec<(u8, bool)>,
}

impl Line {
    /// Seats of this rank whose pictures take so much.
    fn new(carries: u64, pictures: &[(Rank, u64)]) -> Self {
        let now = Instant::now();
        let mut narrow = Narrow::new(now, &Narrowed::default());
        for (seat, (rank, _)) in (0u8..).zip(pictures) {
            narrow.offer(name(seat), LayerSet(1), *rank, Lack::default());
        }
        let all = (0u8..).zip(pictures).map(|(seat, (_, bytes))| (name(seat), *bytes, Tally::default())).collect();
        let (whole, held) = (vec![0; pictures.len()], vec![false; pictures.len()]);
        Self { narrow, now, carries, pictures: all, whole, held, changes: Vec::new() }
    }

    /// Half a second: ten frames of each picture.
    fn step(&mut self) {
        self.now += LOOK;
        let ranks: BTreeMap<Name, Rank> = self.narrow.ranks().collect();
        let mut left = self.carries;
        for rank in [Rank::Protected, Rank::Ordinary, Rank::Last] {
            let here = |n: usize| !self.held[n] && ranks[&name(n as u8)] == rank;
            let present: Vec<usize> = (0..self.pictures.len()).filter(|n| here(*n)).collect();
            let wanted: u64 = present.iter().map(|n| self.pictures[*n].1).sum();
            let sent = wanted.min(left);
            for n in present {
                let (name, bytes, tally) = &mut self.pictures[n];
                let went = 10 * sent / wanted;
                (tally.sent, tally.shed) = (tally.sent + went, tally.shed + 10 - went);
                (tally.bytes[0], tally.sent_bytes) =
                    (tally.bytes[0] + *bytes, tally.sent_bytes + *bytes * sent / wanted);
                self.whole[n] += u64::from(went == 10);
                if went < 10 {
                    self.narrow.handle_shed(self.now, *name);
                }
            }
            left -= sent;
        }
        for (name, _, tally) in &self.pictures {
            self.narrow.handle_tally(*name, tally);
        }
        for (name, room) in self.narrow.look(self.now) {
            self.note(name, room);
        }
    }

    fn note(&mut self, name: Name, room: Room) {
        let seat = name.1.seat.0;
        assert_eq!(room.layers.is_empty(), room.lack.held);
        self.held[usize::from(seat)] = room.lack.held;
        self.changes.push((seat, room.lack.held));
    }

    fn steps(&mut self, seconds: u64) -> &mut Self {
        (0..2 * seconds).for_each(|_| self.step());
        self
    }

    fn speaks(&mut self, seat: u8, speaks: bool) {
        let rank = if speaks { Rank::Protected } else { Rank::Ordinary };
        if let Some(room) = self.narrow.rank(self.now, name(seat), rank) {
            self.note(name(seat), room);
        }
    }

    fn held_seats(&self) -> Vec<usize> {
        (0..self.held.len()).filter(|n| self.held[*n]).collect()
    }
}

const P: (Rank, u64) = (Rank::Protected, 100);
const O: (Rank, u64) = (Rank::Ordinary, 100);

#[test]
fn pictures_that_cannot_be_made_smaller_come_whole_or_wait_and_the_protected_are_untouched() {
    let mut line = Line::new(910, &[P, P, P, P, P, P, O, O, O, O, O, O]);
    line.steps(1);
    assert_eq!(line.held_seats(), [10, 11], "the one before gets what is left");
    line.steps(3);
    assert_eq!(line.held_seats(), [9, 10, 11], "a tenth of a picture is none");
    line.whole.fill(0);
    line.steps(8);
    assert!(line.changes.iter().filter(|(_, held)| !held).count() <= 2, "{:?}", line.changes);
    assert!(line.whole[..9].iter().all(|looks| *looks == 16), "{:?}", line.whole);
}

#[test]
fn who_gets_most_of_a_picture_keeps_it() {
    let mut line = Line::new(280, &[P, O, O, O]);
    line.steps(60);
    assert_eq!(line.held_seats(), [3]);
    assert_eq!(line.changes, [(3, true)], "nothing is tried while the last one sheds");
}

#[test]
fn a_held_picture_is_let_in_again_by_itself_and_tried_ever_more_seldom() {
    let mut line = Line::new(300, &[P, O, O, O]);
    line.steps(100);
    let tries = line.changes.iter().filter(|(_, held)| !held).count();
    assert!((3..=5).contains(&tries), "after 10, 20, 40 s: {:?}", line.changes);
    assert!(line.changes.iter().all(|(seat, _)| *seat == 3), "{:?}", line.changes);
    line.carries = 400;
    line.steps(200);
    assert_eq!(line.held_seats(), [0; 0]);
    let changes = line.changes.len();
    line.steps(200);
    assert_eq!(line.changes.len(), changes, "and stays");
}

#[test]
fn who_speaks_is_let_in_at_once_and_afterwards_waits_after_those_who_spoke_before() {
    let mut line = Line::new(200, &[P, O, O, O]);
    line.steps(4);
    assert_eq!(line.held_seats(), [2, 3]);
    line.speaks(3, true);
    assert!(!line.held[3]);
    line.steps(3);
    assert_eq!(line.held_seats(), [1, 2], "another waits instead");
    line.speaks(3, false);
    line.steps(30);
    assert!(line.held[2] && !line.held[3], "it spoke last: {:?}", line.held_seats());
}

#[test]
fn a_dip_of_half_a_second_costs_nobody_a_picture() {
    let mut line = Line::new(400, &[P, O, O, O]);
    line.steps(4).carries = 100;
    line.step();
    line.carries = 400;
    line.steps(20);
    assert!(line.changes.is_empty(), "{:?}", line.changes);
}

#[test]
fn on_a_new_link_a_held_picture_stays_held_until_it_is_tried() {
    let mut narrowed = Narrowed::default();
    let lack = Lack { layers: 0, held: true };
    narrowed.note(name(1), &Room { layers: LayerSet::EMPTY, lack, patience: S(20) });
    let start = Instant::now();
    let mut narrow = Narrow::new(start, &narrowed);
    narrow.offer(name(0), LayerSet(1), Rank::Ordinary, narrowed.of(name(0)));
    narrow.offer(name(1), LayerSet(1), Rank::Ordinary, narrowed.of(name(1)));
    assert_eq!(look(&mut narrow, start + S(9)), None);
    assert_eq!(look(&mut narrow, start + S(10)), Some((name(1), LayerSet(1))));
    assert!(narrow.ranks().any(|of| of == (name(1), Rank::Last)));
}

#[test]
fn sound_is_never_held_back() {
    let sound = (name(0).0, TrackId { seat: SeatId(0), kind: Kind::Audio });
    let start = Instant::now();
    let mut narrow = Narrow::new(start, &Narrowed::default());
    narrow.offer(sound, LayerSet(1), Rank::Ordinary, Lack::default());
    for second in 1..20 {
        narrow.handle_shed(start + S(second), sound);
        assert!(narrow.look(start + S(second)).is_empty());
    }
}
