//! The record of a hearing at its home: every recorded track, untouched, in files that survive a crash at any moment.
//!
//! The leg (`leg`) runs on the media worker and only hands frames to a bounded queue. One writer thread per node
//! (`writer`) owns every file; a second thread makes what was written durable. Neither ever makes media wait.

mod addition;
mod backlog;
mod books;
pub mod catalog;
mod clock;
mod coding;
pub mod cosign;
pub mod evidence;
pub mod export;
mod forms;
mod hearing;
pub mod http;
mod index;
pub mod keep;
pub mod late;
mod late_track;
pub mod later;
mod ledger;
mod leg;
mod narrate;
mod place;
mod preroll;
mod recover;
pub mod replay;
mod reserve;
mod seal;
mod segment;
mod sheet;
mod sink;
mod space;
pub mod spool;
mod sync;
mod track;
mod voice;
mod watch;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use hearing_config::{HearingId, NodeId, Timestamp, TrackId, Verdict, Zone};
use hearing_proto::manifest::{self, Cosignature, Der, Hash, Request, SignError, Signer};
use hearing_signaling::hearing::{Proof, RecordOrder};
use hearing_signaling::registry::Journaled;
use tokio::sync::{mpsc, oneshot};

pub use addition::Addition;
pub use clock::Clocks;
pub(crate) use forms::reason_words;
pub use index::{GapReason, Line, StartReason, read as read_index};
pub use seal::Seal;
pub use sheet::{Meta, Order, Pause, Seat, Sheet, What};
pub use space::Space;

use crate::router::Leg;
use backlog::WallClock;
use leg::RecordLeg;
use writer::{Control, Opening};

/// Where and how a node records.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of all records; made when it is missing.
    pub directory: PathBuf,
    /// The folder on another disk into which a running record goes on when the first one is full.
    pub spill: Option<PathBuf>,
    /// This node; stands in every record.
    pub signing: Arc<Signing>,
    /// Free space, in percent, below which a warning is logged: the higher first, such as 20, 10, 5.
    pub warn: Vec<u8>,
    /// Free space, in percent, below which no new record begins, such as 10. Running ones go on.
    pub refuse: u8,
}

/// Who signs a record at its beginning: the node, which thereby certifies the hearing's own keys.
pub struct Signing {
    /// The node's name.
    pub node: NodeId,
    /// Its zone.
    pub zone: Zone,
    /// Reads the node's certificate chain and its key, as they are now.
    pub read: ReadIdentity,
    /// The recorder's name and version.
    pub software: String,
    /// The hash of the program that records, if it is known.
    pub build: Option<Hash>,
    /// The zones and crossings under which hearings are held, in words; records carry its hash, and these when it changes.
    pub policy: String,
}

/// Reads a certificate chain and its key; the error says which file and why.
pub type ReadIdentity = Box<dyn Fn() -> Result<(Vec<Der>, Box<dyn Signer>), String> + Send + Sync>;

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signing").field("node", &self.node).field("zone", &self.zone).finish_non_exhaustive()
    }
}

/// What the gate between two zones said of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The track.
    pub track: TrackId,
    /// The zone that it comes from.
    pub from: Zone,
    /// The zone that it wanted to enter.
    pub to: Zone,
    /// Whether it may.
    pub verdict: Verdict,
}

/// What the recorder reports of one hearing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordEvent {
    /// The tracks that are being written: their file is open, their first frame is durable and their last is not older
    /// than 2 s. Sent when it changes.
    Recording(Vec<TrackId>),
    /// Something is not in the record that another node may have kept.
    Hole(late::Hole),
    /// The tracks and when the last frame of each that is durable was captured; every 2 s.
    Durable(Vec<(TrackId, Timestamp)>),
    /// The record can't be written, and why. The recorder keeps trying; a later `Recording` names what works again.
    Failed(String),
    /// The disk fills up; `None` when that is over.
    Warning(Option<String>),
    /// What proves the record so far.
    Proof(Proof),
    /// A node of another zone is to cosign this checkpoint; tell [`HearingRecord::witnessed`] what it says.
    Cosign(Box<Request>),
}

/// The node's recorder: the handle to its writer thread.
#[derive(Debug, Clone)]
pub struct Recorder {
    settings: Settings,
    clocks: Clocks,
    control: SyncSender<Control>,
    media: SyncSender<Box<leg::Arrived>>,
    addenda: later::Turn,
}

impl Recorder {
    /// Makes the folder, checks that it can be written, and starts the writer.
    ///
    /// # Errors
    /// When the folder can't be made or written, or the disk is too full and no record in it waits to go on.
    pub fn start(settings: Settings) -> Result<Self, Error> {
        space::probe(&settings.directory)?;
        if let Some(spill) = &settings.spill {
            space::probe(spill)?;
        }
        let unfinished = || catalog::list(&settings.directory).is_ok_and(|all| all.iter().any(|r| r.sheet.is_open()));
        let room = space::require(&settings.directory, settings.refuse);
        if room.is_err() && !unfinished() {
            room?;
        }
        let (control, media) = writer::spawn(&settings).map_err(|source| Error::Thread { source })?;
        Ok(Self { settings, clocks: Clocks::new(), control, media, addenda: later::Turn::default() })
    }

    /// Begins the record of a hearing, or goes on with the one that is there. Nothing is written before the first
    /// [`RecordOrder::Run`]. The leg goes onto the hearing's router with `Place::Record`. When the receiver of `events`
    /// ends before [`HearingRecord::close`], the writer is gone. Blocks for some milliseconds: the sheet is made durable.
    ///
    /// # Errors
    /// When a new record would begin on a disk that is too full, the folder can't be written, or the writer is gone.
    pub fn open(
        &self,
        hearing: HearingId,
        meta: Meta,
        events: mpsc::Sender<RecordEvent>,
    ) -> Result<(Box<dyn Leg>, HearingRecord), Error> {
        let folder = self.settings.directory.join(hearing.to_string());
        if !folder.exists() {
            self.room()?;
        }
        let sheet = Sheet::begin(&folder, hearing, self.settings.signing.node.clone(), meta)?;
        let spill = self.settings.spill.as_ref().map(|spill| spill.join(hearing.to_string()));
        let (signing, clocks) = (Arc::clone(&self.settings.signing), self.clocks.clone());
        let opening = Opening { hearing, folder, spill, signing, clocks, sheet, events };
        send(&self.control, Control::Open(Box::new(opening)))?;
        let mut record = HearingRecord { hearing, control: self.control.clone(), media: self.media.clone(), legs: 0 };
        Ok((record.leg(), record))
    }

    /// Whether a new record may begin: ask before a hearing is started.
    ///
    /// # Errors
    /// When less than the configured space is free, or it can't be told.
    pub fn room(&self) -> Result<Space, Error> {
        space::require(&self.settings.directory, self.settings.refuse)
    }

    /// Writes everything that has arrived, makes it durable and ends the writer. Open hearings stay open: the next
    /// start goes on with them.
    ///
    /// # Errors
    /// When something could not be written.
    pub async fn stop(self) -> Result<(), Error> {
        let (reply, stopped) = oneshot::channel();
        send(&self.control, Control::Stop(reply))?;
        stopped.await.map_err(|_| Error::Stopped)?
    }
}

/// The record of one hearing; a handle to it.
#[derive(Debug, Clone)]
pub struct HearingRecord {
    hearing: HearingId,
    control: SyncSender<Control>,
    media: SyncSender<Box<leg::Arrived>>,
    /// Legs made so far.
    legs: u32,
}

impl HearingRecord {
    /// Another leg in place of one that is lost; the tracks go on in new segments.
    pub fn leg(&mut self) -> Box<dyn Leg> {
        let leg = RecordLeg::new(self.hearing, WallClock::now(), self.media.clone(), self.legs * STAYS);
        self.legs += 1;
        Box::new(leg)
    }

    /// What to do with frames that were captured from `at` on. The first `Run` sets the record's clock: file time 0 is
    /// [`PREROLL`] before it.
    ///
    /// # Errors
    /// When the writer is gone.
    pub fn order(&self, order: RecordOrder, at: Timestamp) -> Result<(), Error> {
        send(&self.control, Control::Order(self.hearing, order, at))
    }

    /// Writes media that came late.
    ///
    /// # Errors
    /// When the writer is gone.
    pub fn late(&self, media: late::LateMedia) -> Result<(), Error> {
        send(&self.control, Control::Late(self.hearing, Box::new(media)))
    }

    /// What the hearing's journal says; all of it, in order.
    ///
    /// # Errors
    /// When the writer is gone.
    pub fn journaled(&self, journaled: Journaled) -> Result<(), Error> {
        send(&self.control, Control::Journaled(self.hearing, Box::new(journaled)))
    }

    /// What a gate says of a track of the hearing.
    ///
    /// # Errors
    /// When the writer is gone.
    pub fn crossing(&self, judged: Judged) -> Result<(), Error> {
        send(&self.control, Control::Crossing(self.hearing, Box::new(judged)))
    }

    /// The witness's word on a [`RecordEvent::Cosign`], or the size from which it wants to be led on.
    ///
    /// # Errors
    /// When the writer is gone.
    pub fn witnessed(&self, answer: Result<Cosignature, u64>) -> Result<(), Error> {
        send(&self.control, Control::Witnessed(self.hearing, Box::new(answer)))
    }

    /// Takes nothing more in time, once what was captured before the last order to end has come, some seconds at most. What
    /// may then be missing at the end of `tracks`, which entered at other nodes.
    ///
    /// # Errors
    /// When the writer is gone.
    pub async fn end_media(&self, tracks: Vec<TrackId>) -> Result<Vec<late::Hole>, Error> {
        let (reply, ended) = oneshot::channel();
        send(&self.control, Control::EndMedia(self.hearing, tracks, reply))?;
        ended.await.map_err(|_| Error::Stopped)
    }

    /// Ends the record and seals it: everything is durable when this returns. `None` when it never began.
    ///
    /// # Errors
    /// When something could not be written within 20 s; the writer has then given up on it. Open the record again to go on.
    pub async fn close(self) -> Result<Option<Seal>, Error> {
        let (reply, closed) = oneshot::channel();
        send(&self.control, Control::Close(self.hearing, reply))?;
        closed.await.map_err(|_| Error::Stopped)?
    }
}

fn send(control: &SyncSender<Control>, message: Control) -> Result<(), Error> {
    control.try_send(message).map_err(|_| Error::Stopped)
}

/// Why recording fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder can't be read or written.
    #[error("record {}: {action}: {source}", path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// Too little space for a new record.
    #[error(
        "record {}: {free} % of the disk is free, less than the {refuse} % that a new hearing needs: make room, or lower [record] refuse",
        path.display()
    )]
    Full {
        /// The folder of all records.
        path: PathBuf,
        /// Percent free.
        free: u8,
        /// Percent that must be free.
        refuse: u8,
    },
    /// A thread can't be started.
    #[error("the recorder's thread can't be started: {source}")]
    Thread {
        /// What the system says.
        source: std::io::Error,
    },
    /// The writer thread is gone or doesn't keep up with orders.
    #[error("the recorder's writer does not answer")]
    Stopped,
    /// Something could not be written before the end.
    #[error("the end of the record could not be written: {0}")]
    Unwritten(String),
    /// The manifest does not go on.
    #[error("the record's manifest: {0}")]
    Chain(#[from] manifest::Error),
    /// A hearing's key can't be made.
    #[error("no keys for the record: {0}")]
    Key(SignError),
    /// The node's certificate or key can't be used.
    #[error("the node can't sign the record: {0}")]
    Identity(String),
    /// The record has no manifest that could be sealed.
    #[error("the record has no manifest that could be sealed: it could not be opened")]
    NoManifest,
    /// A sheet or an index can't be read.
    #[error("record {}: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No such record.
    #[error("no record of hearing {0} is kept here")]
    Unknown(HearingId),
    /// The container can't be made.
    #[error("matroska: {0}")]
    Matroska(#[from] hearing_proto::matroska::Error),
}

impl Error {
    pub(crate) fn disk(path: &std::path::Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { path, action, source }
    }
}

/// How often tracks may come anew on one leg before its numbers are those of the next.
const STAYS: u32 = 1 << 16;
/// How far before the opening frames are kept, in microseconds. File time 0 lies this long before the opening.
pub const PREROLL: i64 = 3_000_000;

#[cfg(test)]
mod tests;
