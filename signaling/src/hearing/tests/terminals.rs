//! Seats on which a terminal stands: nobody opens a link there, nobody has to let it in.

use super::*;

fn court() -> Court {
    Court::of(&[("judge", Role::Judge, &[]), (TERMINAL, Role::Defendant, &[])])
}

fn comes(court: &mut Court) {
    let seat = court.id(TERMINAL);
    court.media(MediaReport::Connected { seat });
}

fn rung(court: &Court) -> bool {
    court.hearing.plan().seat(court.id(TERMINAL)).unwrap().terminal.is_some()
}

#[test]
fn terminal_that_its_node_has_connected_is_let_in_by_itself_and_the_court_knows_it() {
    let mut court = court();
    assert!(rung(&court), "it is rung before anybody has come");
    comes(&mut court);
    let seat = court.seat(TERMINAL);
    assert_eq!((seat.presence, seat.identity), (Presence::Connected, Some(Identity::Known)));
    assert_eq!(court.view().phase, Phase::Waiting);
}

#[test]
fn terminal_is_shown_the_hearing_as_its_template_says() {
    let court = court();
    let terminal = court.hearing.plan().seat(court.id(TERMINAL)).unwrap().terminal.clone();
    assert_eq!(terminal.unwrap().layout, hearing_config::Layout::Equal);
}

#[test]
fn browser_that_nobody_let_in_is_not_let_in_by_a_report() {
    let mut court = court();
    let seat = court.id("judge");
    court.media(MediaReport::Connected { seat });
    assert_eq!(court.seat("judge").presence, Presence::Absent);
}

#[test]
fn terminal_that_went_away_is_rung_again_and_comes_back_to_its_seat() {
    let mut court = court();
    comes(&mut court);
    let seat = court.id(TERMINAL);
    court.media(MediaReport::Disconnected { seat });
    assert_eq!(court.seat(TERMINAL).presence, Presence::Admitted);
    assert!(rung(&court));
    comes(&mut court);
    assert_eq!(court.seat(TERMINAL).presence, Presence::Connected);
}

#[test]
fn terminal_that_the_court_took_out_is_rung_no_more_and_does_not_come_back() {
    let mut court = court();
    comes(&mut court);
    court.operate(on(|seat| Action::Remove { seat }, TERMINAL)).unwrap();
    assert!(!rung(&court));
    comes(&mut court);
    assert_eq!(court.seat(TERMINAL).presence, Presence::Removed);
}

#[test]
fn terminal_is_hung_up_when_the_hearing_is_closed() {
    let mut court = court();
    comes(&mut court);
    court.operate(Action::Close).unwrap();
    assert!(!rung(&court));
}

#[test]
fn terminal_is_muted_like_everybody_else() {
    let mut court = court();
    court.join("judge").unwrap();
    comes(&mut court);
    assert_eq!(court.audience(TERMINAL, Kind::Audio), ["judge"]);
    court.operate(on(|seat| Action::Mute { seat }, TERMINAL)).unwrap();
    assert!(court.audience(TERMINAL, Kind::Audio).is_empty());
}

#[test]
fn camera_on_the_technicians_seat_is_seen_and_recorded_and_a_technician_at_a_browser_is_not() {
    let seats: &[(&str, Role, &[Kind])] =
        &[("judge", Role::Judge, &[]), (TERMINAL, Role::Technician, &[]), ("technician", Role::Technician, &[])];
    let mut court = Court::of(seats);
    court.join("judge").unwrap();
    comes(&mut court);
    court.join("technician").unwrap();
    court.operate(on(|seat| Action::Admit { seat, identity: Identity::Known }, "technician")).unwrap();
    court.operate(Action::Open).unwrap();
    court.recorder_runs();
    assert!(court.audience(TERMINAL, Kind::Video).contains(&"judge"));
    assert!(court.recorded(TERMINAL, Kind::Video));
    assert_eq!(court.audience("technician", Kind::Video), [""; 0]);
    assert!(!court.recorded("technician", Kind::Video));
}
