//! A full disk with another one to go on with, and a disk that takes nothing for a while.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use hearing_config::{Codec, HearingId};
use hearing_proto::manifest::Entry;
use hearing_proto::manifest::verify::{Code, Verdict};
use hearing_signaling::hearing::{PauseReason, RecordOrder};
use tokio::sync::mpsc;

use super::bench::{AUDIO, Bench, SECOND, VIDEO, judged, meta, signing};
use super::disk::SmallDisk;
use super::source::{self, Packetizer};
use super::tools::{blocks, complaints, decoded};
use crate::record::backlog::WallClock;
use crate::record::{Line, RecordEvent, Recorder, Settings, StartReason};
use crate::router::{LayerSet, TrackInfo};

#[test]
fn a_record_whose_disk_is_full_goes_on_on_the_spill_disk_without_a_hole() {
    let (disk, other) = (SmallDisk::mount(256), tempfile::tempdir().unwrap());
    let id = HearingId::random().to_string();
    let mut bench = Bench::with_spill(&disk.0.join(&id), Some(other.path().join(&id)), 0);
    let (clip, mut packetizer) = (source::h264("320x180", 3), Packetizer::default());
    bench.track(VIDEO, Codec::H264, 0);
    bench.order(RecordOrder::Run, 0);
    let mut at = bench.play(VIDEO, &clip, 0, &mut packetizer);
    bench.settled_turn(at);
    // What `write` leaves behind when it fails is as full as the disk can be.
    let ballast = disk.0.join("ballast");
    drop(std::fs::write(&ballast, vec![0; 300 << 20]));
    for _ in 0..2 {
        at = bench.play(VIDEO, &clip, at, &mut packetizer);
        bench.settled_turn(at);
    }
    let (first, second) = (bench.file("counsel-video", 1), bench.file("counsel-video", 2));
    assert_eq!(second.read_link().unwrap(), other.path().join(&id).join("counsel-video/0002.mkv"));
    assert_eq!(blocks(&first).len() + blocks(&second).len(), 270, "no frame is missing");
    assert_eq!((decoded(&second), complaints(&second)), (blocks(&second).len(), String::new()));
    let reasons = bench.lines("counsel-video").into_iter().filter_map(|line| match line {
        Line::Segment { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(reasons.collect::<Vec<_>>(), [StartReason::First, StartReason::Spill]);
    assert!(bench.gaps("counsel-video").is_empty());
    bench.close(at);
    let lines = bench.manifest();
    assert!(matches!(lines.last().map(|line| &line.entry), Some(Entry::Seal { .. })), "sealed on a full disk");
    let report = judged(&bench.folder);
    assert_eq!(report.verdict, Verdict::Intact, "{:?}", report.findings);
    assert!(lines.iter().any(|line| matches!(&line.entry, Entry::Fault { reason, .. } if reason.contains("spill"))));
}

/// As full as the disk can be: what `write` leaves behind when it fails.
fn fill(disk: &SmallDisk, name: &str) {
    drop(std::fs::write(disk.0.join(name), vec![0; 300 << 20]));
}

#[test]
fn manifest_and_indexes_go_on_on_the_spill_disk_and_a_crash_there_is_no_loss() {
    let (disk, other) = (SmallDisk::mount(64), tempfile::tempdir().unwrap());
    let id = HearingId::random().to_string();
    let spill = Some(other.path().join(&id));
    let mut bench = Bench::with_spill(&disk.0.join(&id), spill.clone(), 0);
    let (clip, mut packetizer) = (source::h264("320x180", 3), Packetizer::default());
    bench.track(VIDEO, Codec::H264, 0);
    bench.order(RecordOrder::Run, 0);
    let mut at = bench.play(VIDEO, &clip, 0, &mut packetizer);
    bench.settled_turn(at);
    fill(&disk, "ballast");
    at = bench.play(VIDEO, &clip, at, &mut packetizer);
    bench.settled_turn(at);
    // The room that was kept is given back by now: that is used up as well.
    fill(&disk, "more");
    for _ in 0..10 {
        at = bench.play(VIDEO, &clip, at, &mut packetizer);
        bench.settled_turn(at);
    }
    for file in ["manifest.jsonl", "counsel-video/index.jsonl"] {
        let target = bench.folder.join(file).read_link().unwrap();
        assert_eq!(target, other.path().join(&id).join(file), "{file} is not on the spill disk");
    }
    let before = bench.manifest().len();
    let folder = bench.folder.clone();
    drop(bench);
    let report = judged(&folder);
    assert!(report.verdict == Verdict::Incomplete && !report.has(Code::GapUndeclared), "{:?}", report.findings);
    let mut back = Bench::with_spill(&folder, spill, 60);
    back.close(0);
    assert!(back.manifest().len() > before);
    let report = judged(&folder);
    assert!(report.verdict == Verdict::Incomplete && report.sealed, "{:?}", report.findings);
    assert!(report.has(Code::Restarted) && !report.has(Code::GapUndeclared), "{:?}", report.findings);
    let frames: usize = (1..=2).map(|number| blocks(&back.file("counsel-video", number)).len()).sum();
    assert_eq!(frames, 12 * clip.frames.len(), "no frame is missing");
}

#[test]
fn a_long_record_on_a_full_disk_without_another_one_is_sealed_with_its_gaps_declared() {
    let disk = SmallDisk::mount(48);
    let mut bench = Bench::at(&disk.0.join(HearingId::random().to_string()), 0);
    let (clip, mut packetizer) = (source::h264("640x360", 3), Packetizer::default());
    let (sound, mut sounds) = (source::opus(3), Packetizer::default());
    bench.track(VIDEO, Codec::H264, 0);
    bench.track(AUDIO, Codec::Opus, 0);
    bench.order(RecordOrder::Run, 0);
    let mut at = 0;
    // Ten minutes, of which all but the first three seconds on a full disk, with a recess in the middle.
    for turn in 0..200 {
        match turn {
            1 => fill(&disk, "ballast"),
            100 => bench.order(RecordOrder::Pause(PauseReason::Recess), at),
            110 => bench.order(RecordOrder::Run, at),
            _ => {}
        }
        bench.play(AUDIO, &sound, at, &mut sounds);
        at = bench.play(VIDEO, &clip, at, &mut packetizer);
        bench.settled_turn(at);
    }
    let seal = bench.close(at);
    let report = judged(&bench.folder);
    assert_eq!(
        (report.verdict, report.value.clone()),
        (Verdict::Incomplete, Some(seal.integrity)),
        "{:?}",
        report.findings
    );
    assert!(report.has(Code::GapDeclared) && !report.has(Code::GapUndeclared), "{:?}", report.findings);
    for track in ["counsel-audio", "counsel-video"] {
        let lost = report.gaps.iter().filter(|gap| gap.track.as_deref() == Some(track) && gap.reason == "disk");
        let span: i64 = lost.filter_map(|gap| Some(gap.to? - gap.from?)).sum();
        assert!(span > 500 * SECOND, "{track}: gaps of {} s are declared: {:?}", span / SECOND, report.gaps);
    }
    let form = std::fs::read_to_string(bench.folder.join("explanation.txt")).unwrap();
    assert!(form.contains("disk"), "{form}");
}

/// A file system of its own on a loop device, gone with the value.
pub(super) struct LoopDisk {
    pub(super) point: PathBuf,
    _directory: tempfile::TempDir,
}

impl LoopDisk {
    /// On a new image in `image`.
    pub(super) fn make(image: &Path) -> Self {
        run("truncate", &["-s".as_ref(), "48M".as_ref(), image.as_os_str()]);
        run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), image.as_os_str()]);
        Self::mount(image)
    }

    /// On an image that is there.
    pub(super) fn mount(image: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        run("mount", &["-o".as_ref(), "loop".as_ref(), image.as_os_str(), directory.path().as_os_str()]);
        Self { point: directory.path().to_owned(), _directory: directory }
    }

    fn freeze(&self, flag: &str) {
        run("fsfreeze", &[flag.as_ref(), self.point.as_os_str()]);
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.point).status());
    }
}

fn run(program: &str, arguments: &[&std::ffi::OsStr]) {
    let status = Command::new(program).args(arguments).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{program} {arguments:?}: this test needs root and loop devices"
    );
}

#[tokio::test]
async fn a_disk_that_takes_nothing_for_a_while_is_told_and_costs_no_frame() {
    let images = tempfile::tempdir_in("/dev/shm").unwrap();
    let disk = LoopDisk::make(&images.path().join("disk"));
    let directory = disk.point.join("record");
    let settings = Settings { directory: directory.clone(), spill: None, signing: signing(), warn: vec![], refuse: 0 };
    let recorder = Recorder::start(settings).unwrap();
    let (events, mut told) = mpsc::channel(256);
    let id = HearingId::random();
    let (mut leg, record) = recorder.open(id, meta(), events).unwrap();
    let (clock, start) = (WallClock::now(), Instant::now());
    record.order(RecordOrder::Run, clock.at(start)).unwrap();
    let origin = "internet".parse().unwrap();
    leg.handle_track(start, &TrackInfo { id: AUDIO, codec: Codec::Opus, origin, layers: LayerSet(1) });
    let (clip, mut packetizer) = (source::opus(8), Packetizer::default());
    let (mut frozen, mut was_told) = (false, false);
    for (n, coded) in clip.frames.iter().enumerate() {
        // The test is the live source: it keeps real time, as a microphone does.
        let due = start + Duration::from_millis(n as u64 * 20);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        leg.handle_frame(Instant::now(), AUDIO, &packetizer.frame(clip.codec, coded, clock.at(due)));
        if n == 50 {
            (frozen, _) = (true, disk.freeze("-f"));
        }
        let is_of_the_disk = |event| matches!(event, RecordEvent::Failed(why) if why.contains("磁盘无响应"));
        was_told |= std::iter::from_fn(|| told.try_recv().ok()).any(is_of_the_disk);
        if frozen && was_told {
            (frozen, _) = (false, disk.freeze("-u"));
        }
    }
    assert!(was_told, "nobody was told of a disk that takes nothing");
    record.order(RecordOrder::Off, clock.at(start).plus(9 * SECOND)).unwrap();
    record.close().await.unwrap().unwrap();
    let folder = directory.join(id.to_string());
    assert_eq!(blocks(&folder.join("counsel-audio/0001.mkv")).len(), clip.frames.len());
    let explanation = std::fs::read_to_string(folder.join("explanation.txt")).unwrap();
    assert!(explanation.contains("the disk took nothing"), "{explanation}");
    recorder.stop().await.unwrap();
}
