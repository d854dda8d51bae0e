//! Frames come out whole, once and in order, or are given up in time.

use hearing_config::{Kind, SeatId};
use proptest::prelude::*;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn inbox(kind: Kind) -> (Inbox, Instant) {
    let mut inbox = Inbox::default();
    let track = TrackId { seat: SeatId(3), kind };
    inbox.open(7, Accepted { hearing: HearingId(uuid::Uuid::nil()), track, leg: LegId(1) });
    (inbox, Instant::now())
}

fn head(number: u64, key: bool) -> FrameHead {
    FrameHead {
        flow: 7,
        layer: 0,
        number,
        index: 100 + number * 2,
        media_time: 0,
        captured: 0,
        key,
        generation: 0,
        temporal: 0,
        level: None,
    }
}

fn push(inbox: &mut Inbox, now: Instant, number: u64, key: bool) {
    inbox.push(now, &head(number, key), vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")], By::Itself);
}

fn numbers(inbox: &mut Inbox) -> Vec<u64> {
    std::iter::from_fn(|| inbox.poll_frame()).map(|(_, frame)| (frame.head().index - 100) / 2).collect()
}

#[test]
fn a_frame_has_its_packets_in_order_with_start_and_end() {
    let (mut inbox, now) = inbox(Kind::Video);
    push(&mut inbox, now, 0, true);
    let (accepted, frame) = inbox.poll_frame().unwrap();
    assert_eq!(accepted.track.seat, SeatId(3));
    let seen: Vec<_> = frame.packets.iter().map(|p| (p.index, p.frame_start, p.frame_end, p.key)).collect();
    assert_eq!(seen, [(100, true, false, true), (101, false, true, true)]);
}

#[test]
fn pictures_that_overtook_each_other_come_out_in_order() {
    let (mut inbox, now) = inbox(Kind::Video);
    for (number, key) in [(1, false), (2, false), (0, true), (3, false)] {
        push(&mut inbox, now, number, key);
    }
    assert_eq!(numbers(&mut inbox), [0, 1, 2, 3]);
    assert_eq!(inbox.poll_timeout(), None);
    assert_eq!(inbox.take_counts(), Counts::default());
}

#[test]
fn frames_of_a_flow_that_no_accepted_track_covers_are_dropped_and_counted() {
    let (mut inbox, now) = inbox(Kind::Video);
    inbox.push(now, &FrameHead { flow: 8, ..head(0, true) }, vec![Bytes::from_static(b"x")], By::Itself);
    inbox.close(7);
    push(&mut inbox, now, 0, true);
    assert!(numbers(&mut inbox).is_empty());
    assert_eq!(inbox.take_counts().stray, 2);
}

#[test]
fn a_missing_picture_is_given_up_in_time_and_a_key_frame_asked_for() {
    let (mut inbox, now) = inbox(Kind::Video);
    push(&mut inbox, now, 0, true);
    push(&mut inbox, now, 2, false);
    assert_eq!(inbox.poll_timeout(), Some(now + PATIENCE));
    inbox.handle_timeout(now + PATIENCE);
    assert_eq!(numbers(&mut inbox), [0]);
    assert_eq!(inbox.take_counts(), Counts { lost: 1, dropped: 1, ..Counts::default() });
    assert!(inbox.poll_key(now + PATIENCE).is_some());
    assert!(inbox.poll_key(now + PATIENCE + MS(100)).is_none());
    push(&mut inbox, now + PATIENCE, 3, false);
    push(&mut inbox, now + PATIENCE, 4, true);
    push(&mut inbox, now + PATIENCE, 5, false);
    assert_eq!(numbers(&mut inbox), [4, 5]);
    assert!(inbox.poll_key(now + MS(5_000)).is_none());
}

#[test]
fn a_frame_that_comes_after_it_was_given_up_is_dropped() {
    let (mut inbox, now) = inbox(Kind::Video);
    push(&mut inbox, now, 0, true);
    push(&mut inbox, now, 2, true);
    inbox.handle_timeout(now + PATIENCE);
    push(&mut inbox, now + PATIENCE, 1, false);
    assert_eq!(numbers(&mut inbox), [0, 2]);
    assert_eq!(inbox.take_counts().dropped, 1);
}

#[test]
fn sound_never_waits() {
    let (mut inbox, now) = inbox(Kind::Audio);
    for number in [0, 3, 1, 4] {
        push(&mut inbox, now, number, true);
    }
    assert_eq!(numbers(&mut inbox), [0, 3, 4]);
    assert_eq!(inbox.take_counts(), Counts { lost: 2, dropped: 1, ..Counts::default() });
}

#[test]
fn a_flood_of_frames_from_the_future_stays_bounded() {
    let (mut inbox, now) = inbox(Kind::Video);
    for number in 1..1_000 {
        push(&mut inbox, now, number * 1_000, false);
    }
    assert!(inbox.flows[&7].lanes[0].waiting.len() <= WINDOW);
    assert!(inbox.take_counts().lost > 0);
}

proptest! {
    #[test]
    fn whatever_the_order_frames_come_out_once_and_in_order(
        steps in proptest::collection::vec((0..80u64, any::<bool>(), 0..60u64), 0..300),
    ) {
        let (mut inbox, mut now) = inbox(Kind::Screen);
        let mut last = None;
        for (number, key, pause) in steps {
            now += MS(pause);
            inbox.handle_timeout(now);
            push(&mut inbox, now, number, key);
            for number in numbers(&mut inbox) {
                prop_assert!(last.is_none_or(|last| number > last));
                last = Some(number);
            }
        }
    }
}

fn sound(inbox: &mut Inbox, now: Instant, number: u64, copy: bool) {
    let by = if copy { By::Copy } else { By::Itself };
    inbox.push(now, &head(number, true), vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")], by);
}

#[test]
fn sound_that_was_sent_again_fills_what_was_lost_in_order_and_is_used_once() {
    let (mut inbox, now) = inbox(Kind::Audio);
    // Datagrams 0, 1 and 4 come, the last with copies of 2 and 3; then 5 with copies of 3 and 4.
    for (number, copy) in [(0, false), (1, false), (2, true), (3, true), (4, false), (3, true), (4, true), (5, false)] {
        sound(&mut inbox, now, number, copy);
    }
    assert_eq!(numbers(&mut inbox), [0, 1, 2, 3, 4, 5]);
    assert_eq!(inbox.take_counts(), Counts { repaired: 2, ..Counts::default() });
    assert_eq!(inbox.take_counts(), Counts::default());
    let tallies: Vec<Received> = inbox.tallies().map(|(_, tally)| tally).collect();
    assert_eq!(tallies, [Received { received: 6, repaired: 2, ..Received::default() }]);
}

#[test]
fn pictures_that_are_whole_by_parity_are_counted() {
    let (mut inbox, now) = inbox(Kind::Video);
    for (number, by) in [(0, By::Itself), (1, By::Parity), (2, By::Parity)] {
        inbox.push(now, &head(number, number == 0), vec![Bytes::from_static(b"a")], by);
    }
    assert_eq!(numbers(&mut inbox), [0, 1, 2]);
    assert_eq!(inbox.take_counts(), Counts { mended: 2, ..Counts::default() });
}
