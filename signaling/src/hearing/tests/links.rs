//! Links, devices and what each may do.

use super::*;

fn join_of(court: &Court, name: &str) -> Join {
    let seat = court.id(name);
    let zone = court.seat(name).zone.clone();
    Join { token: token(seat.0), device: [1; 16], zone, node: "edge".parse().unwrap() }
}

fn refused(court: &mut Court, join: Join) -> Refusal {
    court.put(Input::Join(join, SessionId::random())).unwrap_err()
}

#[test]
fn first_device_waits_and_another_device_is_refused() {
    let mut court = Court::new();
    court.join_as("counsel", 1).unwrap();
    assert_eq!(court.view().phase, Phase::Waiting);
    assert_eq!(court.seat("counsel").presence, Presence::Waiting);
    assert_eq!(court.join_as("counsel", 2).unwrap_err(), Refusal::SeatTaken);
}

#[test]
fn same_device_comes_back_to_its_seat_and_its_older_page_ends() {
    let mut court = Court::assembled();
    let first = court.sessions["counsel"];
    let second = court.join("counsel").unwrap().grant.session();
    assert!(court.seat("counsel").presence.is_admitted(), "nobody has to admit it again");
    assert_eq!(court.hearing.authorize(first), Err(Refusal::Replaced));
    assert_eq!(court.hearing.authorize(second).unwrap().seat(), court.id("counsel"));
}

#[test]
fn link_of_another_hearing_is_unknown() {
    let mut court = Court::new();
    let join = Join { token: token(200), ..join_of(&court, "counsel") };
    assert_eq!(refused(&mut court, join), Refusal::UnknownLink);
}

#[test]
fn seat_joins_from_its_own_zone_only() {
    let mut court = Court::new();
    let join = Join { zone: "gov".parse().unwrap(), ..join_of(&court, "counsel") };
    let (expected, actual) = ("internet".parse().unwrap(), "gov".parse().unwrap());
    assert_eq!(refused(&mut court, join), Refusal::WrongZone { expected, actual });
    assert_eq!(court.seat("counsel").presence, Presence::Absent);
}

#[test]
fn link_begins_to_be_used_within_a_day_and_then_stays() {
    let mut court = Court::new();
    court.join("counsel").unwrap();
    court.now = t(24 * 3600 * 1000);
    court.join("counsel").unwrap();
    assert_eq!(court.join("defendant").unwrap_err(), Refusal::LinkExpired);
}

#[test]
fn removed_seat_has_used_up_its_link() {
    let mut court = Court::assembled();
    court.operate(remove("counsel")).unwrap();
    assert_eq!(court.join("counsel").unwrap_err(), Refusal::LinkExpired);
    assert_eq!(court.hearing.authorize(court.sessions["counsel"]), Err(Refusal::Removed));
    assert!(!court.hearing.plan().seat(court.id("counsel")).unwrap().admitted);
}

#[test]
fn refused_seat_keeps_its_link_for_the_right_person() {
    let mut court = Court::new();
    court.join_as("counsel", 1).unwrap();
    let first = court.sessions["counsel"];
    court.operate(Action::Refuse { seat: "counsel".into() }).unwrap();
    assert_eq!(court.hearing.authorize(first), Err(Refusal::TurnedAway));
    court.join_as("counsel", 2).unwrap();
    assert_eq!(court.seat("counsel").presence, Presence::Waiting);
}

#[test]
fn nobody_joins_a_closed_hearing() {
    let mut court = Court::opened();
    court.operate(Action::Close).unwrap();
    assert!(matches!(court.join("counsel").unwrap_err(), Refusal::WrongPhase { what: "join", .. }));
}

#[test]
fn only_the_bench_controls_the_hearing() {
    let mut court = Court::assembled();
    for name in ["defendant", "counsel", "witness", "observer", "technician"] {
        assert!(matches!(court.act(name, Action::Open), Err(Refusal::Forbidden { .. })), "{name}");
        assert!(matches!(court.act(name, admit("counsel")), Err(Refusal::Forbidden { .. })), "{name}");
    }
    court.act("clerk", mute("counsel")).unwrap();
    court.act("judge", Action::Open).unwrap();
}

#[test]
fn nobody_acts_before_being_admitted() {
    let mut court = Court::new();
    court.join("counsel").unwrap();
    assert_eq!(court.act("counsel", Action::RaiseHand).unwrap_err(), Refusal::NotAdmitted("counsel".into()));
}

#[test]
fn seat_that_does_not_exist_or_is_empty_is_named() {
    let mut court = Court::new();
    assert_eq!(court.operate(admit("jury")).unwrap_err(), Refusal::UnknownSeat("jury".into()));
    assert_eq!(court.operate(admit("counsel")).unwrap_err(), Refusal::SeatEmpty("counsel".into()));
}

#[test]
fn everybody_sees_who_has_switched_a_microphone_or_camera_off_and_only_the_seat_itself_says_so() {
    let mut court = Court::opened();
    court.act("counsel", Action::SetDevices { microphone: false, camera: true }).unwrap();
    let seat = court.seat("counsel");
    assert_eq!((seat.microphone_off, seat.camera_off, seat.muted), (true, false, false));
    let before = court.view().seq;
    court.act("counsel", Action::SetDevices { microphone: false, camera: true }).unwrap();
    assert_eq!(court.view().seq, before, "saying it again is no news");
    let refused = court.operate(Action::SetDevices { microphone: true, camera: true });
    assert!(matches!(refused, Err(Refusal::Forbidden { what: "set-devices", .. })), "{refused:?}");
    court.operate(Action::Remove { seat: "counsel".into() }).unwrap();
    assert!(!court.seat("counsel").microphone_off, "whoever comes next begins anew");
}

#[test]
fn floor_goes_to_one_seat_and_back_with_it() {
    let mut court = Court::opened();
    court.act("counsel", Action::RaiseHand).unwrap();
    assert!(court.seat("counsel").hand);
    court.act("judge", Action::GiveFloor { seat: "counsel".into() }).unwrap();
    assert_eq!((court.view().floor, court.seat("counsel").hand), (Some(court.id("counsel")), false));
    court.operate(remove("counsel")).unwrap();
    assert_eq!(court.view().floor, None);
}

#[test]
fn report_about_a_seat_that_does_not_exist_is_ignored() {
    let mut court = Court::opened();
    let before = court.view().clone();
    court.up(63, Kind::Audio);
    court.media(MediaReport::Connected { seat: SeatId(200) });
    assert_eq!(court.view(), &before);
}
