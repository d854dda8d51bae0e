//! Losses, wrong clocks, damaged files: each is named and none stops the recorder.

use bytes::Bytes;
use hearing_config::Codec;
use hearing_signaling::hearing::RecordOrder;

use super::bench::{AUDIO, Bench, LATENCY, SECOND, VIDEO};
use super::source::{self, Packetizer};
use super::tools::{blocks, complaints, decoded};
use crate::record::{GapReason, Line};
use crate::router::{Frame, Layer, Leg, Output};

fn running(codec: Codec) -> Bench {
    let mut bench = Bench::new();
    bench.order(RecordOrder::Run, 0);
    let track = if codec == Codec::Opus { AUDIO } else { VIDEO };
    bench.track(track, codec, 0);
    bench.outputs();
    bench
}

#[test]
fn a_new_picture_is_asked_for_a_key_frame_once() {
    let mut bench = Bench::new();
    bench.track(VIDEO, Codec::Vp8, 0);
    let asked = bench.outputs();
    assert_eq!(asked, [Output::KeyFrame(VIDEO, Layer(0)), Output::Wanted(VIDEO)]);
    bench.track(VIDEO, Codec::Vp8, 1_000);
    assert_eq!(bench.outputs(), [Output::Wanted(VIDEO)]);
}

#[test]
fn lost_packets_leave_a_gap_and_a_request_for_a_key_frame() {
    let mut bench = running(Codec::Vp8);
    let (clip, mut packetizer) = (source::vp8("320x180", 1), Packetizer::default());
    for (n, coded) in clip.frames.iter().enumerate() {
        let at = n as i64 * clip.step + SECOND;
        let frame = packetizer.frame(clip.codec, coded, bench.time(at));
        if n != 10 {
            bench.frame(VIDEO, &frame, at);
        }
    }
    assert!(bench.outputs().contains(&Output::KeyFrame(VIDEO, Layer(0))));
    let gap = bench.lines("counsel-video").into_iter().find_map(|line| match line {
        Line::Gap { reason: GapReason::Network, packets, from: Some(from), to, .. } => Some((packets, to.since(from))),
        _ => None,
    });
    let (packets, span) = gap.unwrap();
    assert!(packets >= 1 && (60_000..70_000).contains(&span));
    assert_eq!(blocks(&bench.file("counsel-video", 1)).len(), 29);
}

#[test]
fn a_writer_that_stands_still_costs_a_named_gap_and_media_never_waits() {
    let mut bench = running(Codec::Opus);
    let (clip, mut packetizer) = (source::opus(12), Packetizer::default());
    for (n, coded) in clip.frames.iter().enumerate() {
        let at = n as i64 * clip.step;
        let frame = packetizer.frame(clip.codec, coded, bench.time(at));
        let now = bench.instant(at + LATENCY);
        bench.leg.handle_frame(now, AUDIO, &frame);
    }
    bench.turn(12 * SECOND);
    let kept = blocks(&bench.file("counsel-audio", 1)).len();
    assert!(kept.abs_diff(501) <= 1, "ten seconds wait in the queue, not {kept} frames");
    let end = 12 * SECOND + clip.step;
    let frame = packetizer.frame(clip.codec, &clip.frames[0], bench.time(end));
    bench.frame(AUDIO, &frame, end);
    let lost = bench.lines("counsel-audio").into_iter().find_map(|line| match line {
        Line::Gap { reason: GapReason::Queue, frames, .. } => Some(frames),
        _ => None,
    });
    assert_eq!(lost, Some((clip.frames.len() - kept) as u64));
}

#[test]
fn payloads_that_make_no_frame_are_left_out_and_named() {
    let mut bench = running(Codec::H264);
    let (clip, mut packetizer) = (source::h264("320x180", 1), Packetizer::default());
    for (n, coded) in clip.frames.iter().enumerate() {
        let at = n as i64 * clip.step;
        let mut frame = packetizer.frame(clip.codec, coded, bench.time(at));
        if n == 10 {
            frame.packets[0].payload = Bytes::from_static(&[0x7c, 0x05, 1]);
        }
        bench.frame(VIDEO, &frame, at);
    }
    assert_eq!(bench.gaps("counsel-video"), [GapReason::Malformed]);
    assert_eq!(blocks(&bench.file("counsel-video", 1)).len(), 29);
}

#[test]
fn a_seat_whose_clock_is_wrong_is_set_by_arrival_and_the_correction_written_down() {
    let mut bench = running(Codec::Opus);
    let (clip, mut packetizer) = (source::opus(1), Packetizer::default());
    for (n, coded) in clip.frames.iter().enumerate() {
        let at = n as i64 * clip.step;
        let wrong = if n < 10 { 0 } else { -90 * SECOND };
        let frame = packetizer.frame(clip.codec, coded, bench.time(at).plus(wrong));
        bench.frame(AUDIO, &frame, at);
    }
    let kept = blocks(&bench.file("counsel-audio", 1));
    assert_eq!(kept.len(), clip.frames.len());
    assert!(kept.windows(2).all(|pair| (20..=60).contains(&(pair[1].ms - pair[0].ms))));
    let corrections: Vec<_> =
        bench.lines("counsel-audio").into_iter().filter(|l| matches!(l, Line::Clock { .. })).collect();
    assert!(matches!(corrections[..], [Line::Clock { correction, .. }] if correction == 90 * SECOND + LATENCY));
}

#[test]
fn a_file_cut_off_anywhere_gives_back_every_whole_frame() {
    for clip in [source::vp8("320x180", 2), source::h264("320x180", 2), source::opus(2)] {
        let mut bench = running(clip.codec);
        let (track, name) = if clip.codec == Codec::Opus { (AUDIO, "counsel-audio") } else { (VIDEO, "counsel-video") };
        bench.play(track, &clip, 0, &mut Packetizer::default());
        let whole = std::fs::read(bench.file(name, 1)).unwrap();
        let all = blocks(&bench.file(name, 1));
        let cut = bench.folder.join("cut.mkv");
        for n in 0..25_u64 {
            let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
            let length = 600 + spread as usize % (whole.len() - 600);
            std::fs::write(&cut, &whole[..length]).unwrap();
            let got = blocks(&cut);
            assert!(all.starts_with(&got));
            let written: usize = all[..=got.len().min(all.len() - 1)].iter().map(|block| block.data.len()).sum();
            assert!(written + 1_000 + 40 * got.len() > length || got.len() == all.len(), "a whole frame is missing");
            // ffmpeg decodes as much, but for what it holds back of a picture whose end it can't see.
            assert!(decoded(&cut) >= got.len(), "{} of {} at {length}", decoded(&cut), got.len());
        }
    }
}

#[test]
fn random_frames_never_stop_the_recorder() {
    use proptest::prelude::*;
    let sounds = [Codec::Opus, Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Aac];
    let codecs = [&sounds[..], &[Codec::Vp8, Codec::H264, Codec::H265]].concat();
    let frames = prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..60), any::<i32>()), 1..20);
    proptest!(ProptestConfig::with_cases(40), |(pick in 0..8_usize, frames in frames)| {
        let mut bench = running(codecs[pick]);
        bench.track(VIDEO, codecs[pick], 0);
        for (n, (key, payload, skew)) in frames.into_iter().enumerate() {
            let coded = source::Coded { units: vec![payload], key };
            let units = if coded.units[0].is_empty() { source::Coded { units: vec![vec![0]], key } } else { coded };
            let time = bench.time(0).plus(i64::from(skew) * 1_000);
            let mut frame: Frame = Packetizer::default().frame(Codec::Opus, &units, time);
            frame.packets[0].index = u64::from(skew.unsigned_abs());
            bench.frame(VIDEO, &frame, n as i64 * 20_000);
        }
    });
}

#[test]
fn a_complaint_free_file_is_complaint_free() {
    // Guards the tool itself: a damaged picture must be complained of.
    let mut bench = running(Codec::H264);
    let mut clip = source::h264("320x180", 1);
    clip.frames[5].units.iter_mut().for_each(|unit| unit.iter_mut().skip(20).for_each(|byte| *byte ^= 0xa5));
    bench.play(VIDEO, &clip, 0, &mut Packetizer::default());
    assert_ne!(complaints(&bench.file("counsel-video", 1)), "");
}
