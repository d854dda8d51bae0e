//! Long and often: eight hours of one hearing, a thousand beginnings.

use hearing_config::{Codec, HearingId};
use hearing_signaling::hearing::RecordOrder;

use super::bench::{AUDIO, Bench, SECOND, VIDEO};
use super::source::{Coded, Packetizer};
use super::tools::blocks;
use crate::record::{RecordEvent, catalog};

#[test]
fn after_eight_hours_every_frame_lies_where_it_was_captured() {
    let mut bench = Bench::new();
    bench.track(AUDIO, Codec::Opus, 0);
    bench.order(RecordOrder::Run, 0);
    let coded = Coded { units: vec![vec![0xfc; 40]], key: true };
    let mut packetizer = Packetizer::default();
    // One frame every 1.9 s, captured up to 15 ms off the pace, is enough to see where eight hours lead.
    let captured: Vec<i64> = (0..8 * 3_600 * 10 / 19).map(|n| n * 1_900_000 + (n * 7_919) % 15_000).collect();
    for at in &captured {
        let frame = packetizer.frame(Codec::Opus, &coded, bench.time(*at));
        bench.frame(AUDIO, &frame, *at);
    }
    let end = 8 * 3_600 * SECOND;
    bench.settled_turn(end);
    let segments = catalog::segments(&bench.folder.join("counsel-audio")).unwrap();
    let kept: Vec<u64> = segments.iter().flat_map(|file| blocks(&file.path)).map(|block| block.ms).collect();
    assert_eq!(kept.len(), captured.len());
    // File time 0 is three seconds before the opening.
    let off = kept.iter().zip(&captured).map(|(ms, at)| (*ms as i64 - 3_000 - at / 1_000).abs()).max();
    assert!(off.unwrap() <= 1, "{off:?} ms");
}

#[test]
fn a_thousand_records_begin() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    for n in 0..1_000 {
        let mut bench = Bench::at(&directory.path().join(HearingId::random().to_string()), 0);
        let (sound, picture) = (Coded { units: vec![vec![0xfc; 40]], key: true }, key_frame());
        bench.track(AUDIO, Codec::Opus, 0);
        bench.track(VIDEO, Codec::Vp8, 0);
        bench.order(RecordOrder::Run, 0);
        for (id, codec, coded) in [(AUDIO, Codec::Opus, &sound), (VIDEO, Codec::Vp8, &picture)] {
            let frame = Packetizer::default().frame(codec, coded, bench.time(0));
            bench.frame(id, &frame, 0);
        }
        bench.settled_turn(80_000);
        let told = bench.told();
        assert!(told.contains(&RecordEvent::Recording(vec![AUDIO, VIDEO])), "beginning {n}: {told:?}");
        assert!(bench.manifest().len() > 3, "beginning {n}");
    }
}

/// A VP8 key frame of 320 by 180, as far as the recorder looks at it.
fn key_frame() -> Coded {
    let mut data = vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00];
    data.extend([0; 500]);
    Coded { units: vec![data], key: true }
}
