//! Media that is added to a sealed record: written beside it, named by addenda, and only then put into it.

use std::fs;
use std::path::{Path, PathBuf};

use hearing_config::{Codec, HearingId, Timestamp};
use hearing_proto::manifest::{Entry, Span};
use hearing_proto::matroska::Coding;

use super::coding::{Whole, whole};
use super::index::{self, Line, StartReason};
use super::late::Hole;
use super::later::{Lacking, Shelf};
use super::replay::Replay;
use super::segment::Segment;
use super::sheet::What;
use super::sink::Sink;
use super::track::note_of;
use super::{Error, Sheet, catalog, sync};
use crate::router::Frame;

/// What comes of one hole. Every call blocks.
pub struct Addition {
    shelf: Shelf,
    hearing: HearingId,
    sheet: Sheet,
    lacking: Lacking,
    hole: Hole,
    /// `<seat>-<kind>`.
    name: String,
    /// Where it waits.
    way: PathBuf,
    /// What is added to captured times, as the recorder did.
    correction: i64,
    /// How the last segment in time is coded.
    known: Option<Coding>,
    first: u32,
    next: u32,
    open: Option<(Codec, Segment)>,
    index: Vec<u8>,
    entries: Vec<Entry>,
    spans: Vec<Span>,
    frames: u64,
}

impl Addition {
    pub(super) fn begin(shelf: Shelf, hearing: HearingId, lacking: Lacking) -> Result<Self, Error> {
        let record = shelf.record(hearing);
        let sheet = Sheet::read(&record)?;
        let name = sheet.meta.folder(lacking.track);
        let (folder, way) = (record.join(&name), shelf.way(hearing).join(&name));
        fs::create_dir_all(&way).map_err(Error::disk(&way, "make the folder"))?;
        let (first, known) = if folder.is_dir() { state(&folder)? } else { (1, None) };
        let lines = index::read(&folder)?;
        let correction = lines.iter().rev().find_map(|line| match line {
            Line::Clock { correction, .. } => Some(*correction),
            _ => None,
        });
        let (hole, correction) = (lacking.hole(), correction.unwrap_or(0));
        Ok(Self {
            shelf,
            hearing,
            sheet,
            lacking,
            hole,
            name,
            way,
            correction,
            known,
            first,
            next: first,
            open: None,
            index: Vec::new(),
            entries: Vec::new(),
            spans: Vec::new(),
            frames: 0,
        })
    }

    /// Takes what came in; it is durable when this returns, and no part of the record yet.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn take(&mut self, codec: Codec, frames: &[Frame]) -> Result<(), Error> {
        frames.iter().try_for_each(|frame| self.frame(codec, frame))?;
        if let Some((_, segment)) = &mut self.open {
            self.spans.extend(settle(&mut segment.sink, &self.way)?);
        }
        Ok(())
    }

    /// Nothing more comes: what came is named by addenda and put into the record. How many frames that were. `was_asked`: the node
    /// of `edge` answered.
    ///
    /// # Errors
    /// When the node can't sign, or the disk does not take it: the record is then as before, and the note stays.
    pub fn finish(mut self, edge: &str, was_asked: bool) -> Result<u64, Error> {
        self.end()?;
        let (name, frames) = (self.name.clone(), self.frames);
        if frames == 0 {
            let answer =
                if was_asked { "was asked after the close and has nothing" } else { "gives nothing after the close" };
            let reason = format!("{name}: the node in {edge} {answer} of what is lacking");
            self.entries.push(Entry::Fault { part: "trunk".to_owned(), reason, over: true });
        } else {
            let Lacking { from, to, .. } = self.lacking;
            self.index.extend(Line::Late { from, to, edge: edge.to_owned(), frames }.to_bytes());
            let file = index::added(self.first);
            let mut sink =
                Sink::create(&self.way, &file, format!("{name}/{file}")).map_err(Error::disk(&self.way, "write"))?;
            sink.push(&self.index);
            self.spans.extend(settle(&mut sink, &self.way)?);
            let late =
                |spans: &[Span]| Entry::Late { track: name.clone(), edge: edge.to_owned(), spans: spans.to_vec() };
            let lines: Vec<Entry> = self.spans.chunks(SPANS).map(late).collect();
            self.entries.extend(lines);
        }
        self.shelf.append(self.hearing, self.entries)?;
        self.shelf.set_right(self.hearing)?;
        self.shelf.done(self.hearing, &self.lacking)?;
        metrics::counter!("hearing_record_added_frames_total").increment(frames);
        Ok(frames)
    }

    fn frame(&mut self, codec: Codec, frame: &Frame) -> Result<(), Error> {
        let captured = frame.head().captured.plus(self.correction);
        let is_ordered = self.sheet.order_at(captured).is_none_or(|order| order.what == What::Run);
        let wanted = is_ordered && self.hole.wants(frame);
        let Some(epoch) = self.sheet.epoch.filter(|epoch| wanted && captured >= *epoch) else { return Ok(()) };
        let open = self.open.as_ref().filter(|(of, _)| *of == codec).map(|(_, segment)| &segment.coding);
        let whole = whole(codec, frame, open.or(self.known.as_ref()));
        let Ok(Whole { key, coding: Some(coding), data }) = whole else {
            metrics::counter!("hearing_record_late_frames_lost_total").increment(1);
            return Ok(());
        };
        if open != Some(&coding) {
            self.end()?;
            let segment = Segment::begin(&self.way, &self.name, self.next, coding, captured);
            let segment = segment.map_err(Error::disk(&self.way, "write"))?;
            self.next += 1;
            let reason = if key { StartReason::Late } else { StartReason::LateDelta };
            let (entry, line) = note_of(&segment, &self.name, (reason, codec, captured));
            self.entries.push(entry);
            self.index.extend(line.to_bytes());
            self.open = Some((codec, segment));
        }
        let Some((_, segment)) = &mut self.open else { return Ok(()) };
        let ms = u64::try_from(captured.since(epoch) / 1_000).unwrap_or(0);
        let placed = segment.frame(ms, captured, key, &data).map_err(Error::disk(&self.way, "write"))?;
        self.frames += 1;
        if let Some(offset) = placed.cluster {
            let (file, media_time) = (segment.file.clone(), frame.head().media_time);
            let line = Line::Cluster { file, offset, ms: placed.ms, captured, arrived: Timestamp::now(), media_time };
            self.index.extend(line.to_bytes());
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        if let Some((_, mut segment)) = self.open.take() {
            self.spans.extend(settle(&mut segment.sink, &self.way)?);
            self.index.extend(segment.end_line().to_bytes());
        }
        Ok(())
    }
}

/// The number of the next segment in a track's folder, and how the last one in time is coded.
fn state(folder: &Path) -> Result<(u32, Option<Coding>), Error> {
    let segments = catalog::segments(folder).map_err(Error::disk(folder, "read"))?;
    let next = segments.last().map_or(1, |last| last.number + 1);
    let replay = Replay::open(folder)?;
    let known = replay.sources().iter().rev().find_map(|source| source.coding.clone());
    Ok((next, known))
}

/// Writes all that waits and makes it durable; what the manifest is to say of it.
fn settle(sink: &mut Sink, way: &Path) -> Result<Vec<Span>, Error> {
    sink.commit().map_err(Error::disk(way, "write"))?;
    sync::sync_now(std::iter::once(&mut *sink));
    let spans = sink.take_pieces().collect();
    if sink.is_settled() { Ok(spans) } else { Err(Error::Unwritten(format!("{}: not made durable", way.display()))) }
}

/// The most spans of one line.
const SPANS: usize = 1_024;
