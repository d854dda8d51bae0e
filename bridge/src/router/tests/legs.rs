//! Legs that come, go, and do what they may not.

use bytes::Bytes;
use hearing_config::{Kind, SeatId};
use hearing_signaling::http::Size;

use super::super::fake::{Court, info, packet, path, plan, stun, track, zone};
use super::super::leg::{Control, LegId, Output, Path, Place};
use super::super::packet::{Layer, Packet};
use super::super::worker::{Command, Event};
use super::{CLERK, EVERYBODY, JUDGE, court_with_judge, seat, speak};

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
