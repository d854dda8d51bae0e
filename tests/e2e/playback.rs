//! A hearing with a closed part is exported whole and for the public, and played back in a real browser by somebody whom the
//! court has given a link, and by nobody else.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use hearing_proto::scene::{Area, Layout, Scene, Tile, Words};
use hearing_proto::testcard::tone::{SAMPLE_RATE, tones};
use hearing_proto::testcard::{self, Luma, Mark};
use serde_json::Value;

use crate::harness::browser::Browser;
use crate::harness::court::ffprobe;
use crate::harness::node::{Node, Site, WEB, until};
use crate::harness::party::Party;
use crate::harness::record::{Record, ffmpeg, samples};

#[test]
fn a_record_is_exported_as_a_film_and_played_back_by_those_who_may() {
    let node = Site::court().run();
    let hearing = held(&node);
    let record = Record::of(&node.site.path("court/record"), &hearing);
    let whole = node.site.path("whole");
    node.hearing(&["record", "export", &hearing, "--to", &whole.display().to_string()]);
    assert_export(&whole, &record.sheet());
    assert_film(&whole, &record.sheet());
    assert_public_copy(&node, &hearing);
    assert_played_back(&node, &hearing);
}

/// Judge and witness sit for a while, with a closed examination of evidence in the middle.
fn held(node: &Node) -> String {
    let (hearing, link) = node.convene();
    let participants = Party::take(&[(0, link("judge")), (1, link("witness"))]);
    let record = Record::of(&node.site.path("court/record"), &hearing);
    until("the witness waits", || (node.presence(&hearing, "witness") == "waiting").then_some(()));
    node.hearing(&["admit", &hearing, "witness", "--identity", "known"]);
    for seat in ["judge", "witness"] {
        until("they are connected", || (node.presence(&hearing, seat) == "connected").then_some(()));
    }
    until("it is open", || node.try_hearing(&["open", &hearing]).status.success().then_some(()));
    node.hearing(&["call", &hearing, "witness"]);
    let clusters =
        |track: &str, file: &str| record.lines(track, "cluster").iter().filter(|line| line["file"] == file).count();
    until("both are recorded", || {
        (clusters("judge-audio", "0001.mkv") >= 3 && clusters("witness-audio", "0001.mkv") >= 1).then_some(())
    });
    node.hearing(&["recess", &hearing, "--reason", "closed-evidence"]);
    let recess = std::time::Instant::now();
    until("the closed part has lasted a while", || (recess.elapsed().as_secs() >= 6).then_some(()));
    until("it goes on", || node.try_hearing(&["resume", &hearing]).status.success().then_some(()));
    until("more is recorded", || (clusters("judge-audio", "0002.mkv") >= 2).then_some(()));
    node.hearing(&["close", &hearing]);
    until("the record is closed", || record.sheet()["closed"].is_i64().then_some(()));
    participants.leave();
    hearing
}

/// Originals, playable files, the film, and checksums that hold.
fn assert_export(folder: &Path, sheet: &Value) {
    for file in ["composed.mp4", "composed.json", "judge-video.mkv", "witness-audio.mkv", "manifest.json", "README.txt"]
    {
        assert!(folder.join(file).is_file(), "{file} is missing");
    }
    let kept: Value =
        serde_json::from_slice(&fs::read(folder.join("record/hearing.json")).expect("the sheet")).expect("JSON");
    assert_eq!(&kept, sheet);
    assert!(folder.join("record/judge-video/0001.mkv").is_file());
    let check =
        Command::new("sha256sum").args(["-c", "--strict", "--quiet", "SHA256SUMS"]).current_dir(folder).output();
    assert!(check.expect("sha256sum runs").status.success());
    let probe = ffprobe(&folder.join("composed.mp4"));
    let codecs: Vec<_> =
        probe["streams"].as_array().expect("streams").iter().map(|s| s["codec_name"].clone()).collect();
    assert_eq!(codecs, ["h264", "aac"]);
}

/// Each seat's picture stands in its tile at its time, nothing of it while it was closed, and both are heard.
fn assert_film(folder: &Path, sheet: &Value) {
    let spans: Value = serde_json::from_slice(&fs::read(folder.join("composed.json")).expect("spans")).expect("JSON");
    let spans: Vec<_> = spans["spans"]
        .as_array()
        .expect("spans")
        .iter()
        .map(|s| ["from_ms", "to_ms", "at_ms"].map(|k| s[k].as_i64().expect("ms")))
        .collect();
    assert_eq!(spans.len(), 2, "{spans:?}");
    let epoch = sheet["epoch"].as_i64().expect("it has begun");
    let film = folder.join("composed.mp4");
    let raw = ffmpeg(&film, &["-an", "-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo"]);
    let places = places();
    let (mut right, mut all) = ([0, 0], 0);
    for (n, luma) in raw.chunks_exact(1280 * 720).enumerate() {
        let at = n as i64 * 40;
        let marks = places.map(|place| read(luma, place));
        match spans.iter().find(|[from, to, begin]| (*begin..begin + to - from).contains(&at)) {
            Some([from, _, begin]) => {
                all += 1;
                let drawn = testcard::frame_at(epoch + (from + at - begin) * 1_000, 15).expect("after 1970");
                for (seat, mark) in marks.iter().enumerate() {
                    let near = |mark: &Mark| (0..4).any(|late| mark.counter == testcard::counter_of(drawn + 1 - late));
                    right[seat] += u32::from(mark.is_some_and(|mark| usize::from(mark.seat) == seat && near(&mark)));
                }
            }
            None => assert_eq!(marks, [None, None], "something of the closed part is shown at {at} ms"),
        }
    }
    // The witness was called after the opening; a key frame has to come first.
    assert!(right[0] * 10 >= all * 9 && right[1] * 2 >= all, "of {all} frames {right:?} show their seat at its time");
    let heard: Vec<_> = samples(&film).chunks_exact(SAMPLE_RATE as usize / 10).map(tones).collect();
    let both = heard.iter().filter(|seats| **seats == [0, 1]).count();
    assert!(both * 3 >= heard.len(), "both are heard in {both} of {} windows", heard.len());
}

/// Where the node's film shows judge and witness.
fn places() -> [Area; 2] {
    let tile = || Tile { name: Words { zh: String::new(), en: String::new() }, streams: Vec::new() };
    let (heading, emblem, tiles) = (String::new(), None, vec![tile(), tile()]);
    let scene =
        Scene { width: 1280, height: 720, fps: 25, layout: Layout::Equal, heading, utc_offset: 0, emblem, tiles };
    let places = scene.places(0);
    [places[0].fit(640, 360), places[1].fit(640, 360)]
}

fn read(luma: &[u8], area: Area) -> Option<Mark> {
    let pixels = &luma[usize::from(area.y) * 1280 + usize::from(area.x)..];
    testcard::read(Luma { pixels, stride: 1280, width: area.width.into(), height: area.height.into() })
}

/// A zip without originals; its tracks hold nothing of the closed part.
fn assert_public_copy(node: &Node, hearing: &str) {
    let archive = node.site.path("public.zip");
    let file = archive.display().to_string();
    node.hearing(&["record", "export", hearing, "--to", &file, "--public", "--no-compose"]);
    let mut zip = zip::ZipArchive::new(File::open(&archive).expect("the archive")).expect("a zip archive");
    let names: Vec<_> = zip.file_names().map(str::to_owned).collect();
    assert!(names.iter().any(|name| name == "public/judge-video.mkv"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("/record/")), "{names:?}");
    let manifest: Value =
        serde_json::from_reader(zip.by_name("public/manifest.json").expect("a manifest")).expect("JSON");
    assert_eq!(manifest["public"], true);
    assert!(!node.site.path("public.part").exists());
}

/// In Chromium: everything plays in step, a time is found again, one seat stands alone; and every view is logged.
fn assert_played_back(node: &Node, hearing: &str) {
    let shared = node.hearing(&["record", "share", hearing, "--name", "合议庭", "--valid", "1"]);
    let link = shared["link"].as_str().expect("a link").to_owned();
    assert_eq!(status(node, hearing, "timeline", None), 403, "without a link");
    assert_eq!(status(node, hearing, "timeline", Some(&"A".repeat(43))), 403, "with a secret that opens nothing");
    let mut page = Browser::viewer();
    page.open(&link);
    page.wait("window.playback?.timeline.seats.length === 2");
    page.evaluate("playback.state.view = 'seats'; playback.play()");
    page.wait("playback.state.ms > playback.timeline.start_ms + 3000");
    let off = page.evaluate(STEP).as_f64().expect("a number");
    assert!(off < 0.35, "pictures and sounds are up to {off} s apart from the page's clock");
    let epoch = page.evaluate("playback.timeline.epoch").as_i64().expect("the epoch");
    page.evaluate("playback.pause(); playback.seek(7000)");
    page.wait("[...document.querySelectorAll('[data-seat=judge] video')].every(v => !v.seeking && Math.abs(v.currentTime - 7) < 0.05)");
    let counter = until("the picture of that time is shown", || page.evaluate(COUNTER).as_u64()) as u16;
    let drawn = testcard::frame_at(epoch + 7_000_000, 15).expect("after 1970");
    assert!(
        (0..5).any(|late| counter == testcard::counter_of(drawn + 1 - late)),
        "{counter} is shown, not {}",
        testcard::counter_of(drawn)
    );
    page.evaluate("document.querySelector('[data-seat=witness]').click()");
    page.wait("document.querySelector('[data-seat=judge]').offsetParent === null && document.querySelector('[data-seat=judge] audio').muted");
    assert_eq!(page.evaluate("document.querySelector('[data-seat=witness] audio').muted"), false);
    assert_film_plays(node, &mut page, &link);
    assert_logged(node, hearing, &link);
}

/// The film is made in the background; it plays and is found at the same times.
fn assert_film_plays(node: &Node, page: &mut Browser, link: &str) {
    until("the film has been made", || {
        let found = Command::new("find").arg(node.site.path("court")).args(["-name", "composed.json"]).output().ok()?;
        (!found.stdout.is_empty()).then_some(())
    });
    page.open("about:blank");
    page.open(link);
    page.wait("window.playback?.timeline.film");
    page.evaluate("playback.play()");
    page.wait("playback.state.ms > playback.timeline.start_ms + 2000");
    let frames = page.evaluate("document.querySelector('[data-test=film]').getVideoPlaybackQuality().totalVideoFrames");
    assert!(frames.as_u64().is_some_and(|frames| frames > 10), "{frames}");
    page.evaluate("playback.pause()");
}

fn assert_logged(node: &Node, hearing: &str, link: &str) {
    let token = link.split_once("#t=").expect("a secret").1;
    let log = until("the views are logged", || {
        let log = node.hearing(&["record", "audit", hearing]);
        let watched =
            log.as_array()?.iter().any(|line| line["act"] == "watch" && line["span"][1].as_i64() > Some(3_000));
        watched.then_some(log)
    });
    let acts: Vec<_> =
        log.as_array().expect("lines").iter().map(|line| line["act"].as_str().unwrap_or_default()).collect();
    for act in ["share", "refuse", "open", "fetch"] {
        assert!(acts.contains(&act), "{act} is not logged: {acts:?}");
    }
    let opened = log.as_array().expect("lines").iter().find(|line| line["act"] == "open").expect("it was opened");
    assert_eq!(opened["name"], "合议庭");
    assert!(opened["address"].as_str().is_some_and(|address| address.starts_with("127.")), "{opened}");
    assert_eq!(status(node, hearing, "timeline", Some(token)), 200);
    node.hearing(&["record", "unshare", hearing, "--name", "合议庭"]);
    assert_eq!(status(node, hearing, "timeline", Some(token)), 403, "taken back at once");
}

/// The HTTP status that the holder of a secret gets.
fn status(node: &Node, hearing: &str, resource: &str, secret: Option<&str>) -> u16 {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"]);
    if let Some(secret) = secret {
        curl.args(["--cookie", &format!("hearing-record={secret}")]);
    }
    let url = format!("http://{}:{WEB}/api/records/{hearing}/{resource}", node.site.address);
    let output = curl.arg(url).output().expect("curl runs");
    String::from_utf8_lossy(&output.stdout).parse().expect("a status")
}

/// How far the media element that is furthest off is from the page's clock, in seconds.
const STEP: &str = "Math.max(...[...document.querySelectorAll('[data-seat] video, [data-seat] audio')]\
    .filter(e => !e.paused).map(e => Math.abs(e.currentTime - playback.state.ms / 1000)))";

/// The counter of the test card that the judge's video shows; null when it shows none.
const COUNTER: &str = "(() => { const v = document.querySelector('[data-seat=judge] video'); const c = document.createElement('canvas'); \
    c.width = 640; c.height = 360; const g = c.getContext('2d'); g.drawImage(v, 0, 0, 640, 360); let bits = 0; \
    for (let n = 0; n < 16; n++) { const p = g.getImageData(n * 40 + 20, 20, 1, 1).data[1]; bits = bits * 2 + (p > 128 ? 1 : 0); } \
    const value = bits >> 4; return ((value >> 8 ^ value >> 4 ^ value ^ 10) & 15) === (bits & 15) ? value : null; })()";
