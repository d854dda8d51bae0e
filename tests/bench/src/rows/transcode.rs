//! Live pipelines: what coding anew, and mixing and composing, take; ours in its sandbox, and bare GStreamer pipelines.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hearing_bridge::pipeline::{Event, Events, Feed, Life, Program};
use hearing_proto::child::{
    Codec, Coded, FromChild, Input, Job, Mix, PICTURE, Part, PictureTarget, SOUND, SoundTarget, Stage, Stream, Target,
    ToChild, Transcode,
};
use hearing_proto::matroska::{Item, Reader};
use hearing_proto::scene::{Layout, Scene, Tile, Words};

use super::Bench;
use super::compose::{Cost, clip, timed};
use crate::table::Row;

/// VP8 to H.264 at 720p30, and Opus to G.711: CPU seconds for a second of media, as fast as it goes.
pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Row>> {
    let (program, seconds) = (child(bench)?, bench.time.as_secs().max(10));
    let directory = tempfile::tempdir()?;
    let [picture, sound] = clip(directory.path(), 0, seconds)?;
    let target = Target::Picture(target(1280, 720, 1_500));
    let video = Transcode { from: Codec::Vp8, to: target };
    let h264 = format!("vp8dec ! {H264} bitrate=1500");
    let audio = Transcode { from: Codec::Opus, to: Target::Sound(SoundTarget { codec: Codec::Pcma, treat: false }) };
    let alaw = "opusdec ! audioconvert ! audioresample ! audio/x-raw,rate=8000,channels=1 ! alawenc";
    let mut rows = Vec::new();
    for (name, what, file, stream, bare) in [
        ("transcode-vp8-h264", video, &picture, PICTURE, h264.as_str()),
        ("transcode-opus-pcma", audio, &sound, SOUND, alaw),
    ] {
        let frames = frames(file, stream)?;
        let (mut ours, mut limit) = (Vec::new(), Vec::new());
        for _ in 0..bench.rounds {
            ours.push(timed(seconds, || transcode(&program, what, &frames))?);
            limit.push(timed(seconds, || launch(&format!("{} ! {bare} ! fakesink", source(file))))?);
        }
        let least: Vec<f64> = limit.iter().map(|cost| cost.cpu).collect();
        rows.push(Row::of(name, "CPU s/s", &ours, &[], |cost| cost.cpu).limited(&least));
    }
    Ok(rows)
}

/// In real time, decoding with it.
pub(super) fn composite(bench: &mut Bench) -> Result<Vec<Row>> {
    let (program, seconds) = (child(bench)?, bench.time.as_secs().max(10));
    let directory = tempfile::tempdir()?;
    let clips = (0..SEATS).map(|seat| clip(directory.path(), seat, seconds)).collect::<Result<Vec<_>>>()?;
    let (mut ours, mut limit) = (Vec::<Cost>::new(), Vec::<Cost>::new());
    for _ in 0..bench.rounds {
        ours.push(timed(seconds, || compose(&program, &clips))?);
        limit.push(timed(seconds, || launch(&bare(&clips)))?);
    }
    let least: Vec<f64> = limit.iter().map(|cost| cost.cpu).collect();
    Ok(vec![Row::of("composite-4", "CPU s/s", &ours, &[], |cost| cost.cpu).limited(&least)])
}

fn child(bench: &Bench) -> Result<Program> {
    Ok(Program::at(bench.hearing.with_file_name("hearing-media"))?)
}

const fn target(width: u16, height: u16, kbps: u32) -> PictureTarget {
    PictureTarget { codec: Codec::H264, width, height, kbps, level: None, unit: None }
}

/// All frames of a file.
fn frames(file: &Path, stream: u16) -> Result<Vec<Coded>> {
    let (mut reader, mut frames) = (Reader::new(BufReader::new(File::open(file)?), 0), Vec::new());
    while let Some(item) = reader.next_item()? {
        if let Item::Block(block) = item {
            frames.push(Coded { stream, pts: block.ms as i64 * 1_000, key: block.key, bytes: block.data.into() });
        }
    }
    ensure!(!frames.is_empty(), "{} holds no frame", file.display());
    Ok(frames)
}

fn transcode(program: &Program, what: Transcode, frames: &[Coded]) -> Result<()> {
    let (feed, events) = program.spawn(Job::Transcode(what), Life::Once)?;
    let listener = std::thread::spawn(move || drain(events));
    for frame in frames {
        feed.give_blocking(ToChild::Frame(frame.clone()))?;
    }
    feed.give_blocking(ToChild::Stop)?;
    let came = listener.join().map_err(|_| anyhow::anyhow!("the listener"))?;
    ensure!(came * 10 >= frames.len() * 9, "{came} frames came of {}", frames.len());
    Ok(())
}

/// How many frames came until the child ended.
fn drain(mut events: Events) -> usize {
    let mut came = 0;
    while let Some(event) = events.next_blocking() {
        came += usize::from(matches!(event, Event::Said(FromChild::Frame(_))));
    }
    came
}

fn compose(program: &Program, clips: &[[PathBuf; 2]]) -> Result<()> {
    let tile = |n: usize| Tile {
        name: Words { zh: "公诉人".to_owned(), en: "Prosecutor".to_owned() },
        streams: vec![n as u16 * 2],
    };
    let (tiles, heading) = ((0..clips.len()).map(tile).collect(), "(2026)内0291刑初123号".to_owned());
    let (layout, emblem) = (Layout::Equal, None);
    let scene = Scene { width: 1920, height: 1080, fps: 25, layout, heading, utc_offset: 28_800, emblem, tiles };
    let stage = Job::Stage(Stage { scene, to: target(1920, 1080, 3_000) });
    let mix = Job::Mix(Mix { to: Some(SoundTarget { codec: Codec::Opus, treat: false }) });
    let (drawing, drawn) = program.spawn(stage, Life::Once)?;
    let (mixing, mixed) = program.spawn(mix, Life::Once)?;
    let listeners = [drawn, mixed].map(|events| std::thread::spawn(move || drain(events)));
    let mut all = Vec::new();
    for (n, [picture, sound]) in clips.iter().enumerate() {
        for (feed, file, codec, id) in
            [(&drawing, picture, Codec::Vp8, n as u16 * 2), (&mixing, sound, Codec::Opus, n as u16 * 2 + 1)]
        {
            feed.give_blocking(ToChild::Open(Input { stream: Stream { id, codec }, part: Part::Plain }))?;
            all.extend(frames(file, id)?);
        }
    }
    all.sort_by_key(|frame| frame.pts);
    play(&drawing, &mixing, all)?;
    for feed in [drawing, mixing] {
        feed.give_blocking(ToChild::Stop)?;
    }
    for listener in listeners {
        ensure!(listener.join().is_ok_and(|came| came > 0), "nothing came");
    }
    Ok(())
}

/// Each frame at its time.
fn play(drawing: &Feed, mixing: &Feed, frames: Vec<Coded>) -> Result<()> {
    let start = Instant::now();
    for frame in frames {
        let due = start + Duration::from_micros(u64::try_from(frame.pts).unwrap_or(0));
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let feed = if frame.stream.is_multiple_of(2) { drawing } else { mixing };
        feed.give_blocking(ToChild::Frame(frame))?;
    }
    Ok(())
}

/// The same by `gst-launch-1.0`, paced by its clock.
fn bare(clips: &[[PathBuf; 2]]) -> String {
    let mut text = "compositor name=c background=black".to_owned();
    for n in 0..clips.len() {
        let (x, y) = (n % 2 * 960, 72 + n / 2 * 504);
        text += &format!(" sink_{n}::xpos={x} sink_{n}::ypos={y} sink_{n}::width=896 sink_{n}::height=504");
    }
    text += &format!(
        " ! video/x-raw,format=I420,width=1920,height=1080,framerate=25/1 ! queue ! {H264} bitrate=3000 ! fakesink sync=true \
         audiomixer name=a ! audio/x-raw,rate=48000,channels=1 ! opusenc bitrate=32000 ! fakesink sync=true"
    );
    for [picture, sound] in clips {
        text += &format!(
            " {} ! vp8dec ! queue ! c. {} ! opusdec ! audioconvert ! queue ! a.",
            source(picture),
            source(sound)
        );
    }
    text
}

fn source(file: &Path) -> String {
    format!("filesrc location={} ! matroskademux", file.display())
}

fn launch(text: &str) -> Result<()> {
    let status = Command::new("gst-launch-1.0").arg("-q").args(text.split_whitespace()).stdout(Stdio::null()).status();
    ensure!(status.context("gst-launch-1.0 is installed by scripts/setup")?.success(), "gst-launch-1.0 failed");
    Ok(())
}

const H264: &str = "x264enc tune=zerolatency speed-preset=superfast threads=1 key-int-max=300";
const SEATS: u8 = 4;
