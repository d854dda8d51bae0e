//! Who receives what, as the plan says.

use hearing_config::Kind;
use hearing_signaling::hearing::{MediaPlan, RecordOrder};

use super::super::fake::{info, plan, track};
use super::super::leg::{Output, Place};
use super::super::packet::LayerSet;
use super::super::worker::Command;
use super::{CLERK, EVERYBODY, JUDGE, WITNESS, court_with_judge, seat, speak};

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
