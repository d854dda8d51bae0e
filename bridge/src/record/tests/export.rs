//! The copy that anybody can play and search, and the list of records.

use std::process::Command;

use axum::body::Body;
use hearing_config::Codec;
use hearing_signaling::hearing::{PauseReason, RecordOrder};
use http::{Request, StatusCode};
use tower::ServiceExt;

use super::bench::{AUDIO, Bench, SECOND, VIDEO};
use super::source::{self, Packetizer};
use super::tools::{blocks, complaints, decoded, ffprobe};
use crate::record::{Error, catalog, export, http as api};

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
    let done = export::export(bench.folder.parent().unwrap(), hearing(&bench), to.path()).unwrap();
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
    export::export(bench.folder.parent().unwrap(), hearing(&bench), to.path()).unwrap();
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
    assert_eq!(String::from_utf8(check.stdout).unwrap().lines().count(), 7);
    assert!(std::fs::read_to_string(to.path().join("README.txt")).unwrap().contains("sha256sum -c SHA256SUMS"));
}

#[test]
fn an_export_into_a_folder_in_use_is_refused() {
    let bench = recorded();
    let to = tempfile::tempdir().unwrap();
    std::fs::write(to.path().join("mine"), b"x").unwrap();
    let refused = export::export(bench.folder.parent().unwrap(), hearing(&bench), to.path());
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

#[tokio::test]
async fn the_admin_api_lists_and_exports_and_says_what_is_wrong() {
    let bench = recorded();
    let (routes, to) = (api::routes(bench.folder.parent().unwrap().to_owned()), tempfile::tempdir().unwrap());
    let ask = async |request: Request<Body>| {
        let response = routes.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap())
    };
    let export = |id: String, to: &std::path::Path| {
        let body = serde_json::json!({ "to": to }).to_string();
        let request = Request::post(format!("/admin/records/{id}/export")).header("content-type", "application/json");
        request.body(Body::from(body)).unwrap()
    };
    let (status, list) = ask(Request::get("/admin/records").body(Body::empty()).unwrap()).await;
    assert_eq!((status, &list[0]["hearing"]), (StatusCode::OK, &hearing(&bench).to_string().into()));
    let (status, done) = ask(export(hearing(&bench).to_string(), to.path())).await;
    assert_eq!((status, &done["files"]), (StatusCode::OK, &3.into()));
    let (status, unknown) = ask(export(hearing_config::HearingId::random().to_string(), to.path())).await;
    assert_eq!((status, &unknown["code"]), (StatusCode::NOT_FOUND, &"unknown_record".into()));
    let empty = Request::post(format!("/admin/records/{}/export", hearing(&bench))).body(Body::empty()).unwrap();
    let (status, body) = ask(empty).await;
    assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &"bad_request".into()));
    let (status, relative) = ask(export(hearing(&bench).to_string(), "x".as_ref())).await;
    assert_eq!((status, &relative["code"]), (StatusCode::BAD_REQUEST, &"relative_path".into()));
}
