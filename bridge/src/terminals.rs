//! The terminals of this node's zone: every seat of a hearing on which one stands has a keeper, who connects it when the
//! hearing begins, connects it again when it went away, and hangs up when the plan no longer has it. Only this file and node.rs
//! know every protocol.

pub(crate) mod http;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hearing_config::{Endpoint, HearingId, SeatId, Zone};
use hearing_signaling::hearing::MediaPlan;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::endpoint::gb28181::Gb28181;
use crate::endpoint::rtsp::{Camera, Way};
use crate::endpoint::sip::Sip;
use crate::endpoint::terminal::{Call, Cards, Ended, Feeds, Seat};
use crate::net::clock::NodeClock;
use crate::router::WorkerHandle;

/// Connects the terminals of this node's zone. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Terminals {
    parts: Arc<Parts>,
}

/// What terminals need of their node; `None` for a protocol that it does not speak.
pub(crate) struct Parts {
    /// The node's zone: of others it rings nobody.
    pub(crate) zone: Zone,
    /// What makes the one sound and the one picture of a terminal.
    pub(crate) feeds: Feeds,
    /// What makes the test picture and the tone of a trial call.
    pub(crate) cards: Cards,
    /// The node's clock for media.
    pub(crate) clock: NodeClock,
    /// How cameras are asked for their media first.
    pub(crate) cameras: Way,
    /// SIP.
    pub(crate) sip: Option<Sip>,
    /// GB/T 28181.
    pub(crate) gb28181: Option<Gb28181>,
}

/// A terminal that is being kept connected.
struct Kept {
    endpoint: Endpoint,
    stop: CancellationToken,
}

impl Terminals {
    /// Over what the node speaks.
    #[must_use]
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// What the node speaks of that lets in who stands in for a terminal or a device.
    pub(crate) fn stand_ins(&self) -> (Option<Sip>, Option<Gb28181>) {
        (self.parts.sip.clone(), self.parts.gb28181.clone())
    }

    /// Follows a hearing's plans until they end; then every terminal is hung up.
    pub(crate) async fn follow(
        self,
        hearing: HearingId,
        worker: WorkerHandle,
        mut plans: watch::Receiver<Arc<MediaPlan>>,
    ) {
        let (mut kept, mut keepers) = (HashMap::new(), JoinSet::new());
        let _code = self.parts.sip.as_ref().map(|sip| sip.sit(hearing));
        loop {
            let plan = Arc::clone(&plans.borrow_and_update());
            self.apply(&plan, &mut kept, |endpoint, id, stop| {
                let seat = Seat { hearing, seat: id, zone: self.parts.zone.clone(), worker: worker.clone() };
                keepers.spawn(self.clone().keep(endpoint, seat, stop));
            });
            while keepers.try_join_next().is_some() {}
            if plans.changed().await.is_err() {
                break;
            }
        }
        kept.values().for_each(|kept: &Kept| kept.stop.cancel());
        // Each says goodbye; one whose terminal does not answer gives up by itself.
        while keepers.join_next().await.is_some() {}
    }

    /// Begins to keep what the plan has newly, and stops what it has no more.
    fn apply(
        &self,
        plan: &MediaPlan,
        kept: &mut HashMap<SeatId, Kept>,
        mut begin: impl FnMut(Endpoint, SeatId, CancellationToken),
    ) {
        let own = plan.seats.iter().filter(|seat| seat.zone == self.parts.zone);
        let wanted: HashMap<SeatId, &Endpoint> =
            own.filter_map(|seat| Some((seat.id, &seat.terminal.as_ref()?.endpoint))).collect();
        kept.retain(|seat, kept| {
            let stays = wanted.get(seat).is_some_and(|endpoint| **endpoint == kept.endpoint);
            if !stays {
                kept.stop.cancel();
            }
            stays
        });
        for (seat, endpoint) in wanted {
            kept.entry(seat).or_insert_with(|| {
                let stop = CancellationToken::new();
                begin(endpoint.clone(), seat, stop.clone());
                Kept { endpoint: endpoint.clone(), stop }
            });
        }
    }

    /// One terminal, until it is to be stopped.
    async fn keep(self, endpoint: Endpoint, seat: Seat, stop: CancellationToken) {
        let (mut pause, mut wait) = (SHORTEST_PAUSE, Duration::ZERO);
        while !stop.is_cancelled() {
            let (began, call) = (Instant::now(), self.call(&seat, &stop, wait));
            let why = match self.connect(&endpoint, call).await {
                Ended::Stopped => break,
                Ended::Unserved(what) => {
                    warn!(hearing = %seat.hearing, seat = %seat.seat, %endpoint, what, "terminal can't be connected here");
                    break;
                }
                Ended::Gone(why) => why,
            };
            // Whoever was there for a while is rung at once, as after a reboot.
            let settled = began.elapsed() > SETTLED + wait;
            pause = if settled { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            info!(hearing = %seat.hearing, seat = %seat.seat, why, pause = ?pause, "terminal is gone and will be rung again");
            wait = pause;
        }
    }

    async fn connect(&self, endpoint: &Endpoint, call: Call) -> Ended {
        if let (Endpoint::Sip(aor), Some(sip)) = (endpoint, &self.parts.sip) {
            return sip.keep(aor, call).await;
        }
        tokio::select! {
            () = call.stop.cancelled() => return Ended::Stopped,
            () = tokio::time::sleep(call.wait) => {}
        }
        match endpoint {
            Endpoint::Sip(_) => Ended::Unserved("this node has no [sip]"),
            Endpoint::Gb28181(id) => match &self.parts.gb28181 {
                Some(platform) => platform.keep(id, call).await,
                None => Ended::Unserved("this node has no [gb28181]"),
            },
            Endpoint::Rtsp(url) => match Camera::at(url, self.parts.clock) {
                Ok(camera) => camera.pull(call, self.parts.cameras).await,
                Err(why) => Ended::Unserved(why),
            },
            Endpoint::Browser => Ended::Unserved("a browser comes by itself"),
        }
    }

    fn call(&self, seat: &Seat, stop: &CancellationToken, wait: Duration) -> Call {
        Call { seat: seat.clone(), stop: stop.clone(), wait, feeds: Arc::clone(&self.parts.feeds) }
    }
}

/// The first pause before a terminal is rung again; doubled each time.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A terminal that was there for so long had been reached well.
const SETTLED: Duration = Duration::from_secs(20);
