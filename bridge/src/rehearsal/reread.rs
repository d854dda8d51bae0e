//! Reads a record back: every frame number from the opening to the close, every tone, and how sound lies on picture.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearing_config::{EndpointKind, HearingId, Kind, Timestamp};
use hearing_proto::child::{Codec, Coded, FromChild, Job, Stream};
use hearing_proto::depacketize::framing;
use hearing_proto::matroska::{Coding, Item, Reader};
use hearing_proto::testcard;
use hearing_signaling::registry::SeatLink;
use tokio::time::{sleep, timeout};

use super::participant::FPS;
use super::report::RecordCheck;
use crate::pipeline::{Event, Events, Feed, Life, Program};
use crate::record::{Sheet, What, catalog};

/// What has to be in a record.
pub(super) struct Expected<'a> {
    pub(super) directory: PathBuf,
    pub(super) hearing: HearingId,
    pub(super) tracks: Vec<Track<'a>>,
}

/// A track that has to be in it from a time on.
pub(super) struct Track<'a> {
    pub(super) seat: &'a SeatLink,
    pub(super) kind: Kind,
    /// Not before the opening.
    pub(super) from: Timestamp,
}

/// Reads the record when it is closed.
pub(super) async fn read(program: &Program, expected: &Expected<'_>) -> (Option<RecordCheck>, Vec<String>) {
    let sheet = match closed(expected).await {
        Ok(sheet) => sheet,
        Err(fault) => return (None, vec![fault]),
    };
    match Reading::of(program, expected, &sheet).await {
        Ok(reading) => reading.judge(expected, &sheet),
        Err(fault) => (None, vec![format!("record: {fault}")]),
    }
}

/// Waits until the recorder has finished every file.
async fn closed(expected: &Expected<'_>) -> Result<Sheet, String> {
    let wait = async {
        loop {
            let record = catalog::find(&expected.directory, expected.hearing).map_err(|error| error.to_string())?;
            if record.sheet.closed.is_some() {
                return Ok(record.sheet);
            }
            sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, wait).await.map_err(|_| "the record was not closed in time".to_owned())?
}

/// What was decoded of a record.
#[derive(Default)]
struct Reading {
    tracks: BTreeSet<u16>,
    /// By picture stream: file times of frames by their number.
    pictures: BTreeMap<u16, BTreeMap<u64, i64>>,
    /// By sound stream: windows with the right tone, windows with another.
    tones: BTreeMap<u16, (u32, u32)>,
    /// By sound stream: where gaps began.
    gaps: BTreeMap<u16, Vec<i64>>,
    faults: Vec<String>,
    epoch: i64,
}

impl Reading {
    async fn of(program: &Program, expected: &Expected<'_>, sheet: &Sheet) -> Result<Self, String> {
        let mut reading = Self { epoch: sheet.epoch.ok_or("it was never begun")?.0, ..Self::default() };
        let mut frames = Vec::new();
        for track in &expected.tracks {
            let folder = expected.directory.join(expected.hearing.to_string()).join(track.folder());
            let stream = track.stream();
            match load(folder, stream).await {
                Ok(found) => {
                    reading.tracks.insert(stream.id);
                    frames.extend(found);
                }
                Err(fault) => reading.faults.push(format!("record of {}: {fault}", track.folder())),
            }
        }
        let streams = expected.tracks.iter().map(Track::stream).collect();
        let (feed, events) = program.spawn(Job::Observe(streams), Life::Once).map_err(|error| error.to_string())?;
        let (fed, told) = tokio::join!(give(&feed, frames), reading.listen(events));
        fed.and(told)?;
        Ok(reading)
    }

    async fn listen(&mut self, mut events: Events) -> Result<(), String> {
        while let Some(event) = events.next().await {
            match event {
                Event::Said(FromChild::Done) => return Ok(()),
                Event::Said(said) => self.take(said),
                Event::Up => {}
                Event::Down { reason, .. } => return Err(reason),
            }
        }
        Ok(())
    }

    fn take(&mut self, said: FromChild) {
        match said {
            FromChild::Seen { stream, pts, counter, seat } if u16::from(seat) == stream / 2 => {
                if let Some(frame) = testcard::frame_near(counter, self.epoch + pts, FPS) {
                    self.pictures.entry(stream).or_default().insert(frame, pts);
                }
            }
            FromChild::Seen { stream, seat, .. } => {
                self.faults.push(format!("record: stream {stream} shows seat {seat}"))
            }
            FromChild::Heard { stream, seats, .. } => {
                let (right, wrong) = self.tones.entry(stream).or_default();
                *right += u32::from(seats.iter().any(|seat| u16::from(*seat) == stream / 2));
                *wrong += u32::from(seats.iter().any(|seat| u16::from(*seat) != stream / 2));
            }
            FromChild::Gap { stream, pts } => self.gaps.entry(stream).or_default().push(pts),
            FromChild::Failed { reason, .. } => self.faults.push(format!("record: {reason}")),
            _ => {}
        }
    }

    fn judge(mut self, expected: &Expected<'_>, sheet: &Sheet) -> (Option<RecordCheck>, Vec<String>) {
        let mut frames_missing = 0;
        for track in &expected.tracks {
            let stream = track.stream().id;
            if track.kind.is_picture() {
                let missing = self.missing(stream, track.from.plus(MARGIN_US), end(sheet).plus(-track.tail()));
                frames_missing += missing.len();
                if let Some(first) = missing.first() {
                    let after = (testcard::time_of(*first, FPS) - track.from.0) / 1_000;
                    let (folder, missing) = (track.folder(), missing.len());
                    self.faults
                        .push(format!("record of {folder}: {missing} frames are missing, the first {after} ms in"));
                }
            } else {
                let (right, wrong) = self.tones.get(&stream).copied().unwrap_or_default();
                if right == 0 || wrong > STRAY_WINDOWS {
                    let fault = format!("record of {}: its tone in {right} windows, others in {wrong}", track.folder());
                    self.faults.push(fault);
                }
            }
        }
        let lipsync_ms = self.lipsync();
        if lipsync_ms.is_some_and(|off| off.abs() > LIPS_MS) {
            self.faults.push(format!("record: sound is {} ms off its picture", lipsync_ms.unwrap_or_default()));
        }
        let path = expected.directory.join(expected.hearing.to_string()).display().to_string();
        let check = RecordCheck { path, tracks: self.tracks.len(), frames_missing, lipsync_ms };
        (Some(check), self.faults)
    }

    /// Numbers of frames that were drawn between two times and are not there.
    fn missing(&self, stream: u16, from: Timestamp, to: Timestamp) -> Vec<u64> {
        let at = |time: Timestamp| testcard::frame_at(time.0, FPS).unwrap_or(0);
        let found = self.pictures.get(&stream);
        (at(from)..at(to)).filter(|frame| found.is_none_or(|found| !found.contains_key(frame))).collect()
    }

    /// The seat's median that is furthest from nothing, of how much later the gap in the sound comes than the picture of
    /// the full second, both by file time.
    fn lipsync(&self) -> Option<f64> {
        let of_seat = |(stream, frames): (&u16, &BTreeMap<u64, i64>)| {
            let seconds: Vec<i64> =
                frames.iter().filter(|(n, _)| **n % u64::from(FPS) == 0).map(|(_, pts)| *pts).collect();
            let nearest = |gap: &i64| seconds.iter().map(|second| gap - second).min_by_key(|off| off.abs());
            let mut offs: Vec<i64> = self.gaps.get(&(stream + 1))?.iter().filter_map(nearest).collect();
            offs.sort_unstable();
            offs.get(offs.len() / 2).copied()
        };
        let worst = self.pictures.iter().filter_map(of_seat).max_by_key(|off| off.abs())?;
        // Exact: lip-sync is far below 2^52 microseconds.
        Some((worst / 100) as f64 / 10.0)
    }
}

impl Track<'_> {
    /// What before the end is not asked of it: a terminal is hung up at the close, with what it still has on its way.
    const fn tail(&self) -> i64 {
        if self.seat.endpoint.is_terminal() { HUNG_UP_US } else { MARGIN_US }
    }

    /// As the recorder names it.
    fn folder(&self) -> String {
        format!("{}-{}", self.seat.name, self.kind)
    }

    fn stream(&self) -> Stream {
        let id = u16::from(self.seat.id.0) * 2;
        if self.kind.is_picture() {
            Stream { id, codec: if self.seat.endpoint.is_terminal() { Codec::H264 } else { Codec::Vp8 } }
        } else {
            let law = self.seat.endpoint.kind() == EndpointKind::Gb28181;
            Stream { id: id + 1, codec: if law { Codec::Pcma } else { Codec::Opus } }
        }
    }
}

/// When the record ended.
fn end(sheet: &Sheet) -> Timestamp {
    let ended = sheet.orders.iter().rev().find(|order| order.what == What::Off).map(|order| order.at);
    ended.or(sheet.closed).unwrap_or_default()
}

async fn give(feed: &Feed, frames: Vec<Coded>) -> Result<(), String> {
    for frame in frames {
        feed.give(frame).await.map_err(|error| error.to_string())?;
    }
    feed.stop().await.map_err(|error| error.to_string())
}

async fn load(folder: PathBuf, stream: Stream) -> Result<Vec<Coded>, String> {
    let read = tokio::task::spawn_blocking(move || frames(&folder, stream));
    read.await.map_err(|error| error.to_string())?
}

/// The frames of all files of a track, in order.
fn frames(folder: &Path, stream: Stream) -> Result<Vec<Coded>, String> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(|error| error.to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "mkv"))
        .collect();
    files.sort();
    let mut frames = Vec::new();
    for file in files {
        let file = File::open(&file).map_err(|error| error.to_string())?;
        let mut reader = Reader::new(BufReader::new(file), 0);
        while let Some(item) = reader.next_item().map_err(|error| error.to_string())? {
            match item {
                Item::Track(coding) if !same(&coding, stream.codec) => {
                    return Err(format!("it is coded as {coding:?}"));
                }
                Item::Track(_) => {}
                Item::Block(block) => {
                    let pts = i64::try_from(block.ms).unwrap_or(i64::MAX / 1_000) * 1_000;
                    let bytes = if stream.codec == Codec::H264 { framing::annex_b(&block.data) } else { block.data };
                    frames.push(Coded { stream: stream.id, pts, key: block.key, bytes: bytes.into() });
                }
            }
        }
    }
    if frames.is_empty() { Err("it holds no frame".to_owned()) } else { Ok(frames) }
}

fn same(coding: &Coding, codec: Codec) -> bool {
    matches!(
        (coding, codec),
        (Coding::Opus, Codec::Opus)
            | (Coding::Pcma, Codec::Pcma)
            | (Coding::Vp8 { .. }, Codec::Vp8)
            | (Coding::H264 { .. }, Codec::H264)
    )
}

const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(10);
/// Frames this near to an order may fall on either side of it: capture times come from the sender's reports.
const MARGIN_US: i64 = 100_000;
/// How long what a terminal draws may be on its way to the record.
const HUNG_UP_US: i64 = 1_000_000;
/// More than this between sound and picture is seen (ITU-R BT.1359).
const LIPS_MS: f64 = 45.0;
/// One damaged window is no voice.
const STRAY_WINDOWS: u32 = 2;
