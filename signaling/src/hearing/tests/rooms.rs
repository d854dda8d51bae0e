//! Who hears and sees whom, and who knows what.

use super::*;

#[test]
fn witness_cannot_hear_or_be_heard_before_being_called() {
    let mut court = Court::opened();
    assert_eq!(court.audience("witness", Kind::Audio), ["judge", "clerk"]);
    assert!(!court.audience("judge", Kind::Audio).contains(&"witness"));
    assert!(!court.recorded("witness", Kind::Audio));

    court.act("judge", call("witness")).unwrap();
    assert!(court.audience("judge", Kind::Audio).contains(&"witness"));
    assert!(court.audience("witness", Kind::Audio).contains(&"defendant"));
    assert!(court.recorded("witness", Kind::Audio));

    court.act("judge", Action::Dismiss { seat: "witness".into() }).unwrap();
    assert!(!court.audience("judge", Kind::Audio).contains(&"witness"));
    assert_eq!(court.audience("witness", Kind::Video), ["judge", "clerk"]);
}

#[test]
fn only_witnesses_and_experts_are_called() {
    let mut court = Court::opened();
    assert!(matches!(court.operate(call("counsel")), Err(Refusal::Forbidden { role: "counsel", .. })));
}

#[test]
fn before_the_opening_only_the_admitted_see_each_other() {
    let mut court = Court::new();
    court.join("judge").unwrap();
    court.join("counsel").unwrap();
    court.join("defendant").unwrap();
    court.operate(admit("counsel")).unwrap();
    assert_eq!(court.audience("judge", Kind::Video), ["counsel"]);
    assert_eq!(court.audience("defendant", Kind::Video), [""; 0]);
    assert!(!court.recorded("judge", Kind::Video));
}

#[test]
fn public_hears_the_session_and_nothing_else() {
    let mut court = Court::assembled();
    assert!(!court.audience("judge", Kind::Audio).contains(&"observer"));
    court.operate(Action::Open).unwrap();
    court.recorder_runs();
    assert!(court.audience("judge", Kind::Audio).contains(&"observer"));
    assert_eq!(court.audience("observer", Kind::Audio), [""; 0]);
    court.operate(Action::Recess { reason: PauseReason::ClosedEvidence }).unwrap();
    assert!(!court.audience("judge", Kind::Audio).contains(&"observer"));
}

#[test]
fn nobody_overhears_defendant_and_counsel_in_a_recess() {
    let mut court = Court::opened();
    court.operate(Action::Recess { reason: PauseReason::Recess }).unwrap();
    assert_eq!(court.audience("defendant", Kind::Audio), [""; 0]);
    assert_eq!(court.audience("judge", Kind::Audio), ["clerk"]);
    assert_eq!(court.audience("defendant", Kind::Video), ["judge", "clerk", "technician"]);
    assert!(!court.recorded("judge", Kind::Audio));
}

#[test]
fn evidence_that_is_not_public_is_heard_by_the_parties_and_not_recorded() {
    let mut court = Court::opened();
    court.operate(Action::Recess { reason: PauseReason::ClosedEvidence }).unwrap();
    assert_eq!(court.audience("judge", Kind::Audio), ["clerk", "defendant", "counsel"]);
    assert!(!court.recorded("judge", Kind::Audio));
    assert_eq!(court.hearing.plan().record, RecordOrder::Pause(PauseReason::ClosedEvidence));
}

#[test]
fn muted_seat_is_seen_but_neither_heard_nor_recorded() {
    let mut court = Court::opened();
    court.operate(mute("counsel")).unwrap();
    assert_eq!(court.audience("counsel", Kind::Audio), [""; 0]);
    assert!(!court.recorded("counsel", Kind::Audio));
    assert!(court.audience("counsel", Kind::Video).contains(&"judge") && court.recorded("counsel", Kind::Video));
}

#[test]
fn after_the_close_nobody_is_connected() {
    let mut court = Court::opened();
    court.operate(Action::Close).unwrap();
    let plan = court.hearing.plan();
    assert!(plan.rows.is_empty() && plan.seats.iter().all(|seat| !seat.admitted));
}

#[test]
fn witness_who_waits_apart_knows_only_itself_the_phase_and_the_state_of_the_record() {
    let mut court = Court::opened();
    let eyes = court.hearing.eyes(court.sessions["witness"]).unwrap();
    let seen = eyes.sight.view(court.view());
    assert_eq!(seen.seats.iter().map(|seat| seat.name.as_str()).collect::<Vec<_>>(), ["witness"]);
    assert_eq!((seen.phase, seen.record.state), (Phase::InSession, RecordState::Running));
    assert!(seen.record.tracks.is_empty() && seen.record.fault.is_none());
    court.operate(mute("counsel")).unwrap();
    assert_eq!(eyes.sight.entry(court.entries.last().unwrap(), court.view()), None);
    court.operate(call("witness")).unwrap();
    let called = court.hearing.eyes(court.sessions["witness"]).unwrap();
    assert_eq!(called.sight, Sight::All);
    assert!(called.since > eyes.since, "what it missed is not for it: it gets the view");
}

#[test]
fn whoever_waits_to_be_admitted_knows_only_itself() {
    let mut court = Court::new();
    court.join("judge").unwrap();
    court.join("counsel").unwrap();
    let sight = |court: &Court| court.hearing.eyes(court.sessions["counsel"]).unwrap().sight;
    assert_eq!(sight(&court), Sight::Own(court.id("counsel")));
    court.operate(admit("counsel")).unwrap();
    assert_eq!(sight(&court), Sight::All);
}
