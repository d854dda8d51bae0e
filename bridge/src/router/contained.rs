//! A leg behind a wall: a fault in its code that panics costs nobody but whoever sits there. The worker, which carries other
//! people's hearings, goes on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use hearing_config::{Kind, TrackId};
use tracing::error;

use super::leg::{Control, Delivery, IceRestart, Leg, Output, Path};
use super::packet::{Frame, LayerSet, Packet};
use super::rendition::CodecSet;
use super::track::TrackInfo;

/// After a panic it does nothing any more and says [`Output::Closed`] once.
pub(super) struct Contained {
    leg: Option<Box<dyn Leg>>,
    delivery: Delivery,
    /// What the panic said, until the router has heard of it.
    panic: Option<String>,
    /// True until the panic is counted.
    fallen: bool,
}

impl Contained {
    pub(super) fn new(leg: Box<dyn Leg>) -> Self {
        let mut contained = Self { leg: Some(leg), delivery: Delivery::Packets, panic: None, fallen: false };
        if let Some(delivery) = contained.call(|leg| leg.delivery()) {
            contained.delivery = delivery;
        }
        contained
    }

    pub(super) const fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// True when it has panicked and the router has not heard of it.
    pub(super) const fn has_news(&self) -> bool {
        self.panic.is_some()
    }

    /// True once, after it has panicked.
    pub(super) const fn take_fallen(&mut self) -> bool {
        std::mem::replace(&mut self.fallen, false)
    }

    pub(super) fn handle_track(&mut self, now: Instant, info: &TrackInfo) {
        self.call(|leg| leg.handle_track(now, info));
    }

    pub(super) fn handle_track_end(&mut self, now: Instant, track: TrackId) {
        self.call(|leg| leg.handle_track_end(now, track));
    }

    pub(super) fn handle_packet(&mut self, now: Instant, track: TrackId, packet: &Packet) {
        self.call(|leg| leg.handle_packet(now, track, packet));
    }

    pub(super) fn handle_frame(&mut self, now: Instant, track: TrackId, frame: &Frame) {
        self.call(|leg| leg.handle_frame(now, track, frame));
    }

    pub(super) fn handle_control(&mut self, now: Instant, control: Control) {
        self.call(|leg| leg.handle_control(now, control));
    }

    pub(super) fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        self.call(|leg| leg.handle_datagram(now, path, datagram));
    }

    /// False when there is no leg any more, or it has no client that could.
    pub(super) fn handle_restart(&mut self, now: Instant, restart: IceRestart) -> bool {
        self.call(|leg| leg.handle_restart(now, restart)).unwrap_or(false)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.call(|leg| leg.handle_timeout(now));
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        self.call(|leg| leg.poll_timeout()).flatten()
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        let output = self.call(|leg| leg.poll_output()).flatten();
        output.or_else(|| Some(Output::Closed(format!("a fault in this program: {}", self.panic.take()?))))
    }

    pub(super) fn wanted(&mut self, track: TrackId) -> LayerSet {
        self.call(|leg| leg.wanted(track)).unwrap_or_default()
    }

    pub(super) fn takes(&mut self, kind: Kind) -> CodecSet {
        self.call(|leg| leg.takes(kind)).unwrap_or(CodecSet::NONE)
    }

    /// `None` when there is no leg any more.
    fn call<T>(&mut self, act: impl FnOnce(&mut dyn Leg) -> T) -> Option<T> {
        let leg = self.leg.as_mut()?;
        // What the panic left half done belongs to the leg, which is never touched again.
        match catch_unwind(AssertUnwindSafe(|| act(leg.as_mut()))) {
            Ok(value) => Some(value),
            Err(panic) => {
                self.give_up(words(panic.as_ref()));
                None
            }
        }
    }

    fn give_up(&mut self, what: String) {
        error!(panic = what, "a leg panicked and is taken off; please report this");
        // Dropping what is half done may panic as well; that is no news then.
        let leg = self.leg.take();
        drop(catch_unwind(AssertUnwindSafe(|| drop(leg))));
        (self.panic, self.fallen) = (Some(what), true);
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".to_owned())
}

#[cfg(test)]
mod tests;
