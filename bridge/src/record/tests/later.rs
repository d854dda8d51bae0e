//! What an edge could not be asked for in time is added behind the seal, and a crash at any moment of that is no false alarm.

use std::fs;

use hearing_config::Codec;
use hearing_proto::manifest::verify::{Code, Verdict};
use hearing_signaling::hearing::RecordOrder;

use super::bench::{AUDIO, Bench, SECOND, judged, signing};
use super::source::{self, Packetizer};
use super::tools::blocks;
use crate::record::late::{Hole, LateMedia, Rest, Where};
use crate::record::later::{Lacking, Shelf};
use crate::record::{Recorder, Settings};
use crate::router::Frame;

/// Two seconds of counsel's sound, then three of which the edge has all and home nothing; closed and sealed.
struct Sealed {
    bench: Bench,
    shelf: Shelf,
    lacking: Lacking,
    /// What the edge has.
    frames: Vec<Frame>,
}

impl Sealed {
    fn new() -> Self {
        let mut bench = Bench::new();
        bench.track(AUDIO, Codec::Opus, 0);
        bench.order(RecordOrder::Run, 0);
        let (clip, mut packetizer) = (source::opus(2), Packetizer::default());
        let end = bench.play(AUDIO, &clip, 0, &mut packetizer);
        let (from, to) = (bench.time(end - clip.step), bench.time(end + 3 * SECOND));
        let hole = Hole { track: AUDIO, from, to, lies: Where::Tail, before: None, after: None };
        let kept = source::opus(3);
        let frame = |(n, coded): (usize, &source::Coded)| {
            packetizer.frame(Codec::Opus, coded, bench.time(end + n as i64 * clip.step))
        };
        let frames = kept.frames.iter().take(150).enumerate().map(frame).collect();
        let (edge, rest) = ("internet".to_owned(), Rest::Lacking(hole.from));
        let nothing = LateMedia { hole, edge, codec: None, frames: Vec::new(), rest };
        bench.order(RecordOrder::Off, end + 3 * SECOND);
        bench.hearing.late(bench.instant(end + 3 * SECOND), &nothing);
        let directory = bench.folder.parent().unwrap().to_owned();
        let settings = Settings { directory, spill: None, signing: signing(), warn: vec![], refuse: 0 };
        let shelf = Recorder::start(settings).unwrap().shelf();
        let lacking = Lacking::of(&hole, hole.from);
        shelf.note(bench.hearing_id(), &[lacking]).unwrap();
        bench.close(end + 3 * SECOND);
        Self { bench, shelf, lacking, frames }
    }

    fn is_said(&self, code: Code) -> bool {
        let report = judged(&self.bench.folder);
        assert_eq!(report.verdict, Verdict::Incomplete, "{:?}", report.findings);
        assert!(report.sealed && report.value.is_some());
        report.has(code)
    }
}

#[test]
fn what_came_after_the_seal_fills_the_gap_and_nothing_is_lacking_any_more() {
    let Sealed { bench, shelf, lacking, frames } = &Sealed::new();
    let id = bench.hearing_id();
    let value = judged(&bench.folder).value;
    assert_eq!((shelf.noted(), shelf.lacks(id).unwrap().all), (vec![id], vec![*lacking]));
    let mut addition = shelf.begin(id, *lacking).unwrap();
    let (first, rest) = frames.split_at(70);
    addition.take(Codec::Opus, first).unwrap();
    addition.take(Codec::Opus, rest).unwrap();
    assert_eq!(addition.finish("internet", true).unwrap(), frames.len() as u64);
    let report = judged(&bench.folder);
    assert!(report.has(Code::GapFilledLater) && !report.has(Code::GapDeclared), "{:?}", report.findings);
    assert_eq!((report.verdict, report.value), (Verdict::Incomplete, value));
    assert_eq!(blocks(&bench.file("counsel-audio", 2)).len(), frames.len());
    assert!(shelf.noted().is_empty() && shelf.lacks(id).unwrap().all.is_empty());
    let lines = bench.lines("counsel-audio");
    assert!(lines.iter().any(|line| matches!(line, crate::record::Line::Late { frames: 150, .. })), "{lines:?}");
}

#[test]
fn an_addition_that_a_crash_stopped_leaves_the_record_as_it_was_sealed() {
    let sealed = Sealed::new();
    let id = sealed.bench.hearing_id();
    let before = judged(&sealed.bench.folder);
    let mut addition = sealed.shelf.begin(id, sealed.lacking).unwrap();
    addition.take(Codec::Opus, &sealed.frames).unwrap();
    drop(addition);
    assert_eq!(judged(&sealed.bench.folder), before);
    assert_eq!(sealed.shelf.lacks(id).unwrap().all, [sealed.lacking], "it is still looked for");
    let way = sealed.bench.folder.with_file_name(".late").join(id.to_string());
    assert!(!way.exists(), "what nobody named is gone");
}

#[test]
fn a_crash_between_the_addenda_and_their_files_is_set_right_at_the_next_start() {
    let sealed = Sealed::new();
    let id = sealed.bench.hearing_id();
    let mut addition = sealed.shelf.begin(id, sealed.lacking).unwrap();
    addition.take(Codec::Opus, &sealed.frames).unwrap();
    addition.finish("internet", true).unwrap();
    // As if the process had died before the files were moved.
    let track = sealed.bench.folder.join("counsel-audio");
    let way = sealed.bench.folder.with_file_name(".late").join(id.to_string()).join("counsel-audio");
    fs::create_dir_all(&way).unwrap();
    for file in ["0002.mkv", "addendum-0002.jsonl"] {
        fs::rename(track.join(file), way.join(file)).unwrap();
    }
    assert!(sealed.is_said(Code::AdditionMissing), "and nobody is called a forger");
    sealed.shelf.lacks(id).unwrap();
    assert!(sealed.is_said(Code::GapFilledLater) && !sealed.is_said(Code::AdditionMissing));
    assert!(track.join("0002.mkv").exists() && !way.exists());
}

#[test]
fn an_edge_that_has_nothing_is_taken_at_its_word_and_the_gap_stays() {
    let sealed = Sealed::new();
    let id = sealed.bench.hearing_id();
    let addition = sealed.shelf.begin(id, sealed.lacking).unwrap();
    assert_eq!(addition.finish("internet", true).unwrap(), 0);
    assert!(sealed.is_said(Code::GapDeclared) && sealed.shelf.noted().is_empty());
    let last = sealed.bench.manifest().pop().unwrap();
    let said = serde_json::to_string(&last.entry).unwrap();
    assert!(said.contains("addendum") && said.contains("has nothing of what is lacking"), "{said}");
}

#[test]
fn a_frame_of_another_time_is_not_added() {
    let sealed = Sealed::new();
    let id = sealed.bench.hearing_id();
    let mut early = sealed.frames[0].clone();
    early.packets[0].captured = sealed.lacking.from.plus(-SECOND);
    let mut late = sealed.frames[0].clone();
    late.packets[0].captured = sealed.lacking.to.plus(SECOND);
    let mut addition = sealed.shelf.begin(id, sealed.lacking).unwrap();
    addition.take(Codec::Opus, &[early, late]).unwrap();
    assert_eq!(addition.finish("internet", true).unwrap(), 0);
}
