//! Disks that are full or closed to the recorder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hearing_config::{Codec, HearingId, Timestamp};
use hearing_signaling::hearing::RecordOrder;
use tokio::sync::mpsc;

use super::bench::{AUDIO, Bench, SECOND, VIDEO, meta, signing};
use super::source::{self, Packetizer};
use super::tools::{blocks, complaints, decoded};
use crate::record::backlog::WallClock;
use crate::record::{Error, GapReason, Line, RecordEvent, Recorder, Settings, Sheet, catalog};
use crate::router::{LayerSet, TrackInfo};

fn settings(directory: &Path, refuse: u8) -> Settings {
    Settings { directory: directory.to_owned(), spill: None, signing: signing(), warn: vec![20, 10, 5], refuse }
}

/// A small disk of its own, gone with the value.
pub(super) struct SmallDisk(
    pub(super) PathBuf,
    #[expect(dead_code, reason = "holds the mount point")] tempfile::TempDir,
);

impl SmallDisk {
    pub(super) fn mount(megabytes: u32) -> Self {
        let point = tempfile::tempdir().unwrap();
        let options = format!("size={megabytes}m");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(point.path()).status();
        assert!(status.is_ok_and(|status| status.success()), "this test mounts a tmpfs: it needs root (CAP_SYS_ADMIN)");
        Self(point.path().to_owned(), point)
    }
}

impl SmallDisk {
    fn grow(&self, megabytes: u32) {
        let options = format!("remount,size={megabytes}m");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl SmallDisk {
    /// Taken away; files that are open go on taking what is written.
    fn pull(&self) {
        assert!(Command::new("umount").arg("-l").arg(&self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_is_told_and_the_record_goes_on_when_there_is_room() {
    let disk = SmallDisk::mount(2);
    let ballast = disk.0.join("ballast");
    let mut bench = Bench::at(&disk.0.join(HearingId::random().to_string()), 0);
    let (clip, mut packetizer) = (source::h264("640x360", 4), Packetizer::default());
    bench.track(VIDEO, Codec::H264, 0);
    bench.order(RecordOrder::Run, 0);
    let mut at = bench.play(VIDEO, &clip, 0, &mut packetizer);
    bench.settled_turn(at);
    assert!(bench.told().contains(&RecordEvent::Recording(vec![VIDEO])));

    // What `write` leaves behind when it fails is as full as the disk can be.
    drop(std::fs::write(&ballast, vec![0; 4 << 20]));
    at = bench.play(VIDEO, &clip, at, &mut packetizer);
    let told = bench.told();
    assert!(told.iter().any(|event| matches!(event, RecordEvent::Failed(why) if why.contains("No space"))), "{told:?}");
    assert_eq!(told.last(), Some(&RecordEvent::Recording(vec![])));

    std::fs::remove_file(&ballast).unwrap();
    at = bench.play(VIDEO, &source::h264("640x360", 2), at, &mut packetizer);
    bench.settled_turn(at);
    assert!(bench.told().contains(&RecordEvent::Recording(vec![VIDEO])));
    let file = bench.file("counsel-video", 1);
    assert_eq!(blocks(&file).len(), 120 + 120 + 60, "what waited is not lost");
    assert_eq!((decoded(&file), complaints(&file)), (300, String::new()));
}

#[test]
fn what_a_full_disk_refuses_for_too_long_becomes_a_named_gap() {
    let disk = SmallDisk::mount(2);
    let mut bench = Bench::at(&disk.0.join(HearingId::random().to_string()), 0);
    let mut clip = source::vp8("320x180", 3);
    // Key frames of 300 kB each: 90 of them are more than may wait.
    clip.frames.iter_mut().for_each(|coded| *coded = source::Coded { units: vec![vec![0; 300_000]], key: true });
    let key = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00];
    clip.frames.iter_mut().for_each(|coded| coded.units[0][..10].copy_from_slice(&key));
    let mut packetizer = Packetizer::default();
    bench.track(VIDEO, Codec::Vp8, 0);
    bench.order(RecordOrder::Run, 0);
    let at = bench.play(VIDEO, &clip, 0, &mut packetizer);
    assert!(bench.told().iter().any(|event| matches!(event, RecordEvent::Failed(_))));
    disk.grow(64);
    bench.play(VIDEO, &source::vp8("320x180", 2), at, &mut packetizer);
    bench.settled_turn(at + 2 * SECOND);
    let lost = bench.lines("counsel-video").into_iter().find_map(|line| match line {
        Line::Gap { reason: GapReason::Disk, frames, .. } => Some(frames as usize),
        _ => None,
    });
    let kept: usize = [1, 2].iter().map(|number| blocks(&bench.file("counsel-video", *number)).len()).sum();
    assert_eq!(kept + lost.unwrap(), 90 + 60);
    assert_eq!(bench.told().last(), Some(&RecordEvent::Recording(vec![VIDEO])));
}

#[test]
fn a_disk_that_is_taken_away_is_told_within_a_second_though_open_files_still_take_everything() {
    let disk = SmallDisk::mount(16);
    let mut bench = Bench::at(&disk.0.join(HearingId::random().to_string()), 0);
    let (clip, mut packetizer) = (source::h264("320x180", 2), Packetizer::default());
    bench.track(VIDEO, Codec::H264, 0);
    bench.order(RecordOrder::Run, 0);
    let at = bench.play(VIDEO, &clip, 0, &mut packetizer);
    bench.settled_turn(at);
    assert_eq!(bench.told().last(), Some(&RecordEvent::Recording(vec![VIDEO])));
    disk.pull();
    let at = bench.play(VIDEO, &clip, at, &mut packetizer);
    bench.settled_turn(at);
    let told = bench.told();
    assert!(
        told.iter().any(|event| matches!(event, RecordEvent::Failed(why) if why.contains("taken away"))),
        "{told:?}"
    );
    assert_eq!(told.last(), Some(&RecordEvent::Recording(vec![])), "nothing is called recorded any more");
}

#[test]
fn a_disk_that_is_taken_away_costs_no_picture_when_there_is_another_one() {
    let (disk, other) = (SmallDisk::mount(16), tempfile::tempdir().unwrap());
    let hearing = HearingId::random().to_string();
    let spill = other.path().join(&hearing);
    let mut bench = Bench::with_spill(&disk.0.join(&hearing), Some(spill.clone()), 0);
    let (clip, mut packetizer) = (source::h264("320x180", 2), Packetizer::default());
    bench.track(VIDEO, Codec::H264, 0);
    bench.order(RecordOrder::Run, 0);
    let at = bench.play(VIDEO, &clip, 0, &mut packetizer);
    bench.settled_turn(at);
    disk.pull();
    let at = bench.play(VIDEO, &clip, at, &mut packetizer);
    let at = bench.play(VIDEO, &clip, at, &mut packetizer);
    bench.settled_turn(at);
    let file = spill.join("counsel-video").join("0002.mkv");
    assert!(decoded(&file) >= 60, "from the next key frame on it stands on the other disk");
}

#[test]
fn a_disk_below_the_limit_refuses_new_records_and_goes_on_with_running_ones() {
    let disk = SmallDisk::mount(4);
    let running = HearingId::random();
    let folder = disk.0.join(running.to_string());
    let mut sheet = Sheet::begin(&folder, running, "home".parse().unwrap(), meta()).unwrap();
    std::fs::write(disk.0.join("ballast"), vec![0; 3_800_000]).unwrap();
    let refused = Recorder::start(settings(&disk.0, 10)).err().unwrap().to_string();
    assert!(refused.contains("less than the 10 % that a new hearing needs"), "{refused}");

    sheet.order(RecordOrder::Run, Timestamp(1));
    sheet.write(&folder).unwrap();
    let recorder = Recorder::start(settings(&disk.0, 10)).unwrap();
    assert!(matches!(recorder.room(), Err(Error::Full { refuse: 10, .. })));
    let (events, _received) = mpsc::channel(8);
    assert!(matches!(recorder.open(HearingId::random(), meta(), events.clone()), Err(Error::Full { .. })));
    assert!(recorder.open(running, meta(), events).is_ok());
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let refused = Recorder::start(settings(&file.join("records"), 0)).err().unwrap();
    assert!(matches!(refused, Error::Disk { action: "make the folder", .. }), "{refused}");
}

#[tokio::test]
async fn a_closed_record_is_whole_durable_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(settings(directory.path(), 0)).unwrap();
    let (events, mut received) = mpsc::channel(64);
    let id = HearingId::random();
    let (mut leg, record) = recorder.open(id, meta(), events).unwrap();
    let (clock, start) = (WallClock::now(), Instant::now());
    record.order(RecordOrder::Run, clock.at(start)).unwrap();
    let origin = "internet".parse().unwrap();
    leg.handle_track(start, &TrackInfo { id: AUDIO, codec: Codec::Opus, origin, layers: LayerSet(1), held: false });
    let (clip, mut packetizer) = (source::opus(3), Packetizer::default());
    for (n, coded) in clip.frames.iter().enumerate() {
        let now = start + Duration::from_micros(n as u64 * 20_000);
        leg.handle_frame(now, AUDIO, &packetizer.frame(clip.codec, coded, clock.at(now)));
    }
    // Told once the first frame is durable.
    while received.recv().await.unwrap() != RecordEvent::Recording(vec![AUDIO]) {}
    record.order(RecordOrder::Off, clock.at(start).plus(4 * SECOND)).unwrap();
    record.close().await.unwrap();
    let found = catalog::find(directory.path(), id).unwrap();
    assert_eq!(found.sheet.closed, Some(clock.at(start).plus(4 * SECOND)));
    let file = found.folder.join("counsel-audio/0001.mkv");
    assert_eq!(blocks(&file).len(), clip.frames.len());
    recorder.stop().await.unwrap();
}

#[tokio::test]
async fn a_stopped_recorder_leaves_the_record_open_for_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let id = HearingId::random();
    for _ in 0..2 {
        let recorder = Recorder::start(settings(directory.path(), 0)).unwrap();
        let (events, _received) = mpsc::channel(64);
        let (mut leg, record) = recorder.open(id, meta(), events).unwrap();
        let (clock, now) = (WallClock::now(), Instant::now());
        record.order(RecordOrder::Run, clock.at(now)).unwrap();
        let origin = "internet".parse().unwrap();
        leg.handle_track(now, &TrackInfo { id: AUDIO, codec: Codec::Pcma, origin, layers: LayerSet(1), held: false });
        let coded = source::Coded { units: vec![vec![0xd5; 160]], key: true };
        leg.handle_frame(now, AUDIO, &Packetizer::default().frame(Codec::Pcma, &coded, clock.at(now)));
        recorder.stop().await.unwrap();
    }
    let record = catalog::find(directory.path(), id).unwrap();
    assert!(record.sheet.is_open());
    assert_eq!(record.tracks[0].segments, 2);
}
