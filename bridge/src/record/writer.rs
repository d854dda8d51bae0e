//! The writer thread: owns every file of every record at this node, and never makes anybody wait.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use hearing_config::{HearingId, Timestamp};
use hearing_signaling::hearing::RecordOrder;
use tokio::sync::{mpsc, oneshot};

use super::backlog::WallClock;
use super::hearing::Hearing;
use super::late::LateMedia;
use super::leg::Arrived;
use super::sheet::Sheet;
use super::sink::Syncer;
use super::{Error, RecordEvent, Settings, space};

/// What the writer is told besides frames.
pub(super) enum Control {
    Open(Box<Opening>),
    Order(HearingId, RecordOrder, Timestamp),
    Late(HearingId, Box<LateMedia>),
    Close(HearingId, oneshot::Sender<Result<(), Error>>),
    Stop(oneshot::Sender<Result<(), Error>>),
}

/// A hearing whose record begins or goes on.
pub(super) struct Opening {
    pub(super) hearing: HearingId,
    pub(super) folder: PathBuf,
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
        clock: WallClock::now(),
        settings: settings.clone(),
        warned: None,
        commit_at: now,
        sync_at: now,
        space_at: now,
    };
    thread::Builder::new().name("record".to_owned()).spawn(move || writer.run())?;
    Ok((control, media))
}

struct Writer {
    controls: Receiver<Control>,
    frames: Receiver<Box<Arrived>>,
    hearings: HashMap<HearingId, Hearing>,
    syncer: Syncer,
    clock: WallClock,
    settings: Settings,
    /// The lowest limit of free space that was warned of.
    warned: Option<u8>,
    commit_at: Instant,
    sync_at: Instant,
    space_at: Instant,
}

impl Writer {
    fn run(mut self) {
        loop {
            let patience = self.commit_at.saturating_duration_since(Instant::now());
            match self.controls.recv_timeout(patience) {
                Ok(Control::Stop(reply)) => return self.stop(reply),
                Ok(control) => self.control(Instant::now(), control),
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
            Control::Close(id, reply) => {
                self.take_frames(now);
                if let Some(hearing) = self.hearings.get_mut(&id) {
                    hearing.end(now, true, reply);
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
        let wall = self.clock.at(now);
        self.hearings.retain(|_, hearing| !hearing.commit(now, wall));
        if now >= self.sync_at {
            self.sync_at = now + SYNC;
            self.syncer.submit(self.hearings.values_mut().flat_map(Hearing::sinks).collect());
        }
        metrics::histogram!("hearing_record_commit_seconds").record(now.elapsed().as_secs_f64());
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
        self.warned = limit;
    }

    /// Writes everything, then answers.
    fn stop(mut self, reply: oneshot::Sender<Result<(), Error>>) {
        let now = Instant::now();
        self.take_frames(now);
        let mut ends = Vec::new();
        for hearing in self.hearings.values_mut() {
            let (end, ended) = oneshot::channel();
            hearing.end(now, false, end);
            ends.push(ended);
        }
        while !self.hearings.is_empty() {
            self.commit(Instant::now());
            thread::sleep(COMMIT / 5);
        }
        let results = ends.into_iter().map(|mut end| end.try_recv().unwrap_or(Err(Error::Stopped)));
        // Nobody may be waiting for the answer any more.
        drop(reply.send(results.collect()));
    }
}

/// How often everything that arrived is written: what a crash of the process costs.
const COMMIT: Duration = Duration::from_millis(50);
/// How often it is made durable: what a loss of power costs, besides the disk's own time.
const SYNC: Duration = Duration::from_millis(100);
const SPACE: Duration = Duration::from_secs(5);
const CONTROLS: usize = 1_024;
/// 10 s of 80 tracks at 80 frames a second; each track's share is bounded by its backlog.
const FRAMES: usize = 65_536;
