//! The end of a far session, by whomever: it leaves nothing behind on either worker.

use hearing_config::{Kind, SeatId};

use super::super::super::fake::{info, path, stun, track};
use super::super::super::leg::{LegId, Output};
use super::super::super::worker::{Command, Event};
use super::house::House;
use super::{CLERK, JUDGE, WITNESS, house, packets};

/// What is left of a session on both workers.
fn assert_gone(house: &mut House, leg: LegId) {
    let name = stun(&format!("u{}:peer", leg.0));
    assert_eq!(house.far().board.guests(), 0);
    assert!(!house.far().handle.awaits(&name), "the front door still awaits its client");
    let strangers = house.far().board.tally().strangers;
    house.far_datagram(path(leg.0 as u16), b"\x80rtp");
    house.far_datagram(path(leg.0 as u16), &name);
    assert_eq!(house.far().board.tally().strangers, strangers + 2);
    assert_eq!(std::sync::Arc::strong_count(house.note(leg)), 1, "the session itself is gone");
}

#[test]
fn a_far_session_that_is_taken_off_leaves_nothing_behind() {
    let (mut house, _, clerk) = house();
    house.say(clerk, [Output::Connected, Output::Bind(path(2))]);
    assert!(house.far().handle.awaits(&stun("u2:peer")));
    house.events();
    house.detach(clerk);
    assert_gone(&mut house, clerk);
    assert_eq!(house.events(), [Event::Disconnected(SeatId(CLERK), "taken off".to_owned())]);
    assert_eq!(house.home.board.tally().stray_commands, 0);
}

#[test]
fn a_far_session_that_ends_by_itself_is_reported_and_leaves_nothing_behind() {
    for (last, lost) in [(Output::Left, false), (Output::Closed("no consent".to_owned()), true)] {
        let (mut house, _, clerk) = house();
        house.say(clerk, [Output::Connected, Output::Bind(path(2)), Output::Track(info(CLERK, Kind::Audio, "gov"))]);
        house.events();
        house.say(clerk, [last]);
        let (events, seat) = (house.events(), SeatId(CLERK));
        assert!(events.contains(&Event::TrackDown(track(CLERK, Kind::Audio))), "{events:?}");
        let end = if lost { Event::Disconnected(seat, "no consent".to_owned()) } else { Event::Left(seat) };
        assert!(events.contains(&end), "{events:?}");
        assert_gone(&mut house, clerk);
    }
}

#[test]
fn a_new_connection_of_the_same_seat_replaces_a_far_one_wherever_it_lives() {
    for far in [true, false] {
        let (mut house, judge, clerk) = house();
        house.say(clerk, [Output::Connected, Output::Bind(path(2))]);
        let again = if far { house.attach_far(3, CLERK) } else { house.attach_home(3, CLERK) };
        house.say(judge, packets(track(JUDGE, Kind::Audio), 0..10));
        assert_eq!((house.packets(clerk), house.packets(again)), (0, 10));
        assert_eq!(house.far().board.guests(), usize::from(far));
        assert!(!house.far().handle.awaits(&stun("u2:peer")));
        assert_eq!(house.far().handle.awaits(&stun("u3:peer")), far);
    }
}

#[test]
fn a_hearing_that_ends_takes_its_far_sessions_along() {
    let (mut house, _, clerk) = house();
    house.say(clerk, [Output::Bind(path(2))]);
    let hearing = house.hearing;
    house.tell(Command::Close { hearing });
    assert_gone(&mut house, clerk);
}

#[test]
fn a_session_for_a_hearing_that_is_gone_finds_no_place() {
    let mut house = House::open();
    let hearing = house.hearing;
    house.tell(Command::Close { hearing });
    let clerk = house.attach_far(2, CLERK);
    assert_gone(&mut house, clerk);
}

#[test]
fn a_worker_that_ends_takes_its_sessions_from_their_hearings_at_once() {
    let (mut house, judge, clerk) = house();
    house.say(clerk, [Output::Connected]);
    house.events();
    house.end_far();
    let events = house.events();
    assert!(matches!(events[..], [Event::Disconnected(SeatId(CLERK), _)]), "{events:?}");
    let again = house.attach_home(3, CLERK);
    house.say(judge, packets(track(JUDGE, Kind::Audio), 0..10));
    assert_eq!((house.packets(clerk), house.packets(again)), (0, 10));
}

#[test]
fn the_owner_s_end_takes_the_far_sessions_along() {
    let (mut house, _, clerk) = house();
    house.end_home();
    assert_gone(&mut house, clerk);
}

#[test]
fn a_far_session_that_panics_costs_itself_alone_and_is_counted() {
    let (mut house, judge, clerk) = house();
    let witness = house.attach_far(3, WITNESS);
    house.say(clerk, [Output::Connected]);
    house.events();
    house.notes(clerk, |notes| notes.faulty = true);
    house.say(judge, packets(track(JUDGE, Kind::Audio), 0..10));
    let events = house.events();
    let fell = |event: &Event| matches!(event, Event::Disconnected(SeatId(CLERK), why) if why.contains("fault in this program"));
    assert!(events.iter().any(fell), "{events:?}");
    assert_eq!((house.packets(witness), house.far().board.guests()), (10, 1));
    assert_eq!((house.far().board.tally().leg_panics, house.home.board.tally().leg_panics), (1, 0));
}
