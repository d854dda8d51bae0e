//! The session and its record.

use super::*;

fn wait(court: &mut Court, ms: i64) {
    court.now = court.now.plus(ms * 1_000);
    court.put(Input::Time).unwrap();
}

fn record(court: &Court) -> (RecordState, Option<&str>) {
    (court.view().record.state, court.view().record.fault.as_deref())
}

#[test]
fn session_begins_when_the_recorder_runs_for_every_required_track() {
    let mut court = Court::assembled();
    assert!(matches!(court.operate(Action::Open), Ok(Reply::Later)));
    assert_eq!((court.view().phase, court.hearing.plan().record), (Phase::Waiting, RecordOrder::Run));
    court.media(MediaReport::Recording { tracks: vec![TrackId { seat: SeatId(0), kind: Kind::Audio }] });
    assert_eq!(court.view().phase, Phase::Waiting, "the defendant is not recorded yet");
    court.recorder_runs();
    assert_eq!(court.view().phase, Phase::InSession);
    assert_eq!(court.started, [Ok(())]);
    assert_eq!((court.view().opened_at, record(&court)), (Some(court.now), (RecordState::Running, None)));
}

#[test]
fn opening_is_refused_at_once_while_a_required_track_is_missing() {
    let mut court = Court::assembled();
    court.media(MediaReport::TrackDown { track: TrackId { seat: court.id("defendant"), kind: Kind::Video } });
    let refusal = court.operate(Action::Open).unwrap_err();
    assert_eq!(refusal, Refusal::NotReady("nothing arrives from defendant/video".into()));
    assert_eq!(court.hearing.plan().record, RecordOrder::Off);
}

#[test]
fn opening_is_refused_after_three_seconds_without_a_recorder_and_names_the_tracks() {
    let mut court = Court::assembled();
    court.operate(Action::Open).unwrap();
    assert_eq!(court.hearing.deadline(), Some(court.now.plus(3_000_000)));
    wait(&mut court, 2_999);
    assert!(court.started.is_empty());
    wait(&mut court, 1);
    let why = "the recorder does not run for judge/audio, defendant/audio, defendant/video";
    assert_eq!(court.started, [Err(Refusal::NotReady(why.into()))]);
    assert_eq!((court.view().phase, court.hearing.plan().record), (Phase::Waiting, RecordOrder::Off));
}

#[test]
fn opening_is_refused_when_the_record_fails() {
    let mut court = Court::assembled();
    court.operate(Action::Open).unwrap();
    court.media(MediaReport::RecordFailed { reason: "no space left".into() });
    assert_eq!(court.started, [Err(Refusal::NotReady("the recorder reports: no space left".into()))]);
    assert_eq!(court.view().phase, Phase::Waiting);
}

#[test]
fn absent_required_seat_keeps_the_hearing_from_opening_until_it_is_removed() {
    let mut court = Court::assembled();
    let defendant = court.id("defendant");
    for kind in [Kind::Audio, Kind::Video] {
        court.media(MediaReport::TrackDown { track: TrackId { seat: defendant, kind } });
    }
    assert!(court.operate(Action::Open).is_err());
    court.operate(remove("defendant")).unwrap();
    court.operate(Action::Open).unwrap();
    court.recorder_runs();
    assert_eq!(court.view().phase, Phase::InSession);
}

#[test]
fn record_that_loses_a_required_track_is_faulty_and_says_which() {
    let mut court = Court::opened();
    court.media(MediaReport::Recording { tracks: vec![TrackId { seat: SeatId(0), kind: Kind::Audio }] });
    assert_eq!(record(&court), (RecordState::Faulty, Some("not recorded: defendant/audio, defendant/video")));
    assert_eq!(court.view().phase, Phase::InSession, "the court decides what follows from it");
    court.recorder_runs();
    assert_eq!(record(&court), (RecordState::Running, None));
    court.media(MediaReport::RecordFailed { reason: "disk gone".into() });
    assert_eq!(record(&court), (RecordState::Faulty, Some("disk gone")));
}

#[test]
fn track_that_becomes_required_has_three_seconds_to_be_recorded() {
    let mut court = Court::opened();
    court.operate(call("witness")).unwrap();
    assert_eq!(record(&court), (RecordState::Running, None));
    wait(&mut court, 3_000);
    assert_eq!(record(&court), (RecordState::Faulty, Some("not recorded: witness/audio")));
    court.recorder_runs();
    assert_eq!((record(&court), court.hearing.deadline()), ((RecordState::Running, None), None));
}

#[test]
fn muted_required_sound_is_not_missed() {
    let mut court = Court::opened();
    court.operate(mute("defendant")).unwrap();
    court.recorder_runs();
    assert_eq!(record(&court), (RecordState::Running, None));
}

#[test]
fn recess_pauses_the_record_and_resuming_waits_for_it() {
    let mut court = Court::opened();
    court.operate(Action::Recess { reason: PauseReason::Recess }).unwrap();
    assert_eq!(record(&court).0, RecordState::Paused);
    court.operate(Action::Resume).unwrap();
    assert_eq!(court.view().phase, Phase::Recess(PauseReason::Recess));
    court.recorder_runs();
    assert_eq!((court.view().phase, record(&court).0), (Phase::InSession, RecordState::Running));
}

#[test]
fn signing_is_recorded_and_the_closed_hearing_is_sealed_by_its_recorder() {
    let mut court = Court::opened();
    court.operate(Action::Sign).unwrap();
    assert_eq!((court.hearing.plan().record, record(&court).0), (RecordOrder::Run, RecordState::Running));
    court.operate(Action::Close).unwrap();
    assert_eq!((court.view().phase, record(&court).0), (Phase::Closed, RecordState::Ended));
    court.media(MediaReport::Recording { tracks: Vec::new() });
    assert_eq!(court.view().phase, Phase::Closed, "every file has ended, and nothing proves them yet");
    court.media(MediaReport::RecordFailed { reason: "no space left".into() });
    assert_eq!((court.view().phase, record(&court).1), (Phase::Closed, Some("no space left")));
    let proof = Proof { integrity: Some("7f3a 0c91".into()), ..Proof::default() };
    court.media(MediaReport::Sealed { proof: proof.clone() });
    assert_eq!((court.view().phase, record(&court)), (Phase::Sealed, (RecordState::Ended, None)));
    assert_eq!(court.view().record.proof, proof);
    court.media(MediaReport::Proof { proof: Proof::default() });
    assert_eq!(court.view().record.proof, proof, "what is sealed does not change");
    assert!(matches!(court.operate(Action::Open), Err(Refusal::WrongPhase { .. })));
}

#[test]
fn closed_hearing_whose_record_was_not_sealed_waits_for_its_recorder_after_a_restart() {
    let mut court = Court::opened();
    court.operate(Action::Close).unwrap();
    let kept = serde_json::to_string(court.hearing.kept()).unwrap();
    let mut back = Court { hearing: Hearing::restore(serde_json::from_str(&kept).unwrap()), ..court };
    back.put(Input::Restarted).unwrap();
    assert_eq!(back.view().phase, Phase::Closed);
    back.media(MediaReport::Sealed { proof: Proof::default() });
    assert_eq!(back.view().phase, Phase::Sealed);
}

#[test]
fn what_a_signature_binds_is_the_record_as_it_was_when_signing_began() {
    let mut court = Court::opened();
    court.operate(Action::Sign).unwrap();
    let proof = |binding: &str| Proof { binding: Some(binding.into()), ..Proof::default() };
    court.media(MediaReport::Proof { proof: proof("first") });
    court.media(MediaReport::Proof { proof: Proof { witness: Some("internet".into()), ..proof("second") } });
    let shown = &court.view().record.proof;
    assert_eq!((shown.binding.as_deref(), shown.witness.as_deref()), (Some("first"), Some("internet")));
}

#[test]
fn marks_and_notes_are_journaled_and_bounded() {
    let mut court = Court::assembled();
    let mark = |text: &str| Action::Mark { text: text.into() };
    assert!(matches!(court.operate(mark("")), Err(Refusal::WrongPhase { what: "mark", .. })));
    let mut court = Court::opened();
    court.operate(mark(" evidence ")).unwrap();
    let kept = Change::Mark(Mark { note: false, seat: None, text: "evidence".into() });
    assert_eq!(court.entries.last().map(|entry| &entry.change), Some(&kept));
    assert_eq!(court.operate(mark(&"字".repeat(201))).unwrap_err(), Refusal::BadText);
    assert_eq!(court.operate(Action::Note { text: " ".into() }).unwrap_err(), Refusal::BadText);
    court.operate(Action::Note { text: "字".repeat(200) }).unwrap();
}

#[test]
fn hearing_that_was_never_opened_closes_without_a_record() {
    let mut court = Court::new();
    court.operate(Action::Close).unwrap();
    assert_eq!((court.view().phase, record(&court).0), (Phase::Sealed, RecordState::Off));
}

#[test]
fn actions_out_of_their_phase_are_refused_with_it() {
    let mut court = Court::assembled();
    for (action, what) in
        [(Action::Recess { reason: PauseReason::Recess }, "recess"), (Action::Resume, "resume"), (Action::Sign, "sign")]
    {
        assert_eq!(court.operate(action).unwrap_err(), Refusal::WrongPhase { what, phase: "waiting".into() });
    }
}

#[test]
fn restart_in_session_shows_a_faulty_record_until_the_recorder_is_back() {
    let court = Court::opened();
    let kept = serde_json::to_string(court.hearing.kept()).unwrap();
    let mut back = Court { hearing: Hearing::restore(serde_json::from_str(&kept).unwrap()), ..court };
    back.put(Input::Restarted).unwrap();
    assert_eq!((back.view().phase, record(&back).0), (Phase::InSession, RecordState::Faulty));
    assert_eq!(back.seat("counsel").presence, Presence::Admitted);
    assert_eq!(back.hearing.plan().record, RecordOrder::Run);
    for seat in 0..4 {
        back.up(seat, Kind::Audio);
        back.up(seat, Kind::Video);
    }
    back.recorder_runs();
    assert_eq!((record(&back).0, back.seat("counsel").presence), (RecordState::Running, Presence::Connected));
}

#[test]
fn line_that_goes_down_disconnects_its_zone_only() {
    let mut court = Court::opened();
    court.media(MediaReport::Line { zone: "internet".parse().unwrap(), up: false });
    assert_eq!(court.seat("counsel").presence, Presence::Admitted);
    assert_eq!(court.seat("judge").presence, Presence::Connected);
}
