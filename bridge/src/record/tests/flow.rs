//! A record from its opening to its close, with all that happens to well-behaved tracks.

use hearing_config::Codec;
use hearing_signaling::hearing::{PauseReason, RecordOrder};

use super::bench::{AUDIO, Bench, Closed, SECOND, VIDEO};
use super::source::{self, Clip, Packetizer};
use super::tools::{blocks, complaints, decoded, ffprobe};
use crate::record::{GapReason, Line, RecordEvent, Sheet, StartReason};

fn starts(bench: &Bench, track: &str) -> Vec<StartReason> {
    let reason = |line: &Line| if let Line::Segment { reason, .. } = line { Some(*reason) } else { None };
    bench.lines(track).iter().filter_map(reason).collect()
}

fn all_codecs(seconds: u32) -> [Clip; 8] {
    let pictures =
        [source::vp8("320x180", seconds), source::h264("640x360", seconds), source::h265("640x360", seconds)];
    let [vp8, h264, h265] = pictures;
    let sounds = [source::opus(seconds), source::pcma(seconds), source::pcmu(seconds)];
    let [opus, pcma, pcmu] = sounds;
    [vp8, h264, h265, opus, pcma, pcmu, source::g722(seconds), source::aac(seconds)]
}

fn recorded(clip: &Clip) -> Bench {
    let mut bench = Bench::new();
    bench.track(VIDEO, clip.codec, 0);
    bench.order(RecordOrder::Run, 0);
    let end = bench.play(VIDEO, clip, 0, &mut Packetizer::default());
    bench.settled_turn(end);
    bench
}

#[test]
fn every_codec_is_kept_byte_for_byte_and_decodes_without_complaint() {
    for clip in all_codecs(3) {
        let bench = recorded(&clip);
        let file = bench.file("counsel-video", 1);
        let kept: Vec<_> = blocks(&file).into_iter().map(|block| block.data).collect();
        let sent: Vec<_> = clip.frames.iter().map(|coded| coded.block(clip.codec)).collect();
        assert_eq!(kept, sent, "{:?}", clip.codec);
        assert_eq!(complaints(&file), "", "{:?}", clip.codec);
        if !matches!(clip.codec, Codec::Pcma | Codec::Pcmu) {
            assert_eq!(decoded(&file), clip.frames.len(), "{:?}", clip.codec);
        }
    }
}

#[test]
fn tracks_lie_on_one_clock_three_seconds_before_the_opening() {
    let mut bench = Bench::new();
    bench.order(RecordOrder::Run, 0);
    bench.track(AUDIO, Codec::Opus, 0);
    bench.track(VIDEO, Codec::H264, 0);
    bench.play(AUDIO, &source::opus(1), SECOND / 2, &mut Packetizer::default());
    bench.play(VIDEO, &source::h264("320x180", 1), 2 * SECOND, &mut Packetizer::default());
    let start = |track| ffprobe(&bench.file(track, 1), "format=start_time").parse::<f64>().unwrap();
    assert!((start("counsel-audio") - 3.5).abs() < 0.002);
    assert!((start("counsel-video") - 5.0).abs() < 0.002);
}

#[test]
fn the_three_seconds_before_the_opening_are_kept_and_nothing_older() {
    let mut bench = Bench::new();
    bench.track(AUDIO, Codec::Opus, 0);
    bench.track(VIDEO, Codec::Vp8, 0);
    let opened = 10 * SECOND;
    for (id, clip) in [(AUDIO, source::opus(10)), (VIDEO, source::vp8("320x180", 10))] {
        bench.play(id, &clip, 0, &mut Packetizer::default());
    }
    assert!(!bench.folder.join("counsel-audio").exists());
    bench.order(RecordOrder::Run, opened);
    bench.turn(opened);
    let (sound, picture) = (blocks(&bench.file("counsel-audio", 1)), blocks(&bench.file("counsel-video", 1)));
    assert!(sound[0].ms < 20 && sound.len().abs_diff(150) <= 2, "{} frames from {} ms", sound.len(), sound[0].ms);
    assert!(picture[0].key && picture[0].ms < 1_010 && picture.len() >= 59);
    assert_eq!(complaints(&bench.file("counsel-video", 1)), "");
}

#[test]
fn a_change_of_size_begins_a_new_segment_and_both_decode() {
    for make in [source::vp8, source::h264] {
        let (small, large) = (make("320x180", 1), make("640x360", 1));
        let mut bench = recorded(&small);
        let mut packetizer = Packetizer { next: 10_000 };
        // The leg must not take the jump in numbers for loss: it is a new publication in real life.
        bench.track(VIDEO, small.codec, SECOND);
        bench.play(VIDEO, &large, SECOND, &mut packetizer);
        assert_eq!(starts(&bench, "counsel-video"), [StartReason::First, StartReason::Parameters]);
        for (number, width) in [(1, "320"), (2, "640")] {
            let file = bench.file("counsel-video", number);
            assert_eq!((ffprobe(&file, "stream=width"), decoded(&file)), (width.to_owned(), 30));
            assert_eq!(complaints(&file), "");
        }
    }
}

#[test]
fn a_change_of_codec_begins_a_new_segment() {
    let mut bench = recorded(&source::vp8("320x180", 1));
    bench.track(VIDEO, Codec::H264, SECOND);
    bench.play(VIDEO, &source::h264("320x180", 1), SECOND, &mut Packetizer::default());
    assert_eq!(starts(&bench, "counsel-video"), [StartReason::First, StartReason::Parameters]);
    assert_eq!(ffprobe(&bench.file("counsel-video", 2), "stream=codec_name"), "h264");
    assert_eq!(bench.gaps("counsel-video"), []);
}

#[test]
fn a_pause_leaves_nothing_of_itself_but_a_gap_with_its_reason() {
    let mut bench = Bench::new();
    let (clip, mut packetizer) = (source::opus(3), Packetizer::default());
    bench.track(AUDIO, Codec::Opus, 0);
    bench.order(RecordOrder::Run, 0);
    for (n, coded) in clip.frames.iter().enumerate() {
        let at = n as i64 * clip.step;
        if at == SECOND {
            bench.order(RecordOrder::Pause(PauseReason::Mediation), SECOND);
        } else if at == 2 * SECOND {
            bench.order(RecordOrder::Run, 2 * SECOND);
        }
        let frame = packetizer.frame(clip.codec, coded, bench.time(at));
        bench.frame(AUDIO, &frame, at);
    }
    bench.settled_turn(4 * SECOND);
    let (before, after) = (blocks(&bench.file("counsel-audio", 1)), blocks(&bench.file("counsel-audio", 2)));
    assert_eq!((before.len(), after.len()), (50, clip.frames.len() - 100));
    assert_eq!((before[49].ms, after[0].ms), (3_980, 5_000));
    assert_eq!(starts(&bench, "counsel-audio"), [StartReason::First, StartReason::Resume]);
    let named = bench.lines("counsel-audio").into_iter().any(|line| {
        matches!(line, Line::Gap { reason: GapReason::Pause, pause: Some(PauseReason::Mediation), frames: 0, .. })
    });
    assert!(named);
    let sheet = Sheet::read(&bench.folder).unwrap();
    assert_eq!(sheet.orders.len(), 3);
}

/// A second of sound, of which the last half arrives up to 500 ms after the order to end; gives what waits to hear of the end.
fn closed_in_flight() -> (Bench, Closed, Vec<crate::router::Frame>) {
    let mut bench = Bench::new();
    let (clip, mut packetizer) = (source::opus(1), Packetizer::default());
    bench.track(AUDIO, Codec::Opus, 0);
    bench.order(RecordOrder::Run, 0);
    let frames =
        clip.frames.iter().zip(0..).map(|(coded, n)| packetizer.frame(clip.codec, coded, bench.time(n * clip.step)));
    let frames: Vec<_> = frames.collect();
    for (frame, n) in frames[..25].iter().zip(0..) {
        bench.frame(AUDIO, frame, n * clip.step);
    }
    bench.settled_turn(SECOND / 2 + 100_000);
    bench.order(RecordOrder::Off, SECOND * 9 / 10);
    let (reply, ended) = tokio::sync::oneshot::channel();
    bench.hearing.end(bench.instant(SECOND * 9 / 10), reply);
    (bench, ended, frames)
}

#[test]
fn what_was_captured_before_the_close_is_kept_though_it_comes_later_and_nothing_after() {
    let (mut bench, mut ended, frames) = closed_in_flight();
    bench.settled_turn(SECOND);
    assert!(ended.try_recv().is_err(), "the record was closed before what was on its way had come");
    for (frame, n) in frames[25..].iter().zip(25..) {
        bench.frame(AUDIO, frame, n * 20_000 + SECOND / 2);
    }
    bench.settled_turn(2 * SECOND);
    assert_eq!(blocks(&bench.file("counsel-audio", 1)).len(), 45, "0.9 s were said before the close");
    // What came after it shows that all of it is there.
    bench.until_sealed(&mut ended, 2 * SECOND);
}

#[test]
fn the_close_waits_two_seconds_at_most_for_a_track_that_has_fallen_silent() {
    let (mut bench, mut ended, _) = closed_in_flight();
    bench.settled_turn(SECOND * 28 / 10);
    assert!(ended.try_recv().is_err());
    bench.until_sealed(&mut ended, SECOND * 30 / 10);
    assert_eq!(blocks(&bench.file("counsel-audio", 1)).len(), 25);
}

#[test]
fn a_track_that_is_silent_through_a_pause_still_gets_a_new_segment() {
    let mut bench = Bench::new();
    let (clip, mut packetizer) = (source::opus(1), Packetizer::default());
    bench.track(AUDIO, Codec::Opus, 0);
    bench.order(RecordOrder::Run, 0);
    bench.play(AUDIO, &clip, 0, &mut packetizer);
    bench.order(RecordOrder::Pause(PauseReason::Recess), 2 * SECOND);
    bench.turn(4 * SECOND);
    bench.order(RecordOrder::Run, 60 * SECOND);
    bench.play(AUDIO, &clip, 61 * SECOND, &mut packetizer);
    assert_eq!(bench.gaps("counsel-audio"), [GapReason::Pause]);
    assert!(bench.file("counsel-audio", 2).exists());
}

#[test]
fn a_track_that_comes_back_begins_a_new_segment_and_its_absence_is_named() {
    use crate::router::Leg;
    let mut bench = recorded(&source::vp8("320x180", 1));
    let now = bench.instant(SECOND);
    bench.leg.handle_track_end(now, VIDEO);
    bench.track(VIDEO, Codec::Vp8, 20 * SECOND);
    bench.play(VIDEO, &source::vp8("320x180", 1), 20 * SECOND, &mut Packetizer::default());
    assert_eq!(starts(&bench, "counsel-video"), [StartReason::First, StartReason::Rejoin]);
    assert_eq!(bench.gaps("counsel-video"), [GapReason::Absent]);
}

#[test]
fn a_restart_goes_on_behind_what_is_there_and_touches_none_of_it() {
    let bench = recorded(&source::vp8("320x180", 1));
    let first = bench.file("counsel-video", 1);
    let mut cut = std::fs::read(&first).unwrap();
    cut.truncate(cut.len() - 100);
    std::fs::write(&first, &cut).unwrap();
    let lines = bench.folder.join("counsel-video/index.jsonl");
    let torn = [&std::fs::read(&lines).unwrap()[..], br#"{"line":"clus"#].concat();
    std::fs::write(&lines, torn).unwrap();

    let mut again = Bench::at(&bench.folder, 60);
    again.track(VIDEO, Codec::Vp8, 0);
    again.order(RecordOrder::Run, 0);
    again.play(VIDEO, &source::vp8("320x180", 1), 0, &mut Packetizer::default());
    assert_eq!(std::fs::read(&first).unwrap(), cut);
    assert_eq!(starts(&again, "counsel-video"), [StartReason::First, StartReason::Restart]);
    let (before, after) = (blocks(&first), blocks(&again.file("counsel-video", 2)));
    assert_eq!(before.len(), 29);
    assert!((59_500..60_500).contains(&(after[0].ms - before[0].ms)), "one clock through the restart");
    let gap = again.lines("counsel-video").into_iter().find_map(|line| match line {
        Line::Gap { reason: GapReason::Restart, from: Some(from), to, .. } => Some(to.since(from)),
        _ => None,
    });
    assert!((58_500_000..60_500_000).contains(&gap.unwrap()));
}

#[test]
fn after_ten_minutes_a_new_segment_begins_without_a_hole() {
    let mut bench = Bench::new();
    let (clip, mut packetizer) = (source::pcma(1), Packetizer::default());
    bench.track(AUDIO, Codec::Pcma, 0);
    bench.order(RecordOrder::Run, 0);
    let mut at = 0;
    while at < 601 * SECOND {
        at = bench.play(AUDIO, &clip, at, &mut packetizer);
    }
    assert_eq!(starts(&bench, "counsel-audio"), [StartReason::First, StartReason::Length]);
    let (one, two) = (blocks(&bench.file("counsel-audio", 1)), blocks(&bench.file("counsel-audio", 2)));
    assert_eq!(one.len() + two.len(), 601 * 50);
    assert_eq!(two[0].ms - one[one.len() - 1].ms, 20);
    assert_eq!(bench.gaps("counsel-audio"), []);
}

#[test]
fn a_track_is_told_as_recorded_while_it_is_durable_and_fed() {
    let mut bench = Bench::new();
    let (clip, mut packetizer) = (source::opus(1), Packetizer::default());
    bench.track(AUDIO, Codec::Opus, 0);
    bench.order(RecordOrder::Run, 0);
    let end = bench.play(AUDIO, &clip, 0, &mut packetizer);
    assert_eq!(bench.told(), [RecordEvent::Recording(vec![])], "nothing is durable yet");
    bench.settled_turn(end);
    assert_eq!(bench.told(), [RecordEvent::Recording(vec![AUDIO])]);
    bench.turn(end + 1_900_000);
    assert_eq!(bench.told(), []);
    bench.turn(end + 2_100_000);
    assert_eq!(bench.told(), [RecordEvent::Recording(vec![])]);
    bench.play(AUDIO, &clip, end + 3 * SECOND, &mut packetizer);
    assert_eq!(bench.told(), [RecordEvent::Recording(vec![AUDIO])]);
    assert_eq!(bench.gaps("counsel-audio"), [GapReason::Silent]);
}
