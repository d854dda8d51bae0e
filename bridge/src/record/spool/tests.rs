//! What is kept comes out as it went in, until home has it, and never more than there may be.

use std::time::SystemTime;

use bytes::Bytes;
use hearing_config::{Kind, SeatId};

use super::files::Name;
use super::*;
use crate::router::{Layer, Packet};

const NAME: Name = (HearingId(uuid::Uuid::nil()), TrackId { seat: SeatId(3), kind: Kind::Video });

/// Frame `n` was captured at second `n`, has two packets, and its index is `2 n`.
fn frame(n: u64, bytes: usize) -> Frame {
    let packet = |piece: u64| Packet {
        index: n * 2 + piece,
        layer: Layer(1),
        media_time: n as i64 * 90_000,
        captured: second(n),
        frame_start: piece == 0,
        frame_end: piece == 1,
        key: n == 0,
        generation: 4,
        temporal: crate::router::Temporal::default(),
        level: None,
        payload: Bytes::from(vec![n as u8; bytes]),
    };
    Frame { packets: vec![packet(0), packet(1)] }
}

fn second(n: u64) -> Timestamp {
    Timestamp(1_763_892_000_000_000 + n as i64 * 1_000_000)
}

fn settings(directory: &std::path::Path) -> Settings {
    Settings { directory: directory.to_owned(), bytes: 1 << 30, age: Duration::from_secs(3_600) }
}

fn filled(settings: Settings, count: u64, bytes: usize) -> Files {
    let mut files = Files::open(settings).unwrap();
    for n in 0..count {
        files.write(NAME, Codec::Vp8, &frame(n, bytes));
    }
    files.flush();
    files
}

fn seconds(piece: &Piece) -> Vec<i64> {
    piece.frames.iter().map(|frame| frame.head().captured.since(second(0)) / 1_000_000).collect()
}

#[test]
fn what_was_kept_of_a_span_comes_out_as_it_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let files = filled(settings(folder.path()), 35, 10);
    let piece = files.read(NAME, second(8), second(23));
    assert_eq!(piece.frames, (8..23).map(|n| frame(n, 10)).collect::<Vec<_>>());
    assert_eq!((piece.codec, piece.upto), (Some(Codec::Vp8), second(23)));
    assert_eq!(files.read(NAME, second(100), second(200)), Piece { upto: second(200), ..Piece::default() });
}

#[test]
fn a_long_span_comes_in_pieces_that_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let files = filled(settings(folder.path()), 2_500, 300);
    let (mut from, mut all, mut pieces) = (second(0), Vec::new(), 0);
    while from < second(2_500) {
        let piece = files.read(NAME, from, second(2_500));
        assert!(piece.upto > from);
        all.extend(seconds(&piece));
        (from, pieces) = (piece.upto, pieces + 1);
    }
    assert!(all.into_iter().eq(0..2_500) && pieces > 1);
}

#[test]
fn a_node_that_starts_again_has_what_it_kept_but_for_a_frame_that_was_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(settings(folder.path()), 15, 10));
    let last = folder.path().join(NAME.0.to_string()).join("3-video/000000000002");
    let bytes = std::fs::read(&last).unwrap();
    std::fs::write(&last, &bytes[..bytes.len() - 5]).unwrap();
    let mut files = Files::open(settings(folder.path())).unwrap();
    assert_eq!(seconds(&files.read(NAME, second(0), second(99))), (0..14).collect::<Vec<_>>());
    files.write(NAME, Codec::Vp8, &frame(20, 10));
    files.flush();
    assert_eq!(seconds(&files.read(NAME, second(13), second(99))), [13, 20]);
}

#[test]
fn what_home_has_is_deleted_and_nothing_that_it_does_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = filled(settings(folder.path()), 35, 10);
    files.kept(NAME, second(15));
    assert_eq!(seconds(&files.read(NAME, second(0), second(99))), (10..35).collect::<Vec<_>>());
    files.kept(NAME, second(99));
    // The last file is being written.
    assert_eq!(seconds(&files.read(NAME, second(0), second(99))), (30..35).collect::<Vec<_>>());
    drop(files);
    let mut files = Files::open(settings(folder.path())).unwrap();
    files.kept(NAME, second(99));
    assert_eq!(files.read(NAME, second(0), second(99)).frames, []);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    // The hearing is over, and home has all of it.
    let mut files = filled(settings(folder.path()), 35, 10);
    files.kept(NAME, second(3_600));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn it_is_never_larger_or_older_than_it_may_be_and_the_oldest_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let small = Settings { bytes: 12_000, ..settings(folder.path()) };
    let mut files = filled(small, 100, 200);
    files.bound(SystemTime::now());
    let left = seconds(&files.read(NAME, second(0), second(999)));
    assert!(left.len() < 30 && left.last() == Some(&99), "{left:?}");
    files.bound(SystemTime::now() + Duration::from_secs(3_700));
    assert_eq!(files.read(NAME, second(0), second(999)).frames, []);
}

#[tokio::test]
async fn the_thread_keeps_what_its_leg_is_handed_and_only_of_its_own_zone() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::start(settings(folder.path())).unwrap();
    let zone: Zone = "inet".parse().unwrap();
    let mut leg = spool.leg(NAME.0, zone.clone());
    let info = |origin: &Zone, seat: u8| crate::router::TrackInfo {
        id: TrackId { seat: SeatId(seat), kind: Kind::Video },
        codec: Codec::Vp8,
        origin: origin.clone(),
        layers: crate::router::LayerSet(0b10),
        held: false,
    };
    let now = Instant::now();
    leg.handle_track(now, &info(&zone, 3));
    leg.handle_track(now, &info(&"court".parse().unwrap(), 4));
    assert!(leg.wanted(info(&zone, 4).id).is_empty() && !leg.wanted(NAME.1).is_empty());
    for n in 0..5 {
        leg.handle_frame(now, NAME.1, &frame(n, 10));
        leg.handle_frame(now, info(&zone, 4).id, &frame(n, 10));
    }
    assert_eq!(seconds(&spool.read(NAME.0, NAME.1, second(1), second(9)).await), [1, 2, 3, 4]);
    let other = spool.read(NAME.0, info(&zone, 4).id, second(0), second(9)).await;
    assert_eq!(other.frames, []);
}
