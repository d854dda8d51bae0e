//! Records and the films that are made of them.

use hearing_config::{Role, SeatId};

use super::*;
use crate::record::{Meta, Order, Seat, What};

const SECOND: i64 = 1_000_000;

fn sheet(orders: &[(i64, What, Option<PauseReason>)]) -> Sheet {
    let seat = |id: u8, title: &str| Seat {
        id: SeatId(id),
        name: format!("seat{id}"),
        title: title.to_owned(),
        title_en: "Seat".to_owned(),
        role: Role::Judge,
        zone: "gov".parse().unwrap(),
    };
    let orders =
        orders.iter().map(|(at, what, reason)| Order { at: Timestamp(*at * SECOND), what: *what, reason: *reason });
    Sheet {
        format: "hearing-record/1".to_owned(),
        hearing: hearing_config::HearingId::random(),
        node: "court".parse().unwrap(),
        meta: Meta {
            case: "案".to_owned(),
            template: "t".to_owned(),
            seats: vec![seat(0, "审判长"), seat(1, "公诉人")],
        },
        epoch: Some(Timestamp(1_000 * SECOND)),
        opened: Some(Timestamp(1_003 * SECOND)),
        orders: orders.collect(),
        closed: None,
    }
}

fn track(seat: usize, kind: Kind, stream: u16, speech: &[(i64, i64)]) -> Track {
    let line = |(from, to): &(i64, i64)| Line::Speech { from: Timestamp(from * SECOND), to: Timestamp(to * SECOND) };
    Track {
        name: format!("seat{seat}-{kind}"),
        seat,
        kind,
        streams: vec![stream],
        lines: speech.iter().map(line).collect(),
    }
}

#[test]
fn a_pause_becomes_a_notice_and_everything_else_keeps_its_length() {
    let pause = Some(PauseReason::Mediation);
    let sheet = sheet(&[
        (1_003, What::Run, None),
        (1_060, What::Pause, pause),
        (1_660, What::Run, None),
        (1_700, What::Off, None),
    ]);
    let script = Script::of(&sheet, &[track(0, Kind::Video, 0, &[])], (500, 700_000), None);
    let spans =
        [Span { from_ms: 500, to_ms: 60_000, at_ms: 0 }, Span { from_ms: 660_000, to_ms: 700_000, at_ms: 63_500 }];
    assert_eq!(script.spans, spans);
    assert_eq!(script.length, 103_500_000);
    assert_eq!((script.place(500), script.place(300_000), script.place(661_000)), (Some(0), None, Some(64_500_000)));
    let notices: Vec<_> =
        script.cues.iter().filter(|(_, cue)| matches!(cue, Cue::Notice(_))).map(|(at, _)| *at).collect();
    assert_eq!(notices, [59_500_000, 63_500_000]);
    let clocks: Vec<_> = script
        .cues
        .iter()
        .filter_map(|(at, cue)| if let Cue::Clock(wall) = cue { Some((*at, *wall)) } else { None })
        .collect();
    assert_eq!(clocks, [(0, 1_000_500_000), (63_500_000, 1_660_000_000)]);
}

#[test]
fn a_record_that_ends_in_a_pause_ends_with_its_notice() {
    let sheet = sheet(&[(1_003, What::Run, None), (1_010, What::Pause, Some(PauseReason::Recess))]);
    let script = Script::of(&sheet, &[track(0, Kind::Video, 0, &[])], (0, 10_020), None);
    assert_eq!((script.spans.len(), script.length), (1, 14_000_000));
}

#[test]
fn who_began_last_speaks_and_a_seat_that_is_only_heard_has_a_tile() {
    let tracks = [
        track(0, Kind::Video, 0, &[]),
        track(0, Kind::Audio, 1, &[(1_010, 1_020)]),
        track(1, Kind::Audio, 2, &[(1_015, 1_016)]),
    ];
    let script = Script::of(&sheet(&[(1_003, What::Run, None)]), &tracks, (0, 60_000), None);
    assert_eq!(script.scene.tiles.iter().map(|tile| tile.streams.clone()).collect::<Vec<_>>(), [vec![0], vec![]]);
    let speakers: Vec<_> = script.cues.iter().filter(|(_, cue)| matches!(cue, Cue::Speaker(_))).cloned().collect();
    let expected = [(10, Some(0)), (15, Some(1)), (16, None)].map(|(at, tile)| (at * SECOND, Cue::Speaker(tile)));
    assert_eq!(speakers, expected);
}
