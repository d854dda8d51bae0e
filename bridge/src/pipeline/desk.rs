//! What a terminal that takes one picture and one sound sees and hears: a composed picture, shared by all who may see the same
//! seats in the same layout, and the mix of everybody but itself. Its leg hands the desk the tracks that its seat may have;
//! the desk answers with frames of the codecs that the terminal takes.

mod feed;
mod stage;
mod task;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use hearing_config::{Codec, HearingId, Kind, SeatId, Timestamp, TrackId};
use hearing_proto::child::{Coded, Loudness, PictureTarget, SoundTarget};
use hearing_proto::scene::{Layout, Words};
use hearing_signaling::hearing::MediaPlan;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use super::intake::Intake;
use super::{Error, Program};
use crate::router::{Control, Feed, Frame, LayerSet, Output, Takes, TrackInfo};
use stage::Stages;

/// Makes desks; one for a node, cheap to clone.
#[derive(Debug, Clone)]
pub struct Desks {
    program: Arc<Program>,
    stages: Stages,
    /// A PNG that stands before the heading.
    emblem: Option<Bytes>,
    rooms: Arc<Mutex<HashMap<HearingId, Room>>>,
}

/// What the desks of a hearing have in common.
#[derive(Debug, Clone)]
pub struct Room {
    /// Who may see and hear whom.
    pub plans: watch::Receiver<Arc<MediaPlan>>,
    /// What is written on the seats' tiles; a seat without a name has the one of its template.
    pub names: BTreeMap<SeatId, Words>,
    /// What stands above the picture, such as the case number.
    pub heading: String,
    /// The clock's distance from UTC in seconds.
    pub utc_offset: i32,
}

/// Where a desk stands.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The hearing.
    pub hearing: HearingId,
    /// The terminal's seat: it neither sees nor hears itself.
    pub seat: SeatId,
    /// Who may see and hear whom.
    pub plans: watch::Receiver<Arc<MediaPlan>>,
    /// What is written on the seats' tiles; a seat without a name has the one of its template.
    pub names: BTreeMap<SeatId, Words>,
    /// What stands above the picture, such as the case number.
    pub heading: String,
    /// The clock's distance from UTC in seconds.
    pub utc_offset: i32,
}

/// What a terminal takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// Its sound. `treat`: sound from other terminals has noise taken away and is raised where it is quiet.
    pub sound: Option<SoundTarget>,
    /// Its picture.
    pub picture: Option<PictureTarget>,
    /// How the seats stand in it.
    pub layout: Layout,
}

/// What comes from a desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromDesk {
    /// A frame for the terminal; whole access units as a byte stream, sound as packets. `captured` is the wall clock's time
    /// of what it shows or lets hear, on one time line for both.
    Frame {
        /// Sound or picture.
        kind: Kind,
        /// When.
        captured: Timestamp,
        /// The frame.
        coded: Coded,
    },
    /// The leg is to ask the router for a key frame of this track, with [`DeskFeed::ask`].
    NeedKey(TrackId),
    /// How a seat sounds, about once a second; of the terminal's own seat with the echo that comes back.
    Loudness(SeatId, Loudness),
    /// A child of this desk was down and is started anew.
    Restarted,
}

/// The end of a desk at the terminal's leg: never waits. Dropping it ends the desk.
#[derive(Debug)]
pub struct DeskFeed {
    to: mpsc::Sender<ToDesk>,
    intake: Intake,
}

#[derive(Debug)]
enum ToDesk {
    Track(TrackInfo),
    TrackEnd(TrackId),
    Frame(TrackId, Frame),
    /// The terminal's own sound: only measured.
    Own(Codec, Frame),
    Speaker(Option<SeatId>),
    KeyFrame,
}

impl Desks {
    /// Desks whose children run this program; `emblem` is a PNG that stands before the heading of their pictures.
    #[must_use]
    pub fn new(program: Arc<Program>, emblem: Option<Bytes>) -> Self {
        Self { program, stages: Stages::default(), emblem, rooms: Arc::default() }
    }

    /// What its children run.
    #[must_use]
    pub fn program(&self) -> Arc<Program> {
        self.program.clone()
    }

    /// A hearing sits at this node: from now on its terminals find their desks.
    pub fn furnish(&self, hearing: HearingId, room: Room) {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).insert(hearing, room);
    }

    /// The hearing has left this node.
    pub fn clear(&self, hearing: HearingId) {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).remove(&hearing);
    }

    /// The desk of a seat as the feed of its terminal; `None` when the hearing does not sit here, when nothing that the
    /// terminal takes can be made, or when there is no thread left.
    #[must_use]
    pub fn feed(&self, hearing: HearingId, seat: SeatId, takes: &Takes) -> Option<Box<dyn Feed>> {
        let room = self.rooms.lock().unwrap_or_else(PoisonError::into_inner).get(&hearing).cloned()?;
        let terminal = room.plans.borrow().seat(seat).and_then(|seat| seat.terminal.clone());
        let layout = terminal.map(|terminal| terminal.layout).unwrap_or_default();
        let (wants, codecs) = feed::wants(takes, layout)?;
        let Room { plans, names, heading, utc_offset } = room;
        let setting = Setting { hearing, seat, plans, names, heading, utc_offset };
        let desk = self.open(setting, wants).inspect_err(|error| warn!(%hearing, %seat, %error, "no desk")).ok()?;
        Some(Box::new(feed::Player::new(seat, wants, codecs, desk)))
    }

    /// Sets up a desk. What comes out of it is bounded; a receiver that is too slow loses frames, which is counted.
    ///
    /// # Errors
    /// There is no thread left for its children.
    pub fn open(&self, setting: Setting, wants: Wants) -> Result<(DeskFeed, mpsc::Receiver<FromDesk>), Error> {
        let (to, given) = mpsc::channel(QUEUE);
        let (out, outputs) = mpsc::channel(QUEUE);
        let task = task::Task::start(self, setting, wants, out)?;
        tokio::spawn(task.run(given));
        Ok((DeskFeed { to, intake: Intake::new(Instant::now()) }, outputs))
    }
}

impl DeskFeed {
    /// As [`crate::router::Leg::handle_track`].
    pub fn handle_track(&mut self, now: Instant, info: &TrackInfo) {
        self.intake.begin(now, info);
        self.tell(ToDesk::Track(info.clone()));
    }

    /// As [`crate::router::Leg::handle_track_end`].
    pub fn handle_track_end(&mut self, track: TrackId) {
        self.intake.end(track);
        self.tell(ToDesk::TrackEnd(track));
    }

    /// As [`crate::router::Leg::handle_frame`].
    pub fn handle_frame(&mut self, now: Instant, track: TrackId, frame: &Frame) {
        if self.intake.take(now, track, frame) && !self.tell(ToDesk::Frame(track, frame.clone())) {
            self.intake.ask(now, track);
        }
    }

    /// As [`crate::router::Leg::handle_control`]; only who speaks matters here.
    pub fn handle_control(&self, control: Control) {
        if let Control::Protect(protected) = control {
            self.tell(ToDesk::Speaker(protected.speaker));
        }
    }

    /// What the terminal itself says, so that its loudness and its echo are measured.
    pub fn handle_own_sound(&self, codec: Codec, frame: &Frame) {
        self.tell(ToDesk::Own(codec, frame.clone()));
    }

    /// The terminal needs a key frame of its picture.
    pub fn key_frame(&self) {
        self.tell(ToDesk::KeyFrame);
    }

    /// The desk needs a key frame of a track; the answer to [`FromDesk::NeedKey`].
    pub fn ask(&mut self, now: Instant, track: TrackId) {
        self.intake.ask(now, track);
    }

    /// As [`crate::router::Leg::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.intake.handle_timeout(now);
    }

    /// As [`crate::router::Leg::poll_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.intake.poll_timeout()
    }

    /// As [`crate::router::Leg::poll_output`].
    pub fn poll_output(&mut self) -> Option<Output> {
        self.intake.poll_output()
    }

    /// As [`crate::router::Leg::wanted`].
    #[must_use]
    pub fn wanted(&self, track: TrackId) -> LayerSet {
        self.intake.wanted(track)
    }

    fn tell(&self, message: ToDesk) -> bool {
        let taken = self.to.try_send(message).is_ok();
        if !taken {
            metrics::counter!("hearing_pipeline_frames_lost_total").increment(1);
        }
        taken
    }
}

/// Frames that may wait for a desk or for its terminal: about 2 s of a hearing with eight seats.
const QUEUE: usize = 1_024;

#[cfg(test)]
mod tests;
