//! QUIC between zones: one mutually authenticated link to every configured peer, one task that owns all about it.
//! See docs/design/trunk.md.

mod calls;
mod carried;
mod cause;
mod clock;
mod control;
mod convert;
mod dial;
mod edge;
mod event;
mod flows;
mod former;
mod gate;
mod home;
mod inbox;
mod late;
mod leg;
mod line;
mod link;
mod listen;
mod narrow;
mod outbox;
mod peer;
mod rank;
mod rate;
mod receive;
mod redundancy;
mod revoke;
mod send;
mod settings;
mod standby;
mod start;
mod status;
mod tracks;
mod transport;
mod witness;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Duration;

use hearing_config::{HearingId, NodeId, Role, SeatId, TrackId, Zone};
use hearing_proto::manifest::{Cosignature, Request};
use hearing_proto::wire;
use hearing_signaling::registry::{HearingHandle, Refusal};
use quinn::Endpoint;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::net::tls::Identity;
use crate::router::{LegId, TrackInfo, WorkerHandle};
use carried::Carry;
use event::Event;
use peer::Shared;
use status::Gauges;

pub use cause::{Cause, Fault};
pub use flows::{FlowReport, FlowWay};
pub use gate::{CrossingVerdict, GateSide};
pub use late::{FetchError, Lack, LateAsk, LatePiece};
pub use settings::{PeerSettings, Settings};
pub use start::Error;
pub use status::TrunkStatus;
pub use witness::{Unwitnessed, Witnesses};

/// All trunks of a node. Cheap to clone; the links end when the last one is dropped.
#[derive(Clone)]
pub struct Trunks {
    shared: Arc<Shared>,
    peers: Arc<[Trunk]>,
    endpoints: Arc<[Endpoint]>,
    _tasks: Arc<JoinSet<()>>,
}

/// The way to one peer's task.
struct Trunk {
    peer: Identity,
    gauges: Arc<Gauges>,
    events: mpsc::Sender<Event>,
}

/// What peers ask of this node that is not a trunk's to answer.
#[derive(Debug)]
pub struct Asked {
    /// Rehearsals. While nobody takes them, peers are told that this node can't.
    pub rehearsals: mpsc::Receiver<Rehearsal>,
    /// Late media. While nobody takes it, peers are told that there is none.
    pub late: mpsc::Receiver<LateAsk>,
}

/// A peer, home of a hearing, wants this node to put headless participants on the seats of its zone.
#[derive(Debug)]
pub struct Rehearsal {
    /// What to rehearse.
    pub ask: wire::Rehearse,
    /// Where the report goes; dropped, it says that this node can't.
    pub reply: oneshot::Sender<wire::RehearseReport>,
}

impl Rehearsal {
    /// The hearing that it is for.
    #[must_use]
    pub const fn hearing(&self) -> HearingId {
        convert::hearing_from(self.ask.hearing)
    }
}

/// What a peer is asked for: to take these seats of its zone, each with the secret of its link.
#[must_use]
pub fn rehearsal(hearing: HearingId, seats: Vec<(SeatId, String, Role, String)>, seconds: u16) -> wire::Rehearse {
    let seats = seats.into_iter().map(|(seat, name, role, link)| {
        let role = convert::role_to(role);
        wire::RehearseSeat { seat: seat.0, name, role, link }
    });
    wire::Rehearse { hearing: convert::hearing_to(hearing), seats: seats.collect(), seconds }
}

/// Why a peer did not rehearse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RehearseError {
    /// No trunk leads there.
    #[error("no [[trunk]] leads to zone {0}")]
    NoTrunk(Zone),
    /// The line is down, or went down meanwhile.
    #[error("the line is down")]
    LineDown,
    /// The peer can't: it does not carry the hearing, or rehearses already.
    #[error("the peer cannot rehearse now")]
    Declined,
    /// No report in time.
    #[error("the peer sent no report in time")]
    Late,
}

impl Trunks {
    /// Carries a hearing that the media worker has opened: at home here (`home` is `None`) to every peer whose zone has a
    /// seat in it, at home elsewhere to its home.
    ///
    /// # Errors
    /// When the hearing does not tell its plan.
    pub async fn carry(
        &self,
        hearing: HearingId,
        handle: HearingHandle,
        home: Option<NodeId>,
        worker: WorkerHandle,
    ) -> Result<(), Refusal> {
        let plans = handle.plans().await?;
        let carry = Carry { hearing, handle, home, plans, worker };
        self.tell_all(|| Event::Carry(carry.clone())).await;
        Ok(())
    }

    /// No longer carries a hearing; call it before the worker closes the hearing.
    pub async fn drop_hearing(&self, hearing: HearingId) {
        self.tell_all(|| Event::Drop(hearing)).await;
    }

    /// The hearing's router has a track, published here or announced over another trunk.
    pub async fn track_up(&self, hearing: HearingId, info: TrackInfo) {
        self.tell_all(|| Event::TrackUp(hearing, info.clone())).await;
    }

    /// The router no longer has it.
    pub async fn track_down(&self, hearing: HearingId, track: TrackId) {
        self.tell_all(|| Event::TrackDown(hearing, track)).await;
    }

    /// Who speaks in a hearing now: their pictures go first on a line that is too narrow.
    pub async fn speaking(&self, hearing: HearingId, seats: Vec<SeatId>) {
        self.tell_all(|| Event::Speaking(hearing, seats.clone())).await;
    }

    /// What became of every track on every trunk, by peer.
    #[must_use]
    pub fn flows(&self) -> Vec<(NodeId, FlowReport)> {
        let of = |trunk: &Trunk| {
            let peer = trunk.peer.node.clone();
            trunk.gauges.flows.report().into_iter().map(move |flow| (peer.clone(), flow))
        };
        self.peers.iter().flat_map(of).collect()
    }

    /// A leg of the hearing's router has ended by itself; if it was a trunk's, that link is made anew.
    pub async fn leg_closed(&self, hearing: HearingId, leg: LegId) {
        self.tell_all(|| Event::LegClosed(hearing, leg)).await;
    }

    /// Every trunk as it is now, in the order of the configuration.
    #[must_use]
    pub fn status(&self) -> Vec<TrunkStatus> {
        self.peers.iter().map(|trunk| trunk.gauges.status()).collect()
    }

    /// What the gates said last of each track, oldest first; the last thousand are kept.
    #[must_use]
    pub fn verdicts(&self) -> Vec<CrossingVerdict> {
        self.shared.gate.verdicts()
    }

    /// The file of what this node has witnessed of a hearing's record.
    #[must_use]
    pub fn witnessed(&self, hearing: HearingId) -> std::path::PathBuf {
        self.shared.witnesses.file(hearing)
    }

    /// Every verdict of the gates from now on; a receiver that lags is told how many it missed.
    #[must_use]
    pub fn crossings(&self) -> broadcast::Receiver<CrossingVerdict> {
        self.shared.gate.subscribe()
    }

    /// Has a node of another zone cosign a checkpoint: the first in the order of the configuration whose line is up.
    ///
    /// # Errors
    /// Every [`Unwitnessed`].
    pub async fn witness(&self, hearing: HearingId, request: Request) -> Result<Cosignature, Unwitnessed> {
        let own = &self.shared.own.zone;
        let up = self.peers.iter().find(|trunk| trunk.peer.zone != *own && trunk.gauges.status().up);
        let trunk = up.ok_or(Unwitnessed::Nobody)?;
        let (reply, answer) = oneshot::channel();
        let sent = trunk.events.send(Event::Witness(hearing, Box::new(request), reply)).await;
        sent.map_err(|_| Unwitnessed::Nobody)?;
        match tokio::time::timeout(WITNESS_LIMIT, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(Unwitnessed::Unanswered),
        }
    }

    /// Has the node of another zone rehearse a hearing that is at home here.
    ///
    /// # Errors
    /// Every [`RehearseError`]; [`RehearseError::Late`] a minute after the report is due.
    pub async fn rehearse(&self, zone: &Zone, rehearse: wire::Rehearse) -> Result<wire::RehearseReport, RehearseError> {
        let trunk = self.peers.iter().find(|trunk| trunk.peer.zone == *zone);
        let trunk = trunk.ok_or_else(|| RehearseError::NoTrunk(zone.clone()))?;
        let limit = Duration::from_secs(u64::from(rehearse.seconds)) + REHEARSE_SLACK;
        let (reply, answer) = oneshot::channel();
        let sent = trunk.events.send(Event::Rehearse(rehearse, reply)).await;
        sent.map_err(|_| RehearseError::LineDown)?;
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(RehearseError::LineDown),
            Err(_) => Err(RehearseError::Late),
        }
    }

    /// Closes every link in good order; takes a second at most.
    pub async fn stop(&self) {
        self.tell_all(|| Event::Stop).await;
        for endpoint in self.endpoints.iter() {
            endpoint.close(Cause::Shutdown.code(), Cause::Shutdown.word().as_bytes());
            // The close frames are on their way then; who does not get them hears silence.
            drop(tokio::time::timeout(Duration::from_secs(1), endpoint.wait_idle()).await);
        }
    }

    /// A peer's task that is gone has nothing left to be told.
    async fn tell_all(&self, event: impl Fn() -> Event) {
        for trunk in self.peers.iter() {
            drop(trunk.events.send(event()).await);
        }
    }
}

/// How long a witness may take.
const WITNESS_LIMIT: Duration = Duration::from_secs(3);
const REHEARSE_SLACK: Duration = Duration::from_secs(60);
