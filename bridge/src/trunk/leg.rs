//! A trunk's leg on the router of one hearing: hands frames to the link's task, and what the router asks of the peer's
//! tracks to its control stream.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use hearing_config::{HearingId, TrackId, Zone};
use hearing_proto::wire;
use hearing_signaling::hearing::MediaPlan;
use tokio::sync::{mpsc, watch};
use tracing::debug;

use super::convert;
use super::line::Line;
use super::outbox::Name;
use super::status::{Count, Gauges};
use crate::router::{Control, Delivery, Frame, Layer, LayerSet, Leg, Output, Packet, Path, TrackInfo};

/// What a leg needs.
pub(super) struct Needs {
    pub(super) hearing: HearingId,
    /// The peer's zone.
    pub(super) zone: Zone,
    /// True when the peer is the hearing's home, which also takes what only the record needs.
    pub(super) to_home: bool,
    pub(super) plans: watch::Receiver<Arc<MediaPlan>>,
    pub(super) line: Line,
    pub(super) frames: mpsc::Sender<(Name, Frame)>,
    pub(super) gauges: Arc<Gauges>,
}

/// Never blocks; what does not fit is counted, and the picture waits for its next key frame.
pub(super) struct TrunkLeg {
    needs: Needs,
    /// The tracks that seats of the peer's zone may receive, by the plan that was looked at last.
    audible: BTreeSet<TrackId>,
    broken: BTreeSet<(TrackId, Layer)>,
    outputs: VecDeque<Output>,
}

impl TrunkLeg {
    pub(super) fn new(mut needs: Needs) -> Self {
        let audible = audible(&needs.plans.borrow_and_update(), &needs.zone);
        Self { needs, audible, broken: BTreeSet::new(), outputs: VecDeque::new() }
    }

    /// The router has asked this of the plan that its worker has; here it is asked of the newest one, which the worker may
    /// not have read yet. Looking whether there is a new plan takes no lock.
    fn may(&mut self, track: TrackId) -> bool {
        if self.needs.plans.has_changed().unwrap_or(false) {
            self.audible = audible(&self.needs.plans.borrow_and_update(), &self.needs.zone);
        }
        self.needs.to_home || self.audible.contains(&track)
    }

    fn send(&mut self, track: TrackId, frame: &Frame) {
        let lane = (track, frame.head().layer);
        if frame.head().key {
            self.broken.remove(&lane);
        } else if self.broken.contains(&lane) {
            self.needs.gauges.add(Count::Shed, 1);
            return;
        }
        if self.needs.frames.try_send(((self.needs.hearing, track), frame.clone())).is_err() {
            self.needs.gauges.add(Count::Shed, 1);
            if track.kind.is_picture() {
                self.broken.insert(lane);
                self.outputs.push_back(Output::KeyFrame(track, lane.1));
            }
        }
    }
}

impl Leg for TrunkLeg {
    fn delivery(&self) -> Delivery {
        Delivery::Frames
    }

    fn handle_track(&mut self, _now: Instant, _info: &TrackInfo) {}

    fn handle_track_end(&mut self, _now: Instant, track: TrackId) {
        self.broken.retain(|(broken, _)| *broken != track);
    }

    fn handle_packet(&mut self, _now: Instant, track: TrackId, _packet: &Packet) {
        debug!(%track, "a trunk takes frames, not packets");
        self.needs.gauges.add(Count::Stray, 1);
    }

    fn handle_frame(&mut self, _now: Instant, track: TrackId, frame: &Frame) {
        if self.may(track) {
            self.send(track, frame);
        } else {
            self.needs.gauges.add(Count::Stray, 1);
        }
    }

    fn handle_control(&mut self, _now: Instant, control: Control) {
        let hearing = convert::hearing_to(self.needs.hearing);
        match control {
            Control::KeyFrame(track, layer) => {
                self.needs.line.say(wire::KeyFrame { hearing, track: convert::track_to(track), layer: layer.0 });
            }
            Control::Demand(track, layers) => {
                self.needs.line.say(wire::Subscribe { hearing, track: convert::track_to(track), layers: layers.0 });
            }
            // Pages are not behind trunks.
            Control::Prefer(..) | Control::Rates(..) | Control::Protect(_) => {}
        }
    }

    fn handle_datagram(&mut self, _now: Instant, _path: Path, _datagram: &[u8]) {
        self.needs.gauges.add(Count::Stray, 1);
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn wanted(&self, track: TrackId) -> LayerSet {
        let plan = self.needs.plans.borrow();
        if self.needs.to_home || reaches(&plan, track, &self.needs.zone) { LayerSet::ALL } else { LayerSet::EMPTY }
    }
}

fn audible(plan: &MediaPlan, zone: &Zone) -> BTreeSet<TrackId> {
    plan.rows.iter().map(|row| row.track).filter(|track| reaches(plan, *track, zone)).collect()
}

fn reaches(plan: &MediaPlan, track: TrackId, zone: &Zone) -> bool {
    let there = |seat| plan.seat(seat).is_some_and(|seat| seat.admitted && seat.zone == *zone);
    plan.audience(track).iter().any(there)
}

#[cfg(test)]
mod tests;
