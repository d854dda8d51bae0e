//! What crosses a trunk arrives unchanged; what a peer may not say is refused.

use hearing_config::{Endpoint, Kind, Layout, NodeId, Timestamp};
use hearing_signaling::hearing::{
    Action, Change, Entry, HearingView, Identity, LiveSeat, Mark, MediaPlan, PauseReason, Phase, PlannedSeat, Presence,
    Proof, RecordOrder, RecordState, RecordView, Relief, Row, SeatQuality, SeatSet, SeatSound, SeatView, Terminal,
};
use hearing_signaling::registry::Refusal;

use super::*;

const TRACK: TrackId = TrackId { seat: SeatId(5), kind: Kind::Screen };

fn id() -> HearingId {
    HearingId(Uuid::from_bytes([9; 16]))
}

fn seat_view() -> SeatView {
    SeatView {
        id: SeatId(5),
        name: "witness".into(),
        title: "证人".into(),
        title_en: "Witness".into(),
        role: config::Role::Witness,
        zone: "gov".parse().unwrap(),
        endpoint: config::EndpointKind::Sip,
        presence: Presence::Waiting,
        identity: Some(Identity::VouchedByCustody),
        muted: true,
        apart: true,
        hand: false,
        microphone_off: true,
        camera_off: false,
        left: false,
        required: vec![Kind::Video],
    }
}

fn plan() -> MediaPlan {
    let seat = PlannedSeat {
        id: SeatId(0),
        name: "judge".into(),
        role: config::Role::Judge,
        zone: "tripartite".parse().unwrap(),
        admitted: true,
        required: vec![Kind::Audio],
        terminal: Some(Terminal {
            endpoint: Endpoint::Sip("sip:room3@10.2.0.30".to_owned().try_into().unwrap()),
            layout: Layout::Equal,
        }),
    };
    MediaPlan {
        revision: 7,
        seats: vec![seat],
        rows: vec![Row { track: TRACK, audience: SeatSet(1), recorded: true }],
        record: RecordOrder::Pause(PauseReason::Mediation),
    }
}

#[test]
fn a_plan_crosses_unchanged() {
    assert_eq!(plan_from(plan_to(&plan(), &zone("tripartite"))), Ok(plan()));
}

#[test]
fn the_address_of_a_terminal_is_told_to_the_node_of_its_zone_only() {
    assert_eq!(plan_to(&plan(), &zone("gov")).seats[0].terminal, None);
}

#[test]
fn a_plan_with_an_impossible_address_of_a_terminal_is_refused() {
    let mut plan = plan_to(&plan(), &zone("tripartite"));
    plan.seats[0].terminal = Some(wire::Terminal::Gb28181("34".into()));
    assert_eq!(plan_from(plan), Err(Invalid("the address of a terminal")));
}

fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

#[test]
fn a_plan_with_an_impossible_zone_seat_or_size_is_refused() {
    let mut wrong = plan_to(&plan(), &zone("tripartite"));
    wrong.seats[0].zone = "Not A Zone".into();
    assert_eq!(plan_from(wrong), Err(Invalid("this zone name")));
    let mut wrong = plan_to(&plan(), &zone("tripartite"));
    wrong.rows[0].track.seat = 64;
    assert_eq!(plan_from(wrong), Err(Invalid("a seat id above 63")));
    let mut wrong = plan_to(&plan(), &zone("tripartite"));
    wrong.seats = vec![wrong.seats[0].clone(); 65];
    assert_eq!(plan_from(wrong), Err(Invalid("a plan of more than 64 seats")));
}

#[test]
fn what_screens_see_crosses_unchanged() {
    let proof = Proof { binding: Some("b".into()), integrity: Some("i".into()), witness: Some("internet".into()) };
    let record = RecordView {
        state: RecordState::Faulty,
        tracks: vec!["judge/audio".into()],
        fault: Some("x".into()),
        warning: Some("w".into()),
        proof,
    };
    let view = HearingView {
        id: id(),
        case: "(2022)内0291刑初123号".into(),
        template: "criminal".into(),
        phase: Phase::Recess(PauseReason::ClosedEvidence),
        opened_at: Some(Timestamp(5)),
        seats: vec![seat_view()],
        record: record.clone(),
        floor: Some(SeatId(5)),
        seq: 12,
    };
    assert_eq!(view_from(id(), view_to(view.clone())), Ok(view));
    for change in [
        Change::Phase(Phase::Sealed),
        Change::Seat(seat_view()),
        Change::Record(record),
        Change::Floor(Some(SeatId(63))),
        Change::Mark(Mark { note: true, seat: Some(SeatId(1)), text: "text".into() }),
    ] {
        let entry = Entry { seq: 3, at: Timestamp(4), change };
        assert_eq!(entry_from(entry_to(entry.clone())), Ok(entry));
    }
    let quality = SeatQuality {
        up_kbps: 1,
        down_kbps: 2,
        loss_up: 0.25,
        loss_down: 0.5,
        rtt_ms: 3,
        line_kbps: 4,
        relief: Relief::FrameRate,
        sound: Some(SeatSound { peak: 5, mean: 6, clipped: 7, echo: 8 }),
        restarts: 9,
    };
    let live = LiveSeat { seat: SeatId(1), speaking: true, quality, tracks: vec![Kind::Audio], recorded: Vec::new() };
    assert_eq!(live_from(live_to(vec![live.clone()])), Ok(vec![live]));
}

#[test]
fn every_action_crosses_unchanged() {
    let seat = || "witness".to_owned();
    for action in [
        Action::Admit { seat: seat(), identity: Identity::Declared },
        Action::Refuse { seat: seat() },
        Action::Remove { seat: seat() },
        Action::Mute { seat: seat() },
        Action::Unmute { seat: seat() },
        Action::Call { seat: seat() },
        Action::Dismiss { seat: seat() },
        Action::RaiseHand,
        Action::LowerHand,
        Action::GiveFloor { seat: seat() },
        Action::Open,
        Action::Recess { reason: PauseReason::Recess },
        Action::Resume,
        Action::Mark { text: seat() },
        Action::Note { text: seat() },
        Action::Sign,
        Action::Close,
        Action::SetDevices { microphone: true, camera: false },
    ] {
        let what = action.what();
        let refusal = Refusal::WrongPhase { what, phase: "closed".into() };
        assert_eq!(refusal_from(refusal_to(refusal.clone())), Ok(refusal));
        assert_eq!(action_from(action_to(action.clone())), action);
    }
}

#[test]
fn a_refusal_crosses_with_its_words_and_no_text_of_a_peer_passes_for_ours() {
    let refusal = Refusal::Forbidden { role: "witness", what: "ask for the floor before being called" };
    assert_eq!(refusal_from(refusal_to(refusal.clone())), Ok(refusal));
    let foreign = wire::Refusal::Forbidden { role: "root".into(), what: "<script>".into() };
    assert_eq!(refusal_from(foreign), Ok(Refusal::Forbidden { role: "participant", what: "do that" }));
    assert_eq!(refusal_from(refusal_to(Refusal::UnknownHearing(id()))), Ok(Refusal::UnknownHearing(id())));
}

#[test]
fn a_join_onto_a_seat_of_another_zone_is_not_taken_over_from_home() {
    let seat = view::seat_view_to(seat_view());
    let joined = wire::Joined { session: [1; 16], seat, case: String::new(), template: String::new() };
    let own: Zone = "gov".parse().unwrap();
    assert_eq!(joined_from(id(), &own, joined.clone()).unwrap().grant.zone(), &own);
    let other: Zone = "internet".parse().unwrap();
    assert!(joined_from(id(), &other, joined).is_err());
}

#[test]
fn figures_that_are_no_shares_are_set_right() {
    let quality = wire::SeatQuality {
        loss_up: f32::NAN,
        loss_down: f32::INFINITY,
        sound: Some(wire::SeatSound { peak: 200, mean: 0, clipped: 2_000, echo: 200 }),
        ..hearing::quality_to(SeatQuality::default())
    };
    let report = report_from(SeatId(1), wire::SeatReport::Quality(quality));
    let sound = Some(SeatSound { peak: 96, mean: 0, clipped: 1_000, echo: 100 });
    let right = SeatQuality { loss_down: 1.0, sound, ..SeatQuality::default() };
    assert_eq!(report, signaling::MediaReport::Quality { seat: SeatId(1), quality: right });
}

#[test]
fn a_track_whose_codec_does_not_fit_its_kind_is_refused() {
    let node: NodeId = "a".parse().unwrap();
    let up = wire::TrackUp {
        hearing: [0; 16],
        flow: wire::FIRST_FLOW,
        track: track_to(TRACK),
        codec: wire::Codec::Opus,
        origin: node.to_string(),
        role: wire::Role::Judge,
        layers: 1,
        held: false,
    };
    assert!(track_info_from(&up).is_err());
    assert!(track_info_from(&wire::TrackUp { codec: wire::Codec::Vp8, ..up.clone() }).is_ok());
    assert!(track_info_from(&wire::TrackUp { codec: wire::Codec::Vp8, layers: 16, ..up.clone() }).is_err());
    let microphone = wire::TrackId { kind: wire::Kind::Audio, ..up.track };
    for (codec, ours) in [(wire::Codec::G722, config::Codec::G722), (wire::Codec::Aac, config::Codec::Aac)] {
        assert!(track_info_from(&wire::TrackUp { codec, ..up.clone() }).is_err(), "a screen in {codec:?}");
        let info = track_info_from(&wire::TrackUp { codec, track: microphone, ..up.clone() }).unwrap();
        assert_eq!((info.codec, codec_to(info.codec)), (ours, codec));
    }
}
