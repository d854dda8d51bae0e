//! The rules of the router, with fake legs in virtual time.

use bytes::Bytes;
use hearing_config::{Kind, SeatId, TrackId};
use hearing_signaling::hearing::{MediaPlan, RecordOrder, SeatQuality};
use hearing_signaling::http::Size;

use super::fake::{Court, info, packet, path, plan, stun, track, zone};
use super::leg::{Control, LegId, Output, Path, Place, Protected};
use super::packet::{Frame, Layer, LayerSet, Packet};
use super::worker::{Command, Event};

const JUDGE: u8 = 0;
const CLERK: u8 = 1;
const WITNESS: u8 = 2;
const EVERYBODY: &[u8] = &[0, 1, 2, 3];

fn seat(id: u8) -> Place {
    Place::Seat(SeatId(id))
}

/// A court whose judge publishes sound and a picture.
fn court_with_judge() -> (Court, LegId) {
    let mut court = Court::open(64);
    let judge = court.attach(1, seat(JUDGE));
    court.say(judge, [Output::Track(info(JUDGE, Kind::Audio, "gov")), Output::Track(info(JUDGE, Kind::Video, "gov"))]);
    (court, judge)
}

fn speak(court: &mut Court, leg: LegId, track: TrackId, indices: std::ops::Range<u64>) {
    court.say(leg, indices.map(|index| Output::Packet(track, packet(index))));
}

#[test]
fn witness_who_is_not_called_receives_not_one_packet() {
    let (mut court, judge) = court_with_judge();
    let (voice, picture) = (track(JUDGE, Kind::Audio), track(JUDGE, Kind::Video));
    let (clerk, witness) = (court.attach(2, seat(CLERK)), court.attach(3, seat(WITNESS)));
    court.plan(plan(1, &[(voice, &[CLERK], true), (picture, &[CLERK], true)]));

    speak(&mut court, judge, voice, 0..50);
    speak(&mut court, judge, picture, 0..50);

    assert_eq!(court.packets(clerk), 100);
    assert_eq!(court.packets(witness), 0);
    assert!(court.notes(witness, |notes| notes.tracks.is_empty()));
}

/// The plan of a hearing that is over: nobody is connected, nothing is recorded.
fn over(revision: u64) -> MediaPlan {
    let mut plan = MediaPlan { record: RecordOrder::Off, ..plan(revision, &[]) };
    plan.seats.iter_mut().for_each(|seat| seat.admitted = false);
    plan
}

#[test]
fn what_was_on_its_way_when_the_record_stopped_still_reaches_it_and_nobody_else() {
    let (mut court, judge) = court_with_judge();
    let (clerk, record) = (court.attach(2, seat(CLERK)), court.attach(9, Place::Record));
    let voice = track(JUDGE, Kind::Audio);
    court.plan(plan(1, &[(voice, &[CLERK], true)]));
    speak(&mut court, judge, voice, 0..10);
    court.plan(over(2));
    court.advance(1_900);
    speak(&mut court, judge, voice, 10..15);
    assert_eq!((court.packets(clerk), court.frames(record)), (10, 15));
    court.advance(200);
    speak(&mut court, judge, voice, 15..20);
    assert_eq!(court.frames(record), 15, "two seconds later nothing is waited for");
}

#[test]
fn what_is_on_its_way_to_the_record_at_home_still_goes_there_when_it_stops() {
    let (mut court, judge) = court_with_judge();
    let (home, voice) = (court.attach(8, Place::Home), track(JUDGE, Kind::Audio));
    let (hearing, layers) = (court.hearing, LayerSet::ALL);
    court.plan(plan(1, &[(voice, &[], true)]));
    court.tell(Command::Demand { hearing, leg: home, track: voice, layers });
    court.plan(over(2));
    speak(&mut court, judge, voice, 0..5);
    assert_eq!(court.frames(home), 5);
}

#[test]
fn a_track_that_leaves_a_record_that_goes_on_leaves_it_at_once() {
    let (mut court, judge) = court_with_judge();
    let (record, voice) = (court.attach(9, Place::Record), track(JUDGE, Kind::Audio));
    court.plan(plan(1, &[(voice, &[CLERK], true)]));
    court.plan(plan(2, &[(voice, &[CLERK], false)]));
    speak(&mut court, judge, voice, 0..5);
    assert_eq!(court.frames(record), 0, "what a muted person says is not recorded");
}

#[test]
fn nobody_receives_anything_without_a_plan() {
    let (mut court, judge) = court_with_judge();
    let clerk = court.attach(2, seat(CLERK));
    speak(&mut court, judge, track(JUDGE, Kind::Audio), 0..10);
    assert_eq!(court.packets(clerk), 0);
}

#[test]
fn a_seat_never_receives_its_own_tracks_whatever_the_plan_says() {
    let (mut court, judge) = court_with_judge();
    court.plan(plan(1, &[(track(JUDGE, Kind::Audio), EVERYBODY, false)]));
    speak(&mut court, judge, track(JUDGE, Kind::Audio), 0..10);
    assert_eq!(court.packets(judge), 0);
}

#[test]
fn a_seat_that_is_not_admitted_gets_nothing_and_its_tracks_reach_nobody() {
    let (mut court, judge) = court_with_judge();
    let clerk = court.attach(2, seat(CLERK));
    court.say(clerk, [Output::Track(info(CLERK, Kind::Audio, "gov"))]);
    let record = court.attach(9, Place::Record);
    let (of_judge, of_clerk) = (track(JUDGE, Kind::Audio), track(CLERK, Kind::Audio));
    let mut waiting = plan(1, &[(of_judge, EVERYBODY, true), (of_clerk, EVERYBODY, true)]);
    waiting.seats[usize::from(CLERK)].admitted = false;
    court.plan(waiting);

    speak(&mut court, judge, of_judge, 0..10);
    speak(&mut court, clerk, of_clerk, 0..10);

    assert_eq!((court.packets(clerk), court.packets(judge)), (0, 0));
    assert_eq!(court.frames(record), 10, "only what the judge said");
}

#[test]
fn mute_takes_effect_with_the_next_packet_and_ends_with_its_end() {
    let (mut court, judge) = court_with_judge();
    let clerk = court.attach(2, seat(CLERK));
    let voice = track(JUDGE, Kind::Audio);
    court.plan(plan(1, &[(voice, &[CLERK], false)]));
    speak(&mut court, judge, voice, 0..5);

    court.plan(plan(2, &[(voice, &[], false)]));
    speak(&mut court, judge, voice, 5..10);
    assert_eq!(court.packets(clerk), 5);
    assert_eq!(court.notes(clerk, |notes| notes.ended.clone()), [voice]);

    court.plan(plan(3, &[(voice, &[CLERK], false)]));
    speak(&mut court, judge, voice, 10..15);
    assert_eq!(court.packets(clerk), 10);
    assert_eq!(court.notes(clerk, |notes| notes.tracks.len()), 2);
}

#[test]
fn a_plan_that_is_not_newer_is_ignored_and_counted() {
    let (mut court, judge) = court_with_judge();
    let clerk = court.attach(2, seat(CLERK));
    let voice = track(JUDGE, Kind::Audio);
    court.plan(plan(7, &[]));
    court.plan(plan(6, &[(voice, &[CLERK], false)]));
    court.plan(plan(7, &[(voice, &[CLERK], false)]));
    speak(&mut court, judge, voice, 0..5);
    assert_eq!(court.packets(clerk), 0);
    assert_eq!(court.tally().stale_plans, 2);
}

#[test]
fn a_trunk_gets_only_what_its_peer_demands_and_a_seat_of_its_zone_may_receive() {
    let (mut court, judge) = court_with_judge();
    let trunk = court.attach(8, Place::Edge(zone("internet")));
    let (voice, picture) = (track(JUDGE, Kind::Audio), track(JUDGE, Kind::Video));
    let hearing = court.hearing;
    court.plan(plan(1, &[(voice, &[WITNESS], false), (picture, &[CLERK], false)]));
    speak(&mut court, judge, voice, 0..5);
    assert_eq!(court.frames(trunk), 0, "not demanded");

    for track in [voice, picture] {
        court.tell(Command::Demand { hearing, leg: trunk, track, layers: LayerSet::ALL });
    }
    speak(&mut court, judge, voice, 5..10);
    speak(&mut court, judge, picture, 0..5);
    assert_eq!(court.frames(trunk), 5, "the picture is for no seat of its zone");

    court.plan(plan(2, &[(voice, &[CLERK], false), (picture, &[CLERK], false)]));
    speak(&mut court, judge, voice, 10..15);
    assert_eq!(court.frames(trunk), 5, "the witness was sent to wait apart");
}

#[test]
fn a_trunk_gets_no_more_once_its_peer_demands_nothing() {
    let (mut court, judge) = court_with_judge();
    let trunk = court.attach(8, Place::Edge(zone("internet")));
    let (hearing, voice) = (court.hearing, track(JUDGE, Kind::Audio));
    court.plan(plan(1, &[(voice, &[WITNESS], false)]));
    court.tell(Command::Demand { hearing, leg: trunk, track: voice, layers: LayerSet::ALL });
    court.tell(Command::Demand { hearing, leg: trunk, track: voice, layers: LayerSet::EMPTY });
    speak(&mut court, judge, voice, 0..5);
    assert_eq!(court.frames(trunk), 0);
    assert_eq!(court.notes(trunk, |notes| notes.ended.clone()), [voice]);
}

#[test]
fn a_demanded_track_that_is_recorded_goes_home_though_nobody_there_hears_it() {
    let (mut court, judge) = court_with_judge();
    let trunk = court.attach(8, Place::Home);
    let (hearing, voice) = (court.hearing, track(JUDGE, Kind::Audio));
    court.tell(Command::Demand { hearing, leg: trunk, track: voice, layers: LayerSet::ALL });
    court.plan(plan(1, &[(voice, &[CLERK], false)]));
    speak(&mut court, judge, voice, 0..5);
    assert_eq!(court.frames(trunk), 0);
    court.plan(plan(2, &[(voice, &[CLERK], true)]));
    speak(&mut court, judge, voice, 5..10);
    assert_eq!(court.frames(trunk), 5);
}

#[test]
fn an_unrecorded_track_goes_home_for_the_sake_of_any_zone_but_the_edges_own() {
    let (mut court, judge) = court_with_judge();
    let (home, edge) = (court.attach(7, Place::Home), court.attach(8, Place::Edge(zone("tripartite"))));
    let (hearing, voice) = (court.hearing, track(JUDGE, Kind::Audio));
    for leg in [home, edge] {
        court.tell(Command::Demand { hearing, leg, track: voice, layers: LayerSet::ALL });
    }
    court.plan(plan(1, &[(voice, &[CLERK], false)]));
    speak(&mut court, judge, voice, 0..5);
    assert_eq!(court.frames(home), 0, "the clerk sits in the edge's own zone");

    court.plan(plan(2, &[(voice, &[CLERK, WITNESS], false)]));
    speak(&mut court, judge, voice, 5..10);
    assert_eq!(court.frames(home), 5, "the witness is in a third zone, behind the home");
    assert_eq!(court.frames(edge), 0, "no seat of that zone hears it");
}

#[test]
fn what_only_the_record_takes_goes_to_no_edge() {
    let (mut court, judge) = court_with_judge();
    let edge = court.attach(8, Place::Edge(zone("internet")));
    let (hearing, voice) = (court.hearing, track(JUDGE, Kind::Audio));
    court.tell(Command::Demand { hearing, leg: edge, track: voice, layers: LayerSet::ALL });
    court.plan(plan(1, &[(voice, &[CLERK], true)]));
    speak(&mut court, judge, voice, 0..5);
    assert_eq!(court.frames(edge), 0);
}

#[test]
fn what_came_in_over_a_trunk_does_not_go_back_over_it_but_on_to_another() {
    let mut court = Court::open(64);
    let (from, on) = (court.attach(7, Place::Edge(zone("internet"))), court.attach(8, Place::Edge(zone("gov"))));
    let (hearing, voice) = (court.hearing, track(3, Kind::Audio));
    court.plan(plan(1, &[(voice, EVERYBODY, true)]));
    court.tell(Command::Announce { hearing, leg: from, info: info(3, Kind::Audio, "internet") });
    for leg in [from, on] {
        court.tell(Command::Demand { hearing, leg, track: voice, layers: LayerSet::ALL });
    }
    for index in 0..5 {
        let frame = Frame { packets: vec![packet(index)] };
        court.tell(Command::Inject { hearing, leg: from, track: voice, frame });
    }
    assert_eq!((court.frames(from), court.frames(on)), (0, 5));
}

#[test]
fn a_frame_from_a_trunk_reaches_seats_as_packets_and_the_record_as_a_frame() {
    let mut court = Court::open(64);
    let trunk = court.attach(7, Place::Edge(zone("internet")));
    let (judge, record) = (court.attach(1, seat(JUDGE)), court.attach(9, Place::Record));
    let (hearing, picture) = (court.hearing, track(3, Kind::Video));
    court.plan(plan(1, &[(picture, &[JUDGE], true)]));
    court.tell(Command::Announce { hearing, leg: trunk, info: info(3, Kind::Video, "internet") });
    let part = |index| Packet { frame_start: index == 0, frame_end: index == 2, media_time: 0, ..packet(index) };
    let frame = Frame { packets: (0..3).map(part).collect() };
    court.tell(Command::Inject { hearing, leg: trunk, track: picture, frame: frame.clone() });

    assert_eq!(court.packets(judge), 3);
    assert_eq!(court.notes(record, |notes| notes.frames.clone()), [(picture, frame)]);
}

#[test]
fn packets_of_tracks_that_a_leg_does_not_publish_are_dropped_and_counted() {
    let (mut court, judge) = court_with_judge();
    let clerk = court.attach(2, seat(CLERK));
    court
        .plan(plan(1, &[(track(JUDGE, Kind::Audio), EVERYBODY, false), (track(CLERK, Kind::Audio), EVERYBODY, false)]));
    speak(&mut court, clerk, track(JUDGE, Kind::Audio), 0..3);
    speak(&mut court, clerk, track(CLERK, Kind::Audio), 0..3);
    let beyond = Packet { layer: Layer(4), ..packet(0) };
    court.say(judge, [Output::Packet(track(JUDGE, Kind::Video), beyond)]);
    assert_eq!((court.packets(judge), court.packets(clerk)), (0, 0));
    assert_eq!(court.tally().stray_packets, 7);
}

#[test]
fn a_leg_may_not_publish_for_another_seat_or_with_another_origin() {
    let mut court = Court::open(64);
    let (judge, record) = (court.attach(1, seat(JUDGE)), court.attach(9, Place::Record));
    let trunk = court.attach(8, Place::Edge(zone("internet")));
    court.say(
        judge,
        [Output::Track(info(CLERK, Kind::Audio, "gov")), Output::Track(info(JUDGE, Kind::Audio, "internet"))],
    );
    court.say(record, [Output::Track(info(JUDGE, Kind::Audio, "gov"))]);
    court.say(trunk, [Output::Track(info(3, Kind::Audio, "internet"))]);
    assert_eq!(court.tally().tracks_refused, 4);
    assert!(court.report().tracks.is_empty());
    assert_eq!(court.events(), []);
}

#[test]
fn a_second_leg_of_a_seat_replaces_the_first() {
    let (mut court, first) = court_with_judge();
    let clerk = court.attach(2, seat(CLERK));
    let voice = track(JUDGE, Kind::Audio);
    court.plan(plan(1, &[(voice, EVERYBODY, false), (track(CLERK, Kind::Audio), EVERYBODY, false)]));
    court.say(first, [Output::Connected, Output::Bind(path(1))]);
    court.events();

    let second = court.attach(3, seat(JUDGE));
    assert!(matches!(
        court.events()[..],
        [Event::TrackDown(_), Event::TrackDown(_), Event::Disconnected(SeatId(JUDGE), _)]
    ));
    court.datagram(path(1), b"\x80 to the first leg");
    assert_eq!(court.tally().strangers, 1);
    court.say(second, [Output::Track(info(JUDGE, Kind::Audio, "gov"))]);
    speak(&mut court, second, voice, 0..5);
    assert_eq!(court.packets(clerk), 5);
    assert_eq!(court.notes(clerk, |notes| (notes.tracks.len(), notes.ended.len())), (2, 1));

    court.tell(Command::Detach { hearing: court.hearing, leg: first });
    speak(&mut court, second, voice, 5..10);
    assert_eq!(court.packets(clerk), 10, "taking off the leg that is gone does not hurt the new one");
}

#[test]
fn datagrams_go_to_the_leg_that_bound_their_source_and_all_others_are_counted() {
    let (mut court, judge) = court_with_judge();
    let clerk = court.attach(2, seat(CLERK));
    court.say(judge, [Output::Bind(path(1))]);
    court.datagram(path(1), b"\x80rtp");
    let elsewhere = Path { remote: "198.51.100.7:5".parse().unwrap(), ..path(5) };
    court.datagram(elsewhere, b"\x80rtp");
    court.datagram(elsewhere, b"");
    court.datagram(elsewhere, &stun("nobody:peer"));
    court.datagram(elsewhere, &stun("u2:peer"));
    court.datagram(elsewhere, b"\x80not bound by a request alone");

    assert_eq!(court.notes(judge, |notes| notes.datagrams.last().cloned()), Some(b"\x80rtp".to_vec()));
    assert_eq!(court.notes(clerk, |notes| notes.datagrams.clone()), [stun("u2:peer")]);
    assert_eq!(court.tally().strangers, 4);
}

#[test]
fn what_a_leg_transmits_goes_out_to_its_path() {
    let (mut court, judge) = court_with_judge();
    let datagrams = Bytes::from_static(b"answer");
    court.say(judge, [Output::Transmit { path: path(4), datagrams: datagrams.clone(), segment: None }]);
    assert_eq!(court.sent, [(path(4), datagrams)]);
}

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

#[test]
fn a_leg_that_closes_itself_is_reported_and_its_tracks_end() {
    let (mut court, judge) = court_with_judge();
    let trunk = court.attach(8, Place::Edge(zone("internet")));
    court.say(judge, [Output::Connected]);
    court.events();
    court.say(judge, [Output::Closed("no consent".to_owned())]);
    court.say(trunk, [Output::Closed("line down".to_owned())]);
    assert_eq!(
        court.events(),
        [
            Event::TrackDown(track(JUDGE, Kind::Audio)),
            Event::TrackDown(track(JUDGE, Kind::Video)),
            Event::Disconnected(SeatId(JUDGE), "no consent".to_owned()),
            Event::LegClosed(trunk, "line down".to_owned()),
        ]
    );
    assert!(court.report().tracks.is_empty());
}

#[test]
fn whoever_leaves_on_purpose_is_reported_as_one_who_left_and_not_as_one_who_was_lost() {
    let (mut court, judge) = court_with_judge();
    court.say(judge, [Output::Connected]);
    court.events();
    court.say(judge, [Output::Left]);
    let events = court.events();
    assert!(events.contains(&Event::Left(SeatId(JUDGE))), "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, Event::Disconnected(..))), "{events:?}");
    assert!(court.report().tracks.is_empty());
}

#[test]
fn a_trunk_s_leg_that_is_taken_off_ends_its_tracks_without_a_report_of_its_own() {
    let mut court = Court::open(64);
    let (hearing, trunk) = (court.hearing, court.attach(8, Place::Edge(zone("internet"))));
    court.tell(Command::Announce { hearing, leg: trunk, info: info(3, Kind::Audio, "internet") });
    court.events();
    court.tell(Command::Detach { hearing, leg: trunk });
    assert_eq!(court.events(), [Event::TrackDown(track(3, Kind::Audio))]);
}

#[test]
fn the_page_s_wish_reaches_the_leg_of_its_seat() {
    let (mut court, judge) = court_with_judge();
    let picture = track(CLERK, Kind::Video);
    court.controls(judge);
    court.tell(Command::Prefer { hearing: court.hearing, seat: SeatId(JUDGE), track: picture, size: Size::Large });
    assert_eq!(court.controls(judge), [Control::Prefer(picture, Size::Large)]);
}

#[test]
fn a_closed_hearing_leaves_nothing_behind() {
    let (mut court, judge) = court_with_judge();
    court.say(judge, [Output::Bind(path(1))]);
    court.tell(Command::Close { hearing: court.hearing });
    court.datagram(path(1), b"\x80rtp");
    court.datagram(path(1), &stun("u1:peer"));
    assert_eq!(court.tally().strangers, 2);
    assert!(court.report().tracks.is_empty());
}

#[test]
fn a_leg_whose_session_lives_elsewhere_publishes_its_own_seats_tracks_and_no_others() {
    let mut court = Court::open(64);
    let (terminal, clerk) = (court.attach(1, seat(JUDGE)), court.attach(2, seat(CLERK)));
    let voice = track(JUDGE, Kind::Audio);
    court.plan(plan(1, &[(voice, &[CLERK], true)]));
    let hearing = court.hearing;
    let mut say = |leg, outputs| court.tell(Command::Say { hearing, leg, outputs });
    say(terminal, vec![Output::Track(info(JUDGE, Kind::Audio, "gov")), Output::Track(info(CLERK, Kind::Video, "gov"))]);
    say(terminal, (0..5).map(|index| Output::Packet(voice, packet(index))).collect());
    say(LegId(77), vec![Output::Connected]);
    assert_eq!(court.packets(clerk), 5);
    assert_eq!((court.tally().tracks_refused, court.tally().stray_commands), (1, 1));
}
