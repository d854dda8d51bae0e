//! What goes over trunks, and what does not.

use hearing_config::Kind;

use super::super::fake::{Court, info, packet, plan, track, zone};
use super::super::leg::Place;
use super::super::packet::{Frame, LayerSet, Packet};
use super::super::worker::{Command, Event};
use super::{CLERK, EVERYBODY, JUDGE, WITNESS, court_with_judge, seat, speak};

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
fn a_trunk_s_leg_that_is_taken_off_ends_its_tracks_without_a_report_of_its_own() {
    let mut court = Court::open(64);
    let (hearing, trunk) = (court.hearing, court.attach(8, Place::Edge(zone("internet"))));
    court.tell(Command::Announce { hearing, leg: trunk, info: info(3, Kind::Audio, "internet") });
    court.events();
    court.tell(Command::Detach { hearing, leg: trunk });
    assert_eq!(court.events(), [Event::TrackDown(track(3, Kind::Audio))]);
}
