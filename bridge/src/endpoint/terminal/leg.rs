//! A terminal's leg on the router: hands what the seat may have to the terminal's task. What the terminal sends comes from that
//! task by `Command::Say`.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use hearing_config::TrackId;
use metrics::counter;
use tokio::sync::{mpsc, watch};

use super::line::Told;
use crate::router::{
    Control, Delivery, FeedInput, Frame, Layer, LayerSet, Leg, Output, Packet, Path, TrackInfo, Wishes,
};

/// Never blocks. A frame that does not fit is lost, counted, and the picture waits for its next key frame.
pub(super) struct TerminalLeg {
    orders: mpsc::Sender<Told>,
    frames: mpsc::Sender<(TrackId, Frame)>,
    wishes: watch::Receiver<Wishes>,
    broken: BTreeSet<TrackId>,
    outputs: VecDeque<Output>,
}

impl TerminalLeg {
    pub(super) fn new(
        orders: mpsc::Sender<Told>,
        frames: mpsc::Sender<(TrackId, Frame)>,
        wishes: watch::Receiver<Wishes>,
    ) -> Self {
        // The terminal is there already: its task makes the leg when its call is answered.
        Self { orders, frames, wishes, broken: BTreeSet::new(), outputs: VecDeque::from([Output::Connected]) }
    }

    fn order(&mut self, told: Told) {
        if self.orders.try_send(told).is_err() {
            counter!("hearing_terminal_orders_lost_total").increment(1);
            self.outputs.push_back(Output::Closed("the terminal's task stands still".to_owned()));
        }
    }
}

impl Leg for TerminalLeg {
    fn delivery(&self) -> Delivery {
        Delivery::Frames
    }

    fn handle_track(&mut self, _now: Instant, info: &TrackInfo) {
        self.order(Told::Feed(FeedInput::Track(info.clone())));
    }

    fn handle_track_end(&mut self, _now: Instant, track: TrackId) {
        self.broken.remove(&track);
        self.order(Told::Feed(FeedInput::TrackEnd(track)));
    }

    fn handle_packet(&mut self, _now: Instant, _track: TrackId, _packet: &Packet) {}

    fn handle_frame(&mut self, _now: Instant, track: TrackId, frame: &Frame) {
        if frame.head().key {
            self.broken.remove(&track);
        } else if self.broken.contains(&track) {
            counter!("hearing_terminal_frames_lost_total").increment(1);
            return;
        }
        if self.frames.try_send((track, frame.clone())).is_err() {
            counter!("hearing_terminal_frames_lost_total").increment(1);
            if track.kind.is_picture() {
                self.broken.insert(track);
                self.outputs.push_back(Output::KeyFrame(track, frame.head().layer));
            }
        }
    }

    fn handle_control(&mut self, _now: Instant, control: Control) {
        match control {
            Control::KeyFrame(track, Layer(_)) => self.order(Told::KeyFrame(track.kind)),
            Control::Demand(track, layers) => self.order(Told::Demand(track.kind, !layers.is_empty())),
            Control::Protect(protected) => self.order(Told::Feed(FeedInput::Protect(protected))),
            // A terminal has no page, and its feed wishes layers by itself.
            Control::Prefer(..) | Control::Rates(..) => {}
        }
    }

    fn handle_datagram(&mut self, _now: Instant, _path: Path, _datagram: &[u8]) {}

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn wanted(&self, track: TrackId) -> LayerSet {
        self.wishes.borrow().get(&track).copied().unwrap_or(LayerSet::EMPTY)
    }
}
