//! Makes the film of a record: reads its tracks in order of time, has a media child draw them, and writes what comes back.
//! The child sees frames only; it opens no file.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bytes::Bytes;
use hearing_config::Kind;
use hearing_proto::child::{Codec, Coded, Compose, FromChild, Job, PICTURE, Stream, ToChild};
use hearing_proto::depacketize::framing;
use hearing_proto::matroska::Coding;
use hearing_proto::mp4::Film;
use hearing_proto::ps::Adts;
use hearing_proto::scene::Cue;

use super::{Error, Script, Track};
use crate::pipeline::{Event, Events, FINISHED, Feed, Life, Program};
use crate::record::catalog::Record;
use crate::record::export::Keep;
use crate::record::read_index;
use crate::record::replay::Replay;

/// Composes the film of `record` into the file `to`. Blocks until it is whole; `progress` is told how much is, 0 to 1.
///
/// # Errors
/// The record is empty or can't be read, the child can't start or ends early, the file can't be written.
pub fn compose(
    program: &Program,
    record: &Record,
    keep: &Keep,
    emblem: Option<&Path>,
    to: &Path,
    progress: &dyn Fn(f64),
) -> Result<Script, Error> {
    let emblem = emblem.map(|path| fs::read(path).map(Bytes::from).map_err(Error::file(path))).transpose()?;
    let mut reels = reels(record)?;
    let (start, end) = extent(record, &reels).ok_or(Error::Empty)?;
    let tracks: Vec<Track> = reels.iter().map(|reel| reel.track.clone()).collect();
    let script = Script::of(&record.sheet, &tracks, (start, end), emblem);
    let streams = reels.iter().flat_map(|reel| reel.streams.clone()).collect();
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(1, 4) as u8);
    let job = Job::Compose(Compose { scene: script.scene.clone(), streams, threads });
    let (feed, events) = program.spawn(job, Life::Once)?;
    std::thread::scope(|scope| {
        let feeder = scope.spawn(|| give(&feed, &mut reels, &script, keep));
        let written = write(events, &script, to, progress);
        let fed = feeder.join().map_err(|_| Error::Aborted)?;
        // What the child says ended it goes before that it took nothing more.
        written.and(fed)
    })?;
    Ok(script)
}

/// One track on its way into the film.
struct Reel {
    track: Track,
    replay: Replay,
    streams: Vec<Stream>,
    /// By segment: its stream.
    of: Vec<Option<u16>>,
}

fn reels(record: &Record) -> Result<Vec<Reel>, Error> {
    let (mut reels, mut next) = (Vec::new(), 0_u16);
    for track in &record.tracks {
        let Some((seat, kind)) = place(record, &track.name) else { continue };
        let folder = record.folder.join(&track.name);
        let replay = Replay::open(&folder)?;
        let (mut streams, mut of): (Vec<Stream>, _) = (Vec::new(), Vec::new());
        for source in replay.sources() {
            let codec = source.coding.as_ref().map(codec);
            of.push(codec.map(|codec| match streams.iter().find(|stream| stream.codec == codec) {
                Some(stream) => stream.id,
                None => {
                    streams.push(Stream { id: next, codec });
                    next += 1;
                    next - 1
                }
            }));
        }
        let ids = streams.iter().map(|stream| stream.id).collect();
        let track = Track { name: track.name.clone(), seat, kind, streams: ids, lines: read_index(&folder)? };
        reels.push(Reel { track, replay, streams, of });
    }
    Ok(reels)
}

/// The seat and kind that a track's folder is named after.
pub(super) fn place(record: &Record, name: &str) -> Option<(usize, Kind)> {
    let (seat, kind) = name.rsplit_once('-')?;
    let kind = Kind::ALL.into_iter().find(|of| of.as_str() == kind)?;
    let named = |of: &crate::record::Seat| of.name == seat || format!("seat{}", of.id) == seat;
    Some((record.sheet.meta.seats.iter().position(named)?, kind))
}

const fn codec(coding: &Coding) -> Codec {
    match coding {
        Coding::Opus => Codec::Opus,
        Coding::Pcma => Codec::Pcma,
        Coding::Pcmu => Codec::Pcmu,
        Coding::G722 => Codec::G722,
        Coding::Aac { .. } => Codec::Aac,
        Coding::Vp8 { .. } => Codec::Vp8,
        Coding::H264 { .. } => Codec::H264,
        Coding::H265 { .. } => Codec::H265,
    }
}

/// File times of the first and behind the last frame.
fn extent(record: &Record, reels: &[Reel]) -> Option<(u64, u64)> {
    let start = reels.iter().filter_map(|reel| reel.replay.due()).min()?;
    let epoch = record.sheet.epoch?;
    let last = |track: &crate::record::catalog::Track| {
        crate::record::catalog::last_frame(&record.folder.join(&track.name), epoch)
    };
    let last = record.tracks.iter().filter_map(last).max()?;
    Some((start, record.sheet.file_ms(last)? + FRAME_MS))
}

/// Feeds everything in order of time.
fn give(feed: &Feed, reels: &mut [Reel], script: &Script, keep: &Keep) -> Result<(), Error> {
    let ended = |_| Error::Compose("the media child took nothing more".to_owned());
    let mut cues: VecDeque<(i64, Cue)> = script.cues.clone().into();
    let mut drawn = 0;
    while let Some((_, n)) = reels.iter().enumerate().filter_map(|(n, reel)| Some((reel.replay.due()?, n))).min() {
        let reel = &mut reels[n];
        let Some(frame) = reel.replay.next_frame()? else { continue };
        let (stream, pts) = (reel.of[frame.source], script.place(frame.block.ms));
        let Some((stream, pts)) = stream.zip(pts).filter(|_| keep.wants(frame.block.ms)) else { continue };
        while let Some((at, cue)) = cues.pop_front_if(|(at, _)| *at <= pts) {
            feed.give_blocking(ToChild::Cue { at, cue }).map_err(ended)?;
        }
        draw(feed, &mut drawn, pts - STEP)?;
        let bytes = match reel.replay.sources()[frame.source].coding {
            Some(Coding::H264 { .. } | Coding::H265 { .. }) => framing::annex_b(&frame.block.data),
            // What has no header has none in the record either: it is left out.
            Some(Coding::Aac { config }) => match Adts::wrap(config, &frame.block.data) {
                Some(framed) => framed,
                None => continue,
            },
            _ => frame.block.data,
        };
        let coded = Coded { stream, pts, key: frame.block.key, bytes: bytes.into() };
        feed.give_blocking(ToChild::Frame(coded)).map_err(ended)?;
    }
    for (at, cue) in cues {
        feed.give_blocking(ToChild::Cue { at, cue }).map_err(ended)?;
    }
    draw(feed, &mut drawn, script.length)?;
    feed.give_blocking(ToChild::Until { at: script.length }).map_err(ended)?;
    feed.give_blocking(ToChild::Stop).map_err(ended)
}

/// Has long silences drawn in small steps: a child that takes nothing for seconds counts as hung.
fn draw(feed: &Feed, drawn: &mut i64, until: i64) -> Result<(), Error> {
    while *drawn + STEP <= until {
        *drawn += STEP;
        let told = feed.give_blocking(ToChild::Until { at: *drawn });
        told.map_err(|_| Error::Compose("the media child took nothing more".to_owned()))?;
    }
    Ok(())
}

/// Writes the film as it comes.
fn write(mut events: Events, script: &Script, to: &Path, progress: &dyn Fn(f64)) -> Result<(), Error> {
    let mut film = Film::new(script.scene.fps);
    let mut file = BufWriter::new(File::create(to).map_err(Error::file(to))?);
    let all = (script.length / 1_000_000 * i64::from(script.scene.fps)).max(1) as f64;
    let mut done = false;
    while let Some(event) = events.next_blocking() {
        match event {
            Event::Said(FromChild::Frame(frame)) => {
                let bytes = match frame.stream {
                    PICTURE => film.picture(frame.key, &frame.bytes)?,
                    _ => film.sound(&frame.bytes)?,
                };
                file.write_all(&bytes).map_err(Error::file(to))?;
                progress((film.pictures() as f64 / all).min(1.0));
            }
            Event::Said(FromChild::Failed { reason, .. }) => return Err(Error::Compose(reason)),
            Event::Said(FromChild::Done) => done = true,
            Event::Down { reason, .. } if !done && reason != FINISHED => return Err(Error::Compose(reason)),
            Event::Said(_) | Event::Up | Event::Down { .. } => {}
        }
    }
    if !done {
        return Err(Error::Compose("the media child ended early".to_owned()));
    }
    let finished = film.finish()?;
    let mut end = || {
        file.write_all(&finished.tail)?;
        file.flush()?;
        file.get_ref().write_all_at(&finished.patch.1, finished.patch.0)?;
        file.get_ref().sync_all()
    };
    end().map_err(Error::file(to))
}

/// As much as decoders may reorder, in microseconds of the film.
const STEP: i64 = 200_000;
/// How long the last frame stands.
const FRAME_MS: u64 = 20;
