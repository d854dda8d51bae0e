//! Messages survive the line; whatever is not one is refused before it costs anything.

use proptest::prelude::*;

use super::*;
use crate::wire::{
    Action, Announce, Answer, Ask, Change, Codec, DenyReason, EndpointKind, Entry, HearingView, Hello, Identity, Join,
    Joined, Kind, LiveSeat, MediaPlan, PauseReason, Phase, Ping, PlannedSeat, Presence, Proof, RecordOrder,
    RecordState, RecordView, Refusal, Refused, RefusedBy, Rehearse, RehearseAnswer, RehearseAsk, RehearsePair,
    RehearseReport, RehearseSeat, RehearsedSeat, Relief, Reply, Report, Request, Role, Row, SeatQuality, SeatReport,
    SeatSound, SeatView, Subscribe, Terminal, Tone, TrackId, TrackUp, Unfollow, Update, UpdateKind, Welcome, Withdraw,
};

const HEARING: [u8; 16] = [7; 16];

fn decode(bytes: &[u8]) -> Result<Vec<Message>, Error> {
    let mut decoder = Decoder::default();
    decoder.push(bytes);
    let mut messages = Vec::new();
    while let Some(message) = decoder.next_message()? {
        messages.push(message);
    }
    Ok(messages)
}

fn wire(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, &mut out).unwrap();
    out
}

fn hello() -> Message {
    Hello { node: "court".into(), zone: "tripartite".into(), software: "0.1.0".into() }.into()
}

#[test]
fn messages_come_out_as_they_went_in_however_the_stream_is_cut() {
    let messages = [hello(), Welcome {}.into(), Ping { at: -1 }.into()];
    let bytes: Vec<u8> = messages.iter().flat_map(wire).collect();
    let mut decoder = Decoder::default();
    let mut seen = Vec::new();
    for byte in bytes {
        decoder.push(&[byte]);
        seen.extend(decoder.next_message().unwrap());
    }
    assert_eq!(seen, messages);
    assert!(decoder.is_empty());
}

#[test]
fn another_version_is_refused_by_name() {
    let mut bytes = wire(&hello());
    bytes[0] = 2;
    let error = decode(&bytes).unwrap_err();
    assert_eq!(error, Error::Version(2));
    assert_eq!(error.to_string(), "wire version 2 is not spoken here (this node speaks 5)");
}

#[test]
fn an_unknown_kind_is_refused_before_its_body_arrives() {
    assert_eq!(decode(&[VERSION, 99, 0, 0, 0, 9]), Err(Error::UnknownKind(99)));
}

#[test]
fn an_oversize_message_is_refused_before_its_body_arrives() {
    assert_eq!(
        decode(&[VERSION, 1, 255, 255, 255, 255]),
        Err(Error::TooLarge { kind: 1, bytes: 0xffff_ffff, limit: 256 })
    );
}

#[test]
fn an_oversize_message_is_not_sent() {
    let long = Hello { node: "n".repeat(300), zone: "z".into(), software: String::new() };
    let mut out = Vec::new();
    assert!(matches!(encode(&long.into(), &mut out), Err(Error::TooLarge { kind: 1, limit: 256, .. })));
    assert!(out.is_empty());
}

#[test]
fn bytes_after_a_body_are_refused() {
    let mut bytes = wire(&Welcome {}.into());
    bytes[5] = 1;
    bytes.push(0);
    assert_eq!(decode(&bytes), Err(Error::Trailing { kind: "Welcome", bytes: 1 }));
}

#[test]
fn a_list_that_claims_more_than_it_brings_is_refused() {
    let mut bytes = wire(&Update { id: 1, kind: UpdateKind::Live(Vec::new()) }.into());
    let last = bytes.len() - 1;
    bytes[last] = 0x7f;
    assert_eq!(decode(&bytes), Err(Error::Malformed("Update")));
}

#[test]
fn the_largest_hearing_fits_every_message_that_carries_it() {
    let seats: Vec<SeatView> = (0..64).map(full_seat).collect();
    let record = full_record();
    let view = HearingView {
        case: "(2022)内0291刑初123号".repeat(4),
        template: "criminal".repeat(4),
        phase: Phase::Recess(PauseReason::Mediation),
        opened_at: Some(i64::MAX),
        seats,
        record: record.clone(),
        floor: Some(63),
        seq: u64::MAX,
    };
    wire(&Reply { id: u32::MAX, answer: Ok(Answer::Follow(Some(view))) }.into());
    wire(
        &Update { id: u32::MAX, kind: UpdateKind::Entry(Entry { seq: 1, at: 0, change: Change::Record(record) }) }
            .into(),
    );
    let live = (0..64).map(full_live).collect();
    wire(&Update { id: u32::MAX, kind: UpdateKind::Live(live) }.into());
    wire(&Announce { hearing: HEARING, plan: full_plan() }.into());
    wire(&full_rehearsal().into());
}

fn full_seat(id: u8) -> SeatView {
    SeatView {
        id,
        name: "s".repeat(32),
        title: "辩护人".repeat(8),
        title_en: "Counsel for the defence".repeat(4),
        role: Role::Counsel,
        zone: "z".repeat(32),
        endpoint: EndpointKind::Gb28181,
        presence: Presence::Connected,
        identity: Some(Identity::Known),
        muted: true,
        apart: true,
        hand: true,
        microphone_off: true,
        camera_off: true,
        left: true,
        required: vec![Kind::Audio, Kind::Video, Kind::Screen],
    }
}

fn full_record() -> RecordView {
    let tracks = (0..192).map(|_| format!("{}/audio", "s".repeat(32))).collect();
    let text = |length| Some("x".repeat(length));
    let proof = Proof { binding: text(64), integrity: text(100), witness: text(32) };
    RecordView { state: RecordState::Faulty, tracks, fault: text(500), warning: text(200), proof }
}

fn full_live(seat: u8) -> LiveSeat {
    let quality = SeatQuality {
        up_kbps: u32::MAX,
        down_kbps: u32::MAX,
        loss_up: 1.0,
        loss_down: 1.0,
        rtt_ms: u32::MAX,
        line_kbps: u32::MAX,
        relief: Relief::Pictures,
        sound: Some(SeatSound { peak: u8::MAX, mean: u8::MAX, clipped: u16::MAX, echo: u8::MAX }),
        restarts: u32::MAX,
    };
    let kinds = vec![Kind::Audio, Kind::Video, Kind::Screen];
    LiveSeat { seat, speaking: true, quality, tracks: kinds.clone(), recorded: kinds }
}

fn full_plan() -> MediaPlan {
    let seats = (0..64).map(|_| PlannedSeat {
        name: "s".repeat(32),
        role: Role::Technician,
        zone: "z".repeat(32),
        admitted: true,
        required: vec![Kind::Audio, Kind::Video, Kind::Screen],
        terminal: Some(Terminal::Rtsp("r".repeat(255))),
    });
    let rows = (0..192).map(|n| Row {
        track: TrackId { seat: n / 3, kind: Kind::Screen },
        audience: u64::MAX,
        recorded: true,
    });
    MediaPlan { revision: u64::MAX, seats: seats.collect(), rows: rows.collect(), record: RecordOrder::Run }
}

fn full_rehearsal() -> RehearseAnswer {
    let seats = (0..64).map(|seat| RehearsedSeat {
        seat,
        joined_ms: Some(u32::MAX),
        first_frame_ms: Some(u32::MAX),
        fault: Some("f".repeat(200)),
    });
    let pairs = (0..64 * 64).map(|n: u32| RehearsePair {
        from: (n / 64) as u8,
        to: (n % 64) as u8,
        frames: u32::MAX,
        lost: u32::MAX,
        tone: Tone::Wrong,
        latency_p50_us: Some(u32::MAX),
        latency_p99_us: Some(u32::MAX),
    });
    RehearseAnswer { id: 1, report: Some(RehearseReport { seats: seats.collect(), pairs: pairs.collect() }) }
}

#[test]
fn secrets_do_not_show_when_a_message_is_logged() {
    let seat = RehearseSeat { seat: 1, name: "counsel".into(), role: Role::Counsel, link: "SECRET".into() };
    let ask = RehearseAsk { id: 1, rehearse: Rehearse { hearing: HEARING, seats: vec![seat], seconds: 5 } };
    let join = Request { id: 1, hearing: HEARING, ask: Ask::Join(Join { token: [0xab; 32], device: [0xcd; 16] }) };
    let text = format!("{:?} {:?}", Message::from(ask), Message::from(join));
    assert!(!text.contains("SECRET") && !text.contains("171") && !text.contains("205"), "{text}");
}

fn any_message() -> impl Strategy<Value = Message> {
    let text = "[a-z\u{4e00}-\u{4e20}]{0,12}";
    let track = (0..64u8, prop_oneof![Just(Kind::Audio), Just(Kind::Video), Just(Kind::Screen)])
        .prop_map(|(seat, kind)| TrackId { seat, kind });
    prop_oneof![
        (text, text, text).prop_map(|(node, zone, software)| Hello { node, zone, software }.into()),
        any::<i64>().prop_map(|at| Ping { at }.into()),
        any::<[u8; 16]>().prop_map(|hearing| Withdraw { hearing }.into()),
        any::<u32>().prop_map(|id| Unfollow { id }.into()),
        (any::<u32>(), any::<[u8; 32]>(), any::<[u8; 16]>()).prop_map(|(id, token, device)| {
            Request { id, hearing: HEARING, ask: Ask::Join(Join { token, device }) }.into()
        }),
        (any::<u32>(), any::<[u8; 16]>(), text).prop_map(|(id, session, seat)| {
            let action = Action::Admit { seat, identity: Identity::Known };
            Request { id, hearing: HEARING, ask: Ask::Act(session, action) }.into()
        }),
        (any::<u32>(), any::<[u8; 16]>(), any::<Option<u64>>()).prop_map(|(id, session, after)| {
            Request { id, hearing: HEARING, ask: Ask::Follow(session, after) }.into()
        }),
        (any::<u32>(), any::<[u8; 16]>(), 0..64u8).prop_map(|(id, session, seat)| {
            let (case, template) = ("(2022)内0291刑初123号".into(), "criminal".into());
            Reply { id, answer: Ok(Answer::Join(Joined { session, seat: full_seat(seat), case, template })) }.into()
        }),
        (any::<u32>(), text, text)
            .prop_map(|(id, role, what)| { Reply { id, answer: Err(Refusal::Forbidden { role, what }) }.into() }),
        (any::<u32>(), 0..64u8)
            .prop_map(|(id, seat)| Update { id, kind: UpdateKind::Live(vec![full_live(seat)]) }.into()),
        (0..64u8, any::<bool>()).prop_map(|(seat, up)| {
            let report = if up { SeatReport::Connected } else { SeatReport::Quality(full_live(seat).quality) };
            Report { hearing: HEARING, seat, report }.into()
        }),
        (any::<u32>(), track.clone(), text, 0..16u8).prop_map(|(flow, track, origin, layers)| {
            let codec = Codec::Vp8;
            TrackUp { hearing: HEARING, flow, track, codec, origin, role: Role::Judge, layers, held: layers == 0 }
                .into()
        }),
        (track.clone(), 0..16u8).prop_map(|(track, layers)| Subscribe { hearing: HEARING, track, layers }.into()),
        (track, text).prop_map(|(track, origin)| {
            let (by, reason) = (RefusedBy::Ingress, DenyReason::NotVouched);
            Refused { hearing: HEARING, track, origin, by, reason }.into()
        }),
    ]
}

proptest! {
    #[test]
    fn every_message_comes_out_as_it_went_in(messages in proptest::collection::vec(any_message(), 0..8)) {
        let bytes: Vec<u8> = messages.iter().flat_map(wire).collect();
        prop_assert_eq!(decode(&bytes), Ok(messages));
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn random_bodies_of_every_kind_never_panic(
        kind in 0..50u8,
        body in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut bytes = vec![VERSION, kind];
        bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&body);
        let _ = decode(&bytes);
    }

    #[test]
    fn damaged_messages_never_panic(message in any_message(), at in any::<proptest::sample::Index>(), value in any::<u8>()) {
        let mut bytes = wire(&message);
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = decode(&bytes);
    }
}
