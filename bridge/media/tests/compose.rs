//! A real child composes real streams inside its sandbox; ffmpeg reads the film.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use hearing_proto::child::*;
use hearing_proto::mp4;
use hearing_proto::scene::{Area, Cue, Layout, Scene, Tile, Words};
use hearing_proto::testcard::tone::{SAMPLE_RATE, tones};
use hearing_proto::testcard::{self, COUNTERS, Luma};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hearing-media");
const FPS: u8 = 25;

struct Kid {
    process: Child,
    socket: UnixStream,
}

impl Kid {
    fn start(job: Job) -> Self {
        let (socket, theirs) = UnixStream::pair().expect("a socket pair");
        let process =
            Command::new(PROGRAM).stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).spawn().expect("the child starts");
        let mut kid = Self { process, socket };
        kid.send(&ToChild::Start { version: VERSION, job });
        kid
    }

    fn send(&mut self, message: &ToChild) {
        self.socket.write_all(&encode(message).expect("the message fits")).expect("the child listens");
    }

    /// Everything that it says until it ends, or until `enough`.
    fn hear(socket: &mut UnixStream, mut enough: impl FnMut(&FromChild) -> bool) -> Vec<FromChild> {
        let (mut decoder, mut buffer, mut said) = (Decoder::new(), [0; 65_536], Vec::new());
        loop {
            while let Some(message) = decoder.message().expect("the child speaks the wire") {
                let done = enough(&message);
                said.push(message);
                if done {
                    return said;
                }
            }
            match socket.read(&mut buffer).unwrap_or(0) {
                0 => return said,
                length => decoder.push(&buffer[..length]),
            }
        }
    }
}

impl Drop for Kid {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A seat's card: where its clock stands at 0, and its frames.
fn card(codec: Codec, seat: u8, pictures: usize) -> (i64, Vec<Coded>) {
    let picture = Some(PictureShape { codec, width: 640, height: 360, fps: 30, kbps: 800 });
    let mut kid = Kid::start(Job::Generate(Generate { seat, picture, sound: Some(Codec::Opus) }));
    let mut seen = 0;
    let said = Kid::hear(&mut kid.socket, |message| {
        seen += usize::from(matches!(message, FromChild::Frame(frame) if frame.stream == PICTURE));
        seen == pictures
    });
    let at = said.iter().find_map(|m| if let FromChild::Started { at } = m { Some(*at) } else { None });
    let frames = said.into_iter().filter_map(|m| if let FromChild::Frame(frame) = m { Some(frame) } else { None });
    (at.expect("it says when"), frames.collect())
}

fn scene(names: &[&str]) -> Scene {
    let tile = |(n, name): (usize, &&str)| Tile {
        name: Words { zh: (*name).to_owned(), en: "Seat".to_owned() },
        streams: vec![n as u16 * 2],
    };
    let tiles = names.iter().enumerate().map(tile).collect();
    let heading = "(2026)内0291刑初123号".to_owned();
    Scene {
        width: 1280,
        height: 720,
        fps: FPS,
        layout: Layout::Equal,
        heading,
        utc_offset: 28_800,
        emblem: None,
        tiles,
    }
}

/// Feeds a composer and writes its film to `file`.
fn compose(what: Compose, messages: Vec<ToChild>, file: &Path) {
    let mut kid = Kid::start(Job::Compose(what));
    let mut socket = kid.socket.try_clone().expect("the socket");
    let listener = thread::spawn(move || Kid::hear(&mut socket, |_| false));
    messages.iter().for_each(|message| kid.send(message));
    kid.send(&ToChild::Stop);
    let said = listener.join().expect("the listener");
    assert_eq!(said.first(), Some(&FromChild::Ready { version: VERSION }), "{said:?}");
    assert_eq!(
        said.last(),
        Some(&FromChild::Done),
        "{:?}",
        said.iter().filter(|m| matches!(m, FromChild::Failed { .. })).collect::<Vec<_>>()
    );
    let (mut film, mut bytes) = (mp4::Film::new(FPS), Vec::new());
    for message in said {
        match message {
            FromChild::Frame(frame) if frame.stream == PICTURE => {
                bytes.extend(film.picture(frame.key, &frame.bytes).expect("a picture"))
            }
            FromChild::Frame(frame) => bytes.extend(film.sound(&frame.bytes).expect("a sound")),
            _ => {}
        }
    }
    let finished = film.finish().expect("a film");
    bytes.extend(finished.tail);
    let (at, patch) = finished.patch;
    bytes[at as usize..at as usize + 8].copy_from_slice(&patch);
    std::fs::write(file, bytes).expect("the film is written");
}

fn ffmpeg(file: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    let output = command.args(["-v", "error", "-nostdin", "-i"]).arg(file).args(arguments).arg("pipe:1").output();
    let output = output.expect("ffmpeg is installed by scripts/setup");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Every frame's luma, in order.
fn pictures(file: &Path) -> Vec<Vec<u8>> {
    let raw = ffmpeg(file, &["-an", "-pix_fmt", "yuv420p", "-fps_mode", "passthrough", "-f", "rawvideo"]);
    raw.chunks_exact(1280 * 720 * 3 / 2).map(|frame| frame[..1280 * 720].to_vec()).collect()
}

fn read(luma: &[u8], area: Area) -> Option<testcard::Mark> {
    let (start, width, height) =
        (usize::from(area.y) * 1280 + usize::from(area.x), area.width.into(), area.height.into());
    testcard::read(Luma { pixels: &luma[start..], stride: 1280, width, height })
}

fn merged(tracks: &[(u16, &[Coded])]) -> Vec<ToChild> {
    let renamed = tracks
        .iter()
        .flat_map(|(base, frames)| frames.iter().map(move |f| Coded { stream: base + f.stream, ..f.clone() }));
    let mut all: Vec<Coded> = renamed.collect();
    all.sort_by_key(|frame| frame.pts);
    all.into_iter().map(ToChild::Frame).collect()
}

#[test]
fn every_seat_stands_in_its_tile_at_its_time_and_all_are_heard_in_step() {
    let (wall, judge) = card(Codec::H264, 3, 75);
    let (later, mut counsel) = card(Codec::Vp8, 5, 75);
    // Both fall silent at the full second: counsel's sound is put where its second is the judge's.
    let shift = (later - wall).rem_euclid(1_000_000);
    counsel.iter_mut().filter(|frame| frame.stream == SOUND).for_each(|frame| frame.pts += shift);
    counsel.retain(|frame| frame.pts < END);
    let streams = vec![
        Stream { id: 0, codec: Codec::H264 },
        Stream { id: 1, codec: Codec::Opus },
        Stream { id: 2, codec: Codec::Vp8 },
        Stream { id: 3, codec: Codec::Opus },
    ];
    let scene = scene(&["审判长", "辩护人"]);
    let places = scene.places(0);
    let mut messages = vec![ToChild::Cue { at: 0, cue: Cue::Clock(wall) }];
    messages.extend(merged(&[(0, &judge), (2, &counsel)]));
    messages.push(ToChild::Until { at: END });
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("composed.mp4");
    compose(Compose { scene, streams, threads: 2 }, messages, &file);

    let (frames, first) = (pictures(&file), testcard::frame_at(wall, 30).unwrap());
    assert_eq!(frames.len(), 60);
    for (n, luma) in frames.iter().enumerate() {
        let marks: Vec<_> = places.iter().map(|place| read(luma, place.fit(640, 360))).collect();
        assert_eq!(marks.iter().map(|m| m.map(|m| m.seat)).collect::<Vec<_>>(), [Some(3), Some(5)], "frame {n}");
        let expected = testcard::counter_of(first + n as u64 * 30 / 25);
        assert_eq!(marks[0].unwrap().counter, expected, "frame {n} shows the judge's picture of its time");
    }
    assert_heard(&file, &frames, places[0]);
}

/// How long the film is.
const END: i64 = 2_400_000;

/// Both tones all the time, and the judge's gap where its picture shows the full second.
fn assert_heard(file: &Path, frames: &[Vec<u8>], place: Area) {
    let pcm = ffmpeg(file, &["-vn", "-ac", "1", "-ar", "48000", "-f", "s16le"]);
    let samples: Vec<i16> = pcm.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
    assert!((2.35..2.45).contains(&(samples.len() as f64 / 48_000.0)), "{}", samples.len());
    let heard: Vec<_> = samples.chunks_exact(SAMPLE_RATE as usize / 10).map(tones).collect();
    assert!(heard.iter().filter(|seats| **seats == [3, 5]).count() >= heard.len() / 2, "{heard:?}");
    assert!(heard.iter().filter(|seats| seats.contains(&3)).count() >= heard.len() - 2, "{heard:?}");
    let second = frames.iter().enumerate().skip(10).find(|(_, luma)| {
        read(luma, place.fit(640, 360)).is_some_and(|mark| mark.counter % 30 <= 1 && mark.counter < COUNTERS)
    });
    let shown = second.expect("a full second").0 as f64 / 25.0;
    // Both seats fall silent at the full second.
    let loud =
        |at: f64| samples[(at * 48_000.0) as usize..][..240].iter().map(|s| i32::from(*s).abs()).max().unwrap_or(0);
    let silent = (0..200).map(|n| shown - 0.1 + f64::from(n) / 1_000.0).find(|at| loud(*at) < 1_500);
    let off = silent.expect("a gap near the full second") - shown;
    assert!((-0.030..0.030).contains(&off), "sound is {off} s off its picture");
}

#[test]
fn a_seat_that_falls_away_is_named_and_a_notice_hides_all() {
    let (_, judge) = card(Codec::Vp8, 3, 30);
    let streams = vec![Stream { id: 0, codec: Codec::Vp8 }, Stream { id: 1, codec: Codec::Opus }];
    let scene = scene(&["审判长"]);
    let place = scene.places(0)[0];
    let mut messages = vec![ToChild::Cue { at: 0, cue: Cue::Clock(1_790_000_000_000_000) }];
    messages.extend(merged(&[(0, &judge)]));
    let notice = Words { zh: "不公开质证，未公开".to_owned(), en: "Closed".to_owned() };
    messages.push(ToChild::Cue { at: 3_000_000, cue: Cue::Notice(Some(notice)) });
    messages.push(ToChild::Until { at: 4_000_000 });
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("composed.mp4");
    compose(Compose { scene, streams, threads: 1 }, messages, &file);
    let frames = pictures(&file);
    assert_eq!(frames.len(), 100);
    let shown: Vec<bool> = frames.iter().map(|luma| read(luma, place.fit(640, 360)).is_some()).collect();
    assert!(shown[1..48].iter().all(|seen| *seen), "one second of pictures, and one in which the last one may stand");
    assert!(shown[52..].iter().all(|seen| !seen), "its last picture does not stay");
    let bright = |luma: &[u8]| luma[100 * 1280..].iter().filter(|pixel| **pixel > 190).count();
    assert!(bright(&frames[80]) > 500, "the notice can be read");
}

#[test]
fn a_scene_that_makes_no_sense_is_refused_in_words() {
    let bad = Scene { width: 1281, ..scene(&["审判长"]) };
    let mut kid = Kid::start(Job::Compose(Compose { scene: bad, streams: Vec::new(), threads: 2 }));
    let said = Kid::hear(&mut kid.socket, |_| false);
    assert!(matches!(&said[..], [FromChild::Failed { stream: None, reason }] if reason.contains("scene")), "{said:?}");
}
