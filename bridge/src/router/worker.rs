//! What a worker is told and what it reports. Its queues are in worker/queue.rs, its thread in worker/thread.rs.

mod queue;
mod thread;

use std::sync::Arc;

use hearing_config::{Codec, HearingId, SeatId, TrackId, Zone};
use hearing_signaling::hearing::{MediaPlan, SeatQuality};
use hearing_signaling::http::Size;
use tokio::sync::{mpsc, oneshot};

use super::far::Lodge;
use super::leg::{IceRestart, Leg, LegId, Output, Place};
use super::packet::{Frame, Layer, LayerSet};
use super::track::TrackInfo;

pub(super) use queue::Bell;
pub use queue::{Full, WorkerHandle};
#[cfg(test)]
pub(super) use queue::{Inbox, Taken, queue};
pub use thread::Worker;

/// What a worker is told. The queue is bounded; media that does not fit is counted as lost.
pub enum Command {
    /// Begins to carry a hearing; `events` is where its router reports. Reports that do not fit are counted.
    Open {
        /// The hearing.
        hearing: HearingId,
        /// This node's zone.
        zone: Zone,
        /// Where its router reports.
        events: mpsc::Sender<Event>,
    },
    /// Ends a hearing and all of its legs.
    Close {
        /// The hearing.
        hearing: HearingId,
    },
    /// The plan in force from now on.
    Plan {
        /// The hearing.
        hearing: HearingId,
        /// The plan.
        plan: Arc<MediaPlan>,
    },
    /// Hangs a leg on a hearing's router. A leg of the same seat that was there before is closed.
    Attach(Attach),
    /// Takes in a session of a hearing that another worker owns; see [`attach`](super::attach).
    Lodge(Lodge),
    /// Takes a leg off.
    Detach {
        /// The hearing.
        hearing: HearingId,
        /// The leg.
        leg: LegId,
    },
    /// A trunk's peer publishes a track; the gate has let it in.
    Announce {
        /// The hearing.
        hearing: HearingId,
        /// The trunk's leg.
        leg: LegId,
        /// The track.
        info: TrackInfo,
    },
    /// A trunk's peer no longer publishes a track.
    Withdraw {
        /// The hearing.
        hearing: HearingId,
        /// The leg.
        leg: LegId,
        /// The track.
        track: TrackId,
    },
    /// A frame of an announced track.
    Inject {
        /// The hearing.
        hearing: HearingId,
        /// The leg.
        leg: LegId,
        /// The track.
        track: TrackId,
        /// The frame, whole.
        frame: Frame,
    },
    /// What a leg says whose session lives elsewhere, in a task or on another worker: the same as if the router had drained it from the leg.
    Say {
        /// The hearing.
        hearing: HearingId,
        /// The leg.
        leg: LegId,
        /// What it says, in order. Packets and other things never come together.
        outputs: Vec<Output>,
    },
    /// What a trunk's peer takes of a track from here; the gate has let it out. Empty: nothing any more.
    Demand {
        /// The hearing.
        hearing: HearingId,
        /// The leg.
        leg: LegId,
        /// The track.
        track: TrackId,
        /// The layers that the peer takes.
        layers: LayerSet,
    },
    /// A trunk's peer needs a key frame, or something of a terminal's picture was lost on its way here.
    KeyFrame {
        /// The hearing.
        hearing: HearingId,
        /// The track.
        track: TrackId,
        /// The layer.
        layer: Layer,
    },
    /// A page tells how large it shows a track.
    Prefer {
        /// The hearing.
        hearing: HearingId,
        /// The seat whose page it is.
        seat: SeatId,
        /// The track.
        track: TrackId,
        /// How large.
        size: Size,
    },
    /// A leg's client begins anew on another network; for the worker on which its session lives.
    Restart {
        /// The hearing.
        hearing: HearingId,
        /// The leg.
        leg: LegId,
        /// The new credentials.
        restart: IceRestart,
        /// True when the leg was there; else its client has to make a new one.
        reply: oneshot::Sender<bool>,
    },
    /// Counters, for metrics and the board.
    Report {
        /// Where the counters go.
        reply: oneshot::Sender<Report>,
    },
}

/// A leg to hang on a router.
pub struct Attach {
    /// The hearing.
    pub hearing: HearingId,
    /// The leg's id, unique in the process.
    pub id: LegId,
    /// Where it stands.
    pub place: Place,
    /// The local ICE user fragment by which its first datagrams are known; `None` for legs without datagrams.
    pub ufrag: Option<String>,
    /// The leg.
    pub leg: Box<dyn Leg>,
}

/// What a hearing's router reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A seat's endpoint is connected.
    Connected(SeatId),
    /// A seat's endpoint is gone.
    Disconnected(SeatId, String),
    /// A seat's user closed its endpoint.
    Left(SeatId),
    /// A leg of a trunk or the recorder closed itself.
    LegClosed(LegId, String),
    /// A track is here: published by a local leg, or announced over a trunk.
    TrackUp(TrackInfo),
    /// A track is gone.
    TrackDown(TrackId),
    /// Who speaks at this node's seats and those of its peers, loudest first; sent when it changes.
    Speaking(Vec<SeatId>),
    /// The layers of a track that its publisher's page is to send, and no others.
    Active(TrackId, LayerSet),
    /// Somebody needs a track in another codec, or nobody does any more.
    Rendition {
        /// The track as it comes.
        info: TrackInfo,
        /// The codec that is needed.
        codec: Codec,
        /// False when nobody takes it any more.
        wanted: bool,
    },
    /// A seat's figures.
    Quality(SeatId, SeatQuality),
}

/// How a worker is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Its tracks.
    pub tracks: Vec<TrackReport>,
    /// Legs that panicked and were taken off since it began: any is a fault of this program.
    pub leg_panics: u64,
}

/// The counters of one track at one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackReport {
    /// The hearing.
    pub hearing: HearingId,
    /// The track.
    pub info: TrackInfo,
    /// Packets that came in.
    pub packets: u64,
    /// Bytes of payload that came in.
    pub bytes: u64,
    /// Gaps in the order that nothing filled.
    pub lost: u64,
    /// Legs that take it now.
    pub subscribers: u32,
}
