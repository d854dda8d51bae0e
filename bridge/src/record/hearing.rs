//! One hearing in the writer: its orders, its clock corrections, its tracks, and what it tells of them. What happens to its
//! disk is in disk.rs, how its end waits for what is on its way in drain.rs, its last steps in end.rs, what comes late in late.rs.

mod disk;
mod drain;
mod end;
mod late;

use std::collections::btree_map;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hearing_config::{SeatId, Timestamp, TrackId};
use hearing_signaling::hearing::RecordOrder;
use tokio::sync::mpsc;

use super::books::Books;
use super::index::StartReason;
use super::leg::Arrived;
use super::place::Place;
use super::preroll::Preroll;
use super::sheet::{Sheet, What};
use super::sink::Sink;
use super::track::Track;
use super::writer::Opening;
use super::{Judged, PREROLL, RecordEvent};
use crate::router::DRAIN;
use disk::Disk;
use drain::{Asked, Drain};
use end::Ending;

/// A hearing that is being recorded.
pub(super) struct Hearing {
    folder: PathBuf,
    /// The record's folder on the spill disk, if there is one.
    spill: Option<PathBuf>,
    /// The disk is full and new files go to the spill disk.
    spilling: bool,
    /// When manifest and indexes were last tried to be moved there, and whether the manifest is there.
    spilled: Option<(Instant, bool)>,
    /// The disk is full and there is no other one: media waits until there is room.
    held: bool,
    pub(super) books: Books,
    sheet: Sheet,
    /// The sheet on the disk is older.
    sheet_changed: bool,
    tracks: BTreeMap<TrackId, Track>,
    prerolls: BTreeMap<TrackId, Preroll>,
    /// What is added to the captured times of a seat, in microseconds.
    corrections: BTreeMap<SeatId, i64>,
    events: mpsc::Sender<RecordEvent>,
    /// What went wrong last, and when.
    trouble: Option<(String, Instant)>,
    /// What is wrong now.
    fault: Option<String>,
    /// The fault that was told last.
    told_fault: Option<String>,
    /// The tracks that were told last.
    told: Option<Vec<TrackId>>,
    /// When it was told last what is durable.
    told_durable: Instant,
    /// The limit of free space that was told last.
    told_warning: Option<u8>,
    /// Tracks of which something came that was captured after the last order to end: nothing older can follow.
    past: BTreeSet<TrackId>,
    drain: Drain,
    asked: Option<Asked>,
    disk: Disk,
    ending: Option<Ending>,
}

impl Hearing {
    pub(super) fn new(opening: Opening) -> Self {
        let Opening { hearing: _, folder, spill, signing, clocks, sheet, events } = opening;
        let disk = Disk::of(&folder);
        let books = Books::new(folder.clone(), spill.clone(), signing, clocks);
        Self {
            folder,
            spill,
            spilling: false,
            spilled: None,
            held: false,
            books,
            sheet,
            sheet_changed: false,
            tracks: BTreeMap::new(),
            prerolls: BTreeMap::new(),
            corrections: BTreeMap::new(),
            events,
            trouble: None,
            fault: None,
            told_fault: None,
            told: None,
            told_durable: Instant::now(),
            told_warning: None,
            past: BTreeSet::new(),
            drain: Drain::Live,
            asked: None,
            disk,
            ending: None,
        }
    }

    pub(super) fn order(&mut self, now: Instant, order: RecordOrder, at: Timestamp) {
        if !self.sheet.order(order, at) {
            return;
        }
        self.sheet_changed = true;
        self.past.clear();
        if order == RecordOrder::Run {
            self.open_books(now);
            for (_, mut preroll) in std::mem::take(&mut self.prerolls) {
                preroll.drain(at.plus(-PREROLL)).for_each(|(captured, frame)| self.write(now, captured, &frame));
            }
        }
    }

    /// A frame, as the order in force when it was captured wants it.
    pub(super) fn frame(&mut self, now: Instant, frame: Box<Arrived>) {
        if matches!(self.drain, Drain::Over) {
            return;
        }
        let captured = self.correct(&frame);
        let Some(epoch) = self.sheet.epoch else {
            self.prerolls.entry(frame.track).or_default().push(captured, frame);
            return;
        };
        match self.sheet.order_at(captured) {
            Some(order) => match order.what {
                What::Run => self.write(now, captured, &frame),
                What::Pause => self.each(frame.track, |track| track.pause(order.reason)),
                What::Off => {
                    self.past.insert(frame.track);
                    self.each(frame.track, |track| track.end(StartReason::Resume));
                }
            },
            None if captured >= epoch => self.write(now, captured, &frame),
            None => {}
        }
    }

    /// Writes what waits, and tells what changed. True when the hearing has ended.
    pub(super) fn commit(&mut self, now: Instant, wall: Timestamp) -> bool {
        self.look_at_disk(now);
        self.end_paused(wall);
        self.end_drained(now);
        if self.sheet.is_open() {
            self.open_books(now);
        }
        self.commit_tracks(now);
        self.keep_books(now);
        self.trouble.take_if(|(_, at)| now.saturating_duration_since(*at) > CALM);
        self.fault = self.trouble.as_ref().map(|(reason, _)| reason.clone());
        self.report(now);
        self.report_holes(now);
        self.finish(now, wall)
    }

    /// What has become durable goes into the manifest, and the manifest to the disk.
    pub(super) fn keep_books(&mut self, now: Instant) {
        for track in self.tracks.values_mut() {
            track.take_entries().into_iter().for_each(|entry| self.books.append(entry));
        }
        self.cover();
        if self.sheet_changed && self.ending.as_ref().is_none_or(|ending| !ending.close) {
            self.sheet_changed = !self.books.write_sheet(&self.sheet);
        }
        self.books.commit(now, &self.events);
        if let Some(trouble) = self.books.take_trouble() {
            self.trouble = Some((trouble, now));
        }
    }

    /// What a gate says.
    pub(super) fn crossing(&mut self, judged: &Judged) {
        self.books.crossing(&self.sheet, judged);
    }

    /// Every file that may have to be made durable.
    pub(super) fn sinks(&mut self) -> impl Iterator<Item = &mut Sink> {
        self.tracks.values_mut().flat_map(Track::sinks).chain(self.books.sink())
    }

    /// Begins the manifest, or goes on with it. Without it nothing is recorded.
    fn open_books(&mut self, now: Instant) {
        if let Err(error) = self.books.open(&self.sheet, now) {
            self.trouble = Some((error.to_string(), now));
        }
    }

    fn write(&mut self, now: Instant, captured: Timestamp, frame: &Arrived) {
        let Some(epoch) = self.sheet.epoch else { return };
        self.open_books(now);
        if !self.books.are_open() {
            metrics::counter!("hearing_record_frames_lost_total", "reason" => "disk").increment(1);
            return;
        }
        self.open_track(frame.track, epoch, now);
        let Some(track) = self.tracks.get_mut(&frame.track) else {
            metrics::counter!("hearing_record_frames_lost_total", "reason" => "disk").increment(1);
            return;
        };
        // A pause that was over before the writer could end the segment.
        if let Some(order) = track.last().and_then(|last| self.sheet.paused_between(last, captured)) {
            track.pause(order.reason);
        }
        if let Err(error) = track.write(now, epoch, captured, frame) {
            self.trouble = Some((error.to_string(), now));
        }
    }

    /// Opens a track that is not open yet.
    fn open_track(&mut self, id: TrackId, epoch: Timestamp, now: Instant) {
        let btree_map::Entry::Vacant(entry) = self.tracks.entry(id) else { return };
        let name = self.sheet.meta.folder(id);
        let place = Place::new(self.folder.clone(), self.spill.clone(), name, self.spilling);
        match Track::open(place, epoch, now) {
            Ok(track) => _ = entry.insert(track),
            Err(error) => self.trouble = Some((error.to_string(), now)),
        }
    }

    /// Ends the segments of tracks from which nothing has come since the order to pause.
    fn end_paused(&mut self, wall: Timestamp) {
        let last = self.sheet.orders.last().filter(|order| order.at <= wall.plus(-LATEST));
        let Some(&order) = last else { return };
        for track in self.tracks.values_mut() {
            match order.what {
                What::Run => {}
                What::Pause => track.pause(order.reason),
                What::Off => track.end(StartReason::Resume),
            }
        }
    }

    fn each(&mut self, id: TrackId, change: impl FnOnce(&mut Track)) {
        if let Some(track) = self.tracks.get_mut(&id) {
            change(track);
        }
    }

    /// When the frame was captured. A seat whose clock is more than [`CLOCK_LIMIT`] off is set by its arrival.
    fn correct(&mut self, frame: &Arrived) -> Timestamp {
        let captured = frame.frame.head().captured;
        let correction = self.corrections.get(&frame.track.seat).copied().unwrap_or(0);
        let late = frame.at.since(captured.plus(correction));
        if late.abs() <= CLOCK_LIMIT {
            return captured.plus(correction);
        }
        let correction = frame.at.since(captured);
        self.corrections.insert(frame.track.seat, correction);
        tracing::warn!(hearing = %self.sheet.hearing, track = %frame.track, correction, "capture clock is off");
        for (id, track) in &mut self.tracks {
            if id.seat == frame.track.seat {
                track.note_clock(frame.at, correction);
            }
        }
        captured.plus(correction)
    }

    fn report(&mut self, now: Instant) {
        if self.fault != self.told_fault {
            let (reason, over) = (self.fault.as_ref().or(self.told_fault.as_ref()), self.fault.is_none());
            self.books.fault("disk", reason.map_or("", |reason| reason), over);
            match &self.fault {
                Some(reason) => {
                    tracing::error!(hearing = %self.sheet.hearing, reason, "record can't be written");
                    if self.events.try_send(RecordEvent::Failed(reason.clone())).is_err() {
                        return;
                    }
                }
                None => self.told = None,
            }
            self.told_fault.clone_from(&self.fault);
        }
        let there = !self.disk.is_gone();
        let recording = self.tracks.iter().filter(|(_, track)| there && track.is_recording(now)).map(|(id, _)| *id);
        let recording: Vec<TrackId> = recording.collect();
        if self.sheet.epoch.is_some()
            && self.told.as_ref() != Some(&recording)
            && self.events.try_send(RecordEvent::Recording(recording.clone())).is_ok()
        {
            self.told = Some(recording);
        }
    }
}

/// What comes later than this after its capture, in microseconds, is not waited for when the record stops.
const LATEST: i64 = DRAIN.as_micros() as i64;
/// Captured times may differ from arrivals by this many microseconds before the sender's clock is taken to be wrong.
const CLOCK_LIMIT: i64 = LATEST;
/// A fault is over when nothing has gone wrong for this long.
const CALM: Duration = Duration::from_secs(1);
