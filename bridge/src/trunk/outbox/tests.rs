//! What goes first, what is given up, and that nothing grows without bound.

use bytes::Bytes;
use hearing_config::{Kind, SeatId, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::router::Packet;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn name(seat: u8, kind: Kind) -> Name {
    (HearingId(uuid::Uuid::nil()), TrackId { seat: SeatId(seat), kind })
}

fn frame(index: u64, key: bool, bytes: usize) -> Frame {
    let packet = Packet {
        index,
        layer: Layer(0),
        media_time: 0,
        captured: Timestamp(0),
        frame_start: true,
        frame_end: true,
        key,
        generation: 0,
        temporal: Default::default(),
        level: None,
        payload: Bytes::from(vec![0; bytes]),
    };
    Frame { packets: vec![packet] }
}

fn outbox(names: &[Name]) -> (Outbox, Instant) {
    let mut outbox = Outbox::new(1_000);
    names.iter().zip(1..).for_each(|(name, number)| outbox.open(*name, number, Rank::Protected));
    (outbox, Instant::now())
}

fn drain(outbox: &mut Outbox, now: Instant) -> Vec<(u32, u64, u64)> {
    std::iter::from_fn(|| outbox.pop(now, Door::All))
        .map(|due| (due.head.flow, due.head.number, due.head.index))
        .collect()
}

#[test]
fn sound_goes_first_then_key_frames_then_the_oldest() {
    let (sound, face, screen) = (name(0, Kind::Audio), name(1, Kind::Video), name(2, Kind::Screen));
    let (mut outbox, now) = outbox(&[sound, face, screen]);
    outbox.push(now, face, frame(1, true, 10));
    drain(&mut outbox, now);
    outbox.push(now, face, frame(2, false, 10));
    outbox.push(now + MS(1), screen, frame(1, true, 10));
    outbox.push(now + MS(2), sound, frame(1, true, 10));
    assert_eq!(drain(&mut outbox, now + MS(3)), [(1, 0, 1), (3, 0, 1), (2, 1, 2)]);
}

#[test]
fn a_frame_of_a_track_that_the_gate_did_not_let_out_is_dropped_and_counted() {
    let (mut outbox, now) = outbox(&[name(0, Kind::Video)]);
    outbox.push(now, name(1, Kind::Video), frame(1, true, 10));
    assert!(drain(&mut outbox, now).is_empty());
    assert_eq!((outbox.take_shed(), outbox.take_stray()), (0, 1));
}

#[test]
fn a_picture_begins_with_a_key_frame_and_asks_for_one() {
    let face = name(0, Kind::Video);
    let (mut outbox, now) = outbox(&[face]);
    outbox.push(now, face, frame(1, false, 10));
    assert!(drain(&mut outbox, now).is_empty());
    assert_eq!(outbox.poll_key(now), Some((face, Layer(0))));
    assert_eq!(outbox.poll_key(now + MS(499)), None);
    assert_eq!(outbox.poll_key(now + MS(500)), Some((face, Layer(0))));
    outbox.push(now, face, frame(2, true, 10));
    assert_eq!(outbox.poll_key(now + MS(2_000)), None);
    assert_eq!(drain(&mut outbox, now), [(1, 0, 2)]);
}

#[test]
fn an_overflow_is_counted_and_the_picture_waits_for_its_next_key_frame() {
    let face = name(0, Kind::Video);
    let (mut outbox, now) = outbox(&[face]);
    outbox.push(now, face, frame(1, true, 600));
    outbox.push(now, face, frame(2, false, 600));
    outbox.push(now, face, frame(3, false, 10));
    assert_eq!(drain(&mut outbox, now), [(1, 0, 1)]);
    assert_eq!((outbox.take_shed(), outbox.take_stray()), (2, 0));
    outbox.push(now, face, frame(4, false, 10));
    outbox.push(now, face, frame(5, true, 10));
    outbox.push(now, face, frame(6, false, 10));
    assert_eq!(drain(&mut outbox, now), [(1, 1, 5), (1, 2, 6)]);
    assert_eq!((outbox.take_shed(), outbox.take_stray()), (1, 0));
}

#[test]
fn a_key_frame_takes_the_place_of_what_waits_before_it_only_when_there_is_no_room() {
    let face = name(0, Kind::Video);
    let (mut outbox, now) = outbox(&[face]);
    outbox.push(now, face, frame(1, true, 500));
    outbox.push(now, face, frame(2, true, 400));
    assert_eq!(drain(&mut outbox, now), [(1, 0, 1), (1, 1, 2)]);
    outbox.push(now, face, frame(3, true, 500));
    outbox.push(now, face, frame(4, true, 600));
    assert_eq!(drain(&mut outbox, now), [(1, 2, 4)]);
}

#[test]
fn what_is_older_than_200_ms_is_never_sent() {
    let (sound, face) = (name(0, Kind::Audio), name(1, Kind::Video));
    let (mut outbox, now) = outbox(&[sound, face]);
    outbox.push(now, sound, frame(1, true, 10));
    outbox.push(now, face, frame(1, true, 10));
    outbox.push(now + MS(150), sound, frame(2, true, 10));
    outbox.push(now + MS(150), face, frame(2, false, 10));
    assert_eq!(drain(&mut outbox, now + MS(200)), [(1, 0, 2)]);
    assert_eq!((outbox.take_shed(), outbox.take_stray()), (3, 0));
    assert_eq!(outbox.poll_key(now + MS(200)), Some((face, Layer(0))));
}

#[test]
fn a_frame_lost_on_the_way_breaks_its_picture() {
    let face = name(0, Kind::Video);
    let (mut outbox, now) = outbox(&[face]);
    outbox.push(now, face, frame(1, true, 10));
    assert_eq!(drain(&mut outbox, now).len(), 1);
    outbox.push(now, face, frame(2, false, 10));
    outbox.lost(face, 0);
    outbox.push(now, face, frame(3, false, 10));
    assert!(drain(&mut outbox, now).is_empty());
    assert_eq!(outbox.poll_key(now), Some((face, Layer(0))));
}

#[test]
fn a_closed_track_leaves_nothing_behind() {
    let face = name(0, Kind::Video);
    let (mut outbox, now) = outbox(&[face]);
    outbox.push(now, face, frame(1, true, 900));
    outbox.close(face);
    assert!(drain(&mut outbox, now).is_empty());
    assert_eq!(outbox.bytes, 0);
}

/// Seat 0 is protected, seat 1 is not; there is room for 1,000 bytes.
fn ranked() -> (Outbox, Instant, Name, Name) {
    let (judge, party) = (name(0, Kind::Video), name(1, Kind::Video));
    let (mut outbox, now) = outbox(&[judge, party]);
    outbox.rank(party, Rank::Ordinary);
    for name in [judge, party] {
        outbox.push(now, name, frame(0, true, 1));
    }
    drain(&mut outbox, now);
    (outbox, now, judge, party)
}

#[test]
fn ordinary_pictures_get_half_of_the_room_and_give_way_to_protected_ones() {
    let (mut outbox, now, judge, party) = ranked();
    outbox.push(now, party, frame(1, false, 400));
    outbox.push(now, party, frame(2, false, 200));
    outbox.push(now, judge, frame(1, false, 500));
    outbox.push(now, judge, frame(2, false, 300));
    assert_eq!(drain(&mut outbox, now), [(1, 1, 1), (1, 2, 2)]);
    assert_eq!(outbox.take_shed(), 2);
    assert_eq!(outbox.poll_pressed(), Some(party));
    assert_eq!(outbox.poll_pressed(), None);
    outbox.push(now, party, frame(3, false, 10));
    outbox.push(now, party, frame(4, true, 10));
    assert_eq!(drain(&mut outbox, now), [(2, 1, 4)], "it goes on at its key frame");
}

#[test]
fn protected_pictures_go_before_ordinary_key_frames_and_through_a_narrower_door() {
    let (mut outbox, now, judge, party) = ranked();
    outbox.push(now, party, frame(1, true, 10));
    outbox.push(now + MS(1), judge, frame(1, false, 10));
    let first = outbox.pop(now + MS(1), Door::Protected).map(|due| due.name);
    assert_eq!(first, Some(judge));
    assert!(outbox.pop(now + MS(1), Door::Protected).is_none());
    assert_eq!(outbox.pop(now + MS(1), Door::All).map(|due| due.name), Some(party));
}

#[test]
fn the_last_picture_goes_last_and_gives_way_to_the_other_ordinary_ones() {
    let (mut outbox, now, _, party) = ranked();
    let last = name(2, Kind::Video);
    outbox.open(last, 3, Rank::Last);
    outbox.push(now, last, frame(1, true, 400));
    outbox.push(now + MS(1), party, frame(1, false, 50));
    let first = outbox.pop(now + MS(1), Door::All).map(|due| due.name);
    assert_eq!(first, Some(party));
    assert!(outbox.pop(now + MS(1), Door::Ordinary).is_none());
    outbox.push(now, party, frame(2, false, 450));
    assert_eq!(drain(&mut outbox, now), [(2, 2, 2)]);
    assert_eq!(outbox.poll_pressed(), Some(last));
    assert_eq!(outbox.poll_pressed(), None);
}

#[test]
fn a_picture_that_is_held_back_is_counted_and_asks_for_no_key_frame_until_it_is_let_in() {
    let (mut outbox, now, judge, party) = ranked();
    outbox.push(now, party, frame(1, false, 100));
    outbox.hold(party, true);
    outbox.push(now, party, frame(2, false, 100));
    outbox.push(now, party, frame(3, true, 100));
    outbox.push(now, judge, frame(1, false, 100));
    assert_eq!(drain(&mut outbox, now), [(1, 1, 1)]);
    assert_eq!((outbox.poll_key(now), outbox.poll_pressed(), outbox.bytes), (None, None, 0));
    let tally = |outbox: &Outbox| outbox.tallies().find(|(name, ..)| *name == party).map(|(.., tally)| tally).unwrap();
    assert_eq!((tally(&outbox).held, tally(&outbox).shed, tally(&outbox).holds), (2, 1, true));
    outbox.hold(party, false);
    assert_eq!(outbox.poll_key(now), Some((party, Layer(0))));
    outbox.push(now, party, frame(4, false, 100));
    outbox.push(now, party, frame(5, true, 100));
    assert_eq!(drain(&mut outbox, now), [(2, 1, 5)], "its numbers go on");
    assert!(!tally(&outbox).holds);
}

#[test]
fn sound_is_not_shed_for_lack_of_room_and_takes_none_from_pictures() {
    let (sound, face) = (name(1, Kind::Audio), name(0, Kind::Video));
    let (mut outbox, now) = outbox(&[face, sound]);
    outbox.rank(sound, Rank::Ordinary);
    outbox.push(now, face, frame(1, true, 1_000));
    for n in 0..50 {
        outbox.push(now, sound, frame(n, true, 100));
    }
    assert_eq!(drain(&mut outbox, now).len(), 51);
    assert_eq!((outbox.take_shed(), outbox.poll_pressed()), (0, None));
}

#[test]
fn what_became_of_a_tracks_frames_is_told_of_each() {
    let (mut outbox, now, judge, party) = ranked();
    outbox.push(now, party, frame(1, false, 600));
    outbox.lost(judge, 0);
    let told: Vec<_> =
        outbox.tallies().map(|(name, rank, t)| (name, rank, t.sent, t.shed, t.late, t.bytes[0])).collect();
    assert_eq!(told, [(judge, Rank::Protected, 1, 0, 1, 1), (party, Rank::Ordinary, 1, 1, 0, 601)]);
}

proptest! {
    #[test]
    fn bytes_never_exceed_the_limit_and_numbers_never_skip(
        steps in proptest::collection::vec((0..2u8, any::<bool>(), 1..700usize, any::<bool>(), 0..80u64), 0..200),
    ) {
        let names = [name(0, Kind::Video), name(1, Kind::Screen)];
        let (mut outbox, mut now) = outbox(&names);
        let mut next = [0u64; 3];
        for (index, (seat, key, bytes, pop, pause)) in steps.into_iter().enumerate() {
            now += MS(pause);
            outbox.push(now, names[usize::from(seat)], frame(index as u64, key, bytes));
            outbox.rank(names[1], if key { Rank::Ordinary } else { Rank::Protected });
            prop_assert!(outbox.bytes <= 1_000);
            if let Some(due) = pop.then(|| outbox.pop(now, Door::All)).flatten() {
                let expected = &mut next[due.head.flow as usize];
                prop_assert_eq!(due.head.number, *expected);
                *expected += 1;
            }
        }
    }
}
