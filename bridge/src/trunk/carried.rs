//! The hearings that a peer's task carries, and their places on its link.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hearing_config::{HearingId, NodeId, SeatId, TrackId, Zone};
use hearing_signaling::hearing::MediaPlan;
use hearing_signaling::registry::HearingHandle;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::warn;

use super::event::Event;
use super::rank::Rank;
use crate::net::tls::Identity;
use crate::router::{Command, LayerSet, LegId, TrackInfo, WorkerHandle};

/// A hearing that this node carries.
#[derive(Clone)]
pub(super) struct Carry {
    pub(super) hearing: HearingId,
    pub(super) handle: HearingHandle,
    /// Where it is at home; `None`: here.
    pub(super) home: Option<NodeId>,
    pub(super) plans: watch::Receiver<Arc<MediaPlan>>,
    pub(super) worker: WorkerHandle,
}

/// A hearing as this node carries it.
pub(super) struct Carried {
    pub(super) carry: Carry,
    /// The tracks that the router has.
    pub(super) tracks: BTreeMap<TrackId, TrackInfo>,
    /// While the link is up and the hearing goes over it.
    pub(super) joint: Option<Joint>,
    /// When each seat was last heard to speak.
    pub(super) spoke: BTreeMap<SeatId, Instant>,
    pub(super) watcher: AbortHandle,
}

/// A hearing's place on the link.
pub(super) struct Joint {
    pub(super) leg: LegId,
    /// What was let out, by the number that stands for it.
    pub(super) outgoing: BTreeMap<TrackId, Outgoing>,
    /// What was let in.
    pub(super) incoming: BTreeMap<TrackId, u32>,
}

/// A track that was let out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outgoing {
    pub(super) flow: u32,
    pub(super) rank: Rank,
    /// The layers that the line has room for.
    pub(super) room: LayerSet,
    /// True while it has none for any of it.
    pub(super) held: bool,
}

impl Carried {
    pub(super) fn plan(&self) -> Arc<MediaPlan> {
        self.carry.plans.borrow().clone()
    }

    /// A hearing at home here goes to every zone that has a seat in it; one at home elsewhere only to its home, once that
    /// has announced it (`present`).
    pub(super) fn belongs(&self, peer: &Identity, present: bool) -> bool {
        match &self.carry.home {
            None => self.has_seat_in(&peer.zone),
            Some(home) => *home == peer.node && present,
        }
    }

    /// The seats that spoke a moment ago.
    pub(super) fn speaking(&self) -> Vec<SeatId> {
        self.spoke.keys().copied().collect()
    }

    pub(super) fn has_seat_in(&self, zone: &Zone) -> bool {
        self.plan().seats.iter().any(|seat| seat.zone == *zone)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

pub(super) async fn watch_plans(
    hearing: HearingId,
    mut plans: watch::Receiver<Arc<MediaPlan>>,
    events: mpsc::WeakSender<Event>,
) {
    plans.mark_unchanged();
    while plans.changed().await.is_ok() {
        let Some(events) = events.upgrade() else { return };
        if events.send(Event::Planned(hearing)).await.is_err() {
            return;
        }
    }
}

/// A leg that stays behind would publish tracks that nobody sends; so the worker's queue is waited for.
pub(super) async fn detach(carry: &Carry, leg: LegId) {
    let detach = || Command::Detach { hearing: carry.hearing, leg };
    for _ in 0..DETACH_TRIES {
        if carry.worker.send(detach()).is_ok() {
            return;
        }
        tokio::time::sleep(DETACH_PAUSE).await;
    }
    warn!(hearing = %carry.hearing, leg = leg.0, "the media worker does not take a trunk's leg off");
}

const DETACH_TRIES: usize = 100;
const DETACH_PAUSE: Duration = Duration::from_millis(10);
