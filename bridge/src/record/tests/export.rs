//! The copy that anybody can play and search, and the list of records.

use std::path::Path;
use std::process::Command;

use axum::body::Body;
use hearing_config::Codec;
use hearing_signaling::hearing::{PauseReason, RecordOrder};
use http::{Request, StatusCode};
use tower::ServiceExt;

use super::bench::{AUDIO, Bench, SECOND, VIDEO};
use super::source::{self, Packetizer};
use super::tools::{blocks, complaints, decoded, ffprobe};
use crate::record::export::{Exported, Wish};
use crate::record::{Error, Order, Sheet, What, catalog, export, http as api};

/// Sound and picture with a pause of two seconds in between, and a change of size at the end.
fn recorded() -> Bench {
    let mut bench = Bench::new();
    let (mut sound, mut picture) = (Packetizer::default(), Packetizer::default());
    bench.track(AUDIO, Codec::Opus, 0);
    bench.track(VIDEO, Codec::H264, 0);
    bench.order(RecordOrder::Run, 0);
    bench.play(AUDIO, &source::opus(2), 0, &mut sound);
    bench.play(VIDEO, &source::h264("320x180", 2), 0, &mut picture);
    bench.order(RecordOrder::Pause(PauseReason::Recess), 3 * SECOND);
    bench.turn(5 * SECOND);
    bench.order(RecordOrder::Run, 5 * SECOND);
    bench.play(AUDIO, &source::opus(2), 6 * SECOND, &mut sound);
    let end = bench.play(VIDEO, &source::h264("320x180", 2), 6 * SECOND, &mut picture);
    bench.play(VIDEO, &source::h264("640x360", 1), end, &mut picture);
    bench.order(RecordOrder::Off, 10 * SECOND);
    bench.settled_turn(12 * SECOND);
    bench
}

fn hearing(bench: &Bench) -> hearing_config::HearingId {
    bench.folder.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

#[test]
fn an_export_joins_what_is_coded_alike_keeps_gaps_and_can_be_searched() {
    let bench = recorded();
    let to = tempfile::tempdir().unwrap();
    let done = exported(&bench, to.path(), false);
    assert_eq!((done.files, done.frames), (3, 2 * 101 + 150));
    let picture = to.path().join("counsel-video.mkv");
    assert_eq!(decoded(&picture), 120);
    assert_eq!(complaints(&picture), "");
    let kept = blocks(&picture);
    let parts: Vec<_> = [1, 2].iter().flat_map(|n| blocks(&bench.file("counsel-video", *n))).collect();
    assert!(kept.iter().zip(&parts).all(|(a, b)| (a.ms, a.key, &a.data) == (b.ms, b.key, &b.data)));
    assert!(kept[60].ms - kept[59].ms > 4_000, "the pause stays");
    let duration: f64 = ffprobe(&picture, "format=duration").parse().unwrap();
    assert!((duration - 11.0).abs() < 0.1, "{duration}");
    // ffmpeg counts from the first frame, at 3 s: this is the last key frame, at 10 s.
    let seek = ["-v", "debug", "-nostdin", "-ss", "7", "-i"];
    let output = Command::new("ffmpeg").args(seek).arg(&picture).args(["-f", "null", "-"]).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let frames = log.lines().filter_map(|line| line.split("frame=").nth(1)).next_back();
    let frames: u32 = frames.and_then(|rest| rest.split_whitespace().next()).unwrap().parse().unwrap();
    assert!((28..=32).contains(&frames), "{frames} frames behind the place that was sought");
}

#[test]
fn an_export_tells_what_is_in_it_and_its_checksums_hold() {
    let bench = recorded();
    let to = tempfile::tempdir().unwrap();
    exported(&bench, to.path(), false);
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(to.path().join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["record"]["case"], "(2022)内0291刑初123号");
    let picture = &manifest["tracks"][1];
    assert_eq!((&picture["name"], picture["files"].as_array().unwrap().len()), (&"counsel-video".into(), 2));
    assert_eq!(picture["files"][0]["segments"].as_array().unwrap().len(), 2);
    assert_eq!(picture["notes"][0]["reason"], "pause");
    let check =
        Command::new("sha256sum").args(["-c", "--strict", "SHA256SUMS"]).current_dir(to.path()).output().unwrap();
    assert!(check.status.success());
    assert_eq!(String::from_utf8(check.stdout).unwrap().lines().count(), 15);
    assert!(std::fs::read_to_string(to.path().join("README.txt")).unwrap().contains("sha256sum -c SHA256SUMS"));
}

#[test]
fn an_export_into_a_folder_in_use_is_refused() {
    let bench = recorded();
    let to = tempfile::tempdir().unwrap();
    std::fs::write(to.path().join("mine"), b"x").unwrap();
    let wish = Wish { to: to.path().to_owned(), public: false };
    let refused = export::export(bench.folder.parent().unwrap(), hearing(&bench), &wish, &|_| ());
    assert!(matches!(refused, Err(Error::Disk { action: "export into it", .. })));
}

#[test]
fn the_catalog_tells_tracks_and_gaps_and_leaves_out_what_is_no_record() {
    let bench = recorded();
    let directory = bench.folder.parent().unwrap();
    std::fs::create_dir(directory.join("lost+found")).unwrap();
    let records = catalog::list(directory).unwrap();
    assert_eq!(records.len(), 1);
    let tracks: Vec<_> = records[0].tracks.iter().map(|t| (t.name.as_str(), t.segments, t.gaps)).collect();
    assert_eq!(tracks, [("counsel-audio", 2, 1), ("counsel-video", 3, 1)]);
}

#[test]
fn an_export_holds_the_record_byte_by_byte() {
    let bench = recorded();
    let to = tempfile::tempdir().unwrap();
    exported(&bench, to.path(), false);
    for file in ["hearing.json", "counsel-video/index.jsonl", "counsel-video/0003.mkv", "counsel-audio/0001.mkv"] {
        let copy = std::fs::read(to.path().join(export::ORIGINALS).join(file)).unwrap();
        assert!(copy == std::fs::read(bench.folder.join(file)).unwrap(), "{file}");
    }
}

#[test]
fn a_segment_that_came_late_stands_where_it_belongs() {
    let bench = recorded();
    let to = tempfile::tempdir().unwrap();
    // As if the first part had been fetched last.
    let folder = bench.folder.join("counsel-video");
    std::fs::rename(folder.join("0001.mkv"), folder.join("0009.mkv")).unwrap();
    exported(&bench, to.path(), false);
    let kept = blocks(&to.path().join("counsel-video.mkv"));
    assert_eq!(kept.len(), 120);
    assert!(kept.windows(2).all(|two| two[0].ms < two[1].ms), "in order of time");
    assert_eq!(decoded(&to.path().join("counsel-video.mkv")), 120);
}

#[test]
fn the_public_copy_has_nothing_of_a_closed_part_and_no_originals() {
    let bench = recorded();
    let to = tempfile::tempdir().unwrap();
    // As if media of a closed part had come late: the order says that it was closed from the fourth second on.
    let mut sheet = Sheet::read(&bench.folder).unwrap();
    let opened = sheet.opened.unwrap();
    let order = |at: i64, what, reason| Order { at: opened.plus(at), what, reason };
    let closed = order(SECOND, What::Pause, Some(PauseReason::ClosedEvidence));
    sheet.orders = vec![order(0, What::Run, None), closed, order(7 * SECOND, What::Run, None)];
    sheet.write(&bench.folder).unwrap();
    exported(&bench, to.path(), true);
    assert!(!to.path().join(export::ORIGINALS).exists() && !to.path().join("index").exists());
    for file in ["counsel-video.mkv", "counsel-audio.mkv"] {
        let kept = blocks(&to.path().join(file));
        assert!(kept.iter().all(|block| !(4_000..10_000).contains(&block.ms)), "{file}");
        assert!(kept.iter().any(|block| block.ms < 4_000) && kept.iter().any(|block| block.ms >= 10_000), "{file}");
    }
    assert!(std::fs::read_to_string(to.path().join("README.txt")).unwrap().contains("法释〔2021〕12号"));
}

#[tokio::test]
async fn the_admin_api_lists_the_records() {
    let bench = recorded();
    let routes = api::routes(bench.folder.parent().unwrap().to_owned());
    let response = routes.oneshot(Request::get("/admin/records").body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let list: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &list[0]["hearing"]), (StatusCode::OK, &hearing(&bench).to_string().into()));
}

fn exported(bench: &Bench, to: &Path, public: bool) -> Exported {
    let wish = Wish { to: to.to_owned(), public };
    let (done, _) = export::export(bench.folder.parent().unwrap(), hearing(bench), &wish, &|_| ()).unwrap();
    export::seal(to).unwrap();
    done
}
