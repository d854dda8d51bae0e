//! One of the two workers is slow or stands still: what waits, what is given up, and what is said again.

use hearing_config::{Kind, SeatId};
use hearing_signaling::hearing::SeatQuality;
use hearing_signaling::http::Size;

use super::super::super::fake::{info, packet, plan, track};
use super::super::super::leg::{Control, Output};
use super::super::super::packet::{Layer, Packet};
use super::super::super::worker::{Command, Event};
use super::super::proxy::{ORDERS, PICTURES, SOUND};
use super::house::House;
use super::{CLERK, JUDGE, house, packets};

fn delta(index: u64) -> Packet {
    Packet { key: false, ..packet(index) }
}

#[test]
fn what_waits_of_a_track_that_was_just_taken_away_is_not_sent() {
    let (mut house, judge, clerk) = house();
    let (voice, picture) = (track(JUDGE, Kind::Audio), track(JUDGE, Kind::Video));
    house.stall_far();
    house.say(judge, packets(voice, 0..20).chain(packets(picture, 0..20)));
    house.plan(plan(2, &[(picture, &[CLERK], true)]));
    house.say(judge, packets(voice, 20..40));
    house.plan(plan(3, &[(voice, &[CLERK], true), (picture, &[CLERK], true)]));
    house.resume_far();
    house.say(judge, packets(voice, 40..50));
    let heard = |of| house.notes(clerk, |notes| notes.packets.iter().filter(|(t, _)| *t == of).count());
    assert_eq!(heard(picture), 20, "what may still be had is");
    assert_eq!(house.notes(clerk, |notes| notes.ended.clone()), [voice]);
    let indices: Vec<u64> =
        house.notes(clerk, |notes| notes.packets.iter().filter(|(t, _)| *t == voice).map(|(_, p)| p.index).collect());
    assert!(indices.iter().all(|index| *index >= 40), "of before it was taken away nothing comes: {indices:?}");
}

#[test]
fn a_session_that_was_let_go_sends_nothing_of_what_waits_for_it() {
    let (mut house, judge, clerk) = house();
    house.stall_far();
    house.say(judge, packets(track(JUDGE, Kind::Audio), 0..20));
    house.detach(clerk);
    house.resume_far();
    assert_eq!(house.packets(clerk), 0);
}

#[test]
fn where_the_other_worker_is_slow_pictures_are_given_up_whole_until_a_key_frame_and_sound_last() {
    let (mut house, judge, clerk) = house();
    let (voice, picture) = (track(JUDGE, Kind::Audio), track(JUDGE, Kind::Video));
    house.advance(1_000);
    house.controls(judge);
    house.stall_far();
    for index in 0..PICTURES as u64 + 100 {
        house.say(judge, [Output::Packet(picture, delta(index))]);
    }
    let keys = house.controls(judge);
    assert_eq!(keys, [Control::KeyFrame(picture, Layer(0))], "asked once");
    house.say(judge, packets(voice, 0..100));
    house.resume_far();
    // Nothing that refers to what was given up, although there is room again.
    house.say(judge, [Output::Packet(picture, delta(2_000))]);
    house.say(judge, [Output::Packet(picture, packet(2_001)), Output::Packet(picture, delta(2_002))]);
    let of = |kind| {
        house.notes(clerk, |notes| {
            notes.packets.iter().filter(|(of, _)| of.kind == kind).map(|(_, p)| p.index).collect::<Vec<_>>()
        })
    };
    assert_eq!(of(Kind::Audio).len(), 100);
    let pictures = of(Kind::Video);
    assert!(pictures.len() <= PICTURES + 2, "{}", pictures.len());
    assert_eq!(pictures[pictures.len() - 2..], [2_001, 2_002]);
    assert!(!pictures.contains(&2_000));
}

#[test]
fn a_picture_that_has_begun_is_finished_and_none_is_begun_that_finds_no_room() {
    let (mut house, judge, clerk) = house();
    let picture = track(JUDGE, Kind::Video);
    house.stall_far();
    let piece =
        |index: u64| Packet { frame_start: index.is_multiple_of(100), frame_end: index % 100 == 99, ..delta(index) };
    house.say(judge, (0..1_000).map(|index| Output::Packet(picture, piece(index))));
    house.resume_far();
    let count = house.packets(clerk);
    assert_eq!(count % 100, 0, "{count} packets are no whole frames");
    assert!(count >= PICTURES, "{count}");
}

#[test]
fn sound_beyond_its_room_is_lost_and_a_worker_that_takes_no_orders_loses_the_session() {
    let (mut house, judge, clerk) = house();
    let voice = track(JUDGE, Kind::Audio);
    house.say(clerk, [Output::Connected]);
    house.stall_far();
    house.say(judge, packets(voice, 0..2 * SOUND as u64));
    let (hearing, seat) = (house.hearing, SeatId(CLERK));
    let prefer = |house: &mut House| house.tell(Command::Prefer { hearing, seat, track: voice, size: Size::Small });
    house.events();
    for _ in 0..ORDERS - SOUND - 8 {
        prefer(&mut house);
    }
    assert!(house.events().is_empty(), "so much is still taken");
    (0..16).for_each(|_| prefer(&mut house));
    let events = house.events();
    let why = "the worker of this session stands still".to_owned();
    assert!(events.contains(&Event::Disconnected(seat, why)), "{events:?}");
    house.resume_far();
    assert_eq!((house.packets(clerk), house.far().board.guests()), (0, 0), "whom the router let go gets nothing");
}

#[test]
fn a_slow_worker_loses_no_sound_before_its_room_is_full() {
    let (mut house, judge, clerk) = house();
    house.stall_far();
    house.say(judge, packets(track(JUDGE, Kind::Audio), 0..2 * SOUND as u64));
    house.resume_far();
    let heard = house.packets(clerk);
    assert!((SOUND - 8..=SOUND).contains(&heard), "{heard}");
}

#[test]
fn what_the_owner_has_no_room_for_is_said_again_in_order() {
    let (mut house, _, clerk) = house();
    house.stall_home();
    while house.home.handle.send(Command::Close { hearing: hearing_config::HearingId(uuid::Uuid::max()) }).is_ok() {}
    house.say(clerk, [Output::Connected, Output::Track(info(CLERK, Kind::Audio, "gov"))]);
    house.say(clerk, [Output::Quality(SeatQuality::default()), Output::TrackEnd(track(CLERK, Kind::Audio))]);
    house.events();
    house.resume_home();
    assert!(house.events().is_empty(), "not before the next try");
    house.advance(20);
    let own = track(CLERK, Kind::Audio);
    let wanted =
        [Event::Connected(SeatId(CLERK)), Event::TrackUp(info(CLERK, Kind::Audio, "gov")), Event::TrackDown(own)];
    assert_eq!(house.events(), wanted, "figures do not wait");
}
