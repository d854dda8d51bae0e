//! What goes first, what is given up, and that nothing grows without bound.

use bytes::Bytes;
use hearing_config::{SeatId, Timestamp};
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
    names.iter().zip(1..).for_each(|(name, number)| outbox.open(*name, number));
    (outbox, Instant::now())
}

fn drain(outbox: &mut Outbox, now: Instant) -> Vec<(u32, u64, u64)> {
    std::iter::from_fn(|| outbox.pop(now)).map(|due| (due.head.flow, due.head.number, due.head.index)).collect()
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
    assert_eq!(outbox.take_counts(), (0, 1));
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
    assert_eq!(outbox.take_counts(), (2, 0));
    outbox.push(now, face, frame(4, false, 10));
    outbox.push(now, face, frame(5, true, 10));
    outbox.push(now, face, frame(6, false, 10));
    assert_eq!(drain(&mut outbox, now), [(1, 1, 5), (1, 2, 6)]);
    assert_eq!(outbox.take_counts(), (1, 0));
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
    assert_eq!(outbox.take_counts(), (3, 0));
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
            prop_assert!(outbox.bytes <= 1_000);
            if let Some(due) = pop.then(|| outbox.pop(now)).flatten() {
                let expected = &mut next[due.head.flow as usize];
                prop_assert_eq!(due.head.number, *expected);
                *expected += 1;
            }
        }
    }
}
