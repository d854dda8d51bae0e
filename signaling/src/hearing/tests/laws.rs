//! What holds whatever happens.

use proptest::prelude::*;

use super::*;

/// Something that may happen.
#[derive(Debug, Clone)]
enum Event {
    Join(u8, u8),
    Operate(Action),
    Act(u8, Action),
    Media(MediaReport),
    /// The recorder obeys its plan.
    Recorder,
    Wait(u16),
    Restart,
}

fn action() -> impl Strategy<Value = Action> {
    let seat = || (0..SEATS.len()).prop_map(|seat| SEATS[seat].0.to_owned());
    let reason =
        prop_oneof![Just(PauseReason::Recess), Just(PauseReason::ClosedEvidence), Just(PauseReason::Mediation)];
    prop_oneof![
        8 => seat().prop_map(|seat| Action::Admit { seat, identity: Identity::Known }),
        1 => seat().prop_map(|seat| Action::Refuse { seat }),
        1 => seat().prop_map(|seat| Action::Remove { seat }),
        2 => seat().prop_map(|seat| Action::Mute { seat }),
        2 => seat().prop_map(|seat| Action::Unmute { seat }),
        6 => Just(call("witness")),
        3 => Just(Action::Dismiss { seat: "witness".into() }),
        1 => Just(Action::RaiseHand),
        1 => Just(Action::LowerHand),
        1 => Just(Action::SetDevices { microphone: false, camera: false }),
        1 => seat().prop_map(|seat| Action::GiveFloor { seat }),
        6 => Just(Action::Open),
        3 => reason.prop_map(|reason| Action::Recess { reason }),
        4 => Just(Action::Resume),
        1 => Just(Action::Sign),
    ]
}

fn report() -> impl Strategy<Value = MediaReport> {
    let seat = || (0..8_u8).prop_map(SeatId);
    let track = || (seat(), 0..3_usize).prop_map(|(seat, kind)| TrackId { seat, kind: Kind::ALL[kind] });
    prop_oneof![
        6 => track().prop_map(|track| MediaReport::TrackUp { track }),
        1 => track().prop_map(|track| MediaReport::TrackDown { track }),
        2 => seat().prop_map(|seat| MediaReport::Connected { seat }),
        1 => seat().prop_map(|seat| MediaReport::Disconnected { seat }),
        1 => seat().prop_map(|seat| MediaReport::Left { seat }),
        1 => proptest::collection::vec(track(), 0..4).prop_map(|tracks| MediaReport::Recording { tracks }),
        1 => Just(MediaReport::RecordFailed { reason: "disk".into() }),
        1 => Just(MediaReport::Line { zone: "internet".parse().unwrap(), up: false }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let seats = SEATS.len() as u8;
    prop_oneof![
        4 => (0..seats, 1..3_u8).prop_map(|(seat, device)| Event::Join(seat, device)),
        6 => action().prop_map(Event::Operate),
        3 => (0..seats, action()).prop_map(|(seat, action)| Event::Act(seat, action)),
        5 => report().prop_map(Event::Media),
        4 => Just(Event::Recorder),
        1 => (0..4_000_u16).prop_map(Event::Wait),
        1 => Just(Event::Restart),
    ]
}

fn happen(court: &mut Court, event: Event) {
    match event {
        Event::Join(seat, device) => _ = court.join_as(SEATS[usize::from(seat)].0, device),
        Event::Operate(action) => _ = court.operate(action),
        Event::Act(seat, action) => {
            if court.sessions.contains_key(SEATS[usize::from(seat)].0) {
                _ = court.act(SEATS[usize::from(seat)].0, action);
            }
        }
        Event::Media(report) => court.media(report),
        Event::Recorder => court.recorder_runs(),
        Event::Wait(ms) => {
            court.now = court.now.plus(i64::from(ms) * 1_000);
            court.put(Input::Time).unwrap();
        }
        Event::Restart => {
            let kept = serde_json::to_string(court.hearing.kept()).unwrap();
            court.hearing = Hearing::restore(serde_json::from_str(&kept).unwrap());
            court.put(Input::Restarted).unwrap();
        }
    }
}

/// No seat receives anything before it was admitted, and no witness before it was called, nor is it received but by the bench.
fn check_audiences(court: &Court) {
    let view = court.view();
    let plan = court.hearing.plan();
    for row in &plan.rows {
        let from = &view.seats[usize::from(row.track.seat.0)];
        assert!(from.presence.is_admitted() && !matches!(from.role, Role::Observer | Role::Technician));
        assert!(!row.audience.contains(from.id), "nobody hears itself");
        for to in row.audience.iter().map(|to| &view.seats[usize::from(to.0)]) {
            assert!(to.presence.is_admitted() && !to.apart, "{} receives {}", to.name, row.track);
            assert!(!from.apart || matches!(to.role, Role::Judge | Role::Clerk), "{} receives {}", to.name, row.track);
            assert!(!(from.muted && row.track.kind == Kind::Audio));
        }
        assert!(!row.recorded || (plan.record == RecordOrder::Run && !from.apart));
    }
}

/// The witness was called last, or its `apart` still stands.
fn check_calls(court: &Court, called: bool) {
    assert_eq!(court.seat("witness").apart, !called);
}

/// In session every required track is being recorded, or the record says that it is faulty or about to get there.
fn check_record(court: &Court) {
    if !court.view().phase.is_recorded() {
        return;
    }
    assert_eq!(court.hearing.plan().record, RecordOrder::Run);
    let missing = court.hearing.unrecorded();
    let excused = missing.iter().all(|track| court.hearing.grace.contains_key(track));
    assert!(excused || court.view().record.state == RecordState::Faulty);
    assert!(
        !court.hearing.recording.is_empty()
            || !court.hearing.grace.is_empty()
            || court.view().record.state == RecordState::Faulty
    );
}

/// A session only ever begins with a recorder that runs for everything that is required.
fn check_beginning(court: &Court, entries: &[Entry]) {
    if entries.iter().any(|entry| entry.change == Change::Phase(Phase::InSession)) {
        assert!(court.hearing.unrecorded().is_empty() && !court.hearing.recording.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_uncalled_witness_in_any_audience_and_no_session_without_record(events in proptest::collection::vec(event(), 1..120)) {
        let mut court = Court::assembled();
        let mut screen = court.view().clone();
        let mut called = false;
        for event in events {
            let before = court.entries.len();
            let was_apart = court.seat("witness").apart;
            let calls = matches!(&event, Event::Operate(Action::Call { .. }) | Event::Act(_, Action::Call { .. }));
            let dismisses = matches!(&event, Event::Operate(Action::Dismiss { .. }) | Event::Act(_, Action::Dismiss { .. }));
            happen(&mut court, event);
            if was_apart != court.seat("witness").apart {
                prop_assert!(calls || dismisses);
                called = calls;
            }
            check_calls(&court, called);
            check_audiences(&court);
            check_record(&court);
            let entries = &court.entries[before..];
            check_beginning(&court, entries);
            for entry in entries {
                prop_assert_eq!(entry.seq, screen.seq + 1);
                screen.apply(entry);
            }
            prop_assert_eq!(&screen, court.view(), "a screen that applies every entry shows the hearing");
        }
    }
}
