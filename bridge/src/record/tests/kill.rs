//! kill -9 at random moments of recording, a hundred times, with child processes that record in real time.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use hearing_config::{HearingId, Timestamp, TrackId};
use hearing_proto::manifest::{Entry, Line};
use hearing_signaling::hearing::RecordOrder;
use tokio::sync::mpsc;

use super::bench::{AUDIO, Bench, PKI_DIRECTORY, VIDEO, judged, meta, pki, signing};
use super::source::{self, Clip, Coded, Packetizer};
use super::tools::{blocks, complaints};
use crate::record::backlog::WallClock;
use crate::record::{RecordEvent, Recorder, Settings};
use crate::router::{LayerSet, TrackInfo};

#[test]
fn kill_minus_nine_costs_no_track_more_than_a_fifth_of_a_second_and_leaves_a_chain_that_goes_on() {
    let media = media();
    thread::scope(|scope| {
        for half in 0..2_u64 {
            scope.spawn(move || (0..50).for_each(|n| kill_once(media, moment(half * 50 + n))));
        }
    });
}

/// A moment up to 0.8 s after both tracks are recorded, spread evenly and without a pattern.
pub(super) fn moment(n: u64) -> Duration {
    let spread = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    Duration::from_millis(spread % 800)
}

fn kill_once(media: &Path, after: Duration) {
    // Memory, so that the figure is the recorder's and not that of a disk that others use as well.
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "record::tests::kill::child_that_records_until_it_is_killed", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory.path())
        .env(MEDIA, media)
        .env(PKI_DIRECTORY, pki().file("."))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let handed = watch_and_kill(&mut child, after);
    let records = directory.path().read_dir().unwrap().map(Result::unwrap).find(|entry| entry.path().is_dir());
    let folder = records.unwrap().path();
    let manifest = lines(&folder);
    for name in ["counsel-audio", "counsel-video"] {
        let sent = handed.iter().filter(|(track, _)| track == name).map(|(_, at)| *at).max().unwrap();
        let chained = last_chained(&manifest, name);
        assert!(sent - chained <= 200_000, "{name}: {} ms lost after {after:?}", (sent - chained) / 1_000);
    }
    assert_incomplete(&folder);
    goes_on(&folder);
    assert_incomplete(&folder);
}

/// Incomplete, gap declared: exit code 2 of `hearing record verify`.
fn assert_incomplete(folder: &Path) {
    let report = judged(folder);
    assert_eq!(report.verdict.exit_code(), 2, "{:?}", report.findings);
}

/// What was left is set aside and named, and the record is sealed.
fn goes_on(folder: &Path) {
    let mut bench = Bench::at(folder, 1);
    bench.close(0);
    let kinds: Vec<_> = bench.manifest_after_torn().iter().map(|line| line.entry.kind()).collect();
    assert_eq!((kinds.iter().filter(|kind| **kind == "head").count(), kinds.last()), (2, Some(&"seal")));
    for name in ["counsel-audio", "counsel-video"] {
        let file = bench.file(name, 1);
        assert!(!blocks(&file).is_empty());
        let complaints = complaints(&file);
        assert_eq!(complaints.lines().filter(|line| !is_of_the_end(line)).count(), 0, "{name}: {complaints}");
    }
}

/// The last frame may be cut off, and nothing else.
fn is_of_the_end(line: &str) -> bool {
    ["EOF", "end of file", "truncated", "partial file", "Invalid data", "Error submitting"]
        .iter()
        .any(|w| line.contains(w))
}

/// The whole lines of a manifest.
fn lines(folder: &Path) -> Vec<Line> {
    let text = fs::read(folder.join("manifest.jsonl")).unwrap();
    text.split(|byte| *byte == b'\n').filter_map(|line| Line::parse(line).ok()).collect()
}

/// When the last frame of a track that the manifest covers was captured.
fn last_chained(manifest: &[Line], track: &str) -> i64 {
    let spans = manifest.iter().flat_map(|line| if let Entry::Data { spans } = &line.entry { &spans[..] } else { &[] });
    spans.filter(|span| span.file.starts_with(track)).filter_map(|span| span.last).max().unwrap_or(0)
}

/// Reads what the child says it has handed to the recorder, kills it `after` both tracks are recorded, reads the rest.
fn watch_and_kill(child: &mut std::process::Child, after: Duration) -> Vec<(String, i64)> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut handed = lines.filter_map(|line| {
        let (track, at) = line.split_once(' ')?;
        Some((track.to_owned(), at.parse().ok()?))
    });
    // No hearing is in session before both are recorded.
    let mut all: Vec<_> = handed.by_ref().take_while(|(word, _)| word != BOTH).collect();
    let start = Instant::now();
    for line in handed.by_ref() {
        all.push(line);
        if start.elapsed() >= after {
            break;
        }
    }
    child.kill().unwrap();
    all.extend(handed);
    child.wait().unwrap();
    all.into_iter().filter(|(track, _)| track.starts_with("counsel")).collect()
}

/// The clips, coded once for all children.
pub(super) fn media() -> &'static Path {
    static MEDIA: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = MEDIA.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        for (name, clip) in [("audio", source::opus(3)), ("video", source::h264("320x180", 3))] {
            let frames: Vec<_> = clip.frames.iter().map(|coded| (coded.key, &coded.units)).collect();
            fs::write(folder.path().join(name), serde_json::to_vec(&frames).unwrap()).unwrap();
        }
        folder
    });
    folder.path()
}

fn clip(codec: hearing_config::Codec, file: PathBuf, step: i64) -> Clip {
    let frames: Vec<(bool, Vec<Vec<u8>>)> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let frames = frames.into_iter().map(|(key, units)| Coded { units, key });
    Clip { codec, frames: frames.collect(), step }
}

#[test]
#[ignore = "the child of the tests that kill or cut off a recorder"]
fn child_that_records_until_it_is_killed() {
    let (Some(directory), Some(media)) = (env::var_os(DIRECTORY), env::var_os(MEDIA)) else { return };
    let media = Path::new(&media);
    let clips = [
        (AUDIO, "counsel-audio", clip(hearing_config::Codec::Opus, media.join("audio"), 20_000)),
        (VIDEO, "counsel-video", clip(hearing_config::Codec::H264, media.join("video"), 33_333)),
    ];
    let settings = Settings {
        directory: Path::new(&directory).to_owned(),
        spill: None,
        signing: signing(),
        warn: vec![],
        refuse: 0,
    };
    let recorder = Recorder::start(settings).unwrap();
    let (events, mut received) = mpsc::channel(1_024);
    let (mut leg, record) = recorder.open(HearingId::random(), meta(), events).unwrap();
    let (clock, start) = (WallClock::now(), Instant::now());
    record.order(RecordOrder::Run, clock.at(start)).unwrap();
    for (id, _, clip) in &clips {
        let origin = "internet".parse().unwrap();
        leg.handle_track(start, &TrackInfo { id: *id, codec: clip.codec, origin, layers: LayerSet(1), held: false });
    }
    let mut packetizers = [Packetizer::default(), Packetizer::default()];
    for (at, which, n) in schedule(&clips) {
        // The child is the live source of the test: it keeps real time, as a camera does.
        let due = start + Duration::from_micros(at);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let (id, name, clip) = &clips[which];
        let captured: Timestamp = clock.at(due);
        let frame = packetizers[which].frame(clip.codec, &clip.frames[n], captured);
        leg.handle_frame(Instant::now(), *id, &frame);
        let mut out = std::io::stdout().lock();
        writeln!(out, "{name} {}", captured.0).unwrap();
        while let Ok(event) = received.try_recv() {
            if event == RecordEvent::Recording(vec![AUDIO, VIDEO]) {
                writeln!(out, "{BOTH} 0").unwrap();
            }
        }
        out.flush().unwrap();
    }
}

/// When which clip's frame is due, in order.
fn schedule(clips: &[(TrackId, &str, Clip); 2]) -> Vec<(u64, usize, usize)> {
    let due = |(which, (_, _, clip)): (usize, &(TrackId, &str, Clip))| {
        let step = clip.step as u64;
        (0..clip.frames.len()).map(move |n| (n as u64 * step, which, n)).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = clips.iter().enumerate().flat_map(due).collect();
    all.sort_unstable();
    all
}

pub(super) const BOTH: &str = "both-are-recorded";
pub(super) const DIRECTORY: &str = "HEARING_TEST_RECORD_DIRECTORY";
pub(super) const MEDIA: &str = "HEARING_TEST_RECORD_MEDIA";
