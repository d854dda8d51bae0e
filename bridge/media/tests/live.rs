//! Real children at live work inside their sandbox: a stream coded anew, sound mixed, a picture composed.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use hearing_proto::child::*;
use hearing_proto::scene::{Area, Cue, Layout, Scene, Tile, Words};
use hearing_proto::testcard::{self, Luma};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hearing-media");

struct Kid {
    process: Child,
    socket: UnixStream,
    decoder: Decoder,
}

impl Kid {
    fn start(job: Job) -> Self {
        let (socket, theirs) = UnixStream::pair().expect("a socket pair");
        let process =
            Command::new(PROGRAM).stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).spawn().expect("the child starts");
        let mut kid = Self { process, socket, decoder: Decoder::new() };
        kid.send(&ToChild::Start { version: VERSION, job });
        assert_eq!(kid.next(), Some(FromChild::Ready { version: VERSION }));
        kid
    }

    fn send(&mut self, message: &ToChild) {
        self.socket.write_all(&encode(message).expect("the message fits")).expect("the child listens");
    }

    fn next(&mut self) -> Option<FromChild> {
        let mut buffer = [0; 65_536];
        loop {
            if let Some(message) = self.decoder.message().expect("the child speaks the wire") {
                return Some(message);
            }
            match self.socket.read(&mut buffer).unwrap_or(0) {
                0 => return None,
                length => self.decoder.push(&buffer[..length]),
            }
        }
    }

    fn frame(&mut self) -> Coded {
        loop {
            match self.next().expect("the child lives") {
                FromChild::Frame(frame) => return frame,
                FromChild::Failed { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
    }

    fn all(&mut self) -> Vec<FromChild> {
        self.send(&ToChild::Stop);
        let all: Vec<FromChild> = std::iter::from_fn(|| self.next()).collect();
        assert_eq!(all.last(), Some(&FromChild::Done), "{all:?}");
        all
    }
}

impl Drop for Kid {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn coded(all: Vec<FromChild>) -> Vec<Coded> {
    all.into_iter().filter_map(|m| if let FromChild::Frame(frame) = m { Some(frame) } else { None }).collect()
}

fn generator(codec: Codec, seat: u8, size: (u16, u16)) -> Job {
    let picture = Some(PictureShape { codec, width: size.0, height: size.1, fps: 30, kbps: 800 });
    Job::Generate(Generate { seat, picture, sound: Some(Codec::Opus) })
}

/// Pictures of a card, or its sound.
fn card(codec: Codec, seat: u8, count: usize) -> Vec<Coded> {
    let mut kid = Kid::start(generator(if codec.is_picture() { codec } else { Codec::Vp8 }, seat, (640, 360)));
    let stream = if codec.is_picture() { PICTURE } else { SOUND };
    let mut frames = Vec::new();
    while frames.len() < count {
        frames.extend(Some(kid.frame()).filter(|frame| frame.stream == stream));
    }
    frames
}

fn transcode(from: Codec, to: Target, frames: &[Coded]) -> Vec<Coded> {
    let mut kid = Kid::start(Job::Transcode(Transcode { from, to }));
    frames.iter().for_each(|frame| kid.send(&ToChild::Frame(frame.clone())));
    coded(kid.all())
}

fn picture(codec: Codec) -> PictureTarget {
    PictureTarget { codec, width: 1280, height: 720, kbps: 800, level: None, unit: None }
}

fn sound(codec: Codec) -> Target {
    Target::Sound(SoundTarget { codec, treat: false })
}

/// What the pictures show: seat and counter of each.
fn seen(codec: Codec, frames: &[Coded]) -> Vec<(u8, u16)> {
    let mut kid = Kid::start(Job::Observe(vec![Stream { id: PICTURE, codec }]));
    frames.iter().for_each(|frame| kid.send(&ToChild::Frame(frame.clone())));
    let mark = |m| if let FromChild::Seen { seat, counter, .. } = m { Some((seat, counter)) } else { None };
    kid.all().into_iter().filter_map(mark).collect()
}

/// The seats heard in each 100 ms of Opus.
fn heard(frames: &[Coded]) -> Vec<Vec<u8>> {
    let mut kid = Kid::start(Job::Observe(vec![Stream { id: SOUND, codec: Codec::Opus }]));
    frames.iter().for_each(|frame| kid.send(&ToChild::Frame(Coded { stream: SOUND, ..frame.clone() })));
    let seats = |m| if let FromChild::Heard { seats, .. } = m { Some(seats) } else { None };
    kid.all().into_iter().filter_map(seats).collect()
}

#[test]
fn a_picture_coded_anew_shows_the_same_counters_at_the_same_places() {
    for (from, to) in [(Codec::Vp8, Codec::H264), (Codec::H264, Codec::Vp8)] {
        let source = card(from, 7, 45);
        let result = transcode(from, Target::Picture(picture(to)), &source);
        let places = |frames: &[Coded]| frames.iter().map(|frame| frame.pts).collect::<Vec<_>>();
        assert_eq!(places(&result), places(&source), "{from:?} {to:?}");
        assert_eq!(seen(to, &result), seen(from, &source));
        assert_eq!(result.iter().filter(|frame| frame.key).count(), 1);
    }
}

#[test]
fn a_picture_that_is_too_large_for_its_receiver_is_made_smaller_and_its_units_are_short() {
    let target = PictureTarget { width: 320, height: 240, level: Some(13), unit: Some(1_200), ..picture(Codec::H264) };
    let source = card(Codec::Vp8, 9, 40);
    let result = transcode(Codec::Vp8, Target::Picture(target), &source);
    assert_eq!(seen(Codec::H264, &result), seen(Codec::Vp8, &source));
    let starts = |bytes: &[u8]| {
        let ends = bytes.windows(3).enumerate().filter(|(_, w)| *w == [0, 0, 1]).map(|(at, _)| at + 3);
        ends.collect::<Vec<_>>()
    };
    for frame in &result {
        let mut places = starts(&frame.bytes);
        places.push(frame.bytes.len() + 3);
        assert!(places.windows(2).all(|two| two[1] - two[0] <= 1_204), "a unit is longer than a packet");
    }
    // The sequence parameter set: profile, constraints, level (H.264, section 7.3.2.1.1).
    let first = &result[0].bytes;
    let sps = starts(first).into_iter().find(|at| first[*at] & 0x1f == 7).expect("parameters come first");
    assert_eq!((first[sps + 1], first[sps + 3]), (66, 13));
}

#[test]
fn a_key_frame_goes_through_in_both_directions() {
    let source = card(Codec::Vp8, 3, 40);
    let what = Transcode { from: Codec::Vp8, to: Target::Picture(picture(Codec::H264)) };
    let mut kid = Kid::start(Job::Transcode(what));
    let mut keys = Vec::new();
    for (n, frame) in source.iter().enumerate() {
        if n == 20 {
            kid.send(&ToChild::KeyFrame { stream: PICTURE });
        }
        kid.send(&ToChild::Frame(frame.clone()));
        keys.push(kid.frame().key);
    }
    assert!(keys.iter().enumerate().all(|(n, key)| *key == (n == 0 || n == 20)), "{keys:?}");
    let mut blind = Kid::start(Job::Transcode(what));
    source[1..8].iter().for_each(|frame| blind.send(&ToChild::Frame(frame.clone())));
    let asked = blind.all().iter().filter(|m| matches!(m, FromChild::NeedKey { stream: PICTURE })).count();
    assert_eq!(asked, 1, "without a key frame nothing can be decoded, and that is said");
}

#[test]
fn a_tone_survives_every_codec_for_sound() {
    let source = card(Codec::Opus, 11, 100);
    for codec in [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Aac] {
        let there = transcode(Codec::Opus, sound(codec), &source);
        assert!(there.len() > 85, "{codec:?} {}", there.len());
        let back = transcode(codec, sound(Codec::Opus), &there);
        let seats = heard(&back);
        let right = seats.iter().filter(|seats| **seats == [11]).count();
        assert!(right + 4 >= seats.len() && right >= 14, "{codec:?} {seats:?}");
        // G.711 and G.722 put 20 ms into 160 bytes.
        let of_law = codec != Codec::Aac;
        assert!(!of_law || there.iter().all(|frame| frame.bytes.len() == 160), "{codec:?}");
    }
}

#[test]
fn treated_sound_of_a_quiet_voice_is_louder_than_it_was() {
    let source = card(Codec::Opus, 5, 150);
    let treated = Target::Sound(SoundTarget { codec: Codec::Pcma, treat: true });
    assert!(transcode(Codec::Opus, treated, &source).len() > 130);
}

/// Feeds live streams, as they come, into a child until `enough` of its frames came.
fn live(kid: &mut Kid, mut cards: Vec<(Kid, BTreeMap<u16, u16>)>, enough: usize) -> (Vec<Coded>, Vec<FromChild>) {
    let mut outputs = (Vec::new(), Vec::new());
    let mut writer = kid.socket.try_clone().expect("the socket");
    std::thread::scope(|scope| {
        for (card, names) in &mut cards {
            let mut to = writer.try_clone().expect("the socket");
            scope.spawn(move || {
                loop {
                    let frame = card.frame();
                    let Some(stream) = names.get(&frame.stream) else { continue };
                    let message = encode(&ToChild::Frame(Coded { stream: *stream, ..frame })).expect("it fits");
                    if to.write_all(&message).is_err() {
                        return;
                    }
                }
            });
        }
        while outputs.0.len() < enough {
            match kid.next().expect("the child lives") {
                FromChild::Frame(frame) => outputs.0.push(frame),
                FromChild::Failed { reason, .. } => panic!("{reason}"),
                other => outputs.1.push(other),
            }
        }
        kid.process.kill().expect("it ends");
        let _ = writer.flush();
    });
    outputs
}

fn open(kid: &mut Kid, id: u16, codec: Codec, part: Part) {
    kid.send(&ToChild::Open(Input { stream: Stream { id, codec }, part }));
}

#[test]
fn a_mixer_lets_hear_all_who_are_opened_and_nobody_else_at_an_even_pace() {
    let mut kid = Kid::start(Job::Mix(Mix { to: Some(SoundTarget { codec: Codec::Opus, treat: false }) }));
    open(&mut kid, 3, Codec::Opus, Part::Plain);
    open(&mut kid, 5, Codec::Opus, Part::Treated);
    open(&mut kid, 8, Codec::Opus, Part::Measured);
    let card =
        |seat: u8| (Kid::start(generator(Codec::Vp8, seat, (320, 180))), BTreeMap::from([(SOUND, u16::from(seat))]));
    let (frames, said) = live(&mut kid, vec![card(3), card(5), card(8)], 150);
    // The encoder places its first packet by its look-ahead of 6.5 ms.
    let steps: Vec<i64> = frames.windows(2).skip(1).map(|two| two[1].pts - two[0].pts).collect();
    // A machine that stands still for a while loses whole packets, and says so by the places of those that come after.
    assert!(steps.iter().all(|step| *step > 0 && step % 20_000 == 0), "an even pace: {steps:?}");
    let seats = heard(&frames);
    let both = seats.iter().filter(|seats| seats.contains(&3) && seats.contains(&5)).count();
    assert!(both * 2 >= seats.len(), "{seats:?}");
    assert!(seats.iter().all(|seats| !seats.contains(&8)), "who is only measured is not heard: {seats:?}");
    let loud = |stream: u16| {
        said.iter().find_map(|m| match m {
            FromChild::Loudness { stream: of, loudness } if *of == stream => Some(*loudness),
            _ => None,
        })
    };
    assert!(loud(3).is_some_and(|l| l.mean < 40) && loud(8).is_some(), "each is measured: {said:?}");
}

#[test]
fn a_mixer_that_only_measures_lets_nothing_out_and_tells_how_each_input_sounds() {
    let mut kid = Kid::start(Job::Mix(Mix { to: None }));
    open(&mut kid, 8, Codec::Opus, Part::Measured);
    card(Codec::Opus, 8, 60).iter().for_each(|frame| kid.send(&ToChild::Frame(Coded { stream: 8, ..frame.clone() })));
    let loudness = loop {
        match kid.next().expect("the child lives") {
            FromChild::Loudness { stream: 8, loudness } => break loudness,
            FromChild::Frame(frame) => panic!("{frame:?}"),
            _ => {}
        }
    };
    assert!(loudness.mean < 40 && loudness.clipped == 0, "{loudness:?}");
}

/// A scene of up to four tiles.
fn stage(layout: Layout, streams: &[u16]) -> Stage {
    let names =
        [("审判长", "Judge"), ("公诉人", "Prosecutor"), ("辩护人", "Counsel"), ("被告人（看守所）", "Defendant")];
    let tile = |(stream, (zh, en)): (&u16, (&str, &str))| Tile {
        name: Words { zh: zh.to_owned(), en: en.to_owned() },
        streams: vec![*stream],
    };
    let (tiles, heading) = (streams.iter().zip(names).map(tile).collect(), "(2026)内0291刑初123号".to_owned());
    let scene = Scene { width: 1280, height: 720, fps: 25, layout, heading, utc_offset: 28_800, emblem: None, tiles };
    Stage { scene, to: picture(Codec::H264) }
}

#[test]
fn a_stage_shows_who_is_opened_at_25_pictures_a_second() {
    let mut kid = Kid::start(Job::Stage(stage(Layout::Speaker, &[3, 5])));
    open(&mut kid, 3, Codec::Vp8, Part::Plain);
    open(&mut kid, 5, Codec::H264, Part::Plain);
    kid.send(&ToChild::Cue { at: 0, cue: Cue::Speaker(Some(1)) });
    let card = |codec, seat: u8| {
        (Kid::start(generator(codec, seat, (640, 360))), BTreeMap::from([(PICTURE, u16::from(seat))]))
    };
    let begun = Instant::now();
    let (frames, said) = live(&mut kid, vec![card(Codec::Vp8, 3), card(Codec::H264, 5)], 75);
    assert!(begun.elapsed().as_millis() > 2_500, "paced by the clock");
    assert!(frames.windows(2).all(|two| two[1].pts - two[0].pts == 40_000));
    assert!(frames[0].key && said.contains(&FromChild::NeedKey { stream: 3 }), "{said:?}");
    let large = decoded(&frames);
    let right = large.iter().filter(|seat| **seat == Some(5)).count();
    assert!(right > 40, "who speaks stands large: {large:?}");
}

/// The seat that each picture shows in its large tile.
fn decoded(frames: &[Coded]) -> Vec<Option<u8>> {
    at(frames, &stage(Layout::Speaker, &[3, 5]).scene, 1).into_iter().map(|seats| seats[1]).collect()
}

/// The seats that each picture shows, by tile, while the tile `large` stands large.
fn at(frames: &[Coded], scene: &Scene, large: u16) -> Vec<Vec<Option<u8>>> {
    let mut kid = Kid::start(Job::Decode(vec![Stream { id: PICTURE, codec: Codec::H264 }]));
    let mut to = kid.socket.try_clone().expect("the socket");
    let messages: Vec<u8> =
        frames.iter().flat_map(|frame| encode(&ToChild::Frame(frame.clone())).expect("it fits")).collect();
    // Pictures come back while frames go in: both ends' buffers are small.
    let writer = std::thread::spawn(move || {
        to.write_all(&messages).expect("the child listens");
        to.write_all(&encode(&ToChild::Stop).expect("it fits")).expect("the child listens");
    });
    let read = |i420: &[u8], place: Area| {
        let start = usize::from(place.y) * 1280 + usize::from(place.x);
        let (width, height) = (place.width.into(), place.height.into());
        testcard::read(Luma { pixels: &i420[start..1280 * 720], stride: 1280, width, height }).map(|mark| mark.seat)
    };
    let mut seats = Vec::new();
    while let Some(message) = kid.next() {
        if let FromChild::Picture { i420, .. } = message {
            let places = scene.places(large);
            seats.push(places.into_iter().map(|place| read(&i420, place.fit(640, 360))).collect());
        }
    }
    writer.join().expect("all is written");
    seats
}

/// With `HEARING_PICTURE` in the environment the last picture's stream is written there, for people to look at.
#[test]
fn who_falls_silent_is_named_as_without_signal_and_the_others_go_on() {
    let mut kid = Kid::start(Job::Stage(stage(Layout::Bench, &[3, 5, 7, 9])));
    for (id, codec) in [(3, Codec::Vp8), (5, Codec::H264), (7, Codec::Vp8)] {
        open(&mut kid, id, codec, Part::Plain);
    }
    kid.send(&ToChild::Cue { at: 0, cue: Cue::Speaker(Some(1)) });
    for frame in card(Codec::Vp8, 7, 5) {
        kid.send(&ToChild::Frame(Coded { stream: 7, ..frame }));
    }
    let card = |codec, seat: u8| {
        (Kid::start(generator(codec, seat, (640, 360))), BTreeMap::from([(PICTURE, u16::from(seat))]))
    };
    let (frames, _) = live(&mut kid, vec![card(Codec::Vp8, 3), card(Codec::H264, 5)], 75);
    if let Some(file) = std::env::var_os("HEARING_PICTURE") {
        std::fs::write(file, frames.iter().flat_map(|frame| frame.bytes.to_vec()).collect::<Vec<u8>>()).unwrap();
    }
    let seats = at(&frames, &stage(Layout::Bench, &[3, 5, 7, 9]).scene, 1);
    assert_eq!(seats.last(), Some(&vec![Some(3), Some(5), None, None]), "{seats:?}");
}

#[test]
fn impossible_targets_are_refused_in_words() {
    let wrong = [
        Transcode { from: Codec::Vp8, to: sound(Codec::Opus) },
        Transcode { from: Codec::Opus, to: Target::Picture(picture(Codec::Vp8)) },
        Transcode { from: Codec::Opus, to: sound(Codec::H264) },
        Transcode { from: Codec::Vp8, to: Target::Picture(PictureTarget { width: 0, ..picture(Codec::Vp8) }) },
    ];
    for what in wrong {
        let (socket, theirs) = UnixStream::pair().expect("a socket pair");
        let process = Command::new(PROGRAM).stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).spawn();
        let mut kid = Kid { process: process.expect("the child starts"), socket, decoder: Decoder::new() };
        kid.send(&ToChild::Start { version: VERSION, job: Job::Transcode(what) });
        assert!(matches!(kid.next(), Some(FromChild::Failed { stream: None, .. })), "{what:?}");
    }
}
