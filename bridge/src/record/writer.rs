//! The writer thread: owns every file of every record at this node, and never makes anybody wait.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use hearing_config::{HearingId, Timestamp, TrackId};
use hearing_proto::manifest::Cosignature;
use hearing_signaling::hearing::RecordOrder;
use hearing_signaling::registry::Journaled;
use tokio::sync::{mpsc, oneshot};

use super::backlog::WallClock;
use super::hearing::Hearing;
use super::late::{Hole, LateMedia};
use super::leg::Arrived;
use super::seal::Seal;
use super::sheet::Sheet;
use super::sync::{self, Syncer};
use super::watch::Watch;
use super::{Clocks, Error, Judged, RecordEvent, Settings, Signing, space};

/// What the writer is told besides frames.
pub(super) enum Control {
    Open(Box<Opening>),
    Order(HearingId, RecordOrder, Timestamp),
    Late(HearingId, Box<LateMedia>),
    Journaled(HearingId, Box<Journaled>),
    Crossing(HearingId, Box<Judged>),
    Witnessed(HearingId, Box<Result<Cosignature, u64>>),
    EndMedia(HearingId, Vec<TrackId>, oneshot::Sender<Vec<Hole>>),
    Close(HearingId, oneshot::Sender<Result<Option<Seal>, Error>>),
    Stop(oneshot::Sender<Result<(), Error>>),
}

/// A hearing whose record begins or goes on.
pub(super) struct Opening {
    pub(super) hearing: HearingId,
    pub(super) folder: PathBuf,
    /// Its folder on the spill disk, if there is one.
    pub(super) spill: Option<PathBuf>,
    pub(super) signing: Arc<Signing>,
    pub(super) clocks: Clocks,
    pub(super) sheet: Sheet,
    pub(super) events: mpsc::Sender<RecordEvent>,
}

/// Starts the thread. It ends with [`Control::Stop`], or when nobody can tell it anything any more.
pub(super) fn spawn(settings: &Settings) -> io::Result<(SyncSender<Control>, SyncSender<Box<Arrived>>)> {
    let (control, controls) = sync_channel(CONTROLS);
    let (media, frames) = sync_channel(FRAMES);
    let now = Instant::now();
    let writer = Writer {
        controls,
        frames,
        hearings: HashMap::new(),
        syncer: Syncer::spawn()?,
        watch: Watch::spawn()?,
        clock: WallClock::now(),
        settings: settings.clone(),
        warned: None,
        commit_at: now,
        sync_at: now,
        space_at: now,
        syncing: false,
        submitted: now,
    };
    thread::Builder::new().name("record".to_owned()).spawn(move || writer.run())?;
    Ok((control, media))
}

struct Writer {
    controls: Receiver<Control>,
    frames: Receiver<Box<Arrived>>,
    hearings: HashMap<HearingId, Hearing>,
    syncer: Syncer,
    watch: Watch,
    clock: WallClock,
    settings: Settings,
    /// The lowest limit of free space that was warned of.
    warned: Option<u8>,
    commit_at: Instant,
    sync_at: Instant,
    space_at: Instant,
    /// A batch is on its way to the disk.
    syncing: bool,
    /// Since when.
    submitted: Instant,
}

impl Writer {
    fn run(mut self) {
        sync::go_first();
        loop {
            match self.controls.recv_timeout(self.patience()) {
                Ok(Control::Stop(reply)) => return self.stop(reply),
                Ok(control) => self.control(Instant::now(), control),
                Err(RecvTimeoutError::Timeout) if Instant::now() < self.commit_at => self.look_at_syncer(),
                Err(RecvTimeoutError::Timeout) => {
                    let now = Instant::now();
                    self.take_frames(now);
                    self.commit(now);
                    self.look_at_space(now);
                    self.commit_at = now + COMMIT;
                }
                Err(RecvTimeoutError::Disconnected) => return self.stop(oneshot::channel().0),
            }
        }
    }

    fn control(&mut self, now: Instant, control: Control) {
        match control {
            Control::Open(opening) => {
                self.watch.add(opening.hearing, opening.events.clone());
                self.hearings.insert(opening.hearing, Hearing::new(*opening));
            }
            Control::Order(id, order, at) => {
                if let Some(hearing) = self.hearings.get_mut(&id) {
                    hearing.order(now, order, at);
                }
            }
            Control::Late(id, media) => {
                if let Some(hearing) = self.hearings.get_mut(&id) {
                    hearing.late(now, &media);
                }
            }
            Control::Journaled(id, journaled) => {
                if let Some(hearing) = self.hearings.get_mut(&id) {
                    hearing.books.journaled(now, &journaled);
                }
            }
            Control::Crossing(id, judged) => {
                if let Some(hearing) = self.hearings.get_mut(&id) {
                    hearing.crossing(&judged);
                }
            }
            Control::Witnessed(id, answer) => {
                if let Some(hearing) = self.hearings.get_mut(&id) {
                    hearing.books.witnessed(now, *answer);
                }
            }
            Control::EndMedia(id, tracks, reply) => {
                self.take_frames(now);
                if let Some(hearing) = self.hearings.get_mut(&id) {
                    hearing.end_media(now, tracks, reply);
                }
            }
            Control::Close(id, reply) => {
                self.take_frames(now);
                if let Some(hearing) = self.hearings.get_mut(&id) {
                    hearing.end(now, reply);
                }
            }
            // Taken out by `run`.
            Control::Stop(_) => {}
        }
    }

    fn take_frames(&mut self, now: Instant) {
        for frame in self.frames.try_iter().take(FRAMES) {
            frame.backlog.release(frame.at, frame.frame.len());
            match self.hearings.get_mut(&frame.hearing) {
                Some(hearing) => hearing.frame(now, frame),
                None => metrics::counter!("hearing_record_frames_lost_total", "reason" => "closed").increment(1),
            }
        }
    }

    /// Writes all tracks, then has them made durable, at most every [`SYNC`].
    fn commit(&mut self, now: Instant) {
        if self.syncing && now.saturating_duration_since(self.submitted) > STOOD {
            self.hearings.values_mut().for_each(|hearing| hearing.not_durable(now));
        }
        let wall = self.clock.at(now);
        let watch = &self.watch;
        self.hearings.retain(|id, hearing| {
            let over = hearing.commit(now, wall);
            if over {
                watch.remove(*id);
            }
            !over
        });
        self.sync(now);
        if let Some(stood) = self.watch.beat() {
            self.hearings.values_mut().for_each(|hearing| hearing.stood_still(stood));
        }
        metrics::histogram!("hearing_record_commit_seconds").record(now.elapsed().as_secs_f64());
    }

    /// Until the next turn, or for a moment while a batch is on its way to the disk.
    fn patience(&self) -> Duration {
        let turn = self.commit_at.saturating_duration_since(Instant::now());
        if self.syncing { turn.min(GLANCE) } else { turn }
    }

    /// What has become durable goes into the manifests at once; a batch that had to wait goes now.
    fn look_at_syncer(&mut self) {
        if self.syncing && !self.syncer.is_busy() {
            self.syncing = false;
            let now = Instant::now();
            self.hearings.values_mut().for_each(|hearing| hearing.keep_books(now));
            self.sync(now);
        }
    }

    fn sync(&mut self, now: Instant) {
        if now >= self.sync_at && !self.syncer.is_busy() {
            self.sync_at = now + SYNC;
            self.syncer.submit(self.hearings.values_mut().flat_map(Hearing::sinks));
            self.syncing = self.syncer.is_busy();
            self.submitted = now;
        }
    }

    fn look_at_space(&mut self, now: Instant) {
        if now < self.space_at {
            return;
        }
        self.space_at = now + SPACE;
        let Ok(room) = space::free(&self.settings.directory) else { return };
        metrics::gauge!("hearing_record_free_percent").set(f64::from(room.percent));
        let limit = self.settings.warn.iter().copied().filter(|limit| room.percent < *limit).min();
        if limit.is_some_and(|limit| self.warned.is_none_or(|warned| limit < warned)) {
            tracing::warn!(free_percent = room.percent, free_bytes = room.bytes, "the disk of the record fills up");
        }
        for hearing in self.hearings.values_mut() {
            hearing.space(room, limit);
        }
        self.warned = limit;
    }

    /// Writes everything, then answers.
    fn stop(mut self, reply: oneshot::Sender<Result<(), Error>>) {
        let now = Instant::now();
        self.take_frames(now);
        let mut ends = Vec::new();
        for hearing in self.hearings.values_mut() {
            let (end, ended) = oneshot::channel();
            hearing.stop(now, end);
            ends.push(ended);
        }
        while !self.hearings.is_empty() {
            self.commit(Instant::now());
            thread::sleep(COMMIT / 5);
        }
        let results = ends.into_iter().map(|mut end| end.try_recv().unwrap_or(Err(Error::Stopped)).map(drop));
        // Nobody may be waiting for the answer any more.
        drop(reply.send(results.collect()));
    }
}

/// How often everything that arrived is written: what a crash of the process costs.
const COMMIT: Duration = Duration::from_millis(60);
/// How often it is made durable: what a loss of power costs, besides the disk's own time.
const SYNC: Duration = Duration::from_millis(60);
/// How often the writer looks whether a batch is durable.
const GLANCE: Duration = Duration::from_millis(5);
/// A turn that took longer is a fault of the disk.
const STOOD: Duration = Duration::from_secs(2);
const SPACE: Duration = Duration::from_secs(5);
const CONTROLS: usize = 1_024;
/// 10 s of 80 tracks at 80 frames a second; each track's share is bounded by its backlog.
const FRAMES: usize = 65_536;
