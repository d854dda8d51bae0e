//! kill -9 in the middle of recording, with a child process that writes in real time.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hearing_config::{HearingId, TrackId};
use hearing_signaling::hearing::RecordOrder;
use tokio::sync::mpsc;

use super::bench::{AUDIO, VIDEO, meta, signing};
use super::source::{self, Clip, Packetizer};
use super::tools::{blocks, complaints};
use crate::record::backlog::WallClock;
use crate::record::{Recorder, Settings};
use crate::router::{LayerSet, TrackInfo};

#[test]
fn kill_minus_nine_costs_no_track_more_than_a_fifth_of_a_second() {
    for after in [1_300, 2_170] {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "record::tests::kill::child_that_records_until_it_is_killed", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let handed = watch_and_kill(&mut child, Duration::from_millis(after));
        let record = directory.path().read_dir().unwrap().next().unwrap().unwrap().path();
        for (name, step) in [("counsel-audio", 20), ("counsel-video", 33)] {
            let file = record.join(name).join("0001.mkv");
            let (kept, sent) = (blocks(&file).len(), handed.iter().filter(|line| line.as_str() == name).count());
            let lost_ms = sent.saturating_sub(kept) * step;
            assert!(sent * step > 800, "{name}: only {sent} frames were handed over");
            assert!(lost_ms <= 200, "{name}: {lost_ms} ms lost, {kept} of {sent} frames kept");
            if name == "counsel-audio" {
                assert_eq!(complaints(&file).lines().filter(|line| !line.contains("EOF")).count(), 0);
            }
        }
    }
}

/// Reads what the child says it has handed to the recorder, kills it at `after` from its first word on, reads the rest.
fn watch_and_kill(child: &mut std::process::Child, after: Duration) -> Vec<String> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut handed: Vec<String> = lines.by_ref().take_while(|line| line != "counsel-audio").collect();
    let start = Instant::now();
    for line in lines.by_ref() {
        handed.push(line);
        if start.elapsed() >= after {
            break;
        }
    }
    child.kill().unwrap();
    handed.extend(lines);
    child.wait().unwrap();
    handed
}

#[test]
#[ignore = "the child of kill_minus_nine_costs_no_track_more_than_a_fifth_of_a_second"]
fn child_that_records_until_it_is_killed() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let settings = Settings {
        directory: Path::new(&directory).to_owned(),
        spill: None,
        signing: signing(),
        warn: vec![],
        refuse: 0,
    };
    let recorder = Recorder::start(settings).unwrap();
    let (events, _received) = mpsc::channel(64);
    let clips = [(AUDIO, "counsel-audio", source::opus(6)), (VIDEO, "counsel-video", source::h264("640x360", 6))];
    let (mut leg, record) = recorder.open(HearingId::random(), meta(), events).unwrap();
    let (clock, start) = (WallClock::now(), Instant::now());
    record.order(RecordOrder::Run, clock.at(start)).unwrap();
    for (id, _, clip) in &clips {
        let origin = "internet".parse().unwrap();
        leg.handle_track(start, &TrackInfo { id: *id, codec: clip.codec, origin, layers: LayerSet(1) });
    }
    let mut packetizers = [Packetizer::default(), Packetizer::default()];
    for (at, which, n) in schedule(&clips) {
        // The child is the live source of the test: it keeps real time, as a camera does.
        let due = start + Duration::from_micros(at);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let (id, name, clip) = &clips[which];
        let frame = packetizers[which].frame(clip.codec, &clip.frames[n], clock.at(due));
        leg.handle_frame(Instant::now(), *id, &frame);
        let mut out = std::io::stdout().lock();
        writeln!(out, "{name}").unwrap();
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

const DIRECTORY: &str = "HEARING_TEST_RECORD_DIRECTORY";
