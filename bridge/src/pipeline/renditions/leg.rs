//! The router's end of a rendition: hands on the frames of one layer, and what is asked of it. It never waits.

use std::time::Instant;

use hearing_config::TrackId;
use tokio::sync::mpsc;

use crate::pipeline::intake::Intake;
use crate::router::{Control, Delivery, Frame, LayerSet, Leg, Output, Packet, Path, TrackInfo};

/// What the router has for whoever makes a rendition.
#[derive(Debug)]
pub(super) enum Given {
    /// A frame of the track.
    Frame(Frame),
    /// A subscriber needs a key frame of the rendition.
    KeyFrame,
}

pub(super) struct RenditionLeg {
    to: mpsc::Sender<Given>,
    intake: Intake,
}

impl RenditionLeg {
    pub(super) fn new(to: mpsc::Sender<Given>) -> Self {
        Self { to, intake: Intake::new(Instant::now()) }
    }

    fn give(&self, given: Given) -> bool {
        let taken = self.to.try_send(given).is_ok();
        if !taken {
            metrics::counter!("hearing_pipeline_frames_lost_total").increment(1);
        }
        taken
    }
}

impl Leg for RenditionLeg {
    fn delivery(&self) -> Delivery {
        Delivery::Frames
    }

    fn handle_track(&mut self, now: Instant, info: &TrackInfo) {
        self.intake.begin(now, info);
    }

    fn handle_track_end(&mut self, _now: Instant, track: TrackId) {
        self.intake.end(track);
    }

    fn handle_packet(&mut self, _now: Instant, _track: TrackId, _packet: &Packet) {}

    fn handle_frame(&mut self, now: Instant, track: TrackId, frame: &Frame) {
        if self.intake.take(now, track, frame) && !self.give(Given::Frame(frame.clone())) {
            self.intake.ask(now, track);
        }
    }

    fn handle_control(&mut self, _now: Instant, control: Control) {
        match control {
            // One that does not fit is asked for again by whoever needs it.
            Control::KeyFrame(..) => drop(self.give(Given::KeyFrame)),
            Control::Demand(..) | Control::Prefer(..) | Control::Rates(..) | Control::Protect(_) => {}
        }
    }

    fn handle_datagram(&mut self, _now: Instant, _path: Path, _datagram: &[u8]) {}

    fn handle_timeout(&mut self, now: Instant) {
        self.intake.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.intake.poll_timeout()
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.intake.poll_output()
    }

    fn wanted(&self, track: TrackId) -> LayerSet {
        self.intake.wanted(track)
    }
}

/// Frames that may wait for the task, about 4 s of picture.
pub(super) const QUEUE: usize = 128;
