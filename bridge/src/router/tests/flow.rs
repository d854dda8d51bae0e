//! Layers, key frames, whole frames, and what is told of a track.

use hearing_config::{Kind, SeatId};
use hearing_signaling::hearing::SeatQuality;

use super::super::fake::{Court, info, packet, plan, track};
use super::super::leg::{Control, Output, Place, Protected};
use super::super::packet::{Layer, LayerSet, Packet};
use super::super::worker::{Command, Event};
use super::{CLERK, EVERYBODY, JUDGE, WITNESS, court_with_judge, seat, speak};

#[test]
fn layers_go_to_those_who_want_them_and_the_publisher_is_told_their_union() {
    let (mut court, judge) = court_with_judge();
    let (clerk, guest) = (court.attach(2, seat(CLERK)), court.attach(3, seat(WITNESS)));
    let picture = track(JUDGE, Kind::Video);
    court.notes(clerk, |notes| notes.wanted.insert(picture, LayerSet::only(Layer(0))));
    court.notes(guest, |notes| notes.wanted.insert(picture, LayerSet::EMPTY));
    court.controls(judge);
    court.plan(plan(1, &[(picture, EVERYBODY, false)]));
    let said = court.controls(judge);
    assert!(said.contains(&Control::Demand(picture, LayerSet(0b01))), "{said:?}");

    court.notes(guest, |notes| notes.wanted.insert(picture, LayerSet::only(Layer(1))));
    court.say(guest, [Output::Wanted(picture)]);
    let said = court.controls(judge);
    assert_eq!(said[0], Control::Demand(picture, LayerSet(0b11)));
    assert_eq!(said[1], Control::KeyFrame(picture, Layer(1)), "the new taker needs a key frame of its layer only");

    let of_layer = |index, layer| Output::Packet(picture, Packet { layer: Layer(layer), ..packet(index) });
    court.say(judge, [of_layer(0, 0), of_layer(0, 1), of_layer(1, 1)]);
    assert_eq!((court.packets(clerk), court.packets(guest)), (1, 2));

    court.tell(Command::Detach { hearing: court.hearing, leg: guest });
    court.tell(Command::Detach { hearing: court.hearing, leg: clerk });
    let said = court.controls(judge);
    assert_eq!(said, [Control::Demand(picture, LayerSet(0b01)), Control::Demand(picture, LayerSet::EMPTY)]);
}

#[test]
fn key_frames_are_asked_for_at_most_every_500_ms_and_no_request_is_forgotten() {
    let (mut court, judge) = court_with_judge();
    let clerk = court.attach(2, seat(CLERK));
    let picture = track(JUDGE, Kind::Video);
    court.plan(plan(1, &[(picture, &[CLERK], false)]));
    let asked = |court: &Court| {
        court.controls(judge).iter().filter(|said| **said == Control::KeyFrame(picture, Layer(0))).count()
    };
    assert_eq!(asked(&court), 1, "a new taker needs one");
    for _ in 0..9 {
        court.advance(50);
        court.say(clerk, [Output::KeyFrame(picture, Layer(0))]);
    }
    assert_eq!(asked(&court), 0);
    court.advance(50);
    assert_eq!(asked(&court), 1);
}

#[test]
fn only_a_leg_that_has_the_track_may_ask_for_a_key_frame() {
    let (mut court, judge) = court_with_judge();
    let witness = court.attach(3, seat(WITNESS));
    let picture = track(JUDGE, Kind::Video);
    court.plan(plan(1, &[(picture, &[], false)]));
    court.controls(judge);
    court.say(witness, [Output::KeyFrame(picture, Layer(0))]);
    assert_eq!(court.controls(judge), []);
}

#[test]
fn speaking_is_reported_and_only_of_those_whom_somebody_may_hear() {
    let (mut court, judge) = court_with_judge();
    let clerk = court.attach(2, seat(CLERK));
    court.say(clerk, [Output::Track(info(CLERK, Kind::Audio, "gov"))]);
    let (of_judge, of_clerk) = (track(JUDGE, Kind::Audio), track(CLERK, Kind::Audio));
    court.plan(plan(1, &[(of_judge, EVERYBODY, false), (of_clerk, &[], true)]));
    court.events();
    for index in 0..25 {
        speak(&mut court, judge, of_judge, index..index + 1);
        speak(&mut court, clerk, of_clerk, index..index + 1);
        court.advance(20);
    }
    assert_eq!(court.events(), [Event::Speaking(vec![SeatId(JUDGE)])]);
    court.advance(400);
    assert_eq!(court.events(), [Event::Speaking(vec![])]);
}

#[test]
fn legs_learn_who_is_protected_and_the_last_speaker_stays_until_another_speaks() {
    let (mut court, judge) = court_with_judge();
    let clerk = court.attach(2, seat(CLERK));
    let of_judge = track(JUDGE, Kind::Audio);
    let mut seated = plan(1, &[(of_judge, EVERYBODY, false)]);
    seated.seats[usize::from(JUDGE)].role = hearing_config::Role::Judge;
    court.plan(seated);
    let judges = [SeatId(JUDGE)].into_iter().collect();
    assert!(court.controls(clerk).contains(&Control::Protect(Protected { judges, speaker: None })));
    for index in 0..25 {
        speak(&mut court, judge, of_judge, index..index + 1);
        court.advance(20);
    }
    let protected = Control::Protect(Protected { judges, speaker: Some(SeatId(JUDGE)) });
    assert_eq!(court.controls(clerk), [protected]);
    court.advance(1_000);
    assert_eq!(court.controls(clerk), []);
    let late = court.attach(3, seat(WITNESS));
    assert!(court.controls(late).contains(&protected));
}

#[test]
fn legs_learn_once_a_second_what_a_picture_takes() {
    let (mut court, judge) = court_with_judge();
    let (clerk, picture) = (court.attach(2, seat(CLERK)), track(JUDGE, Kind::Video));
    court.plan(plan(1, &[(picture, &[CLERK], false)]));
    speak(&mut court, judge, picture, 0..1);
    court.controls(clerk);
    court.advance(500);
    let large = Packet { payload: vec![7; 124_992].into(), ..packet(1) };
    court.say(judge, [Output::Packet(picture, large)]);
    assert_eq!(court.controls(clerk), []);
    court.advance(500);
    speak(&mut court, judge, picture, 2..3);
    assert_eq!(court.controls(clerk), [Control::Rates(picture, [1_000, 0, 0, 0])]);
}

#[test]
fn counters_tell_what_came_what_was_lost_and_who_takes_it() {
    let (mut court, judge) = court_with_judge();
    let voice = track(JUDGE, Kind::Audio);
    court.attach(2, seat(CLERK));
    court.plan(plan(1, &[(voice, &[CLERK], false)]));
    speak(&mut court, judge, voice, 100..110);
    speak(&mut court, judge, voice, 113..115);
    speak(&mut court, judge, voice, 111..112);
    let report = court.report().tracks.into_iter().find(|report| report.info.id == voice).unwrap();
    assert_eq!((report.packets, report.bytes, report.lost, report.subscribers), (13, 13 * 8, 2, 1));
}

#[test]
fn the_record_goes_on_after_a_frame_that_never_became_whole() {
    let (mut court, judge) = court_with_judge();
    let (record, voice) = (court.attach(9, Place::Record), track(JUDGE, Kind::Audio));
    court.plan(plan(1, &[(voice, &[], true)]));
    speak(&mut court, judge, voice, 0..3);
    speak(&mut court, judge, voice, 4..6);
    assert_eq!(court.frames(record), 3);
    court.advance(200);
    assert_eq!(court.frames(record), 5);
    assert_eq!(court.tally().frames_skipped, 1);
}

#[test]
fn a_key_frame_is_asked_for_when_a_picture_of_which_frames_are_taken_has_lost_one_and_none_has_come_since() {
    let (mut court, judge) = court_with_judge();
    let (record, picture) = (court.attach(9, Place::Record), track(JUDGE, Kind::Video));
    court.plan(plan(1, &[(picture, &[], true)]));
    let refer = |court: &mut Court, indices: std::ops::Range<u64>| {
        let packets = indices.map(|index| Packet { key: false, ..packet(index) });
        court.say(judge, packets.map(|packet| Output::Packet(picture, packet)));
    };
    speak(&mut court, judge, picture, 0..3);
    court.advance(1_000);
    court.controls(judge);
    refer(&mut court, 4..6);
    assert_eq!((court.frames(record), court.controls(judge)), (3, vec![]));
    court.advance(200);
    assert_eq!((court.frames(record), court.controls(judge)), (5, vec![Control::KeyFrame(picture, Layer(0))]));
    court.advance(1_000);
    refer(&mut court, 7..8);
    speak(&mut court, judge, picture, 8..9);
    court.advance(200);
    assert_eq!((court.frames(record), court.controls(judge)), (7, vec![]), "a key frame is there");
}

#[test]
fn reports_that_find_no_room_wait_and_come_in_order() {
    let mut court = Court::open(1);
    let judge = court.attach(1, seat(JUDGE));
    court.say(judge, [Output::Connected, Output::Track(info(JUDGE, Kind::Audio, "gov"))]);
    court.say(judge, [Output::Quality(SeatQuality::default())]);
    assert_eq!(court.events(), [Event::Connected(SeatId(JUDGE))]);
    court.settle();
    assert_eq!(court.events(), [Event::TrackUp(info(JUDGE, Kind::Audio, "gov"))]);
    court.settle();
    assert_eq!(court.events(), []);
    assert_eq!(court.tally().events_lost, 1, "figures do not wait");
}
