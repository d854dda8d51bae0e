//! One hearing in the writer: its orders, its clock corrections, its tracks, and what it tells of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hearing_config::{SeatId, Timestamp, TrackId};
use hearing_signaling::hearing::RecordOrder;
use tokio::sync::{mpsc, oneshot};

use super::index::StartReason;
use super::late::LateMedia;
use super::leg::Arrived;
use super::preroll::Preroll;
use super::sheet::{Sheet, What};
use super::sink::Sink;
use super::track::Track;
use super::writer::Opening;
use super::{Error, PREROLL, RecordEvent};

/// A hearing that is being recorded.
pub(super) struct Hearing {
    folder: PathBuf,
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
    ending: Option<Ending>,
}

struct Ending {
    reply: oneshot::Sender<Result<(), Error>>,
    /// The hearing is closed, not only this process.
    close: bool,
    until: Instant,
}

impl Hearing {
    pub(super) fn new(opening: Opening) -> Self {
        let Opening { hearing: _, folder, sheet, events } = opening;
        Self {
            folder,
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
            ending: None,
        }
    }

    pub(super) fn order(&mut self, now: Instant, order: RecordOrder, at: Timestamp) {
        if !self.sheet.order(order, at) {
            return;
        }
        self.sheet_changed = true;
        if order == RecordOrder::Run {
            for (_, mut preroll) in std::mem::take(&mut self.prerolls) {
                preroll.drain(at.plus(-PREROLL)).for_each(|(captured, frame)| self.write(now, captured, &frame));
            }
        }
    }

    /// A frame, as the order in force when it was captured wants it.
    pub(super) fn frame(&mut self, now: Instant, frame: Box<Arrived>) {
        if self.ending.is_some() {
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
                What::Off => self.each(frame.track, |track| track.end(StartReason::Resume)),
            },
            None if captured >= epoch => self.write(now, captured, &frame),
            None => {}
        }
    }

    /// Media that came late, as the order in force when it was captured wants it.
    pub(super) fn late(&mut self, now: Instant, media: &LateMedia) {
        let (Some(epoch), Some(track)) = (self.sheet.epoch, self.tracks.get_mut(&media.hole.track)) else { return };
        let correction = self.corrections.get(&media.hole.track.seat).copied().unwrap_or(0);
        for frame in &media.frames {
            let captured = frame.head().captured.plus(correction);
            let wanted = self.sheet.order_at(captured).map_or(captured >= epoch, |order| order.what == What::Run);
            let Some(codec) = media.codec.filter(|_| wanted && media.hole.wants(frame)) else { continue };
            if let Err(error) = track.write_late(now, epoch, captured, (codec, frame)) {
                self.trouble = Some((error.to_string(), now));
            }
        }
        if media.last {
            track.end_late(&media.hole, &media.edge);
        }
    }

    /// Writes what waits, and tells what changed. True when the hearing has ended.
    pub(super) fn commit(&mut self, now: Instant, wall: Timestamp) -> bool {
        self.end_paused(wall);
        let mut failed: Vec<String> =
            self.tracks.values_mut().filter_map(|t| t.commit().err()).map(|e| e.to_string()).collect();
        if self.sheet_changed {
            match self.sheet.write(&self.folder) {
                Ok(()) => self.sheet_changed = false,
                Err(error) => failed.push(error.to_string()),
            }
        }
        if let Some(reason) = failed.pop() {
            self.trouble = Some((reason, now));
        }
        self.trouble.take_if(|(_, at)| now.saturating_duration_since(*at) > CALM);
        self.fault = self.trouble.as_ref().map(|(reason, _)| reason.clone());
        self.report(now);
        self.report_holes(now);
        self.finish(now, wall)
    }

    /// Every file that may have to be made durable.
    pub(super) fn sinks(&mut self) -> impl Iterator<Item = &mut Sink> {
        self.tracks.values_mut().flat_map(Track::sinks)
    }

    /// Ends the record in this process; `reply` hears when everything is durable. `close` ends it for good.
    pub(super) fn end(&mut self, now: Instant, close: bool, reply: oneshot::Sender<Result<(), Error>>) {
        self.tracks.values_mut().for_each(|track| track.end(StartReason::Restart));
        self.ending = Some(Ending { reply, close, until: now + PATIENCE });
    }

    fn finish(&mut self, now: Instant, wall: Timestamp) -> bool {
        let settled = !self.sheet_changed && self.tracks.values().all(Track::is_settled);
        let Some(ending) = self.ending.take_if(|ending| settled || now >= ending.until) else { return false };
        let mut result = match &self.fault {
            _ if settled => Ok(()),
            Some(fault) => Err(Error::Unwritten(fault.clone())),
            None => Err(Error::Unwritten("the disk is too slow".to_owned())),
        };
        if ending.close && self.sheet.epoch.is_some() {
            let last = self.sheet.orders.last().filter(|order| order.what == What::Off);
            self.sheet.closed = Some(last.map_or(wall, |order| order.at));
            result = result.and(self.sheet.write(&self.folder));
        }
        if let Err(error) = &result {
            tracing::error!(hearing = %self.sheet.hearing, %error, "record not complete");
        }
        // Nobody may be waiting for the answer any more.
        drop(ending.reply.send(result));
        true
    }

    fn write(&mut self, now: Instant, captured: Timestamp, frame: &Arrived) {
        let Some(epoch) = self.sheet.epoch else { return };
        let track = match self.tracks.entry(frame.track) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let folder = self.folder.join(self.sheet.meta.folder(frame.track));
                match Track::open(folder, epoch, now) {
                    Ok(track) => entry.insert(track),
                    Err(error) => {
                        self.trouble = Some((error.to_string(), now));
                        metrics::counter!("hearing_record_frames_lost_total", "reason" => "disk").increment(1);
                        return;
                    }
                }
            }
        };
        if let Err(error) = track.write(now, epoch, captured, frame) {
            self.trouble = Some((error.to_string(), now));
        }
    }

    /// Ends the segments of tracks from which nothing has come since the order to pause.
    fn end_paused(&mut self, wall: Timestamp) {
        let last = self.sheet.orders.last().filter(|order| order.at <= wall.plus(-CLOCK_LIMIT));
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

    /// What is missing, and what need not be kept elsewhere any more.
    fn report_holes(&mut self, now: Instant) {
        for (id, track) in &mut self.tracks {
            while let Some(hole) = track.next_hole(*id) {
                if self.events.try_send(RecordEvent::Hole(hole)).is_err() {
                    track.hole_untold(hole);
                    return;
                }
            }
        }
        if now.saturating_duration_since(self.told_durable) >= DURABLE_EVERY {
            self.told_durable = now;
            let durable = self.tracks.iter().filter_map(|(id, track)| Some((*id, track.settled()?))).collect();
            // It is told again in 2 s.
            drop(self.events.try_send(RecordEvent::Durable(durable)));
        }
    }

    fn report(&mut self, now: Instant) {
        if self.fault != self.told_fault {
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
        let recording = self.tracks.iter().filter(|(_, track)| track.is_recording(now)).map(|(id, _)| *id);
        let recording: Vec<TrackId> = recording.collect();
        if self.sheet.epoch.is_some()
            && self.told.as_ref() != Some(&recording)
            && self.events.try_send(RecordEvent::Recording(recording.clone())).is_ok()
        {
            self.told = Some(recording);
        }
    }
}

/// Captured times may differ from arrivals by this many microseconds before the sender's clock is taken to be wrong.
const CLOCK_LIMIT: i64 = 1_000_000;
/// A fault is over when nothing has gone wrong for this long.
const CALM: Duration = Duration::from_secs(1);
/// How long the end of a record waits for the disk.
const PATIENCE: Duration = Duration::from_secs(5);
const DURABLE_EVERY: Duration = Duration::from_secs(2);
